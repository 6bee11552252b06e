//! How long to wait before trying again: jittered exponential delays and a limit on attempts.
//!
//! Nothing here does I/O, reads a clock or draws a random number: both are passed in.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Delay after the first failure, before jitter.
pub const DEFAULT_BACKOFF_BASE: Duration = Duration::from_millis(50);

/// Longest delay, before jitter.
pub const DEFAULT_BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Longest delay of a [`Pool`](crate::Pool) or [`Link`](crate::Link): while it lasts, callers are turned away.
pub const DEFAULT_RECONNECT_MAX: Duration = Duration::from_secs(5);

/// How much longer every delay is than the one before.
pub const DEFAULT_BACKOFF_MULTIPLIER: f64 = 2.0;

/// How long something must stay up before its earlier failures are forgotten.
pub const DEFAULT_RESET_AFTER: Duration = Duration::from_secs(10);

/// The most connection attempts that one pool or link starts in any second, whatever the load.
pub const MAX_ATTEMPTS_PER_SECOND: usize = 20;

/// So many attempts of a [`Pool`](crate::Pool) or [`Link`](crate::Link) may fail one after the other: any number.
pub const UNLIMITED_ATTEMPTS: u32 = u32::MAX;

/// How the delay is spread, so that many clients of one dead server do not return together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// Exactly the exponential delay.
    None,
    /// Between half of the exponential delay and all of it.
    #[default]
    Equal,
    /// Between nothing and all of the exponential delay.
    Full,
}

/// How delays grow; the default is 50 ms, doubled up to 30 s, with [`Jitter::Equal`].
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::{BackoffPolicy, Jitter};
///
/// let policy = BackoffPolicy::default().base(Duration::from_millis(100)).jitter(Jitter::Full);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffPolicy {
    base: Duration,
    max: Duration,
    multiplier: f64,
    jitter: Jitter,
    reset_after: Duration,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self {
            base: DEFAULT_BACKOFF_BASE,
            max: DEFAULT_BACKOFF_MAX,
            multiplier: DEFAULT_BACKOFF_MULTIPLIER,
            jitter: Jitter::default(),
            reset_after: DEFAULT_RESET_AFTER,
        }
    }
}

impl BackoffPolicy {
    /// The default of pools and links: as [`BackoffPolicy::default`], but never longer than
    /// [`DEFAULT_RECONNECT_MAX`] (5 s).
    #[must_use]
    pub fn reconnect() -> Self {
        Self::default().max(DEFAULT_RECONNECT_MAX)
    }

    /// Delay after the first failure, before jitter; 50 ms by default.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Longest delay, before jitter; 30 s by default. It wins over a longer base.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// Growth from one delay to the next; 2 by default. Below 1, or not a number, counts as 1.
    #[must_use]
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier.max(1.0);
        self
    }

    /// How delays are spread; [`Jitter::Equal`] by default.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// How long something must stay up before earlier failures are forgotten; 10 s by default.
    #[must_use]
    pub fn reset_after(mut self, reset_after: Duration) -> Self {
        self.reset_after = reset_after;
        self
    }

    /// The delay after `failures` failures in a row (1 is the first); `random` is from 0 to 1.
    #[must_use]
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        if self.base.is_zero() {
            // Nothing times infinity is no number.
            return Duration::ZERO;
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.multiplier.powi(exponent);
        // Too large for a `Duration` (even infinite) is larger than any maximum.
        let ceiling = Duration::try_from_secs_f64(seconds)
            .unwrap_or(self.max)
            .min(self.max);
        let random = if random.is_nan() {
            1.0
        } else {
            random.clamp(0.0, 1.0)
        };
        match self.jitter {
            Jitter::None => ceiling,
            Jitter::Equal => part(ceiling, 0.5 + random / 2.0),
            Jitter::Full => part(ceiling, random),
        }
    }
}

/// `fraction` (0 to 1) of `whole`, never more than the whole.
fn part(whole: Duration, fraction: f64) -> Duration {
    Duration::try_from_secs_f64(whole.as_secs_f64() * fraction)
        .unwrap_or(whole)
        .min(whole)
}

/// Counts failures and says how long to wait after each.
///
/// A success alone forgets nothing: something that comes up and falls over at once keeps its long delays. Only
/// [`BackoffPolicy::reset_after`] of being up starts over.
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::{Backoff, BackoffPolicy, Jitter};
/// use tokio::time::Instant;
///
/// let mut backoff = Backoff::new(BackoffPolicy::default().jitter(Jitter::None));
/// let now = Instant::now();
/// assert_eq!(backoff.failed(now, 0.5), Duration::from_millis(50));
/// assert_eq!(backoff.failed(now, 0.5), Duration::from_millis(100));
/// backoff.succeeded(now);
/// assert_eq!(backoff.failed(now + Duration::from_secs(10), 0.5), Duration::from_millis(50));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: BackoffPolicy,
    failures: u32,
    up_since: Option<Instant>,
}

impl Backoff {
    /// A counter without failures.
    #[must_use]
    pub fn new(policy: BackoffPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            up_since: None,
        }
    }

    /// Failures since the last time it stayed up long enough.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes that it came up at `now`. Called again while up, the first time counts.
    pub fn succeeded(&mut self, now: Instant) {
        self.up_since.get_or_insert(now);
    }

    /// Notes that it failed, or fell over, at `now`; returns the delay before the next try.
    ///
    /// `random` is from 0 to 1, drawn anew for every call.
    pub fn failed(&mut self, now: Instant, random: f64) -> Duration {
        if let Some(since) = self.up_since.take()
            && now.saturating_duration_since(since) >= self.policy.reset_after
        {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.policy.delay(self.failures, random)
    }
}

/// Allows so many attempts in any second and no more: a sliding window, so there is no double burst at its edge.
#[derive(Clone, Debug)]
pub struct AttemptLimiter {
    /// Starts of the last second, oldest first; never longer than `per_second`.
    recent: VecDeque<Instant>,
    per_second: usize,
}

impl Default for AttemptLimiter {
    /// A limiter of [`MAX_ATTEMPTS_PER_SECOND`].
    fn default() -> Self {
        Self::new(MAX_ATTEMPTS_PER_SECOND)
    }
}

impl AttemptLimiter {
    const WINDOW: Duration = Duration::from_secs(1);

    /// A limiter of `per_second` attempts in any second; 0 counts as 1.
    #[must_use]
    pub fn new(per_second: usize) -> Self {
        Self {
            recent: VecDeque::new(),
            per_second: per_second.max(1),
        }
    }

    /// Takes one attempt, to be started at `now`.
    ///
    /// # Errors
    ///
    /// When the second is used up: the instant from which the next attempt is allowed. Nothing was taken.
    pub fn try_start(&mut self, now: Instant) -> Result<(), Instant> {
        while let Some(oldest) = self.recent.front()
            && now.saturating_duration_since(*oldest) >= Self::WINDOW
        {
            self.recent.pop_front();
        }
        match self.recent.front() {
            Some(oldest) if self.recent.len() >= self.per_second => Err(*oldest + Self::WINDOW),
            _ => {
                self.recent.push_back(now);
                Ok(())
            }
        }
    }
}

/// `time` plus `duration`, or about 30 years later when that is too far for the clock.
pub(crate) fn later(time: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    time + duration.min(FAR)
}

#[cfg(test)]
mod tests;
