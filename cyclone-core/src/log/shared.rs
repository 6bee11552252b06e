//! `SharedLog`: any log behind one type.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::{EntryId, Log, LogRead, MemoryLog};
use crate::port_error::PortError;

/// Any [`Log`] behind one clonable type: what applications keep in their `Resources`.
///
/// ```
/// use cyclone_core::{EntryId, Log, SharedLog};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cyclone_core::PortError> {
/// let log = SharedLog::memory();
/// let first = log.append("news", "one".into()).await?;
/// log.append("news", "two".into()).await?;
/// let read = log.read_after("news", first, 10).await?;
/// assert_eq!(read.entries[0].payload, "two");
/// assert!(!read.gap);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedLog(Arc<dyn ErasedLog>);

impl SharedLog {
    /// Wraps `log`.
    pub fn new(log: impl Log) -> Self {
        Self(Arc::new(log))
    }

    /// A new [`MemoryLog`] with the default limits: for one process.
    pub fn memory() -> Self {
        Self::new(MemoryLog::new())
    }
}

impl Log for SharedLog {
    async fn append(&self, stream: &str, payload: Bytes) -> Result<EntryId, PortError> {
        self.0.append_boxed(stream, payload).await
    }

    async fn read_after(
        &self,
        stream: &str,
        after: EntryId,
        limit: usize,
    ) -> Result<LogRead, PortError> {
        self.0.read_after_boxed(stream, after, limit).await
    }

    async fn last_id(&self, stream: &str) -> Result<EntryId, PortError> {
        self.0.last_id_boxed(stream).await
    }
}

impl fmt::Debug for SharedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedLog").field(&self.0.name()).finish()
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

trait ErasedLog: Send + Sync + 'static {
    fn append_boxed<'a>(&'a self, stream: &'a str, payload: Bytes) -> BoxFuture<'a, EntryId>;
    fn read_after_boxed<'a>(
        &'a self,
        stream: &'a str,
        after: EntryId,
        limit: usize,
    ) -> BoxFuture<'a, LogRead>;
    fn last_id_boxed<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, EntryId>;
    fn name(&self) -> &'static str;
}

impl<L: Log> ErasedLog for L {
    fn append_boxed<'a>(&'a self, stream: &'a str, payload: Bytes) -> BoxFuture<'a, EntryId> {
        Box::pin(self.append(stream, payload))
    }

    fn read_after_boxed<'a>(
        &'a self,
        stream: &'a str,
        after: EntryId,
        limit: usize,
    ) -> BoxFuture<'a, LogRead> {
        Box::pin(self.read_after(stream, after, limit))
    }

    fn last_id_boxed<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, EntryId> {
        Box::pin(self.last_id(stream))
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<L>()
    }
}
