//! The promises of `Store`.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, bad_names, fresh, longest_name, must, must_be_invalid, payloads};
use crate::port_error::PortErrorKind;
use crate::store::Store;

/// The time to live of values that are meant to expire.
const SHORT: Duration = Duration::from_millis(200);

/// The time to live of values that are not.
const LONG: Duration = Duration::from_secs(3600);

/// How often a check looks whether a value has expired.
const LOOK: Duration = Duration::from_millis(20);

/// Checks the promises of [`Store`], but for what happens when it is full (see [`store_full`]).
///
/// # Panics
/// When a promise is broken, with its name.
pub async fn store(store: &impl Store) {
    keeps_values_unchanged(store).await;
    puts_if_absent_once(store).await;
    counts(store).await;
    refuses_to_count_what_is_no_counter(store).await;
    counts_concurrently(store).await;
    expires_values(store).await;
    keeps_the_window_of_a_counter(store).await;
    replaces_the_time_to_live(store).await;
    checks_arguments(store).await;
}

/// Checks that a full store refuses, keeps what it has, and takes more after a deletion.
///
/// `entries` is how many keys fit into `store`, which must be empty.
///
/// # Panics
/// When the promise is broken.
pub async fn store_full(store: &impl Store, entries: usize) {
    let name = fresh("full");
    for number in 0..entries {
        let key = format!("{name}:{number}");
        must("put", store.put(&key, "value".into(), Some(LONG)).await);
    }
    let over = format!("{name}:over");
    let refused = store.put(&over, "value".into(), None).await;
    assert_eq!(
        refused.err().map(|error| error.kind()),
        Some(PortErrorKind::Full)
    );
    let refused = store.put_if_absent(&over, "value".into(), None).await;
    assert_eq!(
        refused.err().map(|error| error.kind()),
        Some(PortErrorKind::Full)
    );
    let refused = store.increment(&over, 1, None).await;
    assert_eq!(
        refused.err().map(|error| error.kind()),
        Some(PortErrorKind::Full)
    );
    for number in 0..entries {
        let key = format!("{name}:{number}");
        let value = get(store, &key).await;
        assert_eq!(
            value.as_deref(),
            Some(&b"value"[..]),
            "a full store keeps what it has"
        );
    }
    let first = format!("{name}:0");
    must("put", store.put(&first, "other".into(), None).await);
    assert!(must("delete", store.delete(&first).await));
    must(
        "put after a deletion",
        store.put(&over, "value".into(), None).await,
    );
}

async fn keeps_values_unchanged(store: &impl Store) {
    let key = fresh("values");
    assert_eq!(get(store, &key).await, None, "a new key has no value");
    for payload in payloads() {
        must("put", store.put(&key, payload.clone(), Some(LONG)).await);
        assert_eq!(
            get(store, &key).await,
            Some(payload),
            "a value is read as it was put"
        );
    }
    let other = get(store, &format!("{key}:more")).await;
    assert_eq!(other, None, "keys are apart");
    assert!(
        must("delete", store.delete(&key).await),
        "delete says that the key was there"
    );
    assert!(
        !must("delete", store.delete(&key).await),
        "delete says that the key was not there"
    );
    assert_eq!(get(store, &key).await, None, "a deleted key has no value");
}

async fn puts_if_absent_once(store: &impl Store) {
    let key = fresh("absent");
    let put = |value: &'static str| {
        let key = &key;
        async move {
            let put = store.put_if_absent(key, value.into(), Some(LONG)).await;
            must("put_if_absent", put)
        }
    };
    let (a, b, c, d) = tokio::join!(put("a"), put("b"), put("c"), put("d"));
    let winners: Vec<_> = [("a", a), ("b", b), ("c", c), ("d", d)]
        .into_iter()
        .filter_map(|(name, won)| won.then_some(name))
        .collect();
    assert_eq!(
        winners.len(),
        1,
        "exactly one of several callers puts: {winners:?}"
    );
    let value = get(store, &key).await;
    assert_eq!(
        value.as_deref(),
        Some(winners[0].as_bytes()),
        "the value is that of the winner"
    );
    must("delete", store.delete(&key).await);
    assert!(put("again").await, "a deleted key is absent");
}

async fn counts(store: &impl Store) {
    let key = fresh("counter");
    let mut sum = 0;
    for delta in [1, 1, 40, -43, 0, i64::MAX, 1 - i64::MAX] {
        sum += delta;
        let value = must("increment", store.increment(&key, delta, Some(LONG)).await);
        assert_eq!(value, sum, "increment returns the new value");
        let text = get(store, &key).await;
        assert_eq!(
            text,
            Some(sum.to_string().into()),
            "a counter is read as decimal text"
        );
    }
    must("put", store.put(&key, "41".into(), Some(LONG)).await);
    let value = must("increment", store.increment(&key, 1, None).await);
    assert_eq!(value, 42, "a counter may be set by put");
}

