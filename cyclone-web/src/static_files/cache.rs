//! Small files in memory, and what is known of large ones.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::file::{Representation, is_current};

/// Bytes that an entry is counted for besides its content.
const ENTRY_OVERHEAD: u64 = 1024;

/// Everything known of one name.
#[derive(Debug)]
pub(super) struct Entry {
    /// The name below the root, as decoded.
    pub(super) name: Box<str>,
    pub(super) content_type: HeaderValue,
    pub(super) identity: Representation,
    /// The files that were compressed before, where they were looked for.
    pub(super) siblings: Vec<Sibling>,
}

/// A file such as `app.js.br` next to `app.js`.
#[derive(Debug)]
pub(super) struct Sibling {
    pub(super) name: String,
    /// None when there is none that may be used.
    pub(super) file: Option<Representation>,
    /// What was there, usable or not.
    pub(super) stamp: Option<super::file::Stamp>,
}

impl Entry {
    /// Looks whether the files are still those that were read. Blocks.
    pub(super) fn is_current(&self, root: &Path) -> bool {
        // A weak tag is looked at again: the file may have settled.
        !self.identity.etag.is_weak()
            && is_current(root, &self.name, Some(&self.identity.stamp))
            && self
                .siblings
                .iter()
                .all(|sibling| is_current(root, &sibling.name, sibling.stamp.as_ref()))
    }

    fn cost(&self) -> u64 {
        let siblings = self
            .siblings
            .iter()
            .filter_map(|sibling| sibling.file.as_ref());
        let files = std::iter::once(&self.identity).chain(siblings);
        let content: usize = files
            .filter_map(|file| Some(file.content.as_ref()?.len()))
            .sum();
        ENTRY_OVERHEAD + self.name.len() as u64 + content as u64
    }
}

/// A bounded cache; what was not used since the hand passed goes first (second chance).
#[derive(Debug)]
pub(super) struct Cache {
    max_bytes: u64,
    max_entries: usize,
    started: Instant,
    slots: RwLock<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_name: HashMap<Box<str>, Arc<Slot>>,
    /// Every name once, in the order the hand visits them.
    order: VecDeque<Box<str>>,
    bytes: u64,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    cost: u64,
    used: AtomicBool,
    /// Milliseconds since the start of the cache at the last look at the disk.
    checked_ms: AtomicU64,
}

/// What the cache says of a name.
pub(super) enum Cached {
    /// Looked at lately.
    Fresh(Arc<Entry>),
    /// To be compared with the disk by whoever got this; others take it as fresh meanwhile.
    Stale(Arc<Entry>),
    Unknown,
}

impl Cache {
    pub(super) fn new(max_bytes: u64, max_entries: usize) -> Self {
        Self {
            max_bytes,
            max_entries,
            started: Instant::now(),
            slots: RwLock::default(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn get(&self, name: &str, interval: Duration) -> Cached {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.by_name.get(name) else {
            return Cached::Unknown;
        };
        slot.used.store(true, Ordering::Relaxed);
        let entry = Arc::clone(&slot.entry);
        let now = self.now_ms();
        let checked = slot.checked_ms.load(Ordering::Relaxed);
        let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        if interval == 0 {
            return Cached::Stale(entry);
        }
        let due = now.saturating_sub(checked) >= interval;
        let claimed = due
            && slot
                .checked_ms
                .compare_exchange(checked, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if claimed {
            Cached::Stale(entry)
        } else {
            Cached::Fresh(entry)
        }
    }

    /// Keeps what was just read, and drops others until it fits; too large alone, it is not kept.
    pub(super) fn insert(&self, entry: &Arc<Entry>) {
        let cost = entry.cost();
        if cost > self.max_bytes || self.max_entries == 0 {
            self.remove(&entry.name);
            return;
        }
        let slot = Arc::new(Slot {
            entry: Arc::clone(entry),
            cost,
            used: AtomicBool::new(false),
            checked_ms: AtomicU64::new(self.now_ms()),
        });
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.remove(&entry.name);
        // Room is made first: what comes must not go at once because all others were used.
        while slots.bytes + cost > self.max_bytes || slots.by_name.len() >= self.max_entries {
            slots.evict_one();
        }
        slots.bytes += cost;
        slots.by_name.insert(entry.name.clone(), slot);
        slots.order.push_back(entry.name.clone());
    }

    pub(super) fn remove(&self, name: &str) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.remove(name);
    }

    #[cfg(test)]
    pub(super) fn usage(&self) -> (usize, u64) {
        let slots = self.slots.read().unwrap();
        assert_eq!(slots.by_name.len(), slots.order.len());
        (slots.by_name.len(), slots.bytes)
    }
}

impl Slots {
    fn remove(&mut self, name: &str) {
        if let Some(slot) = self.by_name.remove(name) {
            self.bytes -= slot.cost;
            self.order.retain(|other| **other != *name);
        }
    }

    fn evict_one(&mut self) {
        // Every turn clears a mark or removes an entry.
        while let Some(name) = self.order.pop_front() {
            let Some(slot) = self.by_name.get(&name) else {
                continue;
            };
            if slot.used.swap(false, Ordering::Relaxed) {
                self.order.push_back(name);
                continue;
            }
            self.bytes -= slot.cost;
            self.by_name.remove(&name);
            return;
        }
    }
}
