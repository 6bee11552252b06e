//! Small files in memory, and what is known of large ones.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::entry::Entry;

/// A bounded cache; what was not used since the hand passed goes first (second chance).
///
/// A hit takes the lock for reading and changes nothing but counts of references. The lock is taken for
/// writing when an entry comes or goes, and never while the disk is looked at.
#[derive(Debug)]
pub(super) struct Cache {
    max_bytes: u64,
    max_entries: usize,
    started: Instant,
    slots: RwLock<Slots>,
    evictions: AtomicU64,
}

/// A moment, in nanoseconds since the cache was made.
pub(super) type Moment = u64;

#[derive(Debug, Default)]
struct Slots {
    by_name: HashMap<Box<str>, Arc<Slot>>,
    /// In the order the hand visits them; those that are gone stay until it passes, or are half of all.
    order: VecDeque<Arc<Slot>>,
    bytes: u64,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    cost: u64,
    used: AtomicBool,
    /// Not in `by_name` any more.
    gone: AtomicBool,
    /// When the last look at the disk that found this began.
    checked: AtomicU64,
}

/// What the cache says of a name.
pub(super) enum Cached {
    /// Looked at lately.
    Fresh(Arc<Entry>),
    /// To be compared with the disk.
    Due {
        entry: Arc<Entry>,
        /// For longer than another interval: not to be served any more, even while somebody looks.
        overdue: bool,
    },
    Unknown,
}

impl Cache {
    pub(super) fn new(max_bytes: u64, max_entries: usize) -> Self {
        Self {
            max_bytes,
            max_entries,
            started: Instant::now(),
            slots: RwLock::default(),
            evictions: AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) -> Moment {
        nanoseconds(self.started.elapsed())
    }

    pub(super) fn get(&self, name: &str, interval: Duration) -> Cached {
        let (entry, checked) = {
            let slots = self.read();
            let Some(slot) = slots.by_name.get(name) else {
                return Cached::Unknown;
            };
            // Written once, so that the hits of several threads share the line of memory.
            if !slot.used.load(Relaxed) {
                slot.used.store(true, Relaxed);
            }
            (Arc::clone(&slot.entry), slot.checked.load(Relaxed))
        };
        let age = self.now().saturating_sub(checked);
        let interval = nanoseconds(interval);
        if age < interval {
            Cached::Fresh(entry)
        } else {
            let overdue = age >= interval.saturating_mul(2);
            Cached::Due { entry, overdue }
        }
    }

    /// What is known of a name, however old.
    pub(super) fn peek(&self, name: &str) -> Option<Arc<Entry>> {
        let slots = self.read();
        let slot = slots.by_name.get(name)?;
        Some(Arc::clone(&slot.entry))
    }

    /// Notes that a look that began at `looked` found the file as this entry says.
    pub(super) fn confirm(&self, entry: &Arc<Entry>, looked: Moment) {
        if let Some(slot) = self.read().by_name.get(&entry.name)
            && Arc::ptr_eq(&slot.entry, entry)
        {
            slot.checked.fetch_max(looked, Relaxed);
        }
    }

    /// Keeps what was read by a look that began at `looked`, and drops others until it fits; too large
    /// alone, it is not kept. What a later look found stays.
    pub(super) fn insert(&self, entry: &Arc<Entry>, looked: Moment) {
        let cost = entry.cost();
        if cost > self.max_bytes || self.max_entries == 0 {
            self.remove(&entry.name, looked);
            return;
        }
        let slot = Arc::new(Slot {
            entry: Arc::clone(entry),
            cost,
            used: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            checked: AtomicU64::new(looked),
        });
        // Large contents are freed after the lock.
        let mut dropped = Vec::new();
        let mut slots = self.write();
        if slots.knows_later(&entry.name, looked) {
            return;
        }
        dropped.extend(slots.remove(&entry.name));
        // Room is made first: what comes must not go at once because all others were used.
        while slots.bytes + cost > self.max_bytes || slots.by_name.len() >= self.max_entries {
            let Some(evicted) = slots.evict_one() else {
                break;
            };
            dropped.push(evicted);
            self.evictions.fetch_add(1, Relaxed);
        }
        slots.bytes += cost;
        slots.order.push_back(Arc::clone(&slot));
        slots.by_name.insert(entry.name.clone(), slot);
        drop(slots);
    }

    /// Forgets a name of which a look that began at `looked` found nothing to keep.
    pub(super) fn remove(&self, name: &str, looked: Moment) {
        // The look is what finds that there is nothing, as a rule.
        if !self.read().by_name.contains_key(name) {
            return;
        }
        let mut slots = self.write();
        let removed = (!slots.knows_later(name, looked)).then(|| slots.remove(name));
        drop(slots);
        drop(removed);
    }

    /// Entries and bytes kept, and how many entries had to go.
    pub(super) fn usage(&self) -> (usize, u64, u64) {
        let slots = self.read();
        let evictions = self.evictions.load(Relaxed);
        (slots.by_name.len(), slots.bytes, evictions)
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Slots in the order of the hand, those that are gone included.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.read().order.len()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Slots {
    /// Whether a look that began later has said something of the name.
    fn knows_later(&self, name: &str, looked: Moment) -> bool {
        let slot = self.by_name.get(name);
        slot.is_some_and(|slot| slot.checked.load(Relaxed) > looked)
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Slot>> {
        let slot = self.by_name.remove(name)?;
        self.bytes -= slot.cost;
        slot.gone.store(true, Relaxed);
        if self.order.len() > 2 * self.by_name.len() {
            self.order.retain(|slot| !slot.gone.load(Relaxed));
        }
        Some(slot)
    }

    fn evict_one(&mut self) -> Option<Arc<Slot>> {
        // Every turn clears a mark or takes a slot out.
        while let Some(slot) = self.order.pop_front() {
            if slot.gone.load(Relaxed) {
                continue;
            }
            if slot.used.swap(false, Relaxed) {
                self.order.push_back(slot);
                continue;
            }
            self.bytes -= slot.cost;
            self.by_name.remove(&slot.entry.name);
            return Some(slot);
        }
        None
    }
}
