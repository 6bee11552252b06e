//! Flushed responses: back-pressure, disconnects, ends that are told exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cyclone_web::{Application, Ending, Error, Finish, RequestContext, RequestHandler, Result};
use http::Method;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::support::{call, exchange, get, listen, text};

/// What the stream does after its first flush.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Finish,
    Fail,
    Panic,
    Wait,
    /// Finishes; `content-length` says so many bytes.
    Declare(u8),
}

struct Stream {
    then: Then,
    flushed: Arc<AtomicUsize>,
    ends: mpsc::UnboundedSender<(Ending, u64)>,
    closes: Arc<AtomicUsize>,
}

impl RequestHandler for Stream {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        cx.set_header("x-early", "1")?;
        if let Then::Declare(bytes) = self.then {
            cx.set_header("content-length", bytes.to_string())?;
        }
        cx.write("one ");
        cx.flush().await?;
        self.flushed.fetch_add(1, Ordering::SeqCst);
        match self.then {
            Then::Finish | Then::Declare(_) => {}
            Then::Fail => return Err(Error::internal("on purpose")),
            Then::Panic => panic!("on purpose"),
            Then::Wait => std::future::pending().await,
        }
        cx.write("two ");
        cx.flush().await?;
        cx.write("three");
        cx.finish()
    }

    fn on_finish(&self, _cx: &RequestContext, finish: &Finish) {
        self.ends.send((finish.ending, finish.body_bytes)).unwrap();
    }

    fn on_connection_close(&self, _cx: &RequestContext) {
        self.closes.fetch_add(1, Ordering::SeqCst);
    }
}

struct Probe {
    app: Application,
    flushed: Arc<AtomicUsize>,
    ends: mpsc::UnboundedReceiver<(Ending, u64)>,
    closes: Arc<AtomicUsize>,
}

fn probe(then: Then) -> Probe {
    let (ends, told) = mpsc::unbounded_channel();
    let (flushed, closes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let stream = Stream {
        then,
        flushed: Arc::clone(&flushed),
        ends,
        closes: Arc::clone(&closes),
    };
    Probe {
        app: Application::new().route("/", stream),
        flushed,
        ends: told,
        closes,
    }
}

impl Probe {
    /// The one end that was told; there must be no second one.
    async fn end(&mut self) -> (Ending, u64) {
        let end = self.ends.recv().await.unwrap();
        assert!(self.ends.try_recv().is_err(), "the end was told twice");
        end
    }
}

#[tokio::test]
async fn a_stream_is_sent_in_order_and_ends_once() {
    let mut probe = probe(Then::Finish);
    let response = call(&probe.app, get("/")).await;
    assert_eq!(response.headers()["x-early"], "1");
    assert_eq!(text(&response), "one two three");
    assert_eq!(probe.end().await, (Ending::Complete, 13));
    assert_eq!(probe.closes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn flush_waits_until_the_connection_takes_the_chunk() {
    let mut probe = probe(Then::Finish);
    let response = probe.app.clone().oneshot(get("/")).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(probe.flushed.load(Ordering::SeqCst), 0);
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "one ");
    assert_eq!(
        probe.flushed.load(Ordering::SeqCst),
        0,
        "nobody asked for more yet"
    );
    let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(second, "two ");
    assert_eq!(probe.flushed.load(Ordering::SeqCst), 1);
    drop(body);
    assert_eq!(probe.end().await, (Ending::Disconnected, 8));
    assert_eq!(probe.closes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_error_or_a_panic_after_a_flush_breaks_the_response_off() {
    for then in [Then::Fail, Then::Panic] {
        let mut probe = probe(then);
        let (_server, address) = listen(probe.app.clone()).await;
        let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let answer = exchange(address, request).await;
        assert!(answer.contains("one "), "{answer}");
        assert!(
            !answer.contains("\r\n0\r\n"),
            "the last chunk must not be there: {answer}"
        );
        assert_eq!(probe.end().await, (Ending::Aborted, 4));
        // The server lives.
        let answer = exchange(address, request).await;
        assert!(answer.contains("one "));
    }
}

/// RFC 9112 section 8: a message that is shorter than its length is incomplete, and both sides know it.
#[tokio::test]
async fn a_stream_that_is_shorter_than_its_length_is_aborted() {
    for (declared, ending) in [
        (12, Ending::Complete),
        (13, Ending::Complete),
        (14, Ending::Aborted),
    ] {
        for method in ["GET", "HEAD"] {
            let mut probe = probe(Then::Declare(declared));
            let (_server, address) = listen(probe.app.clone()).await;
            let request = format!("{method} / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            let answer = exchange(address, request.as_bytes()).await;
            let length = format!("content-length: {declared}\r\n");
            assert!(answer.contains(&length), "{answer}");
            let ending = match method {
                "GET" => ending,
                _ => Ending::Complete,
            };
            assert_eq!(probe.end().await.0, ending, "{method} {declared}");
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_drops_the_handler() {
    let mut probe = probe(Then::Wait);
    let (server, address) = listen(probe.app.clone()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 512];
    assert!(client.read(&mut some).await.unwrap() > 0);
    // A reset, so that no half-close has to be waited for.
    client.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(probe.end().await, (Ending::Disconnected, 4));
    assert_eq!(probe.closes.load(Ordering::SeqCst), 1);
    server.registry().wait_empty().await;
}

#[tokio::test]
async fn a_head_request_to_a_stream_is_complete_with_its_head() {
    let mut probe = probe(Then::Wait);
    let (_server, address) = listen(probe.app.clone()).await;
    let answer = exchange(
        address,
        b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(probe.end().await.0, Ending::Complete);
}

#[tokio::test]
async fn every_request_is_logged_once_with_its_end() {
    let (told, mut logged) = mpsc::unbounded_channel();
    let app = Application::new()
        .get("/", async |cx: &mut RequestContext| cx.text("hello"))
        .log_request(move |cx, finish| {
            let line = (
                cx.method().clone(),
                finish.status.as_u16(),
                finish.body_bytes,
            );
            told.send(line).unwrap();
        });
    call(&app, get("/")).await;
    call(&app, get("/none")).await;
    let mut head = get("/");
    *head.method_mut() = Method::HEAD;
    drop(app.clone().oneshot(head).await.unwrap());
    assert_eq!(logged.recv().await.unwrap(), (Method::GET, 200, 5));
    assert_eq!(logged.recv().await.unwrap().1, 404);
    assert_eq!(logged.recv().await.unwrap().0, Method::HEAD);
    assert!(logged.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_response_never_began_ends_as_499() {
    let (told, mut logged) = mpsc::unbounded_channel();
    let app = Application::new()
        .get("/", async |cx: &mut RequestContext| {
            tokio::time::sleep(Duration::from_secs(1000)).await;
            cx.finish()
        })
        .log_request(move |_cx, finish| told.send(finish.status.as_u16()).unwrap());
    let pending = app.clone().oneshot(get("/"));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), pending)
            .await
            .is_err()
    );
    assert_eq!(logged.recv().await.unwrap(), 499);
}
