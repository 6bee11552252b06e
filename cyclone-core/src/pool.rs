//! Many connections of one kind, borrowed one at a time, that heal themselves.

use std::{
    fmt,
    future::Future,
    sync::{Arc, atomic::Ordering::Relaxed, atomic::Ordering::SeqCst},
    time::Duration,
};

use deadpool::managed::{self, QueueMode, TimeoutType, Timeouts};
use tokio::time::{Instant, timeout};

pub use builder::{
    DEFAULT_CHECK_AFTER, DEFAULT_CHECK_TIMEOUT, DEFAULT_KEEPALIVE, DEFAULT_MAX_LIFETIME,
    DEFAULT_POOL_CLOSE_TIMEOUT, DEFAULT_POOL_IDLE_TIMEOUT, DEFAULT_POOL_MAX_SIZE,
    DEFAULT_POOL_MAX_WAITING, DEFAULT_POOL_MIN_IDLE, DEFAULT_SLOW_CHECKOUT, DEFAULT_WAIT_TIMEOUT,
    LIFETIME_JITTER, MAX_POOL_SIZE, PoolBuilder,
};
pub use error::PoolError;
pub use operation::PooledOperation;
pub use pooled::Pooled;
pub use state::PoolState;
pub use statistics::PoolStatistics;

use crate::{breaker::Breaker, connector::Connector, health::HealthWatch, state_watch::StateWatch};
use keeper::Keeper;
use manager::Manager;
use shared::Shared;
use statistics::{Queued, Waiting};

mod builder;
mod dialer;
mod entry;
mod error;
mod keeper;
mod manager;
mod operation;
mod pooled;
mod shared;
mod slow;
mod state;
mod statistics;
mod vetting;
mod waiter;

/// A pool of connections; clones are handles of the same pool.
///
/// It keeps a few idle connections ready, checks them, replaces old ones, and reconnects in the background with a
/// growing delay. All that is done by one task, so whatever the load there are never more connections than
/// [`max_size`](PoolBuilder::max_size), and never more than
/// [`MAX_ATTEMPTS_PER_SECOND`](crate::MAX_ATTEMPTS_PER_SECOND) (20) attempts in a second.
///
/// It is used through [`run`](Self::run). While there is no connection and none can be made, that fails at once; the
/// first success in the background ends that. While *some* connections are open and no more can be made, callers wait for those.
///
/// When the last handle is dropped, the idle connections are closed in the background, and those in use when they
/// come back.
///
/// ```
/// # use std::{convert::Infallible, error::Error};
/// # use cyclone_core::{Connector, Pool};
/// # struct Database;
/// # impl Connector for Database {
/// #     type Connection = Vec<u8>;
/// #     type Error = Infallible;
/// #     async fn connect(&self) -> Result<Vec<u8>, Infallible> { Ok(Vec::new()) }
/// #     async fn check(&self, _: &mut Vec<u8>) -> Result<(), Infallible> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn Error>> {
/// let pool = Pool::builder(Database).max_size(20).build();
/// pool.warm_up().await?;                      // optional: fail at start rather than later
/// pool.run(async |connection| {
///     connection.push(1);
///     Ok(())
/// })
/// .await?;
/// assert_eq!(pool.close().await, 0);
/// # Ok(())
/// # }
/// ```
pub struct Pool<C: Connector> {
    handle: Arc<Handle<C>>,
}

/// What all clones share and the keeper does not hold: the last one to go closes the pool.
struct Handle<C: Connector> {
    shared: Arc<Shared<C>>,
    pool: managed::Pool<Manager<C>>,
}

impl<C: Connector> Pool<C> {
    /// A pool with all defaults, connecting in the background.
    #[must_use]
    pub fn new(connector: C) -> Self {
        Self::builder(connector).build()
    }

    /// Settings for a pool.
    pub fn builder(connector: C) -> PoolBuilder<C> {
        PoolBuilder::new(connector)
    }

