//! The place of one connection in its server.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lock::lock;
use crate::peer::{Address, Peer};
use crate::registry::{ConnectionId, ConnectionInfo, Registry};
use crate::resources::{Context, Resources};
use crate::until_cut::until_cut;

#[cfg(test)]
mod tests;

/// The place of one connection in its server: its id, the signals that end it, its registry entry and the
/// server's [`Resources`].
///
/// Clones are handles of the same connection. A clone alone does not keep the connection in the registry;
/// the server's task, [`spawn`](Self::spawn) and [`hold`](Self::hold) do. So a handler may keep a `Session`
/// as long as it likes without delaying shutdown.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    id: ConnectionId,
    peer: Peer,
    since: Instant,
    protocol: Mutex<&'static str>,
    draining: CancellationToken,
    cut: CancellationToken,
    resources: Resources,
    membership: Option<Membership>,
}

/// What keeps a connection in the registry of its server.
struct Membership {
    registry: Registry,
    /// The connection limit of the server.
    permits: Arc<Semaphore>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Guards alive; the registry entry and the permit go when the last one does.
    guards: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    /// A session in no server: for tests and for servers that are not ours. It is never told to go, unless
    /// by [`close`](Self::close).
    #[must_use]
    pub fn detached() -> Self {
        Self::detached_with(Resources::default())
    }

    /// A detached session with resources.
    #[must_use]
    pub fn detached_with(resources: Resources) -> Self {
        Self::controlled(
            resources,
            CancellationToken::new(),
            CancellationToken::new(),
        )
    }

    /// A detached session whose [`draining`](Self::draining) and [`cut`](Self::cut) signals the caller
    /// gives: for servers of one's own and for tests of shutdown.
    #[must_use]
    pub fn controlled(
        resources: Resources,
        draining: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                id: ConnectionId::DETACHED,
                peer: Peer::new(Address::Memory, Address::Memory),
                since: Instant::now(),
                protocol: Mutex::new("detached"),
                draining,
                cut,
                resources,
                membership: None,
            }),
        }
    }

    /// Enters a new connection into `registry`; it stays there while a guard lives.
    pub(crate) fn register(
        registry: &Registry,
        peer: Peer,
        protocol: &'static str,
        resources: Resources,
        draining: CancellationToken,
        cut: &CancellationToken,
        permit: OwnedSemaphorePermit,
    ) -> (Self, SessionGuard) {
        let session = Self {
            inner: Arc::new(Inner {
                id: registry.next_id(),
                peer,
                since: Instant::now(),
                protocol: Mutex::new(protocol),
                draining,
                cut: cut.child_token(),
                resources,
                membership: Some(Membership {
                    registry: registry.clone(),
                    permits: Arc::clone(permit.semaphore()),
                    held: Mutex::new(Held {
                        guards: 0,
                        permit: Some(permit),
                    }),
                }),
            }),
        };
        let guard = session.hold();
        (session, guard)
    }

    /// The number of the connection, unique within its server; 0 when detached.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.inner.id
    }

    /// The two addresses of the connection.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.inner.peer
    }

    /// The protocol that the connection speaks now.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        *lock(&self.inner.protocol)
    }

    /// Says which protocol the connection speaks from now on, `websocket` after an upgrade for instance.
    /// The registry counts by this name.
    pub fn set_protocol(&self, name: &'static str) {
        *lock(&self.inner.protocol) = name;
    }

    /// Waits until the peer has to be told to go: the server began to shut down.
    ///
    /// A protocol then says good-bye in its own words (HTTP `connection: close`, WebSocket 1001), finishes
    /// what it has begun, and ends.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; once resolved it resolves at once for ever.
    pub async fn draining(&self) {
        self.inner.draining.cancelled().await;
    }

    /// Whether [`draining`](Self::draining) has resolved.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.is_cancelled()
    }

    /// Waits until the connection has to end at once: the deadline passed, or somebody called
    /// [`close`](Self::close).
    ///
    /// The server drops the protocol's future and everything that was [spawned](Self::spawn) then, so only
    /// foreign tasks need to listen.
    ///
    /// # Cancel safety
    /// As for [`draining`](Self::draining).
    pub async fn cut(&self) {
        self.inner.cut.cancelled().await;
    }

    /// Whether [`cut`](Self::cut) has resolved.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.inner.cut.is_cancelled()
    }

    /// Ends this connection at once, without a word to the peer.
    pub fn close(&self) {
        self.inner.cut.cancel();
    }

    /// Spawns work that belongs to this connection, such as the socket that an HTTP upgrade left behind.
    ///
    /// The connection stays in the registry until the work ends, and the work is dropped when the connection
    /// is cut. A panic in it ends only this work; the returned handle tells.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let guard = self.hold();
        tokio::spawn(async move {
            // Whether it ended or was cut is the same here.
            let _ = until_cut(&guard.session, work).await;
        })
    }

    /// Keeps the connection in the registry while the guard lives.
    ///
    /// A connection that has left the registry enters it again: the task that takes over an upgraded socket
    /// may well come after the one that served it before has ended. It then counts against the connection
    /// limit again, which it may exceed.
    #[must_use = "the connection leaves the registry when the guard is dropped"]
    pub fn hold(&self) -> SessionGuard {
        if let Some(membership) = &self.inner.membership {
            let mut held = lock(&membership.held);
            held.guards += 1;
            if held.guards == 1 {
                if held.permit.is_none() {
                    held.permit = Arc::clone(&membership.permits).try_acquire_owned().ok();
                }
                membership.registry.enter(self.clone());
            }
        }
        SessionGuard {
            session: self.clone(),
        }
    }

    /// What the registry shows of the connection.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        ConnectionInfo::new(
            self.inner.id,
            self.protocol(),
            self.inner.peer.clone(),
            self.inner.since,
        )
    }
}

impl Context for Session {
    fn resources(&self) -> &Resources {
        &self.inner.resources
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.inner.id)
            .field("protocol", &self.protocol())
            .field("peer", &self.inner.peer)
            .field("draining", &self.is_draining())
            .field("cut", &self.is_cut())
            .finish_non_exhaustive()
    }
}

/// Keeps a connection in the registry while it lives; see [`Session::hold`].
#[derive(Debug)]
pub struct SessionGuard {
    session: Session,
}

impl SessionGuard {
    /// The connection that is held.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let inner = &self.session.inner;
        if let Some(membership) = &inner.membership {
            let mut held = lock(&membership.held);
            held.guards -= 1;
            if held.guards == 0 {
                membership.registry.remove(inner.id);
                held.permit = None;
            }
        }
    }
}
