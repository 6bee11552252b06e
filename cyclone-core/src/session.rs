//! The place of one connection in its server.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lock::lock;
use crate::peer::{Address, Peer};
use crate::registry::{ConnectionId, ConnectionInfo, Registry};
use crate::resources::{Context, Resources};
use crate::until_cut::UntilCut;

mod signal;
mod span;
#[cfg(test)]
mod tests;

pub(crate) use signal::{Signal, Wait};
use signal::{Tokens, Waiters};
use span::ConnectionSpan;

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

/// One for each connection: what all of a server share is in its home.
struct Inner {
    id: ConnectionId,
    peer: Peer,
    /// What the opening of the connection found out about it.
    refined: OnceLock<Box<Peer>>,
    since: Instant,
    home: Arc<Home>,
    protocol: Mutex<&'static str>,
    /// This one connection was cut.
    closed: AtomicBool,
    state: Mutex<State>,
    span: ConnectionSpan,
}

#[derive(Default)]
struct State {
    waiters: Waiters,
    /// Guards alive; the registry entry and the permit go when the last one does.
    guards: u32,
    /// Whether it counts against the connection limit.
    has_permit: bool,
}

/// What the sessions of a server share.
pub(crate) struct Home {
    resources: Resources,
    /// Absent where nobody ever gives a signal.
    tokens: Option<Tokens>,
    membership: Option<Membership>,
}

/// What keeps a connection in the registry of its server.
struct Membership {
    registry: Registry,
    /// The connection limit of the server.
    permits: Arc<Semaphore>,
}