async fn refuses_to_count_what_is_no_counter(store: &impl Store) {
    let key = fresh("no counter");
    for text in ["text", "", "1.5", "9223372036854775808", "1 "] {
        must("put", store.put(&key, text.into(), Some(LONG)).await);
        let refused = store.increment(&key, 1, Some(LONG)).await;
        must_be_invalid("counting what is no counter", refused);
        let value = get(store, &key).await;
        assert_eq!(
            value.as_deref(),
            Some(text.as_bytes()),
            "a refused increment changes nothing"
        );
    }
    let greatest = i64::MAX.to_string();
    must("put", store.put(&key, greatest.clone().into(), None).await);
    must_be_invalid("counting too far", store.increment(&key, 1, None).await);
    assert_eq!(
        get(store, &key).await,
        Some(greatest.into()),
        "a refused increment changes nothing"
    );
    must("delete", store.delete(&key).await);
}

async fn counts_concurrently(store: &impl Store) {
    const EACH: usize = 25;
    let key = fresh("together");
    let count = || async {
        for _ in 0..EACH {
            must("increment", store.increment(&key, 1, Some(LONG)).await);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(count(), count(), count(), count());
    let sum = must("increment", store.increment(&key, 0, None).await);
    assert_eq!(usize::try_from(sum), Ok(4 * EACH), "no increment is lost");
}

async fn expires_values(store: &impl Store) {
    let key = fresh("expiry");
    let before = Instant::now();
    must("put", store.put(&key, "value".into(), Some(SHORT)).await);
    wait_until_gone(store, &key).await;
    assert!(
        before.elapsed() >= SHORT / 2,
        "a value does not expire too early"
    );
    assert!(
        !must("delete", store.delete(&key).await),
        "an expired key is not there to delete"
    );
    let put = must(
        "put_if_absent",
        store.put_if_absent(&key, "new".into(), Some(SHORT)).await,
    );
    assert!(put, "an expired key is absent");
    wait_until_gone(store, &key).await;
    must(
        "put",
        store.put(&key, "not a counter".into(), Some(SHORT)).await,
    );
    wait_until_gone(store, &key).await;
    let value = must("increment", store.increment(&key, 3, Some(LONG)).await);
    assert_eq!(value, 3, "a counter starts at 0 where a value expired");
}

async fn keeps_the_window_of_a_counter(store: &impl Store) {
    let key = fresh("window");
    must("increment", store.increment(&key, 1, Some(SHORT)).await);
    let limit = Instant::now() + PATIENCE;
    loop {
        sleep(LOOK).await;
        if must("increment", store.increment(&key, 1, Some(SHORT)).await) == 1 {
            break;
        }
        assert!(
            Instant::now() < limit,
            "increments do not extend the time to live of a counter"
        );
    }
}

async fn replaces_the_time_to_live(store: &impl Store) {
    let name = fresh("time to live");
    let [forever, counter, marker] =
        ["forever", "counter", "marker"].map(|end| format!("{name}:{end}"));
    must(
        "put",
        store.put(&forever, "short".into(), Some(SHORT)).await,
    );
    must("put", store.put(&forever, "long".into(), None).await);
    must("increment", store.increment(&counter, 1, None).await);
    must("increment", store.increment(&counter, 1, Some(SHORT)).await);
    must(
        "put",
        store.put(&marker, "marker".into(), Some(SHORT)).await,
    );
    wait_until_gone(store, &marker).await;
    let value = get(store, &forever).await;
    assert_eq!(
        value.as_deref(),
        Some(&b"long"[..]),
        "put replaces the time to live, too"
    );
    let value = get(store, &counter).await;
    assert_eq!(
        value.as_deref(),
        Some(&b"2"[..]),
        "increment does not give a counter a time to live later"
    );
    for key in [forever, counter] {
        must("delete", store.delete(&key).await);
    }
}

async fn checks_arguments(store: &impl Store) {
    for name in bad_names() {
        must_be_invalid("getting a bad key", store.get(&name).await);
        must_be_invalid(
            "putting a bad key",
            store.put(&name, Bytes::new(), None).await,
        );
        must_be_invalid(
            "putting a bad key",
            store.put_if_absent(&name, Bytes::new(), None).await,
        );
        must_be_invalid("deleting a bad key", store.delete(&name).await);
        must_be_invalid("counting a bad key", store.increment(&name, 1, None).await);
    }
    let key = longest_name("key");
    let zero = Some(Duration::ZERO);
    must_be_invalid(
        "a time to live of zero",
        store.put(&key, Bytes::new(), zero).await,
    );
    must_be_invalid(
        "a time to live of zero",
        store.put_if_absent(&key, Bytes::new(), zero).await,
    );
    must_be_invalid(
        "a time to live of zero",
        store.increment(&key, 1, zero).await,
    );
    let enormous = Some(Duration::MAX);
    must(
        "put with an enormous time to live",
        store.put(&key, "fits".into(), enormous).await,
    );
    assert_eq!(get(store, &key).await, Some("fits".into()));
    must("delete", store.delete(&key).await);
}

async fn wait_until_gone(store: &impl Store, key: &str) {
    let limit = Instant::now() + PATIENCE;
    while get(store, key).await.is_some() {
        assert!(
            Instant::now() < limit,
            "a value is gone when its time to live is over"
        );
        sleep(LOOK).await;
    }
}

async fn get(store: &impl Store, key: &str) -> Option<Bytes> {
    must("get", store.get(key).await)
}
