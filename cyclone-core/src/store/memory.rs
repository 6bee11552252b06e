//! `MemoryStore`: the store inside one process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Store;
use crate::inspect::{Inspect, Inspection, Metric};
use crate::lock::lock;
use crate::port_error::PortError;

/// How many keys a [`MemoryStore`] keeps: 1,048,576.
pub const DEFAULT_STORE_ENTRIES: usize = 1_048_576;

/// How many bytes of keys and values a [`MemoryStore`] keeps: 256 MiB.
pub const DEFAULT_STORE_BYTES: usize = 256 * 1024 * 1024;

/// How many expired entries one call removes at most, unless it needs their room: so no call is slow for many.
const RECLAIM_PER_CALL: usize = 32;

/// What a counter is counted as: the digits and the sign of the longest `i64`.
const COUNTER_BYTES: usize = 20;

/// Bounds a [`MemoryStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    entries: usize,
    bytes: usize,
}

impl StoreLimits {
    /// The defaults: [`DEFAULT_STORE_ENTRIES`] and [`DEFAULT_STORE_BYTES`].
    pub const fn new() -> Self {
        Self {
            entries: DEFAULT_STORE_ENTRIES,
            bytes: DEFAULT_STORE_BYTES,
        }
    }

    /// Sets how many keys are kept.
    #[must_use]
    pub const fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// Sets how many bytes of keys and values are kept. A counter counts as 20 bytes.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// The store inside one process, gone when it ends; time is tokio's, so tests may pause it.
///
/// Expired entries are removed a few at a time by the calls that follow, in order of expiry and without a scan;
/// they never count against the limits. Without any call they stay in memory, within the limits.
///
/// Cheap to clone: clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

impl MemoryStore {
    /// A store with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store with other limits.
    pub fn with_limits(limits: StoreLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                state: Mutex::default(),
            }),
        }
    }

    /// How many keys are in memory, expired ones that no call has removed yet included.
    pub fn entries(&self) -> usize {
        lock(&self.shared.state).entries.len()
    }

    /// How many bytes the keys and values in memory count as, expired ones that no call has removed yet included.
    pub fn bytes(&self) -> usize {
        lock(&self.shared.state).bytes
    }

    /// Runs `work` on the state after a few expired entries have been removed from it.
    fn with<T>(
        &self,
        key: &str,
        work: impl FnOnce(&mut State, &StoreLimits, Instant) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        PortError::check_name(key)?;
        let now = Instant::now();
        let mut state = lock(&self.shared.state);
        state.expire(key, now);
        for _ in 0..RECLAIM_PER_CALL {
            if !state.reclaim_one(now) {
                break;
            }
        }
        work(&mut state, &self.shared.limits, now)
    }
}

impl Inspect for MemoryStore {
    fn kind(&self) -> &'static str {
        "store"
    }

    fn inspect(&self) -> Inspection {
        let limits = &self.shared.limits;
        let keys = Metric::gauge("keys", "Keys in memory", self.entries());
        let bytes = Metric::gauge("bytes", "Bytes of keys and values in memory", self.bytes());
        Inspection::new()
            .metric(keys.limit(limits.entries as u64))
            .metric(bytes.limit(limits.bytes as u64))
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        self.with(key, |state, _, _| {
            Ok(state.entries.get(key).map(|entry| entry.value.to_bytes()))
        })
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), PortError> {
        check_ttl(ttl)?;
        self.with(key, |state, limits, now| {
            state.insert(limits, now, key, Value::Bytes(value), ttl)
        })
    }

    async fn put_if_absent(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, PortError> {
        check_ttl(ttl)?;
        self.with(key, |state, limits, now| {
            if state.entries.contains_key(key) {
                return Ok(false);
            }
            state.insert(limits, now, key, Value::Bytes(value), ttl)?;
            Ok(true)
        })
    }

    async fn delete(&self, key: &str) -> Result<bool, PortError> {
        self.with(key, |state, _, _| Ok(state.remove(key)))
    }

    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PortError> {
        check_ttl(ttl)?;
        self.with(key, |state, limits, now| {
            let Some(entry) = state.entries.get_mut(key) else {
                state.insert(limits, now, key, Value::Counter(delta), ttl)?;
                return Ok(delta);
            };
            let sum = entry.value.counter()?.checked_add(delta);
            let sum = sum.ok_or(PortError::invalid("the counter would overflow"))?;
            let counter = Value::Counter(sum);
            let grown = state.bytes - entry.value.len() + counter.len();
            if grown > limits.bytes && counter.len() > entry.value.len() {
                return Err(full());
            }
            state.bytes = grown;
            entry.value = counter;
            Ok(sum)
        })
    }
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), PortError> {
    if ttl == Some(Duration::ZERO) {
        return Err(PortError::invalid("the time to live is zero"));
    }
    Ok(())
}

