//! Token buckets of this process, in memory that does not grow.
//!
//! A bucket is one number: the time at which it will be full (the generic cell rate algorithm). One that is full is the
//! same as none. Buckets stand in sets of eight; a client belongs to one set by a hash that nobody outside can compute,
//! and pushes out the one of its set that is nearest to full. So whatever clients come, each costs the same time, and who
//! has used much is not forgotten for those who have used little.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Count;

/// Buckets in a set.
const WAYS: usize = 8;

#[derive(Clone, Copy, Default)]
struct Bucket {
    client: u64,
    /// In nanoseconds since the first request.
    full_at: u64,
}

type Set = Mutex<[Bucket; WAYS]>;

pub(super) struct Buckets {
    /// Nanoseconds until a bucket gets a token.
    every: u64,
    /// Nanoseconds until an empty bucket is full.
    capacity: u64,
    sets: usize,
    memory: OnceLock<Memory>,
}

struct Memory {
    sets: Box<[Set]>,
    hasher: RandomState,
    begun: Instant,
}

impl Buckets {
    pub(super) fn new(requests: u32, per: Duration, clients: usize) -> Self {
        let per = nanoseconds(per);
        let every = (per / u64::from(requests.max(1))).max(1);
        Self {
            every,
            capacity: every.saturating_mul(requests.into()),
            sets: clients.div_ceil(WAYS).max(1),
            memory: OnceLock::new(),
        }
    }

    /// Takes a token out of a client's bucket, if there is one.
    pub(super) fn take(&self, client: &str) -> Count {
        let memory = self.memory.get_or_init(|| Memory {
            sets: (0..self.sets).map(|_| Set::default()).collect(),
            hasher: RandomState::new(),
            begun: Instant::now(),
        });
        let client = memory.hasher.hash_one(client);
        let now = nanoseconds(memory.begun.elapsed());
        let at = usize::try_from(client).unwrap_or(usize::MAX) % memory.sets.len();
        let Some(set) = memory.sets.get(at) else {
            return self.count(0, None);
        };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let own = set.iter().position(|bucket| bucket.client == client);
        let place = match own {
            Some(own) => set.get_mut(own),
            None => set.iter_mut().min_by_key(|bucket| bucket.full_at),
        };
        let Some(bucket) = place else {
            return self.count(0, None);
        };
        let before = match own {
            Some(_) => bucket.full_at.max(now),
            None => now,
        };
        let after = before.saturating_add(self.every);
        let over = (after - now).checked_sub(self.capacity);
        if let Some(wait) = over.filter(|over| *over > 0) {
            return self.count(before - now, Some(wait));
        }
        *bucket = Bucket {
            client,
            full_at: after,
        };
        self.count(after - now, None)
    }

    fn count(&self, until_full: u64, wait: Option<u64>) -> Count {
        let left = self.capacity.saturating_sub(until_full) / self.every;
        Count {
            left: u32::try_from(left).unwrap_or(u32::MAX),
            until_full: Duration::from_nanos(until_full),
            refused_for: wait.map(Duration::from_nanos),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
