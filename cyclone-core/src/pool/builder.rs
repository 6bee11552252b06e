//! The settings of a pool, all with defaults.

use std::{fmt, sync::Arc, time::Duration};

use super::{Pool, shared::Shared};
use crate::{
    backoff::{BackoffPolicy, UNLIMITED_ATTEMPTS},
    breaker::BreakerPolicy,
    connector::{Connector, DEFAULT_CONNECT_TIMEOUT},
    operation::DEFAULT_OPERATION_TIMEOUT,
};

/// Connections of a pool, at most.
pub const DEFAULT_POOL_MAX_SIZE: usize = 10;
/// The largest maximum size: a larger one is taken for this.
pub const MAX_POOL_SIZE: usize = 10_000;
/// Idle connections that a pool keeps ready, at least.
pub const DEFAULT_POOL_MIN_IDLE: usize = 1;
/// Callers that may wait for a connection at the same time.
pub const DEFAULT_POOL_MAX_WAITING: usize = 1024;
/// Time limit of a whole checkout.
pub const DEFAULT_WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit of one check.
pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that worked less than this ago is handed out without a check.
pub const DEFAULT_CHECK_AFTER: Duration = Duration::from_millis(500);
/// An idle connection is checked in the background when it has been silent for so long.
pub const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(30);
/// An idle connection beyond the minimum is closed after so long.
pub const DEFAULT_POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// A connection is replaced when it is so old.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// The part of the lifetime by which it is shortened at random, so that connections do not all end together.
pub const LIFETIME_JITTER: f64 = 0.1;
/// A checkout that takes longer is logged as a warning.
pub const DEFAULT_SLOW_CHECKOUT: Duration = Duration::from_secs(1);
/// Time limit of closing a pool, and of each goodbye to the other side.
pub const DEFAULT_POOL_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) max_size: usize,
    pub(super) min_idle: usize,
    pub(super) max_waiting: usize,
    pub(super) wait_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) check_timeout: Duration,
    pub(super) check_after: Duration,
    pub(super) keepalive: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) slow_checkout: Duration,
    pub(super) close_timeout: Duration,
    pub(super) operation_timeout: Duration,
    pub(super) backoff: BackoffPolicy,
    pub(super) max_attempts: u32,
    pub(super) breaker: BreakerPolicy,
}

/// Makes a [`Pool`]; made by [`Pool::builder`].
///
/// Every limit is on by default. [`Duration::MAX`] switches a time limit off.
#[must_use]
pub struct PoolBuilder<C: Connector> {
    connector: C,
    pub(super) settings: Settings,
}

impl<C: Connector> fmt::Debug for PoolBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<C: Connector> PoolBuilder<C> {
    pub(super) fn new(connector: C) -> Self {
        let settings = Settings {
            name: connector.name().to_owned(),
            max_size: DEFAULT_POOL_MAX_SIZE,
            min_idle: DEFAULT_POOL_MIN_IDLE,
            max_waiting: DEFAULT_POOL_MAX_WAITING,
            wait_timeout: DEFAULT_WAIT_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            check_timeout: DEFAULT_CHECK_TIMEOUT,
            check_after: DEFAULT_CHECK_AFTER,
            keepalive: DEFAULT_KEEPALIVE,
            idle_timeout: DEFAULT_POOL_IDLE_TIMEOUT,
            max_lifetime: DEFAULT_MAX_LIFETIME,
            slow_checkout: DEFAULT_SLOW_CHECKOUT,
            close_timeout: DEFAULT_POOL_CLOSE_TIMEOUT,
            operation_timeout: DEFAULT_OPERATION_TIMEOUT,
            backoff: BackoffPolicy::reconnect(),
            max_attempts: UNLIMITED_ATTEMPTS,
            breaker: BreakerPolicy::default(),
        };
        Self {
            connector,
            settings,
        }
    }

    /// The name in logs and health; [`Connector::name`] by default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// The most connections, open or being made; 10 by default. It is kept between 1 and [`MAX_POOL_SIZE`].
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.settings.max_size = max_size.clamp(1, MAX_POOL_SIZE);
        self
    }

    /// The least idle connections kept ready in the background, as far as the maximum size allows; 1 by default.
    ///
    /// With 0 the pool is lazy: it connects when the first caller comes, and its health is unknown until then.
    pub fn min_idle(mut self, min_idle: usize) -> Self {
        self.settings.min_idle = min_idle.min(MAX_POOL_SIZE);
        self
    }

    /// The most callers that wait while all connections are in use; 1024 by default. One more is told
    /// [`PoolError::Full`](super::PoolError::Full).
    pub fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.settings.max_waiting = max_waiting;
        self
    }

    /// Time limit of a whole checkout, with all it needs; 5 s by default.
    pub fn wait_timeout(mut self, limit: Duration) -> Self {
        self.settings.wait_timeout = limit;
        self
    }

    /// Time limit of one connection attempt; 3 s by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// Time limit of one [check](Connector::check); 1 s by default.
    pub fn check_timeout(mut self, limit: Duration) -> Self {
        self.settings.check_timeout = limit;
        self
    }

    /// A connection that worked less than this ago is handed out without a check; 500 ms by default. With zero
    /// every checkout checks.
    pub fn check_after(mut self, age: Duration) -> Self {
        self.settings.check_after = age;
        self
    }

    /// An idle connection that has been silent for so long is checked in the background; 30 s by default.
    ///
    /// It keeps firewalls from forgetting the connection, and the pool's health honest while nobody calls.
    /// Not less than 1 ms.
    pub fn keepalive(mut self, interval: Duration) -> Self {
        self.settings.keepalive = interval.max(Duration::from_millis(1));
        self
    }

    /// An idle connection beyond the minimum is closed after so long; 10 min by default.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = limit;
        self
    }

    /// A connection is closed when it is so old, less up to a tenth at random, and nobody uses it; 30 min by
    /// default. Not less than 1 s.
    pub fn max_lifetime(mut self, limit: Duration) -> Self {
        self.settings.max_lifetime = limit.max(Duration::from_secs(1));
        self
    }

    /// A checkout that takes longer is logged as a warning; 1 s by default.
    pub fn slow_checkout(mut self, threshold: Duration) -> Self {
        self.settings.slow_checkout = threshold;
        self
    }

    /// How long [`Pool::close`] waits for connections in use, and a goodbye may take; 10 s by default.
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.settings.close_timeout = limit;
        self
    }

    /// Delays between attempts while connections cannot be made; [`BackoffPolicy::reconnect`] by default.
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.settings.backoff = policy;
        self
    }

    /// Connection attempts that fail one after the other before the pool stops connecting by itself, until it is
    /// told to [continue](Pool::continue_trying); unlimited by default. 0 counts as 1. Attempts that are under way
    /// together count as one.
    ///
    /// Twisted's `maxRetries`, with the first attempt counted.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.max_attempts = attempts.max(1);
        self
    }

    /// Time limit of an operation of [`Pool::run`], from its start on a connection; 10 s by default.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.settings.operation_timeout = limit;
        self
    }

    /// When operations are refused because those before them failed; [`BreakerPolicy::default`] by default.
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.settings.breaker = policy;
        self
    }

    /// Makes the pool. Inside a tokio runtime it starts to connect at once, in the background; outside, when it is
    /// used first.
    #[must_use]
    pub fn build(self) -> Pool<C> {
        Pool::from_shared(Arc::new(Shared::new(self.connector, self.settings)))
    }
}
