//! What a session costs: its size, and calls of the system.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use cyclone_core::{Session, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::{Prepared, Start, frame, header, upgraded};
use crate::config::Config;
use crate::error::Result;
use crate::handler::WebSocketHandler;
use crate::message::Message;
use crate::queue::Queue;
use crate::sender::WebSocketSender;
use crate::socket::WebSocket;

fn prepared() -> Prepared<Echo> {
    let config = Config::new().shared();
    let queue = Arc::new(Queue::new(Arc::clone(&config)));
    let sender = WebSocketSender::new(Arc::clone(&queue));
    let (parts, ()) = http::Request::new(()).into_parts();
    Prepared {
        handler: Echo,
        socket: WebSocket::new(sender, parts, Session::detached(), None),
        queue,
        config,
    }
}

/// An idle session costs its future, its queue and the request: no buffers.
#[tokio::test]
async fn the_future_of_a_session_stays_small() {
    // With what the server and the runtime add it is just under 7 × 128 bytes, which tokio rounds up to.
    const MAX_FUTURE_BYTES: usize = 752;
    let upgrade = std::future::pending::<std::io::Result<(Transport, Bytes)>>();
    let future = upgraded(Start::new(upgrade, prepared()));
    let bytes = size_of_val(&future);
    assert!(bytes <= MAX_FUTURE_BYTES, "{bytes} bytes");
}

/// A stream that counts the calls of the system it would cost.
struct Counted {
    io: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// However many frames one wake-up answers, small and bigger ones.
#[tokio::test(start_paused = true)]
async fn answers_to_what_came_together_leave_together() {
    for (count, length) in [(1, 10), (30, 10), (50, 1000), (6, 9000)] {
        let (mut peer, io) = tokio::io::duplex(1 << 20);
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Counted {
            io,
            writes: Arc::clone(&writes),
        };
        let burst = frame(0x82, vec![7; length]).repeat(count);
        peer.write_all(&burst).await.unwrap();
        let upgrade = std::future::ready(Ok::<_, std::io::Error>((counted, Bytes::new())));
        tokio::spawn(upgraded(Start::new(upgrade, prepared())));
        let mut answers = vec![0; count * (length + header(length))];
        peer.read_exact(&mut answers).await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1, "{count} of {length}");
    }
}

struct Echo;

impl WebSocketHandler for Echo {
    async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
        socket.send(message).await?;
        Ok(())
    }
}
