//! The connections of a client: few to a host, reused, and closed when nobody needed them for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::error::{ClientError, ClientErrorKind, ClientPhase, Outcome};
use super::route::Route;
use super::timeouts::after;
use super::upload::Upload;

mod lease;

pub(crate) use lease::{Lease, Line};

/// How long a connection may take to get ready for its next request; it is already, as good as always.
const SETTLING: Duration = Duration::from_secs(1);

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    pub(crate) per_host: usize,
    pub(crate) idle_per_host: usize,
    pub(crate) idle: usize,
    pub(crate) idle_age: Duration,
    pub(crate) waiting: usize,
    pub(crate) streams: usize,
}

pub(crate) struct Pool {
    limits: PoolLimits,
    hosts: Mutex<HashMap<Route, Arc<Host>>>,
    idle: AtomicUsize,
    reaping: AtomicBool,
}

/// What is known of one host, reached by one route.
struct Host {
    state: Mutex<HostState>,
    /// Told when a connection, or a stream of one, has become free.
    freed: Notify,
}

#[derive(Default)]
struct HostState {
    /// Connections, those that are being opened too.
    open: usize,
    waiting: usize,
    /// Somebody opens a connection that may turn out to be one for all.
    opening_shared: bool,
    /// It was HTTP/1 last time.
    speaks_http1: bool,
    idle: Vec<Idle>,
    shared: Vec<Arc<Shared>>,
}

struct Idle {
    connection: Single,
    since: Instant,
    _counted: Counted,
}

/// An HTTP/1 connection: one exchange at a time.
struct Single {
    sender: http1::SendRequest<Upload>,
    slot: Slot,
}

/// An HTTP/2 connection: many exchanges.
struct Shared {
    sender: http2::SendRequest<Upload>,
    streams: AtomicUsize,
    broken: AtomicBool,
    free_since: Mutex<Instant>,
    _slot: Slot,
}

/// The place of a connection among those of its host.
pub(crate) struct Slot {
    host: Weak<Host>,
    opening_shared: bool,
}

/// One idle connection among all.
struct Counted(Weak<Pool>);

