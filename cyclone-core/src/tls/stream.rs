//! The byte stream inside of TLS.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::info::TlsInfo;
use crate::transport::Transport;

/// The byte stream of an established TLS connection, of a server or a client.
///
/// - The end of the stream is the other side's `close_notify`. A connection that ends without it gives
///   [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): somebody in between may have cut the rest off (RFC 8446, 6.1).
/// - `poll_shutdown` sends `close_notify` and closes the direction below; reading goes on until the other side has
///   closed too.
/// - `poll_write` takes up to 64 KiB of what it is given, and may hold on to it in encrypted form: `poll_flush` sends
///   it all. Vectored writes become full records of 16 KiB, however small their parts.
/// - Dropping it closes the connection without `close_notify`.
pub struct TlsStream {
    stream: Box<tokio_rustls::TlsStream<Transport>>,
    info: Arc<TlsInfo>,
}

impl TlsStream {
    pub(crate) fn new(stream: tokio_rustls::TlsStream<Transport>, info: TlsInfo) -> Self {
        Self {
            stream: Box::new(stream),
            info: Arc::new(info),
        }
    }

    /// What the two sides agreed upon.
    #[must_use]
    pub fn info(&self) -> &Arc<TlsInfo> {
        &self.info
    }

    /// The stream below, which carries the records.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        self.stream.get_ref().0
    }

    /// Ready when a read may give something: a byte that is decrypted already, or anything from below.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (transport, session) = self.stream.get_ref();
        if session.wants_read() {
            transport.poll_read_ready(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("transport", self.transport())
            .field("info", &self.info)
            .finish()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}
