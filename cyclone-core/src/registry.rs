//! The registry of the connections of a server, of every protocol.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lock::lock;
use crate::peer::Peer;
use crate::session::{Session, Signal};

/// The number of a connection, unique within its server and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The id of every session that is in no server.
    pub const DETACHED: Self = Self(0);

    /// The id as a plain number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for ConnectionId {
    /// The id with this number, as an operator types it.
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the registry knows of one connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    id: ConnectionId,
    protocol: &'static str,
    peer: Peer,
    since: Instant,
}

impl ConnectionInfo {
    pub(crate) fn new(
        id: ConnectionId,
        protocol: &'static str,
        peer: Peer,
        since: Instant,
    ) -> Self {
        Self {
            id,
            protocol,
            peer,
            since,
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The protocol it spoke when this was read.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// Its two addresses.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// How long ago it was accepted.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

impl fmt::Display for ConnectionInfo {
    /// `#7 websocket 127.0.0.1:51000 12s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} {} {} {}s",
            self.id,
            self.protocol,
            self.peer,
            self.age().as_secs()
        )
    }
}

/// The connections of a server that are open now, whatever they speak, upgraded ones too.
///
/// Clones are handles of the same registry. A [`Server`](crate::Server) makes one and puts it among its
/// [`Resources`](crate::Resources), so that a dashboard or a console can read it.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    next_id: AtomicU64,
    refused: AtomicU64,
    /// The signals that the server has given to all.
    raised: AtomicU8,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    open: HashMap<ConnectionId, Session>,
    /// Connections that have begun to speak each protocol.
    begun: BTreeMap<&'static str, u64>,
    phase: Phase,
    /// Connections that ended while the server drained.
    drained: usize,
    /// Connections that ended because the server cut them.
    cut: BTreeMap<ConnectionId, ConnectionInfo>,
}

/// What it means for the shutdown report when a connection ends now.
#[derive(Default, PartialEq)]
enum Phase {
    #[default]
    Serving,
    Draining,
    Cutting,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                next_id: AtomicU64::new(1),
                refused: AtomicU64::new(0),
                raised: AtomicU8::new(0),
                state: Mutex::default(),
                changed: Notify::new(),
            }),
        }
    }

    /// How many connections are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many connections were accepted since the server started.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.inner.next_id.load(Ordering::Relaxed) - 1
    }

    /// How many peers were refused since the server started: by a factory, or because their opening failed.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// Open connections by protocol.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for session in self.state().open.values() {
            *counts.entry(session.protocol()).or_insert(0) += 1;
        }
        counts
    }

    /// How many connections have begun to speak each protocol since the server started. One that was upgraded counts
    /// for both.
    #[must_use]
    pub fn begun(&self) -> BTreeMap<&'static str, u64> {
        self.state().begun.clone()
    }

    /// The `limit` open connections that came last, newest first: with many open, far cheaper than
    /// [`snapshot`](Self::snapshot).
    #[must_use]
    pub fn newest(&self, limit: usize) -> Vec<ConnectionInfo> {
        let state = self.state();
        let mut ids: Vec<_> = state.open.keys().copied().collect();
        if limit < ids.len() {
            let (newest, _, _) = ids.select_nth_unstable_by(limit, |a, b| b.cmp(a));
            let count = newest.len();
            ids.truncate(count);
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let open = ids.iter().filter_map(|id| state.open.get(id));
        open.map(Session::info).collect()
    }

    /// Every open connection, oldest first.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ConnectionInfo> {
        let mut all: Vec<_> = self.state().open.values().map(Session::info).collect();
        all.sort_unstable_by_key(ConnectionInfo::id);
        all
    }

    /// Ends one connection at once; `false` when there is none of that id.
    #[must_use = "false says that there was no such connection"]
    pub fn close(&self, id: ConnectionId) -> bool {
        let session = self.state().open.get(&id).cloned();
        match session {
            Some(session) => {
                session.close();
                true
            }
            None => false,
        }
    }

    /// Waits until no connection is open.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn wait_empty(&self) {
        loop {
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            if self.is_empty() {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn next_id(&self) -> ConnectionId {
        ConnectionId(self.inner.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Enters a connection, also one that left already and is held again.
    pub(crate) fn enter(&self, session: Session) {
        self.state().open.insert(session.id(), session);
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        // The session is dropped after the lock: its drop may run foreign code.
        let (session, empty) = {
            let mut state = self.state();
            let session = state.open.remove(&id);
            match (&session, &state.phase) {
                (Some(_), Phase::Draining) => state.drained += 1,
                (Some(session), Phase::Cutting) => {
                    state.cut.insert(id, session.info());
                }
                _ => {}
            }
            (session, state.open.is_empty())
        };
        drop(session);
        if empty {
            self.inner.changed.notify_waiters();
        }
    }

    /// Tells every connection that it is time to go. From now on one that ends has drained.
    pub(crate) fn begin_draining(&self) {
        let mut state = self.state();
        if state.phase == Phase::Serving {
            state.phase = Phase::Draining;
            self.raise(state, &[Signal::Draining]);
        }
    }

    /// Tells every connection that it is cut. From now on one that ends was cut.
    pub(crate) fn begin_cutting(&self) {
        let mut state = self.state();
        if state.phase != Phase::Cutting {
            state.phase = Phase::Cutting;
            self.raise(state, &[Signal::Draining, Signal::Cut]);
        }
    }

    /// Raises the flag before it wakes: who waits looks at the flag after it is on the list.
    fn raise(&self, state: MutexGuard<'_, State>, signals: &[Signal]) {
        let bits = signals.iter().fold(0, |bits, signal| bits | signal.bit());
        self.inner.raised.fetch_or(bits, Ordering::Release);
        let open: Vec<_> = state.open.values().cloned().collect();
        drop(state);
        for session in open {
            session.wake_waiters();
        }
    }

    /// Whether the server has given the signal to all.
    pub(crate) fn has_raised(&self, signal: Signal) -> bool {
        self.inner.raised.load(Ordering::Acquire) & signal.bit() != 0
    }

    /// How many connections drained, and those that were cut or hold on even so, oldest first.
    pub(crate) fn outcome(&self) -> (usize, Vec<ConnectionInfo>) {
        let state = self.state();
        let mut cut = state.cut.clone();
        cut.extend(state.open.iter().map(|(id, session)| (*id, session.info())));
        (state.drained, cut.into_values().collect())
    }

    /// A connection begins to speak a protocol.
    pub(crate) fn count_begun(&self, protocol: &'static str) {
        *self.state().begun.entry(protocol).or_insert(0) += 1;
    }

    pub(crate) fn count_refused(&self) {
        self.inner.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("open", &self.len())
            .field("accepted", &self.accepted())
            .field("refused", &self.refused())
            .finish_non_exhaustive()
    }
}
