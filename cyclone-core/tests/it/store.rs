//! `MemoryStore`: expiry, reclaiming, bounds, concurrency.

use std::time::Duration;

use cyclone_core::{MemoryStore, PortErrorKind, Store, StoreLimits};
use tokio::time::advance;

const TTL: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_value_expires_just_at_its_time() {
    let store = MemoryStore::new();
    store.put("k", "v".into(), Some(TTL)).await.unwrap();
    advance(TTL - TICK).await;
    assert_eq!(store.get("k").await.unwrap(), Some("v".into()));
    assert!(!store.put_if_absent("k", "w".into(), None).await.unwrap());
    advance(TICK).await;
    assert_eq!(store.get("k").await.unwrap(), None);
    assert_eq!((store.entries(), store.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn every_call_sees_an_expired_value_as_absent() {
    let store = MemoryStore::new();
    // More than one call reclaims stand before ours.
    for number in 0..100 {
        let ttl = Some(TTL / 2);
        store
            .put(&format!("old {number}"), "v".into(), ttl)
            .await
            .unwrap();
    }
    for key in ["get", "delete", "absent", "count", "put"] {
        store.put(key, "9".into(), Some(TTL)).await.unwrap();
    }
    advance(TTL).await;
    assert_eq!(store.increment("count", 1, None).await.unwrap(), 1);
    assert!(!store.delete("delete").await.unwrap());
    assert!(
        store
            .put_if_absent("absent", "new".into(), None)
            .await
            .unwrap()
    );
    assert_eq!(store.get("get").await.unwrap(), None);
    store.put("put", "new".into(), None).await.unwrap();
    assert_eq!(
        store.entries(),
        3,
        "a few calls have removed all that was expired"
    );
}

#[tokio::test(start_paused = true)]
async fn expired_entries_are_reclaimed_a_few_per_call() {
    let store = MemoryStore::new();
    for number in 0..100 {
        store
            .put(&number.to_string(), "v".into(), Some(TTL))
            .await
            .unwrap();
    }
    store.put("stays", "v".into(), Some(2 * TTL)).await.unwrap();
    advance(TTL).await;
    for left in [69, 37, 5, 1, 1] {
        store.get("other").await.unwrap();
        assert_eq!(store.entries(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_time_to_live_leaves_nothing_behind() {
    let store = MemoryStore::new();
    for _ in 0..1000 {
        store.put("session", "v".into(), Some(TTL)).await.unwrap();
    }
    store
        .put("session", "v".into(), Some(3 * TTL))
        .await
        .unwrap();
    advance(2 * TTL).await;
    assert_eq!(store.get("session").await.unwrap(), Some("v".into()));
    store.put("session", "v".into(), None).await.unwrap();
    advance(1000 * TTL).await;
    assert_eq!(store.get("session").await.unwrap(), Some("v".into()));
    let state = format!("{store:?}");
    assert!(state.contains("by_deadline: {}"), "{state}");
}

#[tokio::test(start_paused = true)]
async fn entries_just_under_at_and_over() {
    let store = MemoryStore::with_limits(StoreLimits::new().entries(2));
    store.put("a", "1".into(), Some(TTL)).await.unwrap();
    store.increment("b", 1, Some(2 * TTL)).await.unwrap();
    for result in [
        store.put("c", "1".into(), None).await.err(),
        store.put_if_absent("c", "1".into(), None).await.err(),
        store.increment("c", 1, None).await.err(),
    ] {
        let error = result.unwrap();
        assert_eq!(error.kind(), PortErrorKind::Full);
        assert!(error.is_retryable());
    }
    store.put("a", "2".into(), Some(TTL)).await.unwrap();
    store.increment("b", 1, None).await.unwrap();
    assert!(!store.put_if_absent("a", "3".into(), None).await.unwrap());
    advance(TTL).await;
    store.put("c", "1".into(), None).await.unwrap();
    assert_eq!(
        store.get("b").await.unwrap(),
        Some("2".into()),
        "what has not expired stays"
    );
    assert_eq!(store.entries(), 2);
}

#[tokio::test(start_paused = true)]
async fn bytes_just_under_at_and_over() {
    let store = MemoryStore::with_limits(StoreLimits::new().bytes(30));
    store.put("a", "123456789".into(), Some(TTL)).await.unwrap();
    for (size, refused) in [
        (18, None),
        (19, None),
        (20, Some(PortErrorKind::Full)),
        (29, Some(PortErrorKind::Full)),
        (30, Some(PortErrorKind::Invalid)),
    ] {
        let result = store.put("b", vec![b'x'; size].into(), None).await;
        assert_eq!(result.err().map(|error| error.kind()), refused, "{size}");
        assert!(store.bytes() <= 30);
    }
    assert_eq!(
        store.get("b").await.unwrap().unwrap().len(),
        19,
        "a refused put keeps the old value"
    );
    advance(TTL).await;
    store.put("b", vec![b'x'; 29].into(), None).await.unwrap();
    assert_eq!(store.bytes(), 30);
    assert!(store.delete("b").await.unwrap());
    assert_eq!(store.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_needs_room_reclaims_as_much_as_it_needs() {
    let store = MemoryStore::with_limits(StoreLimits::new().bytes(1000));
    for number in 100..200 {
        let key = number.to_string();
        store.put(&key, "seven b".into(), Some(TTL)).await.unwrap();
    }
    assert_eq!(store.bytes(), 1000);
    advance(TTL).await;
    store.put("k", vec![b'x'; 999].into(), None).await.unwrap();
    assert_eq!((store.entries(), store.bytes()), (1, 1000));
}

#[tokio::test]
async fn a_counter_counts_as_twenty_bytes_just_under_at_and_over() {
    for (bytes, refused) in [(20, Some(PortErrorKind::Invalid)), (21, None), (22, None)] {
        let store = MemoryStore::with_limits(StoreLimits::new().bytes(bytes));
        let result = store.increment("k", i64::MIN, None).await;
        assert_eq!(result.err().map(|error| error.kind()), refused);
        if refused.is_none() {
            assert_eq!(store.bytes(), 21);
            assert_eq!(store.get("k").await.unwrap().unwrap().len(), 20);
        }
        // A text that becomes a counter grows.
        store.delete("k").await.unwrap();
        store.put("k", "1".into(), None).await.unwrap();
        let result = store.increment("k", 1, None).await;
        let refused = refused.map(|_| PortErrorKind::Full);
        assert_eq!(result.err().map(|error| error.kind()), refused);
        let text = if refused.is_some() { "1" } else { "2" };
        assert_eq!(store.get("k").await.unwrap(), Some(text.into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_counted_or_won_twice_by_many_threads() {
    const ROUNDS: i64 = 500;
    let store = MemoryStore::new();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut won = 0;
                for round in 0..ROUNDS {
                    store.increment("sum", 1, None).await.unwrap();
                    let key = format!("nonce {round}");
                    won += i64::from(store.put_if_absent(&key, "x".into(), None).await.unwrap());
                }
                won
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += task.await.unwrap();
    }
    assert_eq!(won, ROUNDS);
    assert_eq!(store.increment("sum", 0, None).await.unwrap(), 4 * ROUNDS);
}