/// What a connection turned out to be.
pub(crate) enum Opened {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

enum Held {
    Single(Single),
    Stream(Arc<Shared>),
}

enum Taken {
    Single(Single),
    Stream(Arc<Shared>),
    Open(Slot),
    Full,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            hosts: Mutex::default(),
            idle: AtomicUsize::new(0),
            reaping: AtomicBool::new(false),
        })
    }

    /// A connection to where `route` leads: an idle one, a stream of a shared one, or a new one by `open`.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue, and closes a connection that is being opened.
    pub(crate) async fn lease<F>(
        self: &Arc<Self>,
        route: &Route,
        wait: Duration,
        open: impl FnOnce() -> F,
    ) -> Result<Lease, ClientError>
    where
        F: Future<Output = Result<Opened, ClientError>>,
    {
        self.reap();
        let host = self.host(route);
        let deadline = after(Instant::now(), wait);
        loop {
            let freed = host.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.take(&host, route.may_share()) {
                Taken::Stream(shared) => return Ok(self.leased(&host, Held::Stream(shared), true)),
                Taken::Single(mut single) => {
                    // It may be on its way out, which we learn here.
                    if let Ok(Ok(())) = timeout(SETTLING, single.sender.ready()).await {
                        return Ok(self.leased(&host, Held::Single(single), true));
                    }
                }
                Taken::Open(mut slot) => {
                    let opened = open().await?;
                    return Ok(self.opened(&host, &mut slot, opened));
                }
                Taken::Full => {
                    let _queued = Queued::new(&host, self.limits.waiting)?;
                    let late = |_| ClientError::timeout(ClientPhase::Wait, Outcome::NotSent);
                    timeout_at(deadline, freed).await.map_err(late)?;
                }
            }
        }
    }

    fn host(&self, route: &Route) -> Arc<Host> {
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(route) {
            return Arc::clone(host);
        }
        let host = Arc::new(Host {
            state: Mutex::default(),
            freed: Notify::new(),
        });
        hosts.insert(route.clone(), Arc::clone(&host));
        host
    }

    fn take(&self, host: &Arc<Host>, may_share: bool) -> Taken {
        let unusable = |shared: &mut Arc<Shared>| !shared.is_usable();
        let gone: Vec<_> = lock(&host.state).shared.extract_if(.., unusable).collect();
        // Not while the state is locked, which their places lock too.
        drop(gone);
        let mut state = lock(&host.state);
        for shared in &state.shared {
            if shared.enter(self.limits.streams) {
                let taken = Taken::Stream(Arc::clone(shared));
                drop(state);
                return taken;
            }
        }
        while let Some(idle) = state.idle.pop() {
            if idle.since.elapsed() < self.limits.idle_age && !idle.connection.sender.is_closed() {
                drop(state);
                return Taken::Single(idle.connection);
            }
            // Its slot wants the lock of the state.
            state.open -= 1;
            idle.discard();
        }
        let one_at_a_time = may_share && !state.speaks_http1;
        let taken = if state.open >= self.limits.per_host || (one_at_a_time && state.opening_shared)
        {
            Taken::Full
        } else {
            state.open += 1;
            state.opening_shared |= one_at_a_time;
            Taken::Open(Slot {
                host: Arc::downgrade(host),
                opening_shared: one_at_a_time,
            })
        };
        drop(state);
        taken
    }

    fn opened(self: &Arc<Self>, host: &Arc<Host>, slot: &mut Slot, opened: Opened) -> Lease {
        let is_http1 = matches!(opened, Opened::Http1(_));
        slot.was_opened(is_http1);
        let slot = Slot {
            host: std::mem::take(&mut slot.host),
            opening_shared: false,
        };
        let held = match opened {
            Opened::Http1(sender) => Held::Single(Single { sender, slot }),
            Opened::Http2(sender) => {
                let shared = Arc::new(Shared {
                    sender,
                    streams: AtomicUsize::new(1),
                    broken: AtomicBool::new(false),
                    free_since: Mutex::new(Instant::now()),
                    _slot: slot,
                });
                lock(&host.state).shared.push(Arc::clone(&shared));
                Held::Stream(shared)
            }
        };
        host.freed.notify_waiters();
        self.leased(host, held, false)
    }

    fn leased(self: &Arc<Self>, host: &Arc<Host>, held: Held, reused: bool) -> Lease {
        Lease {
            held: Some(held),
            pool: Arc::downgrade(self),
            host: Arc::downgrade(host),
            reused,
        }
    }

    /// Keeps a connection that has done its exchange.
    fn keep(self: &Arc<Self>, host: &Arc<Host>, connection: Single) {
        let counted = self.idle.fetch_add(1, Ordering::Relaxed);
        let counts = Counted(Arc::downgrade(self));
        if counted >= self.limits.idle || self.limits.idle_age.is_zero() {
            return;
        }
        let idle = Idle {
            connection,
            since: Instant::now(),
            _counted: counts,
        };
        let mut state = lock(&host.state);
        let surplus = if state.idle.len() < self.limits.idle_per_host {
            state.idle.push(idle);
            None
        } else {
            Some(idle)
        };
        drop(state);
        drop(surplus);
        host.freed.notify_one();
    }

    /// Has idle connections closed when their time is up, as long as there are any.
    fn reap(self: &Arc<Self>) {
        if self.reaping.swap(true, Ordering::AcqRel) {
            return;
        }
        let reaper = Reaper(Arc::downgrade(self));
        let mut next = after(Instant::now(), self.limits.idle_age);
        tokio::spawn(async move {
            loop {
                sleep_until(next).await;
                let Some(pool) = reaper.0.upgrade() else {
                    return;
                };
                match pool.close_old() {
                    Some(at) => next = at,
                    None => return,
                }
            }
        });
    }

    /// Closes what is too old, and says when to look again.
    fn close_old(&self) -> Option<Instant> {
        let age = self.limits.idle_age;
        let now = Instant::now();
        // Not sooner, or a busy client would be looked at without an end.
        let soonest = after(now, (age / 8).max(Duration::from_millis(10)));
        let mut next = after(now, age.max(Duration::from_secs(1)));
        let mut singles = Vec::new();
        let mut shared = Vec::new();
        let mut hosts = lock(&self.hosts);
        for host in hosts.values() {
            let mut state = lock(&host.state);
            let old = |idle: &mut Idle| {
                now.duration_since(idle.since) >= age || idle.connection.sender.is_closed()
            };
            singles.extend(state.idle.extract_if(.., old));
            let old = |shared: &mut Arc<Shared>| !shared.is_usable() || shared.is_old(now, age);
            shared.extend(state.shared.extract_if(.., old));
            let since = state.idle.iter().map(|idle| idle.since);
            let since = since.chain(state.shared.iter().filter_map(|shared| shared.free_since()));
            if let Some(oldest) = since.min() {
                next = next.min(after(oldest, age));
            }
        }
        // Nobody else has the host when the table alone holds it.
        hosts.retain(|_, host| Arc::strong_count(host) > 1 || lock(&host.state).is_needed());
        let is_over = hosts.is_empty();
        drop(hosts);
        drop((singles, shared));
        (!is_over).then(|| next.max(soonest))
    }

    /// Connections that wait for a request, over HTTP/1.
    pub(crate) fn idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }

    /// Connections, those that are being opened too.
    pub(crate) fn open(&self) -> usize {
        let hosts = lock(&self.hosts);
        hosts.values().map(|host| lock(&host.state).open).sum()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("limits", &self.limits)
            .field("open", &self.open())
            .field("idle", &self.idle())
            .finish_non_exhaustive()
    }
}

