//! What static files count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::StaticFiles;

/// What a [`StaticFiles`] and its clones keep in memory now, and what they did since they were made; the
/// numbers are read one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaticStatistics {
    /// Requests, and versions asked for, that found what is known of their file in memory, without a look at the disk.
    pub hits: u64,
    /// Requests, and versions asked for, that had to wait for a look at the disk, their own or that of another.
    pub misses: u64,
    /// Looks at the disk.
    pub looks: u64,
    /// Looks that found a file which was not known, or had changed: small ones were read.
    pub loads: u64,
    /// Files that had to make room for others.
    pub evictions: u64,
    /// Files in memory, or known of.
    pub entries: u64,
    /// Bytes that these take.
    pub bytes: u64,
}

/// The live numbers behind [`StaticStatistics`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) looks: AtomicU64,
    pub(super) loads: AtomicU64,
}

impl StaticFiles {
    /// Returns what is in memory, and how often that was of use.
    #[must_use]
    pub fn statistics(&self) -> StaticStatistics {
        let (entries, bytes, evictions) = self.memory.cache.usage();
        StaticStatistics {
            hits: self.memory.counts.hits.load(Relaxed),
            misses: self.memory.counts.misses.load(Relaxed),
            looks: self.memory.counts.looks.load(Relaxed),
            loads: self.memory.counts.loads.load(Relaxed),
            evictions,
            entries: entries as u64,
            bytes,
        }
    }
}
