//! `SqliteLog` and `SqliteStore`: the promises of the ports, and what is their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cyclone_core::{EntryId, Log, PortErrorKind, Store, conformance};
use cyclone_sqlite::{
    Sqlite, SqliteLog, SqliteLogLimits, SqliteStore, SqliteStoreLimits, rusqlite,
};

use crate::support::{file, open};

#[tokio::test]
async fn the_log_keeps_the_promises_of_the_port() {
    let file = file();
    for db in [open(&file, |b| b).await, Sqlite::memory().await.unwrap()] {
        conformance::log(&SqliteLog::open(&db).await.unwrap()).await;
    }
}

#[tokio::test]
async fn the_log_keeps_the_promises_of_retention() {
    let file = file();
    let db = open(&file, |b| b).await;
    for (limits, appends) in [
        (SqliteLogLimits::new().stream_entries(1), 2),
        (SqliteLogLimits::new().stream_entries(7), 8),
        (SqliteLogLimits::new().stream_entries(7), 40),
        // Numbers of one digit, ten of them.
        (SqliteLogLimits::new().stream_bytes(4), 10),
    ] {
        let log = SqliteLog::open_with_limits(&db, limits).await.unwrap();
        conformance::log_retention(&log, appends).await;
    }
}

#[tokio::test]
async fn a_log_survives_and_never_gives_an_id_twice() {
    let file = file();
    let db = open(&file, |b| b).await;
    let log = SqliteLog::open(&db).await.unwrap();
    let first = log.append("s", "one".into()).await.unwrap();
    let second = log.append("s", "two".into()).await.unwrap();
    db.execute("DELETE FROM cyclone_log_entry", ())
        .await
        .unwrap();
    db.close().await;

    let db = open(&file, |b| b).await;
    let log = SqliteLog::open(&db).await.unwrap();
    assert_eq!(log.last_id("s").await.unwrap(), second);
    let third = log.append("s", "three".into()).await.unwrap();
    assert!(third > second && second > first);
    assert_eq!(third.low(), 3);
    assert!(!log.read_after("s", second, 9).await.unwrap().gap);
}

#[tokio::test]
async fn ids_of_another_file_are_a_gap() {
    let one = SqliteLog::open(&Sqlite::memory().await.unwrap())
        .await
        .unwrap();
    let before = one.append("s", "old".into()).await.unwrap();
    let other = SqliteLog::open(&Sqlite::memory().await.unwrap())
        .await
        .unwrap();
    let after = other.append("s", "new".into()).await.unwrap();
    assert_ne!(before, after);
    let read = other.read_after("s", before, 9).await.unwrap();
    assert!(read.gap);
    // The older of the two reads the newer from its beginning.
    assert_eq!(read.entries.len(), 1);
    assert!(
        other
            .read_after("s", EntryId::new(before.high(), 0), 9)
            .await
            .unwrap()
            .gap
    );
}

#[tokio::test]
async fn streams_are_forgotten_the_least_recent_first() {
    let db = Sqlite::memory().await.unwrap();
    let limits = SqliteLogLimits::new().streams(2);
    let log = SqliteLog::open_with_limits(&db, limits).await.unwrap();
    let a = log.append("a", "1".into()).await.unwrap();
    let b = log.append("b", "1".into()).await.unwrap();
    let a = log.append("a", "2".into()).await.unwrap().max(a);
    log.append("c", "1".into()).await.unwrap();
    let streams = db.query(
        "SELECT name FROM cyclone_log_stream ORDER BY 1",
        (),
        |row| row.get::<_, String>(0),
    );
    assert_eq!(streams.await.unwrap(), ["a", "c"]);
    assert!(!log.read_after("a", a, 9).await.unwrap().gap);
    assert!(log.read_after("b", EntryId::ZERO, 9).await.unwrap().gap);
    let entries = db.query_one("SELECT count(*) FROM cyclone_log_entry", (), |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(entries.await.unwrap(), 3);
    // A stream that was forgotten and begins anew tells those who knew it.
    let again = log.append("b", "2".into()).await.unwrap();
    assert!(log.read_after("b", EntryId::ZERO, 9).await.unwrap().gap);
    assert!(again > b);
    assert!(!log.read_after("b", again, 9).await.unwrap().gap);
}

#[tokio::test]
async fn the_bytes_of_a_log_are_limited() {
    let db = Sqlite::memory().await.unwrap();
    let limits = SqliteLogLimits::new().stream_bytes(10).bytes(20);
    let log = SqliteLog::open_with_limits(&db, limits).await.unwrap();
    let ten = Bytes::from_static(b"0123456789");
    let total = async || {
        let sum = "SELECT (SELECT sum(length(payload)) FROM cyclone_log_entry), bytes, streams FROM cyclone_log";
        let row = |row: &rusqlite::Row<'_>| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
            ))
        };
        db.query_one(sum, (), row).await.unwrap()
    };
    log.append("a", ten.clone()).await.unwrap();
    log.append("b", ten.clone()).await.unwrap();
    assert_eq!(total().await, (20, 20, 2));
    log.append("c", "x".into()).await.unwrap();
    assert_eq!(total().await, (11, 11, 2));
    log.append("c", ten.slice(..9)).await.unwrap();
    assert_eq!(total().await, (20, 20, 2));
    let error = log.append("c", "0123456789x".into()).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Invalid);
    assert_eq!(total().await, (20, 20, 2));
}

