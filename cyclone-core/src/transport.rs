//! The byte stream under a connection.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

#[cfg(feature = "tls")]
use crate::tls::TlsStream;

/// A byte stream of any kind, boxed.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The byte stream under a [`Connection`](crate::Connection): TCP, a Unix domain socket, or any other
/// stream (TLS, an in-memory pipe).
///
/// The two kinds of socket are known by name, so that the common path has no dynamic dispatch.
pub struct Transport {
    kind: Kind,
}

enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(TlsStream),
    Other(Box<dyn Stream>),
}

impl Transport {
    /// Wraps a stream of any other kind.
    pub fn other(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            kind: Kind::Other(Box::new(stream)),
        }
    }

    /// The TCP socket, when this is one.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.kind {
            Kind::Tcp(stream) => Some(stream),
            _ => None,
        }
    }

    /// The TLS stream, when this is one.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn as_tls(&self) -> Option<&TlsStream> {
        match &self.kind {
            Kind::Tls(stream) => Some(stream),
            _ => None,
        }
    }

    /// Ready when a read may give something; for other streams than sockets always.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.kind {
            Kind::Tcp(stream) => stream.poll_read_ready(cx),
            Kind::Unix(stream) => stream.poll_read_ready(cx),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.poll_read_ready(cx),
            Kind::Other(_) => Poll::Ready(Ok(())),
        }
    }

    /// Waits for bytes and copies them without taking them; none at the end of the stream.
    ///
    /// # Errors
    /// Those of the socket; `Unsupported` for other streams than sockets.
    pub(crate) async fn peek(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::Tcp(stream) => stream.peek(bytes).await,
            Kind::Unix(stream) => {
                let peek = || {
                    let (_, length) = recv(stream, &mut *bytes, RecvFlags::PEEK)?;
                    Ok(length)
                };
                stream.async_io(Interest::READABLE, peek).await
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The TCP socket that carries the stream, also when TLS is between: to look at and to set options, never to read
    /// or write.
    #[must_use]
    pub fn carrier_tcp(&self) -> Option<&TcpStream> {
        match &self.kind {
            Kind::Tcp(stream) => Some(stream),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.transport().carrier_tcp(),
            _ => None,
        }
    }

    /// The Unix domain socket, when this is one.
    #[must_use]
    pub fn as_unix(&self) -> Option<&UnixStream> {
        match &self.kind {
            Kind::Unix(stream) => Some(stream),
            _ => None,
        }
    }
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self {
            kind: Kind::Tcp(stream),
        }
    }
}

impl From<UnixStream> for Transport {
    fn from(stream: UnixStream) -> Self {
        Self {
            kind: Kind::Unix(stream),
        }
    }
}

impl From<DuplexStream> for Transport {
    fn from(stream: DuplexStream) -> Self {
        Self::other(stream)
    }
}

#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
impl From<TlsStream> for Transport {
    fn from(stream: TlsStream) -> Self {
        Self {
            kind: Kind::Tls(stream),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp(stream) => f.debug_tuple("Tcp").field(stream).finish(),
            Kind::Unix(stream) => f.debug_tuple("Unix").field(stream).finish(),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.fmt(f),
            Kind::Other(_) => f.write_str("Other"),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Other(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Other(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Kind::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Kind::Other(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            Kind::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.is_write_vectored(),
            Kind::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
