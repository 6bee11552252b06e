//! Connections that serve more than one request, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _, Session, Transport};
use cyclone_web::{Body, Http, Limits};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{GET, hello, mirror, on_chosen_engine, serve, serve_in};

#[tokio::test]
async fn a_connection_is_kept_unless_somebody_wants_it_closed() {
    for (request, kept) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", true),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            false,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: x, Close\r\n\r\n",
            false,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\nconnection: close\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", true),
    ] {
        let mut client = serve(Limits::default(), hello);
        let answer = client.exchange(request).await;
        assert_eq!(answer.body, "hello");
        if kept {
            assert_eq!(client.exchange(GET).await.body, "hello", "{request:?}");
        } else {
            assert!(client.is_closed().await, "{request:?}");
            client.server.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let mut client = serve(Limits::default(), hello);
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.answer_to("HEAD").await;
    assert_eq!(answer.header("content-length"), Some("5"));
    assert_eq!(client.exchange(GET).await.body, "hello");
}

#[tokio::test]
async fn an_http_1_0_stream_ends_with_the_connection() {
    async fn stream(_request: Request<Body>) -> Response<Body> {
        let items = ["a", "b"].map(|item| Ok::<_, std::io::Error>(Bytes::from(item)));
        Response::new(Body::from_stream(futures_util::stream::iter(items)))
    }
    let mut client = serve(Limits::default(), stream);
    let answer = client
        .exchange("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    assert_eq!(answer.body, "ab");
    assert_eq!(answer.header("transfer-encoding"), None);

    let mut client = serve(Limits::default(), stream);
    let answer = client.exchange(GET).await;
    assert_eq!(answer.body, "ab");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.exchange(GET).await.body, "ab");
}

/// Whatever the size of a body and of its parts, it arrives whole.
#[tokio::test]
async fn bodies_of_every_size_arrive_whole() {
    const PIECE: usize = 64 * 1024;
    for size in [
        1,
        PIECE - 1,
        PIECE,
        PIECE + 1,
        2 * PIECE,
        3 * PIECE + 1,
        5 * 1024 * 1024,
    ] {
        let mut client = serve(
            Limits::default(),
            move |request: Request<Body>| async move {
                let bytes: Vec<u8> = (0..size).map(|at| b'a' + (at % 23) as u8).collect();
                match request.uri().path() {
                    "/whole" => Response::new(Body::from(bytes)),
                    _ => {
                        let items = [Ok::<_, std::io::Error>(bytes.clone()), Ok(bytes)];
                        Response::new(Body::from_stream(futures_util::stream::iter(items)))
                    }
                }
            },
        );
        let whole = client
            .exchange("GET /whole HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        assert_eq!(whole.header("content-length"), Some(&*size.to_string()));
        assert!(
            whole
                .body
                .bytes()
                .enumerate()
                .all(|(at, byte)| byte == b'a' + (at % 23) as u8)
        );
        let twice = client.exchange(GET).await;
        assert!(twice.body == whole.body.repeat(2));
    }
}

/// A chunk without data would be the last one.
#[tokio::test]
async fn an_empty_item_does_not_end_a_stream() {
    async fn stream(_request: Request<Body>) -> Response<Body> {
        let items = ["", "a", "", "", "b", ""].map(Ok::<_, std::io::Error>);
        Response::new(Body::from_stream(futures_util::stream::iter(items)))
    }
    let mut client = serve(Limits::default(), stream);
    for _ in 0..2 {
        assert_eq!(client.exchange(GET).await.body, "ab");
    }
}

/// A response that breaks off has no last chunk.
#[tokio::test]
async fn a_failed_stream_is_not_ended_properly() {
    async fn broken(_request: Request<Body>) -> Response<Body> {
        let items = [Ok(Bytes::from("a")), Err(std::io::Error::other("broken"))];
        Response::new(Body::from_stream(futures_util::stream::iter(items)))
    }
    let mut client = serve(Limits::default(), broken);
    client.send(GET).await;
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut client.io, &mut bytes)
        .await
        .unwrap();
    assert!(!bytes.ends_with(b"0\r\n\r\n"));
    client.server.await.unwrap().unwrap_err();
}

/// Counts writes that carry bytes.
struct Counted<T>(T, Arc<AtomicUsize>);

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        std::pin::Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Serves `hello` over `buffer` bytes each way and counts the server's writes.
fn counted(buffer: usize) -> (tokio::io::DuplexStream, Arc<AtomicUsize>) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    let writes = Arc::new(AtomicUsize::new(0));
    let transport = Transport::other(Counted(ours, writes.clone()));
    let session = Session::detached();
    let connection = Connection::new(transport, session.peer().clone(), session);
    let service = tower::service_fn(|request| async {
        Ok::<_, std::convert::Infallible>(hello(request).await)
    });
    let protocol = on_chosen_engine(Http::new(service))
        .build(connection.peer())
        .unwrap();
    tokio::spawn(protocol.run(connection));
    (theirs, writes)
}