impl HostState {
    fn is_needed(&self) -> bool {
        self.open > 0 || self.waiting > 0
    }
}

impl Idle {
    /// Closes the connection; its place was given up by whoever holds the lock.
    fn discard(mut self) {
        self.connection.slot.host = Weak::new();
    }
}

impl Shared {
    fn is_usable(&self) -> bool {
        !self.broken.load(Ordering::Acquire) && !self.sender.is_closed()
    }

    /// Takes a stream, if one is free.
    fn enter(&self, limit: usize) -> bool {
        let more = |streams: usize| (streams < limit).then_some(streams + 1);
        let entered = self
            .streams
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        entered.is_ok()
    }

    fn free_since(&self) -> Option<Instant> {
        (self.streams.load(Ordering::Acquire) == 0).then(|| *lock(&self.free_since))
    }

    fn is_old(&self, now: Instant, age: Duration) -> bool {
        self.free_since()
            .is_some_and(|since| now.duration_since(since) >= age)
    }
}

impl Slot {
    fn was_opened(&mut self, is_http1: bool) {
        let Some(host) = self.host.upgrade() else {
            return;
        };
        let mut state = lock(&host.state);
        state.speaks_http1 = is_http1;
        if std::mem::take(&mut self.opening_shared) {
            state.opening_shared = false;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(host) = self.host.upgrade() else {
            return;
        };
        let mut state = lock(&host.state);
        state.open = state.open.saturating_sub(1);
        if self.opening_shared {
            state.opening_shared = false;
        }
        drop(state);
        if self.opening_shared {
            host.freed.notify_waiters();
        } else {
            host.freed.notify_one();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.idle.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Somebody who waits for a connection.
struct Queued<'a>(&'a Host);

impl<'a> Queued<'a> {
    fn new(host: &'a Host, limit: usize) -> Result<Self, ClientError> {
        let mut state = lock(&host.state);
        if state.waiting >= limit {
            return Err(ClientError::new(ClientErrorKind::Busy, Outcome::NotSent));
        }
        state.waiting += 1;
        Ok(Self(host))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).waiting -= 1;
    }
}

/// The task that closes old connections; the flag goes with it, even when its runtime ends.
struct Reaper(Weak<Pool>);

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.reaping.store(false, Ordering::Release);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
