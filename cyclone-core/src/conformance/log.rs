//! The promises of `Log`.

use bytes::Bytes;

use super::{bad_names, fresh, longest_name, must, must_be_invalid, payloads};
use crate::log::{EntryId, Log, LogRead};

/// Checks the promises of [`Log`], but for what happens when old entries go away (see [`log_retention`]).
///
/// # Panics
/// When a promise is broken, with its name.
pub async fn log(log: &impl Log) {
    starts_empty(log).await;
    reads_back_what_was_appended(log).await;
    reads_in_pages(log).await;
    keeps_streams_apart(log).await;
    calls_an_unknown_id_a_gap(log).await;
    gives_increasing_ids_to_concurrent_writers(log).await;
    checks_names(log).await;
}

/// Checks that a reader is told when entries are gone, by appending `appends` entries to one stream.
///
/// `appends` must be more than a stream of `log` retains at most.
///
/// # Panics
/// When the promise is broken, or nothing was removed.
pub async fn log_retention(log: &impl Log, appends: usize) {
    let stream = fresh("retention");
    let start = must("last_id", log.last_id(&stream).await);
    let mut ids = Vec::new();
    for number in 0..appends {
        ids.push(append(log, &stream, number.to_string()).await);
    }
    let all = read(log, &stream, EntryId::ZERO, appends).await;
    let kept = all.entries.len();
    assert!(kept >= 1, "the newest entry is kept");
    assert!(
        kept < appends,
        "retention is bounded, but all of {appends} entries are there"
    );
    assert!(
        all.gap,
        "reading from the beginning has a gap once old entries are gone"
    );
    let found: Vec<_> = all.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(
        found,
        ids[appends - kept..],
        "the newest entries are kept, without a hole"
    );

    let before = read(log, &stream, start, appends).await;
    assert!(
        before.gap,
        "the position before the first entry has a gap once that entry is gone"
    );
    let oldest = ids[0];
    if kept + 1 < appends {
        let read = read(log, &stream, oldest, appends).await;
        assert!(
            read.gap,
            "the id of an entry whose successor is gone has a gap"
        );
        assert_eq!(read.entries.len(), kept, "what is left is read after a gap");
    }
    let read = read(log, &stream, found[0], appends).await;
    assert!(
        !read.gap,
        "the id of an entry that is still there has no gap"
    );
    assert_eq!(read.entries.len(), kept - 1);
}

async fn starts_empty(log: &impl Log) {
    let stream = fresh("empty");
    let read_all = read(log, &stream, EntryId::ZERO, 10).await;
    assert_eq!(read_all.entries, [], "a new stream has no entries");
    let end = must("last_id of a new stream", log.last_id(&stream).await);
    let at_end = read(log, &stream, end, 10).await;
    assert_eq!(
        at_end,
        LogRead::default(),
        "the end of a new stream has nothing after it, and no gap"
    );
    let id = append(log, &stream, "first").await;
    assert!(
        id > end,
        "the first entry comes after the end of the empty stream"
    );
    let read = read(log, &stream, end, 10).await;
    assert_eq!(
        read.entries.len(),
        1,
        "the end of the empty stream is a position to read from"
    );
    assert!(
        !read.gap,
        "the end of the empty stream is a position without a gap"
    );
}

async fn reads_back_what_was_appended(log: &impl Log) {
    let stream = fresh("payloads");
    let mut ids = Vec::new();
    for payload in payloads() {
        ids.push(append(log, &stream, payload).await);
    }
    assert!(
        ids.is_sorted_by(|a, b| a < b),
        "ids are strictly increasing"
    );
    let last = must("last_id", log.last_id(&stream).await);
    assert_eq!(
        Some(&last),
        ids.last(),
        "last_id is the id of the newest entry"
    );
    let read = read(log, &stream, EntryId::ZERO, 100).await;
    let found: Vec<_> = read.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(
        found, ids,
        "entries are read with the ids that append returned"
    );
    for (entry, payload) in read.entries.iter().zip(payloads()) {
        assert_eq!(
            entry.payload, payload,
            "an entry is read as it was appended"
        );
    }
    for id in ids {
        let text = id.to_string();
        assert_eq!(
            text.parse(),
            Ok(id),
            "an id survives being written and parsed"
        );
    }
}

