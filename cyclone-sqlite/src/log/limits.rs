//! How much a log keeps.

use cyclone_core::{
    DEFAULT_LOG_BYTES, DEFAULT_LOG_STREAM_BYTES, DEFAULT_LOG_STREAM_ENTRIES, DEFAULT_LOG_STREAMS,
};

use crate::port::number;

/// Bounds a [`SqliteLog`](crate::SqliteLog). The defaults are those of [`MemoryLog`](cyclone_core::MemoryLog).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct SqliteLogLimits {
    pub(super) stream_entries: i64,
    pub(super) stream_bytes: i64,
    pub(super) streams: i64,
    pub(super) bytes: i64,
}

impl SqliteLogLimits {
    /// 1,024 entries and 1 MiB a stream, 65,536 streams, 256 MiB in all.
    pub fn new() -> Self {
        Self {
            stream_entries: number(DEFAULT_LOG_STREAM_ENTRIES),
            stream_bytes: number(DEFAULT_LOG_STREAM_BYTES),
            streams: number(DEFAULT_LOG_STREAMS),
            bytes: number(DEFAULT_LOG_BYTES),
        }
    }

    /// Sets how many entries each stream keeps; 0 counts as 1.
    pub fn stream_entries(mut self, entries: usize) -> Self {
        self.stream_entries = number(entries).max(1);
        self
    }

    /// Sets how many bytes of payload each stream keeps, which is also the size of the largest entry.
    pub fn stream_bytes(mut self, bytes: usize) -> Self {
        self.stream_bytes = number(bytes);
        self
    }

    /// Sets how many streams are kept; 0 counts as 1.
    pub fn streams(mut self, streams: usize) -> Self {
        self.streams = number(streams).max(1);
        self
    }

    /// Sets how many bytes of payload are kept, all streams together. At least one stream's worth is kept.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = number(bytes);
        self
    }
}

impl Default for SqliteLogLimits {
    fn default() -> Self {
        Self::new()
    }
}
