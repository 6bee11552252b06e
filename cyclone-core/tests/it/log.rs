//! `EntryId` and `MemoryLog`: text form, epochs, bounds, concurrency.

use cyclone_core::{EntryId, Log, LogLimits, LogRead, MemoryLog, PortErrorKind};

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
async fn texts(log: &MemoryLog, stream: &str, after: EntryId) -> (Vec<String>, bool) {
    let LogRead { entries, gap, .. } = log.read_after(stream, after, 1000).await.unwrap();
    let texts = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.payload).into_owned());
    (texts.collect(), gap)
}

#[test]
fn an_id_is_written_and_parsed_exactly() {
    for (text, id) in [
        ("0-0", EntryId::ZERO),
        ("1526919030474-55", EntryId::new(1_526_919_030_474, 55)),
        ("18446744073709551615-18446744073709551615", EntryId::MAX),
    ] {
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(id.to_string(), text);
    }
    for text in [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "+1-2",
        "1-+2",
        " 1-2",
        "1-2 ",
        "01-2",
        "1-02",
        "a-b",
        "1--2",
        "1_0-2",
        "18446744073709551616-0",
        "٣-٤",
        "1-2\n",
    ] {
        assert!(text.parse::<EntryId>().is_err(), "{text:?}");
    }
    assert!(EntryId::new(1, u64::MAX) < EntryId::new(2, 0));
}

#[tokio::test]
async fn ids_of_an_earlier_and_of_a_later_process_are_a_gap() {
    let log = MemoryLog::new();
    let id = log.append("s", "one".into()).await.unwrap();
    let earlier = EntryId::new(id.high() - 1, 999_999);
    assert_eq!(texts(&log, "s", earlier).await, (vec!["one".into()], true));
    let later = EntryId::new(id.high() + 1, 0);
    assert_eq!(texts(&log, "s", later).await, (vec![], true));
    assert_eq!(
        texts(&log, "s", EntryId::ZERO).await,
        (vec!["one".into()], false)
    );
    let not_yet = EntryId::new(id.high(), id.low() + 1);
    assert_eq!(texts(&log, "s", not_yet).await, (vec![], true));
    assert_eq!(texts(&log, "s", id).await, (vec![], false));
    assert_eq!(texts(&log, "nothing here", earlier).await, (vec![], true));
    let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let micros = u64::try_from(since_1970.as_micros()).unwrap();
    assert!(id.high() <= micros && id.high() > micros - 3_600_000_000);
}

#[tokio::test]
async fn a_position_taken_from_an_empty_stream_is_good_until_the_process_ends() {
    let log = MemoryLog::new();
    log.append("other", "x".into()).await.unwrap();
    let start = log.last_id("s").await.unwrap();
    log.append("s", "one".into()).await.unwrap();
    assert_eq!(texts(&log, "s", start).await, (vec!["one".into()], false));
    let next_process = MemoryLog::new();
    assert_ne!(
        next_process.last_id("s").await.unwrap().high(),
        start.high()
    );
    assert_eq!(texts(&next_process, "s", start).await, (vec![], true));
}

#[tokio::test]
async fn entries_of_a_stream_just_under_at_and_over() {
    for (appended, kept, gap) in [(2, 2, false), (3, 3, false), (4, 3, true), (9, 3, true)] {
        let log = MemoryLog::with_limits(LogLimits::new().stream_entries(3));
        let start = log.last_id("s").await.unwrap();
        for number in 0..appended {
            log.append("s", number.to_string().into()).await.unwrap();
        }
        let expected: Vec<_> = (appended - kept..appended).map(|n| n.to_string()).collect();
        assert_eq!(texts(&log, "s", start).await, (expected, gap));
    }
}

