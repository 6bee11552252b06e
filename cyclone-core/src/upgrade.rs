//! Connections that leave the protocol they began with, such as an HTTP connection after a 101.
//!
//! A server that can hand its connection over makes a [`channel`] and puts the [`OnUpgrade`] where the code
//! that answers finds it; in HTTP that is the extensions of the request. Whoever wants the connection takes
//! the [`OnUpgrade`] out and awaits it, usually in [`Session::spawn`](crate::Session::spawn). When the answer
//! that switches protocols is written, the server gives the connection to its [`UpgradeSender`], with the
//! bytes that it has read too far, and forgets about it.
//!
//! ```
//! use bytes::Bytes;
//! use cyclone_core::{Connection, upgrade};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (connection, mut client) = Connection::in_memory();
//! let session = connection.session().clone();
//! let (sender, on_upgrade) = upgrade::channel();
//!
//! // Whoever takes over:
//! let work = session.spawn(async move {
//!     if let Ok(mut upgraded) = on_upgrade.await {
//!         let mut line = [0; 5];
//!         if upgraded.read_exact(&mut line).await.is_ok() {
//!             let _ = upgraded.write_all(&line).await;
//!         }
//!     }
//! });
//!
//! // The server, which has read two bytes of the new protocol already:
//! sender.send(connection, Bytes::from_static(b"he"));
//!
//! client.write_all(b"llo").await?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "hello");
//! # work.await?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::lock::lock;
use crate::session::SessionGuard;

#[cfg(test)]
mod tests;

/// Makes the two ends of an upgrade: one for the server that has the connection, one for whoever wants it.
#[must_use]
pub fn channel() -> (UpgradeSender, OnUpgrade) {
    let shared = Arc::new(Mutex::new(State::Waiting(Vec::new())));
    let on_upgrade = OnUpgrade {
        shared: Arc::clone(&shared),
        slot: None,
    };
    (UpgradeSender { shared }, on_upgrade)
}

enum State {
    /// One place for each handle that waits.
    Waiting(Vec<Option<Waker>>),
    Ready(Box<Upgraded>),
    Taken,
    Failed,
}

/// The server's end of an upgrade. Dropping it tells the other end that there will be no connection.
pub struct UpgradeSender {
    shared: Arc<Mutex<State>>,
}

impl UpgradeSender {
    /// Hands the connection over, with the bytes that the client sent behind its request and that were read
    /// `ahead`. The answer that switches protocols has to be written and flushed before.
    ///
    /// The connection stays in the registry until it is dropped, or taken apart. When nobody
    /// [awaits](Self::is_awaited) it, it is closed here.
    pub fn send(self, connection: Connection, ahead: Bytes) {
        let guard = connection.session().hold();
        self.settle(State::Ready(Box::new(Upgraded {
            ahead,
            connection,
            guard,
        })));
    }

    /// Whether there is an [`OnUpgrade`] left that could take the connection.
    ///
    /// Once false it remains so: a server need not keep the connection for an answer that switches protocols
    /// then.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        // This end is one of the handles.
        Arc::strong_count(&self.shared) > 1
    }

    /// Leaves the state in which one waits, if that is the state.
    fn settle(&self, end: State) {
        let mut state = lock(&self.shared);
        if !matches!(*state, State::Waiting(_)) {
            return;
        }
        let State::Waiting(wakers) = std::mem::replace(&mut *state, end) else {
            return;
        };
        drop(state);
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Drop for UpgradeSender {
    fn drop(&mut self) {
        self.settle(State::Failed);
    }
}

impl fmt::Debug for UpgradeSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeSender")
            .field("awaited", &self.is_awaited())
            .finish()
    }
}

/// The connection to come, once the server has answered that it switches protocols; a future.
///
/// Clones wait for the same connection: the first that is polled when it is there takes it, the others get
/// [`UpgradeError::Taken`]. So it can be in the extensions of a request, whose clones are cheap.
///
/// There is no time limit here, but there is an end: the server drops its [`UpgradeSender`] when it answers
/// something else, or when the connection breaks.
///
/// # Errors
/// [`UpgradeError`].
///
/// # Cancel safety
/// Nothing is lost when the future is dropped before it is ready and there is a clone. With the last clone a
/// connection that nobody has taken is closed.
pub struct OnUpgrade {
    shared: Arc<Mutex<State>>,
    /// Which of the places is this handle's.
    slot: Option<usize>,
}

impl Future for OnUpgrade {
    type Output = Result<Upgraded, UpgradeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = lock(&this.shared);
        let wakers = match &mut *state {
            State::Waiting(wakers) => wakers,
            State::Ready(_) => {
                return Poll::Ready(match std::mem::replace(&mut *state, State::Taken) {
                    State::Ready(upgraded) => Ok(*upgraded),
                    _ => Err(UpgradeError::Taken),
                });
            }
            State::Taken => return Poll::Ready(Err(UpgradeError::Taken)),
            State::Failed => return Poll::Ready(Err(UpgradeError::NotUpgraded)),
        };
        let slot = *this.slot.get_or_insert_with(|| {
            let free = wakers.iter().position(Option::is_none);
            free.unwrap_or(wakers.len())
        });
        if slot == wakers.len() {
            wakers.push(None);
        }
        let old = match &wakers[slot] {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => wakers[slot].replace(cx.waker().clone()),
        };
        // The drop of a waker is foreign code.
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Clone for OnUpgrade {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            slot: None,
        }
    }
}

impl Drop for OnUpgrade {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        let waker = match &mut *lock(&self.shared) {
            State::Waiting(wakers) => wakers[slot].take(),
            _ => None,
        };
        drop(waker);
    }
}

impl fmt::Debug for OnUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*lock(&self.shared) {
            State::Waiting(_) => "waiting",
            State::Ready(_) => "ready",
            State::Taken => "taken",
            State::Failed => "failed",
        };
        f.debug_tuple("OnUpgrade").field(&state).finish()
    }
}

/// Why an [`OnUpgrade`] gives no connection. Waiting again does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The server did not switch protocols: it answered something else, or the connection broke first.
    NotUpgraded,
    /// A clone of the [`OnUpgrade`] has taken the connection, or this one did before.
    Taken,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUpgraded => "the connection was not upgraded",
            Self::Taken => "the upgraded connection was taken by somebody else",
        })
    }
}

impl std::error::Error for UpgradeError {}

/// A connection that has left its first protocol, and the bytes of the second one that were read with the
/// first: reading gives those at first.
///
/// It keeps the connection in the registry while it lives.
#[derive(Debug)]
pub struct Upgraded {
    ahead: Bytes,
    // Before the guard: the socket is closed when the connection leaves the registry.
    connection: Connection,
    guard: SessionGuard,
}

impl Upgraded {
    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes it apart: the connection, and the bytes that come before those which it gives.
    ///
    /// What kept the connection in the registry is dropped. Work in [`Session::spawn`](crate::Session::spawn)
    /// keeps it there; other work should take a [`hold`](crate::Session::hold) first.
    #[must_use]
    pub fn into_parts(self) -> (Connection, Bytes) {
        drop(self.guard);
        (self.connection, self.ahead)
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..count]);
            self.ahead.advance(count);
            if self.ahead.is_empty() {
                // Frees the buffer behind it now.
                self.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
