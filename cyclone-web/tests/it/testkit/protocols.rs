//! WebSockets, event streams, streamed answers, and how they end.

use std::time::Duration;

use bytes::Bytes;
use cyclone_web::sse::{Event, EventStream};
use cyclone_web::test::{TestClient, TestErrorKind, TestMessage};
use cyclone_web::websocket::{Message, Result as WsResult, WebSocket, WebSocketHandler};
use cyclone_web::{Application, Error, RequestContext, Result};
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use tokio::sync::mpsc;

struct Echo;

impl WebSocketHandler for Echo {
    async fn open(&mut self, socket: &WebSocket) -> WsResult {
        socket.send("welcome").await?;
        Ok(())
    }

    async fn message(&mut self, socket: &WebSocket, message: Message) -> WsResult {
        socket.send(message).await?;
        Ok(())
    }

    fn select_subprotocol(&mut self, offered: &[&str]) -> Option<String> {
        offered.last().map(|name| (*name).to_owned())
    }
}

async fn chat(cx: &mut RequestContext) -> Result {
    if cx.cookie("user").is_none() {
        return Err(Error::new(StatusCode::FORBIDDEN));
    }
    cx.websocket(Echo)
}

async fn news(cx: &mut RequestContext) -> Result {
    let first = cx
        .last_event_id()
        .and_then(|id| id.parse().ok())
        .unwrap_or(0);
    let event = |id: u32| {
        let event = Event::text(format!("news {id}"));
        event.id(id.to_string()).unwrap()
    };
    let events: Vec<Event> = (first + 1..=3).map(event).collect();
    let events = stream::iter(events).chain(stream::pending());
    cx.event_stream(EventStream::new(events))
}

async fn ticks(cx: &mut RequestContext) -> Result {
    for tick in 0..3 {
        cx.write(format!("tick {tick}\n"));
        cx.flush().await?;
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    cx.finish()
}

fn app() -> Application {
    Application::new()
        .get("/chat", chat)
        .get("/news", news)
        .get("/ticks", ticks)
}

#[tokio::test]
async fn a_websocket_from_the_opening_to_the_end() {
    let client = TestClient::new(app());
    let refused = client.websocket("/chat").await.unwrap_err();
    assert_eq!(refused.kind(), TestErrorKind::Refused);
    assert_eq!(refused.status(), Some(StatusCode::FORBIDDEN));

    client.set_cookie("user", "alice");
    let request = client.get("/chat").subprotocols(&["a", "b"]);
    let mut socket = request.websocket().await.unwrap();
    assert_eq!(socket.subprotocol(), Some("b"));
    assert_eq!(socket.receive_text().await.unwrap(), "welcome");
    socket.send_text("hello").await.unwrap();
    assert_eq!(socket.receive_text().await.unwrap(), "hello");
    socket.send_binary(&b"\0\xff"[..]).await.unwrap();
    let bytes = Bytes::from_static(b"\0\xff");
    assert_eq!(
        socket.receive().await.unwrap(),
        Some(TestMessage::Binary(bytes))
    );
    socket.ping("p").await.unwrap();
    let pong = TestMessage::Pong(Bytes::from_static(b"p"));
    assert_eq!(socket.receive().await.unwrap(), Some(pong));
    socket.close(4000, "enough").await.unwrap();
    assert_eq!(socket.closed().await.unwrap(), Some((4000, String::new())));
}

/// RFC 6455, section 7.4.1: a server that goes away says 1001.
#[tokio::test]
async fn a_shutdown_is_told_and_a_cut_is_not() {
    let client = TestClient::new(app());
    client.set_cookie("user", "alice");
    let mut socket = client.websocket("/chat").await.unwrap();
    let mut events = client.events("/news").await.unwrap();
    assert_eq!(socket.receive_text().await.unwrap(), "welcome");
    assert_eq!(events.next().await.unwrap().unwrap().data, "news 1");
    client.drain();
    assert_eq!(socket.closed().await.unwrap().unwrap().0, 1001);
    while events.next().await.unwrap().is_some() {}

    let client = TestClient::new(app());
    let mut stream = client.get("/ticks").stream().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "tick 0\n");
    client.cut();
    let error = stream.chunk().await.unwrap_err();
    assert_eq!(error.kind(), TestErrorKind::Connection);
}

#[tokio::test]
async fn events_are_read_and_gone_on_with() {
    let client = TestClient::new(app());
    let mut events = client.events("/news").await.unwrap();
    for expected in ["news 1", "news 2"] {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!((&*event.name, &*event.data), ("message", expected));
    }
    let last = events.last_event_id().to_owned();
    assert_eq!(last, "2");
    assert_eq!(
        events.head().header("cache-control"),
        Some("no-cache, no-transform")
    );
    drop(events);
    let again = client.get("/news").last_event_id(&last).events();
    let event = again.await.unwrap().next().await.unwrap().unwrap();
    assert_eq!(event.data, "news 3");
    let error = client.events("/ticks").await.unwrap_err();
    assert_eq!(error.kind(), TestErrorKind::Response);
}

/// Two hours pass between the pieces, and no time.
#[tokio::test(start_paused = true)]
async fn a_streamed_answer_comes_piece_by_piece() {
    let client = TestClient::new(app());
    let mut stream = client.get("/ticks").stream().await.unwrap();
    assert_eq!(
        (stream.status(), stream.header("content-length")),
        (StatusCode::OK, None)
    );
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "tick 0\n");
    let rest = stream.finish().await.unwrap();
    assert_eq!(rest.text(), "tick 1\ntick 2\n");
}

/// The client goes away, and the handler ends: one that writes nothing more after the time for clients that have only
/// closed their half.
#[tokio::test(start_paused = true)]
async fn dropping_an_answer_ends_its_handler() {
    struct Told(mpsc::UnboundedSender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    impl cyclone_web::RequestHandler for Told {
        async fn get(&self, cx: &mut RequestContext) -> Result {
            let _told = Told(self.0.clone());
            cx.write("begun");
            cx.flush().await?;
            std::future::pending().await
        }
    }
    let (told, mut ended) = mpsc::unbounded_channel();
    let client = TestClient::new(Application::new().route("/", Told(told)));
    let mut stream = client.get("/").stream().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "begun");
    assert!(ended.try_recv().is_err());
    drop(stream);
    ended.recv().await.unwrap();
}