fn client(io: tokio::io::DuplexStream) -> super::Client {
    super::Client {
        io,
        server: tokio::spawn(async { Ok(()) }),
        rest: Vec::new(),
    }
}

/// The answers to pipelined requests share a write; a lone answer does not wait.
#[tokio::test(start_paused = true)]
async fn pipelined_answers_are_written_at_once() {
    let (io, writes) = counted(64 * 1024);
    let mut client = client(io);
    for _ in 0..5 {
        assert_eq!(client.exchange(GET).await.body, "hello");
    }
    assert_eq!(writes.swap(0, Ordering::SeqCst), 5);

    client.send(GET.repeat(15)).await;
    for _ in 0..15 {
        assert_eq!(client.answer().await.body, "hello");
    }
    assert_eq!(writes.swap(0, Ordering::SeqCst), 1);

    // More than hyper serves in one go, with a part of another at the end.
    client.send(format!("{}GET / HT", GET.repeat(100))).await;
    for _ in 0..100 {
        assert_eq!(client.answer().await.body, "hello");
    }
    assert!(writes.swap(0, Ordering::SeqCst) <= 100 / 16 + 2);
    assert_eq!(
        client.exchange("TP/1.1\r\nhost: a\r\n\r\n").await.body,
        "hello"
    );
}

/// Answers that wait are bounded, and so is what a client can make the server read ahead.
#[tokio::test(start_paused = true)]
async fn a_pipelining_client_that_does_not_read_is_stopped() {
    let (mut io, _writes) = counted(1024);
    let requests = GET.repeat(100_000);
    let mut sent = 0;
    while let Ok(result) = tokio::time::timeout(
        Duration::from_secs(1),
        io.write(&requests.as_bytes()[sent..]),
    )
    .await
    {
        sent += result.unwrap();
        assert!(sent < 200 * 1024, "the server reads on");
    }
    // Every request that was sent is answered when the client reads at last.
    let whole = sent / GET.len();
    let mut client = client(io);
    for _ in 0..whole {
        assert_eq!(client.answer().await.body, "hello");
    }
}

/// An answer does not wait for the handler of the next request.
#[tokio::test(start_paused = true)]
async fn a_slow_second_handler_does_not_hold_back_the_first_answer() {
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let mut client = serve(Limits::default(), move |request: Request<Body>| {
        let gate = gate.clone();
        async move {
            if request.uri() == "/slow" {
                gate.notified().await;
            }
            mirror(request).await
        }
    });
    client
        .send(format!("{GET}GET /slow HTTP/1.1\r\nhost: a\r\n\r\n{GET}"))
        .await;
    assert_eq!(client.answer().await.body, "GET / ");
    opened.notify_one();
    assert_eq!(client.answer().await.body, "GET /slow ");
    assert_eq!(client.answer().await.body, "GET / ");
}

