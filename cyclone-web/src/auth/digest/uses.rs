//! Which counts of which nonces were used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{SharedStore, Store as _};

use super::nonce::Made;
use super::response::DigestResponse;
use crate::error::Result;

/// How far behind the highest count one may arrive: requests of several connections overtake each other.
const WINDOW: u32 = u64::BITS;

#[derive(Clone)]
pub(super) enum Uses {
    Local(Arc<Mutex<Table>>),
    Shared(SharedStore),
}

impl Uses {
    pub(super) fn local(max: usize) -> Self {
        Self::Local(Arc::new(Mutex::new(Table {
            windows: BTreeMap::new(),
            floor: 0,
            max,
        })))
    }

    pub(super) fn shared(store: SharedStore) -> Self {
        Self::Shared(store)
    }

    /// Uses a count of a nonce up; `false` when it was, or may have been.
    pub(super) async fn take(
        &self,
        response: &DigestResponse,
        made: Made,
        left: Duration,
    ) -> Result<bool> {
        match self {
            Self::Local(table) => {
                let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(table.take(made, &response.nonce, response.count))
            }
            Self::Shared(store) => {
                let key = format!("digest:{}:{:08x}", response.nonce, response.count);
                // A second more, so that the entry outlives the nonce on every clock.
                let ttl = Some(left + Duration::from_secs(1));
                Ok(store.put_if_absent(&key, Bytes::new(), ttl).await?)
            }
        }
    }
}

/// Nonces by their age, each with the counts that were used.
pub(super) struct Table {
    windows: BTreeMap<(Made, Box<str>), Window>,
    /// Nothing is known of nonces that were made up to then.
    floor: Made,
    max: usize,
}

#[derive(Default)]
struct Window {
    highest: u32,
    /// Bit n: the highest count less n was used.
    used: u64,
}

impl Table {
    fn take(&mut self, made: Made, nonce: &str, count: u32) -> bool {
        if made <= self.floor {
            return false;
        }
        let window = self.windows.entry((made, nonce.into())).or_default();
        let fresh = window.take(count);
        if self.windows.len() > self.max
            && let Some(((made, _), _)) = self.windows.pop_first()
        {
            self.floor = made;
        }
        fresh
    }
}

impl Window {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if behind >= WINDOW || self.used & (1 << behind) != 0 {
            return false;
        }
        self.used |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(max: usize) -> Table {
        Table {
            windows: BTreeMap::new(),
            floor: 0,
            max,
        }
    }

    #[test]
    fn a_count_is_good_once_in_any_order() {
        let mut table = table(10);
        for count in [1, 3, 2, 70, 7, 69] {
            assert!(table.take(5, "a", count), "{count}");
            assert!(!table.take(5, "a", count), "{count} again");
        }
        // 64 behind the highest is too far: nobody remembers.
        assert!(!table.take(5, "a", 6));
        assert!(table.take(5, "b", 6));
        assert!(table.take(5, "a", u32::MAX));
        assert!(!table.take(5, "a", 71));
    }

    #[test]
    fn what_is_forgotten_is_stale() {
        let mut table = table(2);
        for (made, nonce) in [(1, "a"), (2, "b")] {
            assert!(table.take(made, nonce, 1));
        }
        assert!(table.take(1, "a", 2));
        assert!(table.take(3, "c", 1));
        assert_eq!(table.windows.len(), 2);
        assert!(!table.take(1, "a", 3), "forgotten");
        assert!(table.take(2, "b", 2));
        assert!(!table.take(1, "older than all", 1));
        assert_eq!(table.windows.len(), 2);
    }
}
