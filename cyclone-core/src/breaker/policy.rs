//! When a breaker opens and closes.

use std::time::Duration;

use crate::backoff::BackoffPolicy;

/// Failures one after the other that open a breaker.
pub const DEFAULT_BREAKER_FAILURES: u32 = 5;

/// Operations that a half-open breaker lets through at the same time.
pub const DEFAULT_BREAKER_PROBES: u32 = 1;

/// Operations that must succeed to close a half-open breaker.
pub const DEFAULT_BREAKER_SUCCESSES: u32 = 1;

/// How long an operation that a half-open breaker let through keeps others out.
pub const DEFAULT_BREAKER_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// When a [`Breaker`](super::Breaker) opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    pub(super) failures: u32,
    pub(super) probes: u32,
    pub(super) successes: u32,
    pub(super) probe_timeout: Duration,
    pub(super) pause: BackoffPolicy,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: DEFAULT_BREAKER_FAILURES,
            probes: DEFAULT_BREAKER_PROBES,
            successes: DEFAULT_BREAKER_SUCCESSES,
            probe_timeout: DEFAULT_BREAKER_PROBE_TIMEOUT,
            pause: BackoffPolicy::reconnect(),
        }
    }
}

impl BreakerPolicy {
    /// A breaker that never opens.
    #[must_use]
    pub fn never() -> Self {
        Self::default().failures(u32::MAX)
    }

    /// Failures one after the other that open it; 5 by default. 0 counts as 1, [`u32::MAX`] is never.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// Operations that it lets through at the same time while half open; 1 by default. 0 counts as 1.
    #[must_use]
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes.max(1);
        self
    }

    /// How long an operation that was let through while half open keeps others out; 1 s by default. When it has not
    /// ended by then, another one is let through beside it: it may be one that waits for something to happen.
    #[must_use]
    pub fn probe_timeout(mut self, limit: Duration) -> Self {
        self.probe_timeout = limit;
        self
    }

    /// Operations that must succeed to close it; 1 by default. 0 counts as 1.
    #[must_use]
    pub fn successes(mut self, successes: u32) -> Self {
        self.successes = successes.max(1);
        self
    }

    /// How long it stays open; [`BackoffPolicy::reconnect`] by default: 50 ms the first time, doubled up to 5 s as
    /// long as probes fail, each shortened by up to half.
    ///
    /// The first pause is short, as a server that restarts loses all of its connections at once.
    #[must_use]
    pub fn pause(mut self, pause: BackoffPolicy) -> Self {
        self.pause = pause;
        self
    }
}