/// Nor does the first event of a stream wait.
#[tokio::test(start_paused = true)]
async fn the_first_item_of_a_stream_is_sent_at_once() {
    async fn stream(_request: Request<Body>) -> Response<Body> {
        use futures_util::StreamExt as _;
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from("a"))]);
        Response::new(Body::from_stream(
            first.chain(futures_util::stream::pending()),
        ))
    }
    let mut client = serve(Limits::default(), stream);
    client.send(format!("{GET}{GET}")).await;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"1\r\na\r\n") {
        let read = tokio::io::AsyncReadExt::read_buf(&mut client.io, &mut bytes);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), read)
                .await
                .unwrap()
                .unwrap()
                > 0
        );
    }
}

/// A session and the switches of its signals.
fn controlled() -> (Session, CancellationToken, CancellationToken) {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Default::default(), draining.clone(), cut.clone());
    (session, draining, cut)
}

/// RFC 9112 section 9.3.1: the client of an idle connection may be sending a request this very moment.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_shortly_after_shutdown_begins() {
    let grace = Duration::from_millis(250);
    for idle in [
        None,
        Some(Duration::from_millis(10)),
        Some(Duration::from_secs(30)),
    ] {
        let (session, draining, _cut) = controlled();
        let mut client = serve_in(session, Limits::default(), hello);
        if let Some(idle) = idle {
            assert!(!client.exchange(GET).await.closes());
            tokio::time::sleep(idle).await;
        }
        draining.cancel();
        assert!(
            client.is_quiet_for(grace - Duration::from_millis(5)).await,
            "{idle:?}"
        );
        let answer = client.exchange(GET).await;
        assert_eq!(answer.status, 200);
        assert!(answer.closes());
        assert!(client.is_closed().await);
        client.server.await.unwrap().unwrap();

        let (session, draining, _cut) = controlled();
        let mut client = serve_in(session, Limits::default(), hello);
        if let Some(idle) = idle {
            assert!(!client.exchange(GET).await.closes());
            tokio::time::sleep(idle).await;
        }
        draining.cancel();
        let start = tokio::time::Instant::now();
        assert!(client.is_closed().await);
        assert!(start.elapsed() >= grace && start.elapsed() < grace + Duration::from_millis(10));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_in_progress_are_finished_when_shutdown_begins() {
    let (session, draining, _cut) = controlled();
    let mut client = serve_in(session, Limits::default(), |request| async {
        let answer = mirror(request).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        answer
    });
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    draining.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = client.exchange("cd").await;
    assert_eq!(answer.body, "POST / abcd");
    assert!(answer.closes());
    assert!(client.is_closed().await);
    client.server.await.unwrap().unwrap();
}

/// A response whose head is out already cannot say `connection: close`; the connection closes all the same.
#[tokio::test(start_paused = true)]
async fn a_stream_is_finished_when_shutdown_begins() {
    let (session, draining, _cut) = controlled();
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let mut client = serve_in(session, Limits::default(), move |_request| {
        let gate = gate.clone();
        async move {
            use futures_util::StreamExt as _;
            let first = futures_util::stream::iter(["a"]);
            let second = futures_util::stream::once(async move {
                gate.notified().await;
                "b"
            });
            let items = first
                .chain(second)
                .map(|item| Ok::<_, std::io::Error>(Bytes::from(item)));
            Response::new(Body::from_stream(items))
        }
    });
    client.send(GET).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    draining.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    opened.notify_one();
    assert_eq!(client.answer().await.body, "ab");
    assert!(client.is_closed().await);
    client.server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_ends_at_once() {
    for begun in [
        "",
        "GET",
        GET,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab",
    ] {
        let (session, _draining, cut) = controlled();
        let mut client = serve_in(session, Limits::default(), |request| async {
            let _ = mirror(request).await;
            std::future::pending().await
        });
        client.send(begun).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        cut.cancel();
        client.server.await.unwrap().unwrap_err();
    }
    let (session, _draining, cut) = controlled();
    let mut client = serve_in(session, Limits::default(), hello);
    assert_eq!(client.exchange(GET).await.status, 200);
    tokio::time::sleep(Duration::from_secs(10)).await;
    cut.cancel();
    client.server.await.unwrap().unwrap_err();
}
