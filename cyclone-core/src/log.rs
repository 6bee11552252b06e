//! The `Log` port: append gives an ordered id, read after an id, bounded retention.

mod entry;
mod memory;
mod shared;

use std::future::Future;

use bytes::Bytes;

use crate::port_error::PortError;

pub use self::entry::{EntryId, LogEntry, LogRead, ParseEntryIdError};
pub use self::memory::{
    DEFAULT_LOG_BYTES, DEFAULT_LOG_STREAM_BYTES, DEFAULT_LOG_STREAM_ENTRIES, DEFAULT_LOG_STREAMS,
    LogLimits, MemoryLog,
};
pub use self::shared::SharedLog;

/// Keeps the last entries of many streams, each with an id, so that a reader who was away can catch up.
///
/// What every implementation promises, and `conformance::log` (feature `conformance`) checks:
/// - Ids of one stream are strictly increasing in the order in which entries become readable, whoever appends: a
///   reader who has seen an id will never find a new entry before it.
/// - Retention is bounded: old entries go away, and a reader who wanted them is told by [`LogRead::gap`]. When in
///   doubt an implementation says gap; it never hides one.
/// - Ids that this log did not give out for this stream, of the future or of an earlier life of the log, are a gap.
/// - Names of streams follow [`PortError::check_name`].
pub trait Log: Send + Sync + 'static {
    /// Appends `payload` to `stream` and returns the id of the new entry.
    ///
    /// # Errors
    /// [`PortError`]; of kind [`OutcomeUnknown`](crate::PortErrorKind::OutcomeUnknown) when the entry may be there.
    ///
    /// # Cancel safety
    /// When the future is dropped, the entry was appended or not: never half.
    fn append(
        &self,
        stream: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<EntryId, PortError>> + Send;

    /// Reads up to `limit` entries whose id is greater than `after`, the oldest first.
    ///
    /// [`EntryId::ZERO`] comes before every entry. [`LogRead::gap`] is set when entries after `after` are gone, or
    /// `after` is unknown to this log; the entries returned are then those after the hole that are still there.
    ///
    /// # Errors
    /// [`PortError`]; nothing is changed by a read, so a retry is always safe.
    fn read_after(
        &self,
        stream: &str,
        after: EntryId,
        limit: usize,
    ) -> impl Future<Output = Result<LogRead, PortError>> + Send;

    /// The position of the end of `stream`: reading after it gives what is appended from now on.
    ///
    /// That is the id of the newest entry, or for a stream without entries a position before all that will come,
    /// [`EntryId::ZERO`] in most implementations.
    ///
    /// # Errors
    /// [`PortError`]; nothing is changed by it, so a retry is always safe.
    fn last_id(&self, stream: &str) -> impl Future<Output = Result<EntryId, PortError>> + Send;
}
