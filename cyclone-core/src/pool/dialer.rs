//! When a pool may connect: backoff, the limit of attempts, and whether it tries at all.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::{task::JoinSet, time::Instant};

use super::{shared::Shared, statistics::Slot};
use crate::{
    backoff::{AttemptLimiter, Backoff, BackoffPolicy, later},
    connector::{self, ConnectionError, Connector},
};

/// How one connection attempt ended.
pub(super) struct Attempt<C: Connector> {
    /// The round in which it was started.
    round: u64,
    /// It counts as connecting until the keeper has dealt with the result: in between there is no new attempt.
    pub(super) slot: Slot,
    pub(super) result: Result<C::Connection, ConnectionError>,
}

/// Starts connection attempts, and learns from their ends.
pub(super) struct Dialer<C: Connector> {
    shared: Arc<Shared<C>>,
    attempts: JoinSet<Attempt<C>>,
    policy: BackoffPolicy,
    backoff: Backoff,
    limiter: AttemptLimiter,
    /// Attempts that were under way together fail together: only the first of a round counts for the backoff.
    round: u64,
    /// Rounds that failed since the last success.
    failed_rounds: u32,
    /// When to try again, while connections cannot be made.
    retry_at: Option<Instant>,
    random: fastrand::Rng,
}

impl<C: Connector> Dialer<C> {
    pub(super) fn new(shared: &Arc<Shared<C>>) -> Self {
        let policy = shared.settings.backoff;
        Self {
            shared: Arc::clone(shared),
            attempts: JoinSet::new(),
            policy,
            backoff: Backoff::new(policy),
            limiter: AttemptLimiter::default(),
            round: 0,
            failed_rounds: 0,
            retry_at: None,
            random: fastrand::Rng::new(),
        }
    }

    /// Waits for the end of an attempt, which is told to [`succeeded`](Self::succeeded) or [`failed`](Self::failed);
    /// `None` while none is under way.
    pub(super) async fn next(&mut self) -> Option<Attempt<C>> {
        while let Some(attempt) = self.attempts.join_next().await {
            // An attempt that was aborted has no end.
            if let Ok(attempt) = attempt {
                return Some(attempt);
            }
        }
        None
    }

    /// Starts the connection attempts that are wanted and allowed; returns when more are allowed.
    pub(super) fn dial(&mut self, now: Instant) -> Option<Instant> {
        if self.shared.start_over() {
            self.backoff = Backoff::new(self.policy);
            self.round += 1;
            self.failed_rounds = 0;
            self.retry_at = Some(now);
        }
        if !self.shared.is_trying() {
            self.abort();
            return None;
        }
        let shared = Arc::clone(&self.shared);
        let counts = &shared.counts;
        let connecting = counts.connecting.load(Relaxed);
        let wanted = match self.retry_at {
            Some(_) if connecting > 0 => 0,
            Some(at) if now < at => return Some(at),
            Some(_) => 1,
            None => {
                let missing = shared.settings.min_idle.saturating_sub(counts.idle());
                (shared.waiters() + missing).saturating_sub(connecting)
            }
        };
        for _ in 0..wanted {
            if counts.slots.load(Relaxed) >= shared.settings.max_size {
                break;
            }
            if let Err(at) = self.limiter.try_start(now) {
                return Some(at);
            }
            self.attempt();
        }
        None
    }

    fn attempt(&mut self) {
        let shared = Arc::clone(&self.shared);
        let slot = Slot::connecting(&shared.counts);
        let round = self.round;
        self.attempts.spawn(async move {
            let limit = shared.settings.connect_timeout;
            let result = connector::connect(&shared.connector, limit).await;
            Attempt {
                round,
                slot,
                result,
            }
        });
    }

    /// Ends the attempts that are under way.
    pub(super) fn abort(&mut self) {
        self.attempts.abort_all();
    }

    /// Notes that an attempt was a success; returns how many rounds had failed.
    pub(super) fn succeeded(&mut self, now: Instant) -> u32 {
        self.backoff.succeeded(now);
        self.retry_at = None;
        std::mem::take(&mut self.failed_rounds)
    }

    /// Notes that an attempt failed, which the pool may give up after; returns how many rounds have failed.
    pub(super) fn failed(&mut self, attempt_round: u64, now: Instant) -> u32 {
        if attempt_round == self.round || self.retry_at.is_none() {
            self.round += 1;
            self.failed_rounds = self.failed_rounds.saturating_add(1);
            let delay = self.backoff.failed(now, self.random.f64());
            self.retry_at = Some(later(now, delay));
            if self.failed_rounds >= self.shared.settings.max_attempts {
                let (name, attempts) = (&self.shared.settings.name, self.failed_rounds);
                tracing::warn!(pool = %name, attempts, "pool stops connecting");
                self.shared.give_up();
            }
        }
        self.failed_rounds
    }

    /// When it tries again, while connections cannot be made.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }
}

impl<C: Connector> Attempt<C> {
    pub(super) fn round(&self) -> u64 {
        self.round
    }
}
