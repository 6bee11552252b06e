//! What a pool counts.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
};

use tokio::sync::Notify;

/// What a pool holds now, and what it did since it was made; the numbers are read one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatistics {
    /// The most connections it may have.
    pub max_size: usize,
    /// Open connections.
    pub size: usize,
    /// Open connections that nobody uses.
    pub idle: usize,
    /// Open connections that are checked out.
    pub in_use: usize,
    /// Connections being made.
    pub connecting: usize,
    /// Connections being closed; with those open and being made they are never more than `max_size`.
    pub closing: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Connections made.
    pub created: u64,
    /// Connection attempts that failed.
    pub failed: u64,
    /// Checkouts that ran into the time limit.
    pub timeouts: u64,
    /// Checkouts refused because too many callers waited.
    pub refused: u64,
    /// Checkouts slower than the warning threshold.
    pub slow: u64,
    /// Connections closed for being idle too long or too old.
    pub reaped: u64,
    /// Connections on which something was ended that their user had left behind.
    pub reset: u64,
    /// Connections dropped because they were found dead.
    pub broken: u64,
    /// Connections dropped because their user discarded them or left an operation unfinished.
    pub discarded: u64,
    /// Operations of [`Pool::run`](super::Pool::run) that the other side answered, be it with an error.
    pub answered: u64,
    /// Operations that ended without an answer: lost, too slow, or not sent by the driver.
    pub unanswered: u64,
    /// Operations that their caller gave up.
    pub cancelled: u64,
    /// Operations that the open breaker refused.
    pub barred: u64,
}

/// The live numbers behind [`PoolStatistics`], and the bell that wakes the keeper when they change.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Connections that are open, being made or being closed: never more than the maximum size.
    pub(super) slots: AtomicUsize,
    /// Those of them that are being made.
    pub(super) connecting: AtomicUsize,
    /// Those of them that are being closed.
    pub(super) closing: AtomicUsize,
    pub(super) in_use: AtomicUsize,
    /// Callers that wait for a connection, whatever it is that they wait for.
    pub(super) waiting: AtomicUsize,
    /// Those of them that wait for a slot.
    pub(super) queued: AtomicUsize,
    pub(super) created: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) slow: AtomicU64,
    pub(super) reaped: AtomicU64,
    pub(super) reset: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) discarded: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) cancelled: AtomicU64,
    /// Whether the pool was closed.
    pub(super) closed: AtomicBool,
    /// Wakes the keeper.
    pub(super) bell: Notify,
}

impl Counts {
    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.slots
            .load(Relaxed)
            .saturating_sub(self.connecting.load(Relaxed))
            .saturating_sub(self.closing.load(Relaxed))
    }

    /// Connections that are open and not checked out.
    pub(super) fn idle(&self) -> usize {
        self.open().saturating_sub(self.in_use.load(Relaxed))
    }

    pub(super) fn statistics(&self, max_size: usize, barred: u64) -> PoolStatistics {
        PoolStatistics {
            max_size,
            size: self.open(),
            idle: self.idle(),
            in_use: self.in_use.load(Relaxed),
            connecting: self.connecting.load(Relaxed),
            closing: self.closing.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            created: self.created.load(Relaxed),
            failed: self.failed.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            refused: self.refused.load(Relaxed),
            slow: self.slow.load(Relaxed),
            reaped: self.reaped.load(Relaxed),
            reset: self.reset.load(Relaxed),
            broken: self.broken.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            answered: self.answered.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            barred,
        }
    }
}

/// The right to one of the pool's connections: lives as long as the connection, from the attempt to the goodbye.
#[derive(Debug)]
pub(super) struct Slot {
    counts: Arc<Counts>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Open,
    Closing,
}

impl Slot {
    /// A slot for an attempt. Only the keeper makes them, one task, so that looking before taking is no race.
    pub(super) fn connecting(counts: &Arc<Counts>) -> Self {
        counts.slots.fetch_add(1, Relaxed);
        counts.connecting.fetch_add(1, Relaxed);
        Self {
            counts: Arc::clone(counts),
            phase: Phase::Connecting,
        }
    }

    /// The attempt was a success.
    pub(super) fn open(&mut self) {
        self.leave_phase();
        self.phase = Phase::Open;
    }

    /// The connection is on its way out.
    pub(super) fn close(&mut self) {
        self.leave_phase();
        self.phase = Phase::Closing;
        self.counts.closing.fetch_add(1, Relaxed);
    }

    fn leave_phase(&self) {
        match self.phase {
            Phase::Connecting => self.counts.connecting.fetch_sub(1, Relaxed),
            Phase::Open => 0,
            Phase::Closing => self.counts.closing.fetch_sub(1, Relaxed),
        };
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave_phase();
        self.counts.slots.fetch_sub(1, Relaxed);
        self.counts.bell.notify_one();
    }
}

/// One connection that is checked out.
#[derive(Debug)]
pub(super) struct InUse(Arc<Counts>);

impl InUse {
    pub(super) fn start(counts: &Arc<Counts>) -> Self {
        counts.in_use.fetch_add(1, SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, SeqCst);
        if self.0.closed.load(SeqCst) {
            self.0.bell.notify_one();
        }
    }
}

/// One caller that waits for a connection.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a Counts);

impl<'a> Waiting<'a> {
    pub(super) fn start(counts: &'a Counts) -> Self {
        counts.waiting.fetch_add(1, Relaxed);
        Self(counts)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

/// One caller that waits for a slot.
#[derive(Debug)]
pub(super) struct Queued<'a>(&'a Counts);

impl<'a> Queued<'a> {
    /// Joins the queue unless `limit` callers are in it.
    pub(super) fn join(counts: &'a Counts, limit: usize) -> Option<Self> {
        counts
            .queued
            .fetch_update(Relaxed, Relaxed, |queued| {
                (queued < limit).then_some(queued + 1)
            })
            .ok()?;
        Some(Self(counts))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Relaxed);
    }
}
