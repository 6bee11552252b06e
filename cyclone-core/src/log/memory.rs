//! `MemoryLog`: the log inside one process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{EntryId, Log, LogEntry, LogRead};
use crate::inspect::{Inspect, Inspection, Metric};
use crate::lock::lock;
use crate::port_error::PortError;

/// How many entries a stream of a [`MemoryLog`] keeps: 1,024.
pub const DEFAULT_LOG_STREAM_ENTRIES: usize = 1024;

/// How many bytes of payload a stream of a [`MemoryLog`] keeps: 1 MiB. Also the largest entry.
pub const DEFAULT_LOG_STREAM_BYTES: usize = 1024 * 1024;

/// How many streams a [`MemoryLog`] keeps: 65,536.
pub const DEFAULT_LOG_STREAMS: usize = 65_536;

/// How many bytes of payload a [`MemoryLog`] keeps, all streams together: 256 MiB.
pub const DEFAULT_LOG_BYTES: usize = 256 * 1024 * 1024;

/// Bounds a [`MemoryLog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    stream_entries: usize,
    stream_bytes: usize,
    streams: usize,
    bytes: usize,
}

impl LogLimits {
    /// The defaults: [`DEFAULT_LOG_STREAM_ENTRIES`], [`DEFAULT_LOG_STREAM_BYTES`], [`DEFAULT_LOG_STREAMS`] and
    /// [`DEFAULT_LOG_BYTES`].
    pub const fn new() -> Self {
        Self {
            stream_entries: DEFAULT_LOG_STREAM_ENTRIES,
            stream_bytes: DEFAULT_LOG_STREAM_BYTES,
            streams: DEFAULT_LOG_STREAMS,
            bytes: DEFAULT_LOG_BYTES,
        }
    }

    /// Sets how many entries each stream keeps; 0 counts as 1.
    #[must_use]
    pub const fn stream_entries(mut self, entries: usize) -> Self {
        self.stream_entries = if entries == 0 { 1 } else { entries };
        self
    }

    /// Sets how many bytes of payload each stream keeps, which is also the size of the largest entry.
    #[must_use]
    pub const fn stream_bytes(mut self, bytes: usize) -> Self {
        self.stream_bytes = bytes;
        self
    }

    /// Sets how many streams are kept; 0 counts as 1.
    #[must_use]
    pub const fn streams(mut self, streams: usize) -> Self {
        self.streams = if streams == 0 { 1 } else { streams };
        self
    }

    /// Sets how many bytes of payload are kept, all streams together. At least one stream's worth is kept.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Default for LogLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// The log inside one process, gone when it ends.
///
/// The high half of its ids is the time at which the log was made, in microseconds since 1970. A reader who comes
/// back with an id of an earlier process is therefore recognised and told of the gap.
///
/// When there are too many streams, or too many bytes in all, the stream that was appended to least recently is
/// forgotten as a whole; its readers are told of a gap. A reader of a stream that is new or forgotten may be told of
/// a gap that is none: never the reverse.
///
/// Cheap to clone: clones are the same log.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

impl MemoryLog {
    /// A log with the default limits.
    pub fn new() -> Self {
        Self::with_limits(LogLimits::new())
    }

    /// A log with other limits.
    pub fn with_limits(limits: LogLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                epoch: epoch(),
                state: Mutex::default(),
            }),
        }
    }

    /// How many streams are kept now.
    pub fn streams(&self) -> usize {
        lock(&self.shared.state).streams.len()
    }

    /// How many bytes of payload are kept now.
    pub fn bytes(&self) -> usize {
        lock(&self.shared.state).bytes
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Inspect for MemoryLog {
    fn kind(&self) -> &'static str {
        "log"
    }

    fn inspect(&self) -> Inspection {
        let limits = &self.shared.limits;
        let streams = Metric::gauge("streams", "Streams kept", self.streams());
        let bytes = Metric::gauge("bytes", "Bytes of payload kept", self.bytes());
        Inspection::new()
            .metric(streams.limit(limits.streams as u64))
            .metric(bytes.limit(limits.bytes as u64))
    }
}

