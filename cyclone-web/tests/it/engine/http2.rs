//! HTTP/2 with prior knowledge.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::Session;
use cyclone_web::{Body, Limits};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Client, hello, mirror, serve, serve_in};

mod time;

/// hyper's client on a connection, the task that drives it, and the server's task.
struct Http2 {
    sender: SendRequest<Body>,
    client: JoinHandle<hyper::Result<()>>,
    server: JoinHandle<io::Result<()>>,
}

async fn connect(client: Client) -> Http2 {
    connect_with(client, 1024 * 1024).await
}

async fn connect_with(client: Client, window: u32) -> Http2 {
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .initial_connection_window_size(window)
        .handshake(TokioIo::new(client.io))
        .await
        .unwrap();
    Http2 {
        sender,
        client: tokio::spawn(connection),
        server: client.server,
    }
}

impl Http2 {
    async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    async fn get(&mut self, uri: &str) -> (StatusCode, String) {
        read(self.send(request("GET", uri, Body::empty())).await.unwrap()).await
    }
}

fn request(method: &str, uri: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(body)
        .unwrap()
}

async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[track_caller]
fn assert_elapsed(since: Instant, expected: Duration) {
    let elapsed = since.elapsed();
    assert!(
        elapsed >= expected && elapsed < expected + Duration::from_millis(100),
        "{elapsed:?} instead of {expected:?}"
    );
}
#[tokio::test]
async fn requests_are_answered() {
    let mut http2 = connect(serve(Limits::default(), mirror)).await;
    assert_eq!(http2.get("http://a/x").await.1, "GET http://a/x ");
    let response = http2
        .send(request("POST", "http://a/p", Body::from("abc")))
        .await
        .unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(read(response).await.1, "POST http://a/p abc");
    let large = "x".repeat(5 * 1024 * 1024);
    let response = http2
        .send(request("POST", "http://a/", Body::from(large.clone())))
        .await
        .unwrap();
    assert!(read(response).await.1.ends_with(&large));
    drop(http2.sender);
    http2.client.await.unwrap().unwrap();
    http2.server.await.unwrap().unwrap();
}