impl Home {
    /// The home of the sessions of a server. Whoever cancels a token tells the registry first.
    pub(crate) fn new(
        registry: Registry,
        resources: Resources,
        draining: CancellationToken,
        cut: CancellationToken,
        permits: Arc<Semaphore>,
    ) -> Arc<Self> {
        Arc::new(Self {
            resources,
            tokens: Some(Tokens { draining, cut }),
            membership: Some(Membership { registry, permits }),
        })
    }
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
        Self::alone(resources, None)
    }

    /// A detached session whose [`draining`](Self::draining) and [`cut`](Self::cut) signals the caller
    /// gives, the same to all connections of a server if need be: for servers of one's own and for tests of shutdown.
    #[must_use]
    pub fn controlled(
        resources: Resources,
        draining: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        Self::alone(resources, Some(Tokens { draining, cut }))
    }

    fn alone(resources: Resources, tokens: Option<Tokens>) -> Self {
        let home = Home {
            resources,
            tokens,
            membership: None,
        };
        let peer = Peer::new(Address::Memory, Address::Memory);
        let (home, span) = (Arc::new(home), ConnectionSpan::none());
        Self::new(ConnectionId::DETACHED, peer, "detached", home, span)
    }

    fn new(
        id: ConnectionId,
        peer: Peer,
        protocol: &'static str,
        home: Arc<Home>,
        span: ConnectionSpan,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                id,
                peer,
                refined: OnceLock::new(),
                since: Instant::now(),
                home,
                protocol: Mutex::new(protocol),
                closed: AtomicBool::new(false),
                state: Mutex::default(),
                span,
            }),
        }
    }

    /// Enters a new connection into `registry`, the one of `home`; it stays there while a guard lives.
    pub(crate) fn register(
        home: &Arc<Home>,
        registry: &Registry,
        peer: Peer,
        protocol: &'static str,
        permit: OwnedSemaphorePermit,
    ) -> (Self, SessionGuard) {
        let id = registry.next_id();
        let span = ConnectionSpan::open(id, protocol, &peer);
        let session = Self::new(id, peer, protocol, Arc::clone(home), span);
        registry.count_begun(protocol);
        // Given back when the last guard is dropped.
        permit.forget();
        lock(&session.inner.state).has_permit = true;
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
        match self.inner.refined.get() {
            Some(refined) => refined,
            None => &self.inner.peer,
        }
    }

    /// Says who the peer is, once: what the opening of the connection found out.
    pub(crate) fn refine_peer(&self, peer: Peer) {
        if peer != self.inner.peer {
            self.inner.span.record_peer(&peer);
            // Only the opening does this, at its end.
            let _ = self.inner.refined.set(Box::new(peer));
        }
    }

    /// The protocol that the connection speaks now.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        *lock(&self.inner.protocol)
    }

    /// Says which protocol the connection speaks from now on, `websocket` after an upgrade for instance.
    /// The registry counts by this name.
    pub fn set_protocol(&self, name: &'static str) {
        let before = std::mem::replace(&mut *lock(&self.inner.protocol), name);
        if let Some(membership) = self.inner.home.membership.as_ref()
            && before != name
        {
            self.inner.span.record_protocol(name);
            membership.registry.count_begun(name);
        }
    }

    /// Waits until the peer has to be told to go: the server began to shut down.
    ///
    /// A protocol then says good-bye in its own words (HTTP `connection: close`, WebSocket 1001), finishes
    /// what it has begun, and ends.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; once resolved it resolves at once for ever.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + Sync + Unpin {
        Wait::new(self, Signal::Draining)
    }

    /// Whether [`draining`](Self::draining) has resolved.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_raised(Signal::Draining)
    }

    /// Waits until the connection has to end at once: the deadline passed, or somebody called
    /// [`close`](Self::close).
    ///
    /// The server drops the protocol's future and everything that was [spawned](Self::spawn) then, so only
    /// foreign tasks need to listen.
    ///
    /// # Cancel safety
    /// As for [`draining`](Self::draining).
    pub fn cut(&self) -> impl Future<Output = ()> + Send + Sync + Unpin {
        Wait::new(self, Signal::Cut)
    }

    /// Whether [`cut`](Self::cut) has resolved.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_raised(Signal::Cut)
    }

    /// Ends this connection at once, without a word to the peer.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
        self.wake_waiters();
    }

    /// Has what is logged while the guard lives belong to the connection, for whoever is interested in that.
    pub(crate) fn enter(&self) -> Option<tracing::span::Entered<'_>> {
        self.inner.span.enter()
    }

    fn is_raised(&self, signal: Signal) -> bool {
        let inner = &self.inner;
        if signal == Signal::Cut && inner.closed.load(Ordering::Acquire) {
            return true;
        }
        match (&inner.home.membership, &inner.home.tokens) {
            (Some(membership), _) => membership.registry.has_raised(signal),
            (None, Some(tokens)) => tokens.of(signal).is_cancelled(),
            (None, None) => false,
        }
    }

    /// Lets those who wait for a signal look again.
    pub(crate) fn wake_waiters(&self) {
        let wakers = lock(&self.inner.state).waiters.wakers();
        for waker in wakers {
            waker.wake();
        }
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
        tokio::spawn(Work {
            work: UntilCut::new(self.hold(), work),
        })
    }

    /// Keeps the connection in the registry while the guard lives.
    ///
    /// A connection that has left the registry enters it again: the task that takes over an upgraded socket
    /// may well come after the one that served it before has ended. It then counts against the connection
    /// limit again, which it may exceed.
    #[must_use = "the connection leaves the registry when the guard is dropped"]
    pub fn hold(&self) -> SessionGuard {
        let mut state = lock(&self.inner.state);
        state.guards += 1;
        if let Some(membership) = self.inner.home.membership.as_ref()
            && state.guards == 1
        {
            if !state.has_permit
                && let Ok(permit) = membership.permits.try_acquire()
            {
                permit.forget();
                state.has_permit = true;
            }
            membership.registry.enter(self.clone());
        }
        drop(state);
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
            self.peer().clone(),
            self.inner.since,
        )
    }
}

impl Context for Session {
    fn resources(&self) -> &Resources {
        &self.inner.home.resources
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.inner.id)
            .field("protocol", &self.protocol())
            .field("peer", self.peer())
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
        let mut state = lock(&inner.state);
        state.guards -= 1;
        let Some(membership) = inner.home.membership.as_ref().filter(|_| state.guards == 0) else {
            return;
        };
        membership.registry.remove(inner.id);
        if std::mem::take(&mut state.has_permit) {
            membership.permits.add_permits(1);
        }
        drop(state);
        // The registry does not tell them any more.
        self.session.wake_waiters();
    }
}

pin_project! {
    /// The task of [`Session::spawn`].
    struct Work<F> {
        #[pin]
        work: UntilCut<F>,
    }
}

impl<F: Future<Output = ()>> Future for Work<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        // Whether it ended or was cut is the same here.
        self.project().work.poll(cx).map(drop)
    }
}