impl Log for MemoryLog {
    async fn append(&self, stream: &str, payload: Bytes) -> Result<EntryId, PortError> {
        PortError::check_name(stream)?;
        let Shared {
            limits,
            epoch,
            state,
        } = &*self.shared;
        if payload.len() > limits.stream_bytes {
            return Err(PortError::invalid(
                "the entry is larger than a stream may be",
            ));
        }
        let number = lock(state).append(limits, stream, payload);
        Ok(EntryId::new(*epoch, number))
    }

    async fn read_after(
        &self,
        stream: &str,
        after: EntryId,
        limit: usize,
    ) -> Result<LogRead, PortError> {
        PortError::check_name(stream)?;
        let epoch = self.shared.epoch;
        let state = lock(&self.shared.state);
        let foreign = after != EntryId::ZERO && after.high() != epoch;
        let after = if after.high() < epoch {
            0
        } else if after.high() == epoch {
            after.low()
        } else {
            u64::MAX
        };
        let future = after > state.last;
        let Some(stream) = state.streams.get(stream) else {
            let gap = foreign || future || after < state.forgotten;
            return Ok(LogRead::new(Vec::new(), gap));
        };
        let entries = stream.after(after, limit);
        let entries = entries
            .map(|(number, payload)| LogEntry::new(EntryId::new(epoch, *number), payload.clone()));
        let gap = foreign || future || after < stream.floor;
        Ok(LogRead::new(entries.collect(), gap))
    }

    /// For a stream without entries it is the newest id of the whole log, which comes before all that the stream
    /// will have; a reader who holds it is told when the process was restarted in between.
    async fn last_id(&self, stream: &str) -> Result<EntryId, PortError> {
        PortError::check_name(stream)?;
        let state = lock(&self.shared.state);
        let known = state.streams.get(stream).map(|stream| stream.last);
        Ok(EntryId::new(self.shared.epoch, known.unwrap_or(state.last)))
    }
}

fn epoch() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Debug)]
struct Shared {
    limits: LogLimits,
    epoch: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<Arc<str>, Stream>,
    /// The streams by their newest number: the first is the one to forget.
    by_age: BTreeMap<u64, Arc<str>>,
    /// The newest number given out, to any stream.
    last: u64,
    /// The greatest number that went away with a forgotten stream.
    forgotten: u64,
    bytes: usize,
}

impl State {
    fn append(&mut self, limits: &LogLimits, name: &str, payload: Bytes) -> u64 {
        self.last += 1;
        let number = self.last;
        let size = payload.len();
        let name = if let Some(stream) = self.streams.get_mut(name) {
            let freed = stream.append(limits, number, payload);
            self.bytes = self.bytes + size - freed;
            let previous = std::mem::replace(&mut stream.last, number);
            self.by_age.remove(&previous)
        } else {
            let mut stream = Stream {
                floor: self.forgotten,
                last: number,
                ..Stream::default()
            };
            stream.append(limits, number, payload);
            self.bytes += size;
            let key: Arc<str> = name.into();
            self.streams.insert(Arc::clone(&key), stream);
            Some(key)
        };
        self.by_age.extend(name.map(|name| (number, name)));
        while self.streams.len() > limits.streams
            || (self.bytes > limits.bytes && self.streams.len() > 1)
        {
            if !self.forget_oldest() {
                break;
            }
        }
        number
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((number, name)) = self.by_age.pop_first() else {
            return false;
        };
        if let Some(stream) = self.streams.remove(&name) {
            self.bytes -= stream.bytes;
        }
        self.forgotten = self.forgotten.max(number);
        true
    }
}

#[derive(Debug, Default)]
struct Stream {
    entries: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// The newest number.
    last: u64,
    /// Reading after a smaller number has a gap.
    floor: u64,
}

impl Stream {
    /// Adds an entry and returns how many bytes went away for it.
    fn append(&mut self, limits: &LogLimits, number: u64, payload: Bytes) -> usize {
        self.bytes += payload.len();
        self.entries.push_back((number, payload));
        let mut freed = 0;
        while self.entries.len() > limits.stream_entries || self.bytes > limits.stream_bytes {
            let Some((number, payload)) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= payload.len();
            freed += payload.len();
            self.floor = number;
        }
        freed
    }

    fn after(&self, number: u64, limit: usize) -> impl Iterator<Item = &(u64, Bytes)> {
        let first = self.entries.partition_point(|(id, _)| *id <= number);
        self.entries.iter().skip(first).take(limit)
    }
}
