//! Counters of one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a database has done since it was opened, and what it does now.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Jobs that wait for a reader now. In memory reads wait with the writes.
    pub read_queue: usize,
    /// Jobs that wait for the writer now.
    pub write_queue: usize,
    /// Jobs that run now.
    pub running: u64,
    /// Jobs that ran to their end and succeeded.
    pub succeeded: u64,
    /// Jobs that ran and failed, of whatever cause.
    pub failed: u64,
    /// Jobs whose caller had gone before they began.
    pub cancelled: u64,
    /// Jobs that were interrupted because the caller had gone, the time limit had passed, or the database was closing.
    pub interrupted: u64,
    /// Jobs that were refused because a queue was full.
    pub refused: u64,
    /// Commits made by the writer.
    pub commits: u64,
    /// Jobs that were stored by those commits; more than `commits` when group commit was at work.
    pub committed: u64,
    /// Grouped jobs that had to be run again, because a neighbour took their transaction down.
    pub repeated: u64,
    /// How often a job found the database locked by another process.
    pub busy_waits: u64,
    /// Jobs that took longer than the limit for slow jobs.
    pub slow: u64,
    /// Connections that were lost and opened again.
    pub reopened: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) running: AtomicU64,
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) interrupted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) committed: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) busy_waits: Arc<AtomicU64>,
    pub(crate) slow: AtomicU64,
    pub(crate) reopened: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn read(&self) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            read_queue: 0,
            write_queue: 0,
            running: get(&self.running),
            succeeded: get(&self.succeeded),
            failed: get(&self.failed),
            cancelled: get(&self.cancelled),
            interrupted: get(&self.interrupted),
            refused: get(&self.refused),
            commits: get(&self.commits),
            committed: get(&self.committed),
            repeated: get(&self.repeated),
            busy_waits: get(&self.busy_waits),
            slow: get(&self.slow),
            reopened: get(&self.reopened),
        }
    }
}