/// The preface is known at every split; what only begins like it is HTTP/1.
#[tokio::test]
async fn the_preface_is_recognised_in_pieces() {
    let bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for split in 1..bytes.len() {
        let mut client = serve(Limits::default(), hello);
        client.send(&bytes[..split]).await;
        tokio::task::yield_now().await;
        client.send(&bytes[split..]).await;
        let mut settings = [0; 9];
        client.io.read_exact(&mut settings).await.unwrap();
        assert_eq!(settings[3], 4, "split at {split}");
    }
    let mut client = serve(Limits::default(), hello);
    client.send("PR").await;
    tokio::task::yield_now().await;
    assert_eq!(
        client
            .exchange("OPFIND / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_preface_is_answered_with_408() {
    let start = Instant::now();
    let mut client = serve(Limits::default(), hello);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n").await;
    assert_eq!(client.answer().await.status, 408);
    assert_elapsed(start, seconds(15));
}

/// Only the first bytes of a connection can be the preface.
#[tokio::test(start_paused = true)]
async fn a_late_preface_is_refused() {
    for rest in [0, 10] {
        let mut client = serve(Limits::default(), hello);
        assert_eq!(client.exchange(super::GET).await.status, 200);
        sleep(seconds(rest)).await;
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        client.finish().await;
        assert!(!client.is_quiet_for(seconds(1)).await);
        client.server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn framing_is_checked() {
    let mut http2 = connect(serve(Limits::default(), hello)).await;
    for (method, uri, host, status) in [
        ("GET", "http://a/", None, 200),
        ("GET", "http://a/", Some("a"), 200),
        ("GET", "http://a:80/", Some("A"), 200),
        ("GET", "http://a/", Some("b"), 400),
        ("GET", "http://a/", Some("a b"), 400),
        ("TRACE", "http://a/", None, 501),
    ] {
        let mut request = request(method, uri, Body::empty());
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        let (got, _) = read(http2.send(request).await.unwrap()).await;
        assert_eq!(got, status, "{method} {uri} {host:?}");
    }
}

#[tokio::test]
async fn bodies_are_limited() {
    for (length, status) in [(9, 200), (10, 200), (11, 413)] {
        let mut http2 = connect(serve(Limits::new().body(10), mirror)).await;
        let text = "x".repeat(length);
        let declared = Body::from(text.clone());
        let (got, _) = read(
            http2
                .send(request("POST", "http://a/", declared))
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(got, status);
        let items = text
            .into_bytes()
            .into_iter()
            .map(|byte| Ok::<_, io::Error>(Bytes::from(vec![byte])));
        let streamed = Body::from_stream(futures_util::stream::iter(items.collect::<Vec<_>>()));
        let (got, _) = read(
            http2
                .send(request("POST", "http://a/", streamed))
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(got, status);
    }
}
#[tokio::test(start_paused = true)]
async fn streams_are_limited() {
    for limit in [1_u32, 3, 100] {
        let running = Arc::new(AtomicUsize::new(0));
        let counted = running.clone();
        let client = serve(Limits::new().h2_streams(limit), move |_request| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        });
        let http2 = connect(client).await;
        // Wait for the server's settings.
        sleep(Duration::from_millis(1)).await;
        for _ in 0..=limit {
            let mut sender = http2.sender.clone();
            tokio::spawn(async move {
                sender.ready().await.unwrap();
                sender
                    .send_request(request("GET", "http://a/", Body::empty()))
                    .await
            });
        }
        sleep(seconds(1)).await;
        assert_eq!(running.load(Ordering::SeqCst), limit as usize);
    }
}

#[tokio::test]
async fn a_panic_ends_only_its_request() {
    let client = serve(Limits::default(), |request: Request<Body>| async move {
        assert_ne!(request.uri().path(), "/panic");
        mirror(request).await
    });
    let mut http2 = connect(client).await;
    let panicked = http2.get("http://a/panic").await;
    assert_eq!(panicked.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(http2.get("http://a/").await.1, "GET http://a/ ");
}

/// Counts up when it is dropped.
struct DropGuard(Arc<AtomicUsize>);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_are_dropped_with_their_stream_and_connection() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = drops.clone();
    let client = serve(Limits::default(), move |_request| {
        let guard = DropGuard(counted.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let mut http2 = connect(client).await;
    let answer = http2.send(request("GET", "http://a/", Body::empty()));
    tokio::time::timeout(seconds(1), answer).await.unwrap_err();
    sleep(seconds(1)).await;
    assert_eq!(drops.load(Ordering::SeqCst), 1);

    for _ in 0..3 {
        let mut sender = http2.sender.clone();
        tokio::spawn(async move {
            sender
                .send_request(request("GET", "http://a/", Body::empty()))
                .await
        });
    }
    sleep(seconds(1)).await;
    http2.server.abort();
    assert!(http2.server.await.unwrap_err().is_cancelled());
    sleep(seconds(1)).await;
    assert_eq!(drops.load(Ordering::SeqCst), 4);
}
#[tokio::test(start_paused = true)]
async fn shutdown_finishes_requests_and_takes_no_more() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Default::default(), draining.clone(), cut.clone());
    let client = serve_in(session, Limits::default(), |request| async {
        let answer = mirror(request).await;
        sleep(seconds(5)).await;
        answer
    });
    let mut http2 = connect(client).await;
    let mut sender = http2.sender.clone();
    let answer = tokio::spawn(async move {
        sender
            .send_request(request("GET", "http://a/", Body::empty()))
            .await
    });
    sleep(seconds(1)).await;
    draining.cancel();
    sleep(seconds(1)).await;
    assert!(
        http2
            .send(request("GET", "http://a/", Body::empty()))
            .await
            .is_err()
    );
    assert_eq!(
        read(answer.await.unwrap().unwrap()).await.1,
        "GET http://a/ "
    );
    http2.server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_when_shutdown_begins() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Default::default(), draining.clone(), cut.clone());
    let mut http2 = connect(serve_in(session, Limits::default(), hello)).await;
    assert_eq!(http2.get("http://a/").await.1, "hello");
    draining.cancel();
    let start = Instant::now();
    http2.server.await.unwrap().unwrap();
    assert!(start.elapsed() < seconds(1));
}

/// A client that answers nothing is not waited for.
#[tokio::test(start_paused = true)]
async fn a_mute_client_does_not_hold_up_shutdown() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Default::default(), draining.clone(), cut.clone());
    let mut client = serve_in(session, Limits::default(), hello);
    client
        .send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    sleep(seconds(1)).await;
    draining.cancel();
    let start = Instant::now();
    let _ = client.server.await.unwrap();
    assert_elapsed(start, seconds(5));
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_ends_at_once() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Default::default(), draining.clone(), cut.clone());
    let mut http2 = connect(serve_in(session, Limits::default(), hello)).await;
    assert_eq!(http2.get("http://a/").await.1, "hello");
    cut.cancel();
    http2.server.await.unwrap().unwrap_err();
}
/// RUSTSEC-2024-0003, CVE-2023-44487: streams that are opened and reset at once.
#[tokio::test(start_paused = true)]
async fn rapid_resets_end_the_connection() {
    let mut client = serve(Limits::default(), |_request| std::future::pending());
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for number in 0..1000_u32 {
        let id = (2 * number + 1).to_be_bytes();
        // :method GET, :scheme http, :path /, :authority a
        let block = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
        bytes.extend_from_slice(&[0, 0, 6, 1, 5]);
        bytes.extend_from_slice(&id);
        bytes.extend_from_slice(&block);
        bytes.extend_from_slice(&[0, 0, 4, 3, 0]);
        bytes.extend_from_slice(&id);
        bytes.extend_from_slice(&[0, 0, 0, 8]);
    }
    let _ = client.io.write_all(&bytes).await;
    let start = Instant::now();
    client.server.await.unwrap().unwrap_err();
    assert!(start.elapsed() < seconds(1));
}

/// RUSTSEC-2024-0332: a header list that goes on in CONTINUATION frames for ever.
#[tokio::test(start_paused = true)]
async fn an_endless_header_list_ends_the_connection() {
    let mut client = serve(Limits::default(), hello);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&[0, 0, 6, 1, 1, 0, 0, 0, 1]);
    bytes.extend_from_slice(&[0x82, 0x86, 0x84, 0x41, 0x01, b'a']);
    let _ = client.io.write_all(&bytes).await;
    let start = Instant::now();
    // A literal field without indexing: name "x", a value of 127 + 15,000 bytes.
    let mut block = vec![0, 1, b'x', 0x7f, 0x98, 0x75];
    block.extend_from_slice(&vec![b'y'; 127 + 15_000]);
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], 9, 0, 0, 0, 0, 1];
    frame.extend_from_slice(&block);
    for _ in 0..1000 {
        if client.io.write_all(&frame).await.is_err() {
            break;
        }
    }
    client.server.await.unwrap().unwrap_err();
    assert!(start.elapsed() < seconds(1));
}