async fn reads_in_pages(log: &impl Log) {
    let stream = fresh("pages");
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(append(log, &stream, number.to_string()).await);
    }
    let mut after = EntryId::ZERO;
    let mut seen = Vec::new();
    for expected in [4, 4, 2, 0] {
        let page = read(log, &stream, after, 4).await;
        assert!(!page.gap, "there is no gap between pages");
        assert_eq!(
            page.entries.len(),
            expected,
            "a page has as many entries as asked for, if they are there"
        );
        after = page.entries.last().map_or(after, |entry| entry.id);
        seen.extend(page.entries.iter().map(|entry| entry.id));
    }
    assert_eq!(
        seen, ids,
        "pages follow each other without a hole or a duplicate"
    );
    let none = read(log, &stream, ids[0], 0).await;
    assert_eq!(none, LogRead::default(), "a page of no entries is empty");
}

async fn keeps_streams_apart(log: &impl Log) {
    let stream = fresh("apart");
    let other = format!("{stream}:more");
    append(log, &stream, "mine").await;
    append(log, &other, "other").await;
    let read = read(log, &stream, EntryId::ZERO, 10).await;
    assert_eq!(read.entries.len(), 1, "a stream has its own entries only");
    assert_eq!(read.entries[0].payload, "mine");
}

async fn calls_an_unknown_id_a_gap(log: &impl Log) {
    let stream = fresh("unknown");
    let future = EntryId::new(u64::MAX - 1, 7);
    let on_empty = read(log, &stream, future, 10).await;
    assert!(on_empty.gap, "an id is unknown to a stream without entries");
    let last = append(log, &stream, "one").await;
    for future in [EntryId::new(last.high() + 1, 0), future, EntryId::MAX] {
        let read = read(log, &stream, future, 10).await;
        assert!(
            read.gap,
            "an id of the future ({future} after {last}) is a gap"
        );
        assert_eq!(read.entries, [], "nothing comes after an id of the future");
    }
    let known = read(log, &stream, last, 10).await;
    assert_eq!(
        known,
        LogRead::default(),
        "the newest id has nothing after it, and no gap"
    );
}

async fn gives_increasing_ids_to_concurrent_writers(log: &impl Log) {
    const EACH: usize = 40;
    let stream = fresh("writers");
    let start = must("last_id", log.last_id(&stream).await);
    let write = || async {
        let mut ids = Vec::new();
        for _ in 0..EACH {
            ids.push(append(log, &stream, "entry").await);
            tokio::task::yield_now().await;
        }
        ids
    };
    let follow = async {
        let mut after = start;
        let mut seen = Vec::new();
        while seen.len() < 3 * EACH {
            let page = read(log, &stream, after, 7).await;
            assert!(!page.gap, "a reader who follows closely has no gap");
            after = page.entries.last().map_or(after, |entry| entry.id);
            seen.extend(page.entries.iter().map(|entry| entry.id));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (mut first, second, third, seen) = tokio::join!(write(), write(), write(), follow);
    for ids in [&first, &second, &third] {
        assert!(
            ids.is_sorted_by(|a, b| a < b),
            "the ids of one writer are strictly increasing"
        );
    }
    first.extend(second);
    first.extend(third);
    first.sort_unstable();
    assert_eq!(
        seen, first,
        "a reader who follows sees every entry once, in the order of ids"
    );
}

async fn checks_names(log: &impl Log) {
    for name in bad_names() {
        must_be_invalid(
            "appending to a bad name",
            log.append(&name, Bytes::new()).await,
        );
        must_be_invalid(
            "reading a bad name",
            log.read_after(&name, EntryId::ZERO, 1).await,
        );
        must_be_invalid("asking the end of a bad name", log.last_id(&name).await);
    }
    let name = longest_name("stream");
    append(log, &name, "fits").await;
    assert_eq!(read(log, &name, EntryId::ZERO, 1).await.entries.len(), 1);
}

async fn append(log: &impl Log, stream: &str, payload: impl Into<Bytes>) -> EntryId {
    must("append", log.append(stream, payload.into()).await)
}

async fn read(log: &impl Log, stream: &str, after: EntryId, limit: usize) -> LogRead {
    must("read_after", log.read_after(stream, after, limit).await)
}