#[tokio::test]
async fn the_store_keeps_the_promises_of_the_port() {
    let file = file();
    for db in [open(&file, |b| b).await, Sqlite::memory().await.unwrap()] {
        conformance::store(&SqliteStore::open(&db).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_full_store_keeps_the_promises_of_the_port() {
    for entries in [1, 5] {
        let db = Sqlite::memory().await.unwrap();
        let limits = SqliteStoreLimits::new().entries(entries);
        let store = SqliteStore::open_with_limits(&db, limits).await.unwrap();
        conformance::store_full(&store, entries).await;
    }
}

#[tokio::test]
async fn the_bytes_of_a_store_are_limited() {
    let db = Sqlite::memory().await.unwrap();
    let limits = SqliteStoreLimits::new().bytes(20);
    let store = SqliteStore::open_with_limits(&db, limits).await.unwrap();
    store.put("key", "1234567".into(), None).await.unwrap();
    store.put("other", "12345".into(), None).await.unwrap();
    let full = store.put("other", "123456".into(), None).await.unwrap_err();
    assert_eq!(full.kind(), PortErrorKind::Full);
    assert_eq!(store.get("other").await.unwrap().unwrap(), "12345");
    store.put("other", "1234".into(), None).await.unwrap();
    store.put("key", "12345678".into(), None).await.unwrap();
    let huge = store
        .put("key", "123456789012345678".into(), None)
        .await
        .unwrap_err();
    assert_eq!(huge.kind(), PortErrorKind::Invalid);
    store.delete("other").await.unwrap();
    store
        .put("key", "12345678901234567".into(), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn values_expire_to_the_millisecond_and_make_room() {
    let db = Sqlite::memory().await.unwrap();
    let now = Arc::new(AtomicU64::new(1_000_000));
    let limits = SqliteStoreLimits::new().entries(2);
    let clock = Arc::clone(&now);
    let store = SqliteStore::open_with_limits(&db, limits)
        .await
        .unwrap()
        .with_clock(move || {
            SystemTime::UNIX_EPOCH + Duration::from_millis(clock.load(Ordering::Relaxed))
        });
    let ttl = Some(Duration::from_millis(500));
    store.put("a", "1".into(), ttl).await.unwrap();
    store.put("b", "1".into(), None).await.unwrap();
    now.fetch_add(499, Ordering::Relaxed);
    assert!(store.get("a").await.unwrap().is_some());
    assert!(store.put("c", "1".into(), None).await.is_err());
    now.fetch_add(1, Ordering::Relaxed);
    assert!(store.get("a").await.unwrap().is_none());
    store.put("c", "1".into(), None).await.unwrap();
    let rows = db.query_one("SELECT count(*) FROM cyclone_store", (), |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(rows.await.unwrap(), 2);
}

#[tokio::test]
async fn many_expired_values_go_a_few_at_a_time() {
    let db = Sqlite::memory().await.unwrap();
    let now = Arc::new(AtomicU64::new(1));
    let clock = Arc::clone(&now);
    let store = SqliteStore::open(&db).await.unwrap().with_clock(move || {
        SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed))
    });
    for n in 0..40 {
        store
            .put(&format!("{n}"), "1".into(), Some(Duration::from_secs(1)))
            .await
            .unwrap();
    }
    now.fetch_add(9, Ordering::Relaxed);
    let totals = async || {
        let sql = "SELECT entries, (SELECT count(*) FROM cyclone_store) FROM cyclone_store_total";
        db.query_one(sql, (), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })
        .await
        .unwrap()
    };
    assert_eq!(totals().await, (40, 40));
    store.put("x", "1".into(), None).await.unwrap();
    assert_eq!(totals().await, (9, 9));
    store.put("y", "1".into(), None).await.unwrap();
    assert_eq!(totals().await, (2, 2));
}

#[tokio::test]
async fn log_store_and_own_migrations_live_in_one_file() {
    let file = file();
    let db = open(&file, |b| b).await;
    for _ in 0..2 {
        SqliteLog::open(&db).await.unwrap();
        SqliteStore::open(&db).await.unwrap();
        db.migrate(&[("mine", "CREATE TABLE IF NOT EXISTS mine (n)")])
            .await
            .unwrap();
    }
    let (log, store) = (
        SqliteLog::open(&db).await.unwrap(),
        SqliteStore::open(&db).await.unwrap(),
    );
    db.close().await;
    let error = log.append("s", Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::NotSent);
    let error = store.get("k").await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::NotSent);
}
