//! Connections take turns: no client, and no body, has a thread to itself.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _, Session, Transport};
use cyclone_web::{Application, Body, Error, RequestContext, RequestHandler, Result};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};

use super::{Client, GET};

fn serve(app: &Application) -> Client {
    let (connection, io) = Connection::in_memory();
    let protocol = app.build(connection.peer()).unwrap();
    Client {
        io,
        server: tokio::spawn(protocol.run(connection)),
        rest: Vec::new(),
    }
}

/// Answers with a body of very many pieces.
struct Pieces {
    /// How many were asked for.
    count: Arc<AtomicUsize>,
    piece: Bytes,
}

/// As good as endless, so that the test fails rather than hangs.
const PIECES: usize = 1_000_000;

impl RequestHandler for Pieces {
    async fn get(&self, _cx: &mut RequestContext) -> Result {
        let (count, piece) = (Arc::clone(&self.count), self.piece.clone());
        let items = stream::iter(0..PIECES).map(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(piece.clone())
        });
        Ok(http::Response::new(Body::from_stream(items)).into())
    }
}

#[tokio::test]
async fn a_body_of_empty_pieces_lets_others_have_their_turn() {
    let count = Arc::new(AtomicUsize::new(0));
    let pieces = Pieces {
        count: count.clone(),
        piece: Bytes::new(),
    };
    let app = Application::new().route("/", pieces);
    let mut client = serve(&app);
    client.send(GET).await;
    while count.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // The runtime may give the connection several turns before it looks here.
    let first = count.load(Ordering::SeqCst);
    assert!(first < PIECES / 2, "{first}");
    assert_eq!(client.answer().await.body, "");
    assert_eq!(count.load(Ordering::SeqCst), PIECES);
}

/// A transport that takes everything at once.
struct Swallow(DuplexStream);

impl AsyncRead for Swallow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Swallow {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_body_that_is_taken_at_once_lets_others_have_their_turn() {
    let count = Arc::new(AtomicUsize::new(0));
    let pieces = Pieces {
        count: count.clone(),
        piece: Bytes::from(vec![b'x'; 8 * 1024]),
    };
    let app = Application::new().route("/", pieces);
    let (ours, mut io) = tokio::io::duplex(1024);
    let session = Session::detached();
    let transport = Transport::other(Swallow(ours));
    let connection = Connection::new(transport, session.peer().clone(), session);
    let protocol = app.build(connection.peer()).unwrap();
    let server = tokio::spawn(protocol.run(connection));
    io.write_all(GET.as_bytes()).await.unwrap();
    while count.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let first = count.load(Ordering::SeqCst);
    assert!(first < PIECES / 2, "{first}");
    drop(io);
    server.await.unwrap().unwrap();
}

/// Answers with the number of pieces that the request body comes in, their bytes, and how it ends.
struct Counter;

impl RequestHandler for Counter {
    const STREAM_BODY: bool = true;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        let mut body = cx.take_body();
        let (mut pieces, mut bytes, mut end) = (0, 0, "whole".to_owned());
        while let Some(frame) = body.frame().await {
            match frame.map_err(Error::from) {
                Ok(frame) => {
                    pieces += 1;
                    bytes += frame.data_ref().map_or(0, Bytes::len);
                }
                Err(error) => end = error.status().to_string(),
            }
        }
        cx.text(format!("{pieces} {bytes} {end}"))
    }
}

/// Tornado 6.6: a reader is not woken for every chunk that a client cuts its body into.
#[tokio::test]
async fn small_chunks_that_came_together_are_one_piece() {
    let app = Application::new().route("/", Counter);
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let small = "1\r\na\r\n".repeat(1000);
    for (body, told) in [
        (format!("{small}0\r\n\r\n"), "1 1000 whole"),
        (format!("{small}x\r\n"), "1 1000 400 Bad Request"),
        // The data that came before what is wrong is not lost.
        (format!("{small}0\r\nx\r\n\r\n"), "1 1000 400 Bad Request"),
        // As much as is handed over at once, and the rest.
        (
            format!("{}0\r\n\r\n", "8\r\naaaaaaaa\r\n".repeat(2049)),
            "2 16392 whole",
        ),
    ] {
        let mut client = serve(&app);
        assert_eq!(client.exchange(format!("{head}{body}")).await.body, told);
    }
}
