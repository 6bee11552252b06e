//! What a link counts.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{connector::ConnectionError, lock::lock};

/// What a link did since it was made; the numbers are read one after the other.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LinkStatistics {
    /// Connection attempts.
    pub attempts: u64,
    /// Those that were a success: sessions so far, the one that runs included.
    pub connects: u64,
    /// Those that failed.
    pub failed: u64,
    /// Sessions that ended although nobody had closed the link.
    pub losses: u64,
    /// Since when the session runs, if one does.
    pub up_since: Option<Instant>,
    /// How long sessions ran, all together.
    pub uptime: Duration,
    /// Why the connection was lost, or an attempt failed, the last time.
    pub last_error: Option<ConnectionError>,
    /// The most calls of a [`CallLink`](super::CallLink) that may wait at the same time; 0 for a link without calls.
    pub max_pending: usize,
    /// Calls that wait, for their turn or their answer.
    pub pending: usize,
    /// Calls that the other side answered, be it with an error.
    pub answered: u64,
    /// Calls that ended without an answer: lost, too slow, or not sent.
    pub unanswered: u64,
    /// Calls that their caller gave up.
    pub cancelled: u64,
    /// Calls refused because too many waited.
    pub refused: u64,
    /// Calls that the open breaker refused.
    pub barred: u64,
}

/// The live numbers behind [`LinkStatistics`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    attempts: AtomicU64,
    connects: AtomicU64,
    failed: AtomicU64,
    losses: AtomicU64,
    max_pending: usize,
    pub(super) pending: AtomicUsize,
    pub(super) answered: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) refused: AtomicU64,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct History {
    up_since: Option<Instant>,
    /// Of the sessions that have ended.
    uptime: Duration,
    last_error: Option<ConnectionError>,
}

impl Counts {
    /// Of a link with calls.
    pub(super) fn of_calls(max_pending: usize) -> Self {
        Self {
            max_pending,
            ..Self::default()
        }
    }

    pub(super) fn attempt(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    pub(super) fn came_up(&self, now: Instant) {
        self.connects.fetch_add(1, Relaxed);
        lock(&self.history).up_since = Some(now);
    }

    /// Notes that the session has ended, or an attempt failed.
    pub(super) fn went_down(&self, now: Instant, error: &ConnectionError) {
        let was_up = self.ended(now);
        let count = if was_up { &self.losses } else { &self.failed };
        count.fetch_add(1, Relaxed);
        lock(&self.history).last_error = Some(error.clone());
    }

    /// Notes that no session runs any more; returns whether one did.
    pub(super) fn ended(&self, now: Instant) -> bool {
        let mut history = lock(&self.history);
        let up_since = history.up_since.take();
        if let Some(since) = up_since {
            history.uptime += now.saturating_duration_since(since);
        }
        up_since.is_some()
    }

    /// Why the connection was lost, or an attempt failed, the last time.
    pub(super) fn last_error(&self) -> Option<ConnectionError> {
        lock(&self.history).last_error.clone()
    }

    pub(super) fn statistics(&self, now: Instant, barred: u64) -> LinkStatistics {
        let history = lock(&self.history);
        let running = history
            .up_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        LinkStatistics {
            attempts: self.attempts.load(Relaxed),
            connects: self.connects.load(Relaxed),
            failed: self.failed.load(Relaxed),
            losses: self.losses.load(Relaxed),
            up_since: history.up_since,
            uptime: history.uptime + running,
            last_error: history.last_error.clone(),
            max_pending: self.max_pending,
            pending: self.pending.load(Relaxed),
            answered: self.answered.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            refused: self.refused.load(Relaxed),
            barred,
        }
    }
}
