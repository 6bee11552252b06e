//! The connections that are broken, of whatever sort.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    net::{TcpStream, UnixStream},
};

/// Bytes that a [`FaultProxy`](super::FaultProxy) keeps of one direction of a connection, at most; then it reads no
/// more. In memory, each of the two connections has room for as many.
pub const FAULT_PROXY_BUFFER_BYTES: usize = 64 * 1024;

/// One end of an in-memory connection, which can be reset like a socket.
#[derive(Debug)]
pub struct FaultStream {
    stream: DuplexStream,
    reset: Arc<AtomicBool>,
}

impl FaultStream {
    pub(super) fn pair() -> (Self, Self) {
        let (one, other) = duplex(FAULT_PROXY_BUFFER_BYTES);
        let reset = Arc::<AtomicBool>::default();
        let end = |stream| Self {
            stream,
            reset: Arc::clone(&reset),
        };
        (end(one), end(other))
    }

    fn is_reset(&self) -> bool {
        self.reset.load(SeqCst)
    }
}

impl AsyncRead for FaultStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (filled, room) = (buf.filled().len(), buf.remaining());
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let ended = room > 0 && buf.filled().len() == filled;
        if ended && matches!(result, Poll::Ready(Ok(()))) && self.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        result
    }
}

impl AsyncWrite for FaultStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The proxy's end of a connection.
#[derive(Debug)]
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Memory(FaultStream),
}

impl Wire {
    /// A TCP connection whose pieces are sent as they are written.
    pub(super) fn tcp(stream: TcpStream) -> Self {
        // It fails on a connection that is gone, which the first read tells as well.
        let _ = stream.set_nodelay(true);
        Self::Tcp(stream)
    }

    /// Closes it without an orderly end.
    pub(super) fn reset(self) {
        match self {
            Self::Tcp(stream) => {
                // It fails on a connection that is gone.
                let _ = stream.set_zero_linger();
            }
            Self::Unix(_) => {}
            Self::Memory(stream) => stream.reset.store(true, SeqCst),
        }
    }

    /// Ends it in order, and throws away what still comes, until the other side ends it too.
    pub(super) async fn finish(mut self) {
        if self.shutdown().await.is_ok() {
            let mut rest = [0; 1024];
            while matches!(self.read(&mut rest).await, Ok(1..)) {}
        }
    }

    fn stream(&mut self) -> Pin<&mut (dyn Stream + Unpin)> {
        Pin::new(match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
            Self::Memory(stream) => stream,
        })
    }
}

trait Stream: AsyncRead + AsyncWrite {}

impl<S: AsyncRead + AsyncWrite> Stream for S {}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
