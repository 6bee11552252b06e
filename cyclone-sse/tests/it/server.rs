//! In axum, on a real socket.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use cyclone_core::{Resources, Session, SharedBus, SharedLog};
use cyclone_sse::{Broker, DecodedEvent, Decoder, Event, EventStream, last_event_id};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

async fn news(State(broker): State<Broker>, request: Request) -> impl IntoResponse {
    match broker
        .channel("news")
        .subscribe(last_event_id(&request))
        .await
    {
        Ok(events) => Ok(EventStream::follow(events).respond(&request)),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// A server, and what stops it as cyclone's own would.
struct Server {
    port: u16,
    broker: Broker,
    draining: CancellationToken,
    running: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start() -> std::io::Result<Self> {
        let broker = Broker::new(SharedBus::local(), SharedLog::memory());
        let draining = CancellationToken::new();
        let (drain, stop) = (draining.clone(), draining.clone());
        let router = Router::new()
            .route("/news", get(news))
            .layer(axum::middleware::from_fn(
                move |mut request: Request, next: axum::middleware::Next| {
                    let session = Session::controlled(
                        Resources::default(),
                        drain.clone(),
                        CancellationToken::new(),
                    );
                    request.extensions_mut().insert(session);
                    next.run(request)
                },
            ))
            .with_state(broker.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let running = tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
        });
        Ok(Self {
            port,
            broker,
            draining,
            running,
        })
    }

    /// HTTP/1.0, so that the body comes as it is and ends with the connection.
    async fn get(&self, path: &str, headers: &str) -> std::io::Result<Browser> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        Ok(Browser {
            socket,
            head,
            decoder: Decoder::new(),
        })
    }

    async fn publish(&self, text: &str) -> std::io::Result<()> {
        let event = Event::text(text);
        let published = self.broker.channel("news").publish(&event).await;
        published.map(drop).map_err(std::io::Error::other)
    }
}

struct Browser {
    socket: TcpStream,
    head: String,
    decoder: Decoder,
}

impl Browser {
    async fn read(&mut self) -> std::io::Result<usize> {
        let mut buffer = [0; 4096];
        let count = self.socket.read(&mut buffer).await?;
        self.decoder
            .feed(&buffer[..count])
            .map_err(std::io::Error::other)?;
        Ok(count)
    }

    async fn event(&mut self) -> std::io::Result<Option<DecodedEvent>> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Ok(Some(event));
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn data(&mut self) -> std::io::Result<String> {
        let event = self.event().await?;
        Ok(event.map_or_else(|| "<end>".into(), |event| event.data))
    }
}

#[tokio::test]
async fn a_browser_follows_loses_its_connection_and_comes_back() -> std::io::Result<()> {
    let server = Server::start().await?;
    let mut browser = server.get("/news", "").await?;
    assert!(browser.head.starts_with("http/1.0 200"), "{}", browser.head);
    for header in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-cache, no-transform\r\n",
        "x-accel-buffering: no\r\n",
    ] {
        assert!(browser.head.contains(header), "{}", browser.head);
    }
    assert!(!browser.head.contains("content-length"));
    while browser.decoder.last_event_id().is_empty() {
        assert!(
            browser.read().await? > 0,
            "the position comes before any event"
        );
    }
    server.publish("one").await?;
    server.publish("two\r\nlines").await?;
    assert_eq!(browser.data().await?, "one");
    let event = browser.event().await?.map(|event| (event.name, event.data));
    assert_eq!(event, Some(("message".into(), "two\nlines".into())));
    let id = browser.decoder.last_event_id().to_owned();
    drop(browser);
    server.publish("three").await?;
    let mut back = server
        .get("/news", &format!("Last-Event-ID: {id}\r\n"))
        .await?;
    assert_eq!(back.data().await?, "three");
    let mut polyfill = server.get(&format!("/news?last-event-id={id}"), "").await?;
    assert_eq!(polyfill.data().await?, "three");
    server.publish("four").await?;
    assert_eq!(back.data().await?, "four");
    assert_eq!(polyfill.data().await?, "four");
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_is_noticed() -> std::io::Result<()> {
    let server = Server::start().await?;
    let browser = server.get("/news", "").await?;
    let channel = server.broker.channel("news");
    assert_eq!(channel.clients().await, 1);
    drop(browser);
    while channel.clients().await > 0 {
        server.publish("anybody").await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// tokio-rs/axum#2673: an open event stream blocks graceful shutdown for ever.
#[tokio::test]
async fn open_streams_do_not_hold_up_a_shutdown() -> std::io::Result<()> {
    let server = Server::start().await?;
    let mut browser = server.get("/news", "").await?;
    server.publish("one").await?;
    assert_eq!(browser.data().await?, "one");
    server.draining.cancel();
    assert_eq!(browser.data().await?, "<end>");
    assert!(browser.decoder.retry().is_some());
    server.running.await.map_err(std::io::Error::other)?
}

#[tokio::test]
async fn hostile_ids_get_a_resync_and_nothing_else() -> std::io::Result<()> {
    let server = Server::start().await?;
    server.publish("one").await?;
    for id in [
        "x",
        "0-0\u{2028}",
        "18446744073709551615-18446744073709551615",
        &"9".repeat(10_000),
    ] {
        let mut browser = server
            .get("/news", &format!("last-event-id: {id}\r\n"))
            .await?;
        let event = browser.event().await?;
        assert_eq!(event.map(|event| event.name), Some("resync".into()), "{id}");
    }
    Ok(())
}