#[tokio::test]
async fn bytes_of_a_stream_just_under_at_and_over() {
    for (size, kept) in [
        (4, vec!["12345", "1234"]),
        (5, vec!["12345", "12345"]),
        (6, vec!["123456"]),
    ] {
        let log = MemoryLog::with_limits(LogLimits::new().stream_bytes(10));
        let start = log.last_id("s").await.unwrap();
        log.append("s", "12345".into()).await.unwrap();
        log.append("s", "1234567890"[..size].into()).await.unwrap();
        let gap = kept.len() == 1;
        let kept = kept.into_iter().map(ToOwned::to_owned).collect();
        assert_eq!(texts(&log, "s", start).await, (kept, gap), "{size}");
    }
    let log = MemoryLog::with_limits(LogLimits::new().stream_bytes(10));
    for (size, refused) in [(9, None), (10, None), (11, Some(PortErrorKind::Invalid))] {
        let result = log.append("s", vec![0; size].into()).await;
        assert_eq!(result.err().map(|error| error.kind()), refused);
        assert!(log.bytes() <= 10);
    }
}

#[tokio::test]
async fn streams_just_under_at_and_over_forget_the_one_appended_to_least_recently() {
    let log = MemoryLog::with_limits(LogLimits::new().streams(2));
    let a = log.append("a", "a".into()).await.unwrap();
    let b = log.append("b", "b".into()).await.unwrap();
    log.append("a", "a2".into()).await.unwrap();
    assert_eq!(log.streams(), 2);
    let c = log.append("c", "c".into()).await.unwrap();
    assert_eq!(log.streams(), 2);
    assert_eq!(texts(&log, "a", a).await, (vec!["a2".into()], false));
    let before_b = EntryId::new(b.high(), b.low() - 1);
    assert_eq!(
        texts(&log, "b", before_b).await,
        (vec![], true),
        "b was forgotten"
    );
    let before_c = EntryId::new(c.high(), c.low() - 1);
    assert!(!texts(&log, "c", before_c).await.1);
    // It comes back with greater ids, and whoever missed the forgotten entry is still told.
    let b2 = log.append("b", "b2".into()).await.unwrap();
    assert!(b2 > b);
    assert_eq!(texts(&log, "b", before_b).await, (vec!["b2".into()], true));
    assert_eq!(texts(&log, "b", b).await, (vec!["b2".into()], false));
    assert_eq!(texts(&log, "b", b2).await, (vec![], false));
}

#[tokio::test]
async fn bytes_of_the_log_just_under_at_and_over() {
    for (size, streams) in [(4, 2), (5, 2), (6, 1)] {
        let log = MemoryLog::with_limits(LogLimits::new().bytes(10));
        log.append("a", "12345".into()).await.unwrap();
        log.append("b", vec![b'x'; size].into()).await.unwrap();
        assert_eq!(log.streams(), streams, "{size}");
        assert!(log.bytes() <= 10);
    }
    // The stream that is being appended to stays, whatever the bound of the whole.
    let log = MemoryLog::with_limits(LogLimits::new().bytes(0));
    log.append("a", "12345".into()).await.unwrap();
    assert_eq!((log.streams(), log.bytes()), (1, 5));
    log.append("b", "1".into()).await.unwrap();
    assert_eq!((log.streams(), log.bytes()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_sees_every_entry_of_many_threads_once_and_in_order() {
    const EACH: usize = 2000;
    let log = MemoryLog::with_limits(LogLimits::new().stream_entries(4 * EACH));
    let start = log.last_id("s").await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..EACH {
                    ids.push(log.append("s", "x".into()).await.unwrap());
                    log.append("another", "y".into()).await.unwrap();
                }
                ids
            })
        })
        .collect();
    let mut after = start;
    let mut seen = Vec::new();
    while seen.len() < 4 * EACH {
        let read = log.read_after("s", after, 100).await.unwrap();
        assert!(!read.gap);
        seen.extend(read.entries.iter().map(|entry| entry.id));
        after = seen.last().copied().unwrap_or(start);
        tokio::task::yield_now().await;
    }
    let mut written = Vec::new();
    for writer in writers {
        let ids = writer.await.unwrap();
        assert!(ids.is_sorted_by(|a, b| a < b));
        written.extend(ids);
    }
    written.sort_unstable();
    assert_eq!(seen, written);
}