fn full() -> PortError {
    PortError::full("the store has as much as it may")
}

#[derive(Debug, Default)]
struct Shared {
    limits: StoreLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Arc<str>, Entry>,
    /// Exactly the entries that expire; the number makes equal times differ.
    by_deadline: BTreeMap<Deadline, Arc<str>>,
    next_number: u64,
    bytes: usize,
}

type Deadline = (Instant, u64);

#[derive(Debug)]
struct Entry {
    value: Value,
    deadline: Option<Deadline>,
}

#[derive(Debug)]
enum Value {
    Bytes(Bytes),
    Counter(i64),
}

impl State {
    fn insert(
        &mut self,
        limits: &StoreLimits,
        now: Instant,
        key: &str,
        value: Value,
        ttl: Option<Duration>,
    ) -> Result<(), PortError> {
        let size = key.len() + value.len();
        if size > limits.bytes {
            return Err(PortError::invalid("the value is larger than the store"));
        }
        loop {
            let replaced = self.entries.get(key).map(|old| key.len() + old.value.len());
            let entries = self.entries.len() + usize::from(replaced.is_none());
            let bytes = self.bytes - replaced.unwrap_or(0) + size;
            if entries <= limits.entries && bytes <= limits.bytes {
                break;
            }
            if !self.reclaim_one(now) {
                return Err(full());
            }
        }
        self.remove(key);
        let key: Arc<str> = key.into();
        // A time that the clock cannot express is for ever.
        let deadline = ttl.and_then(|ttl| now.checked_add(ttl)).map(|at| {
            self.next_number += 1;
            (at, self.next_number)
        });
        if let Some(deadline) = deadline {
            self.by_deadline.insert(deadline, Arc::clone(&key));
        }
        self.bytes += size;
        self.entries.insert(key, Entry { value, deadline });
        Ok(())
    }

    fn remove(&mut self, key: &str) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        self.bytes -= key.len() + entry.value.len();
        if let Some(deadline) = entry.deadline {
            self.by_deadline.remove(&deadline);
        }
        true
    }

    /// Removes `key` if its time is over.
    fn expire(&mut self, key: &str, now: Instant) {
        let deadline = self.entries.get(key).and_then(|entry| entry.deadline);
        if deadline.is_some_and(|(at, _)| at <= now) {
            self.remove(key);
        }
    }

    /// Removes the entry that expired first, if there is one.
    fn reclaim_one(&mut self, now: Instant) -> bool {
        let Some(first) = self.by_deadline.first_entry() else {
            return false;
        };
        if first.key().0 > now {
            return false;
        }
        let key = first.remove();
        if let Some(entry) = self.entries.remove(&key) {
            self.bytes -= key.len() + entry.value.len();
        }
        true
    }
}

impl Value {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Counter(_) => COUNTER_BYTES,
        }
    }

    fn to_bytes(&self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Counter(number) => number.to_string().into(),
        }
    }

    fn counter(&self) -> Result<i64, PortError> {
        let not_a_counter = || PortError::invalid("the value is not a counter");
        match self {
            Self::Counter(number) => Ok(*number),
            Self::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| not_a_counter())?;
                // What `Display` would not have written (a plus, a leading zero) is not a counter, as in Redis.
                let number: i64 = text.parse().map_err(|_| not_a_counter())?;
                if number.to_string() == text {
                    Ok(number)
                } else {
                    Err(not_a_counter())
                }
            }
        }
    }
}