    #[expect(
        clippy::expect_used,
        reason = "building fails for time limits without a runtime; there are none"
    )]
    fn from_shared(shared: Arc<Shared<C>>) -> Self {
        let pool = managed::Pool::builder(Manager(Arc::clone(&shared)))
            .max_size(shared.settings.max_size)
            .timeouts(Timeouts::new())
            .queue_mode(QueueMode::Lifo)
            .build()
            .expect("deadpool has no time limits to refuse");
        Keeper::ensure(&shared, &pool);
        Self {
            handle: Arc::new(Handle { shared, pool }),
        }
    }

    /// Borrows a connection, for as long as the [`Pooled`] lives; [`run`](Self::run) does it for one operation.
    ///
    /// It never takes longer than [`wait_timeout`](PoolBuilder::wait_timeout) (5 s). Callers are served in their
    /// order. A connection that was silent for more than [`check_after`](PoolBuilder::check_after) (500 ms) is
    /// checked first.
    ///
    /// # Errors
    ///
    /// See [`PoolError`]: whichever it is, nothing was sent.
    ///
    /// # Cancel safety
    ///
    /// Safe: a dropped future gives its place back. A connection that was being made for it goes to the next
    /// caller; one that was being checked is closed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time, like every tokio timer.
    pub async fn get(&self) -> Result<Pooled<C>, PoolError> {
        let shared = &self.handle.shared;
        Keeper::ensure(shared, &self.handle.pool);
        let began = Instant::now();
        let limit = shared.settings.wait_timeout;
        let waiting = Waiting::start(&shared.counts);
        let result = match timeout(limit, self.check_out()).await {
            Ok(result) => result,
            Err(_) => {
                shared.counts.timeouts.fetch_add(1, Relaxed);
                Err(PoolError::Timeout {
                    waited: limit,
                    error: shared.error(),
                })
            }
        };
        drop(waiting);
        self.warn_when_slow(began);
        result
    }

    async fn check_out(&self) -> Result<Pooled<C>, PoolError> {
        let Handle { shared, pool } = &*self.handle;
        let at_once = Timeouts {
            wait: Some(Duration::ZERO),
            ..Timeouts::new()
        };
        let result = match pool.timeout_get(&at_once).await {
            Err(managed::PoolError::Timeout(TimeoutType::Wait)) => {
                let limit = shared.settings.max_waiting;
                let Some(_queued) = Queued::join(&shared.counts, limit) else {
                    shared.counts.refused.fetch_add(1, Relaxed);
                    return Err(PoolError::Full { limit });
                };
                pool.timeout_get(&Timeouts::new()).await
            }
            result => result,
        };
        let pooled = Pooled::new(result.map_err(error::from_deadpool)?, shared);
        // It may have been checked while the pool closed, which waits for those in use only.
        if shared.is_closed() {
            return Err(PoolError::Closed);
        }
        let counts = &shared.counts;
        if counts.idle() < shared.settings.min_idle
            && counts.slots.load(Relaxed) < shared.settings.max_size
        {
            counts.bell.notify_one();
        }
        Ok(pooled)
    }

    fn warn_when_slow(&self, began: Instant) {
        let shared = &self.handle.shared;
        let (now, threshold) = (Instant::now(), shared.settings.slow_checkout);
        let waited = now.saturating_duration_since(began);
        if waited <= threshold {
            return;
        }
        shared.counts.slow.fetch_add(1, Relaxed);
        if let Some(suppressed) = shared.slow.warn(now) {
            let statistics = self.statistics();
            tracing::warn!(
                pool = %shared.settings.name,
                ?waited,
                ?threshold,
                suppressed,
                in_use = statistics.in_use,
                waiting = statistics.waiting,
                max_size = statistics.max_size,
                "slow checkout"
            );
        }
    }

    /// Waits until the minimum of idle connections is open, or one at least: so that a wrong password stops a
    /// server when it starts.
    ///
    /// # Errors
    ///
    /// [`PoolError::Connect`] when an attempt fails (the pool goes on trying), [`PoolError::Timeout`] after
    /// [`wait_timeout`](PoolBuilder::wait_timeout), [`PoolError::Stopped`], [`PoolError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Safe: the pool warms up all the same.
    pub async fn warm_up(&self) -> Result<(), PoolError> {
        let shared = &self.handle.shared;
        let wanted = shared.settings.min_idle.min(shared.settings.max_size);
        if wanted == 0 {
            return self.get().await.map(drop);
        }
        Keeper::ensure(shared, &self.handle.pool);
        let limit = shared.settings.wait_timeout;
        let warm = async {
            loop {
                let attempted = shared.attempted.notified();
                if shared.is_closed() {
                    return Err(PoolError::Closed);
                }
                if shared.counts.open() >= wanted {
                    return Ok(());
                }
                if !shared.is_trying() {
                    return Err(PoolError::Stopped(shared.error()));
                }
                if let Some(error) = shared.error() {
                    return Err(PoolError::Connect(error));
                }
                attempted.await;
            }
        };
        timeout(limit, warm).await.unwrap_or_else(|_| {
            Err(PoolError::Timeout {
                waited: limit,
                error: shared.error(),
            })
        })
    }

    /// The health of the pool, to read and to watch.
    ///
    /// Up while connections can be made, degraded while some are open and no more can be made, down when there is
    /// none, or the pool was closed. A breaker that is open makes it down, one that is half open degraded.
    #[must_use]
    pub fn health(&self) -> HealthWatch {
        self.handle.shared.health.watch()
    }

    /// How the pool is, as its task has last seen it.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.handle.shared.states.borrow().clone()
    }

    /// Watches how the pool is; [`health`](Self::health) is the same for people.
    #[must_use]
    pub fn on_state(&self) -> StateWatch<PoolState> {
        StateWatch::new(self.handle.shared.states.subscribe())
    }

    /// The breaker of [`run`](Self::run).
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.handle.shared.breaker
    }

    /// Stops connecting: attempts under way are ended, and there are no others until
    /// [`continue_trying`](Self::continue_trying). Open connections stay in use (Twisted's `stopTrying`).
    pub fn stop_trying(&self) {
        let shared = &self.handle.shared;
        shared.give_up();
        shared.attempted.notify_waiters();
    }

    /// Connects again: now, with the first delay and all attempts. It also cuts the delay between two attempts short
    /// (Twisted's `resetDelay` and `retry`).
    pub fn continue_trying(&self) {
        let Handle { shared, pool } = &*self.handle;
        shared.try_again();
        Keeper::ensure(shared, pool);
    }

    /// What the pool holds and what it did.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        let shared = &self.handle.shared;
        let barred = shared.breaker.refused();
        shared.counts.statistics(shared.settings.max_size, barred)
    }

    /// What makes the connections.
    #[must_use]
    pub fn connector(&self) -> &C {
        &self.handle.shared.connector
    }

    /// The name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.handle.shared.settings.name
    }

    /// Whether the pool was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.shared.is_closed()
    }

    /// Closes the pool for good: waiting and new callers get [`PoolError::Closed`] at once, connections in use
    /// are waited for, each is closed with a goodbye.
    ///
    /// The pool is closed when this is called, not when the future is first polled. Returns how many connections
    /// were still in use after [`close_timeout`](PoolBuilder::close_timeout) (10 s); 0 is a clean end. Those are
    /// closed when they come back. Closing twice waits twice and is no error.
    ///
    /// # Cancel safety
    ///
    /// The pool closes all the same when the future is dropped.
    pub fn close(&self) -> impl Future<Output = usize> + Send + 'static {
        let Handle { shared, pool } = &*self.handle;
        let runs = Keeper::ensure(shared, pool);
        shared.begin_close(pool);
        // The runtime of the task may have ended in between.
        let runs = runs && shared.running.load(SeqCst);
        let shared = Arc::clone(shared);
        async move {
            let mut drained = shared.drained.subscribe();
            if runs && let Ok(left) = drained.wait_for(Option::is_some).await {
                return left.unwrap_or(0);
            }
            drop(shared.take_retired());
            shared.counts.in_use.load(SeqCst)
        }
    }
}

impl<C: Connector> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
        }
    }
}

impl<C: Connector> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name())
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

impl<C: Connector> Drop for Handle<C> {
    fn drop(&mut self) {
        self.shared.begin_close(&self.pool);
    }
}
