use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cyclone_core::{PortError, PortErrorKind, SharedStore, Store};

use super::local::Buckets;
use super::{RATE_LIMIT_STORE_WAIT, RateLimit, seconds};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_bucket_is_emptied_at_once_and_fills_evenly() {
    for requests in [1, 2, 7, 60, 1000] {
        let buckets = Buckets::new(requests, MINUTE, 8);
        for left in (0..requests).rev() {
            let count = buckets.take("a");
            assert_eq!((count.left, count.refused_for), (left, None), "{requests}");
        }
        let every = MINUTE / requests;
        let refused = buckets.take("a");
        assert_eq!(refused.left, 0);
        let wait = refused.refused_for.unwrap();
        assert!(
            wait <= every && wait + Duration::from_micros(1) > every,
            "{wait:?}"
        );
        // Another client has its own.
        assert_eq!(buckets.take("b").refused_for, None);
        tokio::time::advance(wait - Duration::from_millis(1)).await;
        assert!(buckets.take("a").refused_for.is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(buckets.take("a").refused_for, None);
        assert!(buckets.take("a").refused_for.is_some());
        // Never more than full.
        tokio::time::advance(MINUTE * 10).await;
        assert_eq!(buckets.take("a").left, requests - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn more_clients_than_there_is_room_for_push_out_who_has_used_least() {
    let buckets = Buckets::new(10, MINUTE, 8);
    for _ in 0..3 {
        buckets.take("greedy");
    }
    for client in 1..8 {
        assert_eq!(buckets.take(&client.to_string()).left, 9);
    }
    // Eight have their place.
    assert_eq!(buckets.take("greedy").left, 6);
    // The ninth has to take one, and a hundred more do not get that of the greedy one.
    for client in 100..200 {
        assert_eq!(buckets.take(&client.to_string()).left, 9);
    }
    assert_eq!(buckets.take("greedy").left, 5);
}

/// Answers, fails, or is silent.
#[derive(Clone, Copy)]
enum Does {
    Fail,
    Hang,
}

impl Store for Does {
    async fn get(&self, _key: &str) -> Result<Option<Bytes>, PortError> {
        Ok(None)
    }
    async fn put(&self, _: &str, _: Bytes, _: Option<Duration>) -> Result<(), PortError> {
        Ok(())
    }
    async fn put_if_absent(
        &self,
        _: &str,
        _: Bytes,
        _: Option<Duration>,
    ) -> Result<bool, PortError> {
        Ok(true)
    }
    async fn delete(&self, _key: &str) -> Result<bool, PortError> {
        Ok(true)
    }
    async fn increment(&self, _: &str, _: i64, _: Option<Duration>) -> Result<i64, PortError> {
        match self {
            Self::Fail => Err(PortError::new(PortErrorKind::NotSent, "on purpose")),
            Self::Hang => pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_leaves_the_process_counting_alone() {
    for does in [Does::Fail, Does::Hang] {
        let limit = RateLimit::new(2, MINUTE).shared(SharedStore::new(does));
        let store = limit.store.clone().unwrap();
        let begun = tokio::time::Instant::now();
        for left in [1, 0] {
            assert_eq!(limit.count_in(&store, "a").await.left, left);
        }
        // The bucket fills a little while the store hangs.
        assert!(limit.count_in(&store, "a").await.refused_for.is_some());
        assert!(begun.elapsed() <= RATE_LIMIT_STORE_WAIT * 3 + Duration::from_millis(10));
    }
}

#[tokio::test(start_paused = true)]
async fn processes_that_share_a_store_count_together_in_windows() {
    let store = SharedStore::memory();
    let one = RateLimit::new(3, MINUTE).name("api");
    let other = RateLimit::new(3, MINUTE).name("api");
    let elsewhere = RateLimit::new(3, MINUTE).name("other");
    let at = |seconds: u64| -> SystemTime { UNIX_EPOCH + Duration::from_secs(6000 + seconds) };
    for (limit, client, now, left, refused) in [
        (&one, "a", 0, 2, None),
        (&other, "a", 10, 1, None),
        (&one, "b", 10, 2, None),
        (&elsewhere, "a", 10, 2, None),
        (&one, "a", 59, 0, None),
        (&other, "a", 59, 0, Some(Duration::from_secs(1))),
        (&other, "a", 60, 2, None),
    ] {
        let count = limit.increment(&store, client, at(now)).await.unwrap();
        assert_eq!(
            (count.left, count.refused_for),
            (left, refused),
            "{client} {now}"
        );
    }
}

#[test]
fn seconds_are_rounded_up() {
    for (milliseconds, expected) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
        assert_eq!(seconds(Duration::from_millis(milliseconds)), expected);
    }
}
