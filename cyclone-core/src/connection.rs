//! An accepted connection: byte stream, peer and session.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::peer::{Address, Peer};
use crate::resources::{self, Resources};
use crate::session::Session;
use crate::transport::Transport;

/// Bytes that each direction of [`Connection::in_memory`] holds before the writer has to wait.
pub const IN_MEMORY_BUFFER_BYTES: usize = 64 * 1024;

/// An accepted connection: a byte stream ([`Transport`]), the two addresses ([`Peer`]) and its place in the
/// server ([`Session`]).
///
/// A [`Protocol`](crate::Protocol) is given one and owns it: dropping it closes the stream.
#[derive(Debug)]
pub struct Connection {
    transport: Transport,
    /// Only where the session does not know it: a connection that waits has many of its kind.
    peer: Option<Box<Peer>>,
    session: Session,
}

impl Connection {
    /// Joins the three parts, for servers of one's own.
    pub fn new(transport: impl Into<Transport>, peer: Peer, session: Session) -> Self {
        Self {
            transport: transport.into(),
            peer: (peer != *session.peer()).then(|| Box::new(peer)),
            session,
        }
    }

    /// A connection with the peer of its session.
    pub(crate) fn of(transport: Transport, session: Session) -> Self {
        Self {
            transport,
            peer: None,
            session,
        }
    }

    /// A connection inside this process and the client's end of it, for tests of protocols.
    ///
    /// The session is a [detached](Session::detached) one. Each direction buffers
    /// [`IN_MEMORY_BUFFER_BYTES`].
    #[must_use]
    pub fn in_memory() -> (Self, DuplexStream) {
        Self::in_memory_with(Session::detached())
    }

    /// Like [`in_memory`](Self::in_memory), with a session of the caller's.
    #[must_use]
    pub fn in_memory_with(session: Session) -> (Self, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(IN_MEMORY_BUFFER_BYTES);
        let peer = Peer::new(Address::Memory, Address::Memory);
        (Self::new(ours, peer, session), theirs)
    }

    /// The two addresses.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.peer.as_deref().unwrap_or_else(|| self.session.peer())
    }

    /// The connection's place in the server: shutdown signals, registry entry, resources.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The byte stream.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Ready when a read may give bytes, or the end. It needs no buffer, and so spares connections that wait.
    ///
    /// It may be ready when nothing has come, and is always for streams that are no sockets: read then.
    ///
    /// # Errors
    /// When the runtime shuts down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_read_ready(cx)
    }

    /// Takes the connection apart.
    #[must_use]
    pub fn into_parts(self) -> (Transport, Peer, Session) {
        let peer = match self.peer {
            Some(peer) => *peer,
            None => self.session.peer().clone(),
        };
        (self.transport, peer, self.session)
    }
}

impl resources::Context for Connection {
    fn resources(&self) -> &Resources {
        self.session.resources()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
