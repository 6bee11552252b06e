//! The stream inside: its end, its halves, its records.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use cyclone_core::Transport;
use cyclone_core::tls::TlsStream;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::authority::Authority;
use super::{client, connected, server};
use crate::support::within;

async fn pair() -> (TlsStream, TlsStream) {
    let authority = Authority::new("authority");
    let server = server(&authority.server(&["example.org"])).build().unwrap();
    let client = client(&authority).build().unwrap();
    connected(&server, &client, "example.org").await
}

#[tokio::test]
async fn end_that_was_announced_is_an_end() {
    let (mut near, mut far) = within(pair()).await;
    far.write_all(b"last words").await.unwrap();
    far.shutdown().await.unwrap();
    drop(far);
    let mut text = String::new();
    within(near.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "last words");
}

/// RustSec 2020-0019 and RFC 8446, 6.1: without `close_notify` somebody may have cut the rest off.
#[tokio::test]
async fn end_without_close_notify_is_an_error() {
    for from_server in [true, false] {
        let (near, far) = within(pair()).await;
        let (mut reader, mut writer) = if from_server {
            (far, near)
        } else {
            (near, far)
        };
        writer.write_all(b"some words").await.unwrap();
        writer.flush().await.unwrap();
        drop(writer);
        let mut bytes = Vec::new();
        let error = within(reader.read_to_end(&mut bytes)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(bytes, b"some words", "what came is not lost");
    }
}

/// One direction may end before the other (RFC 8446, 6.1), as with sockets.
#[tokio::test]
async fn halves_end_one_by_one() {
    let (near, far) = within(pair()).await;
    for (mut asks, mut answers) in [(far, near)] {
        asks.write_all(b"question").await.unwrap();
        asks.shutdown().await.unwrap();
        let mut question = String::new();
        within(answers.read_to_string(&mut question)).await.unwrap();
        assert_eq!(question, "question");
        let answer = "answer".repeat(100_000);
        let answering = async {
            answers.write_all(answer.as_bytes()).await.unwrap();
            answers.shutdown().await.unwrap();
        };
        let mut text = String::new();
        let (read, ()) =
            within(async { tokio::join!(asks.read_to_string(&mut text), answering) }).await;
        read.unwrap();
        assert_eq!(text, answer);
        let error = asks.write_all(b"more").await.and(asks.flush().await);
        assert!(error.is_err(), "the direction is closed");
    }
}

/// Writes what it carries into a log.
struct Tapped {
    stream: DuplexStream,
    log: Arc<Mutex<Vec<u8>>>,
    writes: Arc<Mutex<usize>>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.log.lock().unwrap().extend_from_slice(&buf[..*written]);
            *self.writes.lock().unwrap() += 1;
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|one| one.to_vec()).collect();
        self.as_mut().poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The lengths of the records in what was written.
fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        bytes = &rest[length..];
    }
    lengths
}

#[tokio::test]
async fn vectored_writes_become_full_records_and_one_write_below() {
    let authority = Authority::new("authority");
    let server = server(&authority.server(&["example.org"])).build().unwrap();
    let client = client(&authority).build().unwrap();
    let (near, far) = tokio::io::duplex(1024 * 1024);
    let (log, writes) = (
        Arc::<Mutex<Vec<u8>>>::default(),
        Arc::<Mutex<usize>>::default(),
    );
    let tapped = Transport::other(Tapped {
        stream: near,
        log: Arc::clone(&log),
        writes: Arc::clone(&writes),
    });
    let (near, far) =
        within(async { tokio::join!(server.accept(tapped), client.connect("example.org", far)) })
            .await;
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    assert!(near.is_write_vectored());
    for (parts, size, expected) in [(100, 10, 1), (64, 1024, 4), (1, 16 * 1024, 1), (3, 1, 1)] {
        log.lock().unwrap().clear();
        *writes.lock().unwrap() = 0;
        let part = vec![b'x'; size];
        let slices: Vec<IoSlice<'_>> = (0..parts).map(|_| IoSlice::new(&part)).collect();
        let written = near.write_vectored(&slices).await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(written, parts * size);
        let records = records(&log.lock().unwrap());
        assert_eq!(
            records.len(),
            expected,
            "{parts} parts of {size}: {records:?}"
        );
        assert_eq!(*writes.lock().unwrap(), 1, "{parts} parts of {size}");
        let mut bytes = vec![0; written];
        far.read_exact(&mut bytes).await.unwrap();
    }
}

/// What was taken need not have left: that is what flushing is for.
#[tokio::test]
async fn flush_waits_until_everything_has_left() {
    let authority = Authority::new("authority");
    let server = server(&authority.server(&["example.org"])).build().unwrap();
    let client = client(&authority).build().unwrap();
    // Narrow, so that a record does not fit.
    let (near, far) = tokio::io::duplex(512);
    let (near, far) =
        within(async { tokio::join!(server.accept(near), client.connect("example.org", far)) })
            .await;
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    let message = vec![b'm'; 10_000];
    within(near.write_all(&message)).await.unwrap();
    assert!(near.flush().now_or_never().is_none(), "the pipe is full");
    let mut read = vec![0; 10_000];
    let (flushed, reading) =
        within(async { tokio::join!(near.flush(), far.read_exact(&mut read)) }).await;
    flushed.unwrap();
    reading.unwrap();
    assert_eq!(read, message);
}

/// A peer that does not read holds up the writer after a bounded number of bytes.
#[tokio::test]
async fn writer_is_held_up_by_a_peer_that_does_not_read() {
    let (mut near, _far) = within(pair()).await;
    let chunk = vec![b'x'; 16 * 1024];
    let mut taken = 0;
    while let Some(written) = near.write(&chunk).now_or_never() {
        taken += written.unwrap();
        assert!(taken < 1024 * 1024, "{taken} bytes are held");
    }
    // The pipe has 64 KiB, and rustls as much.
    assert!(taken <= 160 * 1024, "{taken}");
}

#[tokio::test]
async fn transport_of_a_stream_is_found_again() {
    let (near, far) = within(pair()).await;
    assert!(near.transport().as_tcp().is_none());
    let transport = Transport::from(near);
    assert!(transport.as_tls().is_some() && transport.as_tcp().is_none());
    assert!(transport.is_write_vectored());
    // TLS within TLS, as through a proxy.
    let authority = Authority::new("inner");
    let server = server(&authority.server(&["inner.example"]))
        .build()
        .unwrap();
    let client = client(&authority).build().unwrap();
    let (near, far) = within(async {
        tokio::join!(
            server.accept(transport),
            client.connect("inner.example", far)
        )
    })
    .await;
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    far.write_all(b"x").await.unwrap();
    far.flush().await.unwrap();
    assert_eq!(near.read_u8().await.unwrap(), b'x');
}
