//! What is counted of a backend.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a backend did since the start; the numbers are read one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendStatistics {
    /// Connections that were made for clients.
    pub connections: u64,
    /// Connections that could not be made for clients.
    pub failed: u64,
    /// Clients that went to another backend, because this one ended before it was sent anything.
    pub moved: u64,
    /// Connections that broke, or were reset by the backend.
    pub broken: u64,
    /// Bytes from clients to the backend.
    pub bytes_up: u64,
    /// Bytes from the backend to clients.
    pub bytes_down: u64,
    /// How often it was taken out.
    pub falls: u64,
    /// Checks that failed.
    pub failed_checks: u64,
}

/// The live numbers behind [`BackendStatistics`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) moved: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) bytes_up: AtomicU64,
    pub(super) bytes_down: AtomicU64,
    pub(super) falls: AtomicU64,
    pub(super) failed_checks: AtomicU64,
}

impl Counts {
    pub(super) fn read(&self) -> BackendStatistics {
        BackendStatistics {
            connections: self.connections.load(Relaxed),
            failed: self.failed.load(Relaxed),
            moved: self.moved.load(Relaxed),
            broken: self.broken.load(Relaxed),
            bytes_up: self.bytes_up.load(Relaxed),
            bytes_down: self.bytes_down.load(Relaxed),
            falls: self.falls.load(Relaxed),
            failed_checks: self.failed_checks.load(Relaxed),
        }
    }
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
