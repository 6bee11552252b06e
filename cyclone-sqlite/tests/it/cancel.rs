//! Dropping the future of a call, at every moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cyclone_sqlite::rusqlite::{self, Connection};
use cyclone_sqlite::{Error, Sqlite};

use crate::support::{ENDLESS, ENDLESS_INSERT, Plug, file, numbers, open, send};

/// Waits until something is so, letting the others run.
async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_that_was_never_polled_does_nothing() {
    let file = file();
    let db = open(&file, |b| b).await;
    drop(db.execute("INSERT INTO t VALUES (1)", ()));
    assert!(numbers(&db).await.is_empty());
}

#[tokio::test]
async fn a_job_that_waits_is_never_begun_and_its_closure_is_dropped() {
    let file = file();
    let db = open(&file, |b| b).await;
    let plug = Plug::writer(&db).await;
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    let mut job = Box::pin(db.write(move |_| -> Result<(), Error> {
        panic!("begun with {held:?}");
    }));
    assert!(send(&mut job).await.is_none());
    assert_eq!(Arc::strong_count(&witness), 2);
    drop(job);
    assert_eq!(Arc::strong_count(&witness), 1);
    plug.pull().await;
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    assert_eq!(db.statistics().cancelled, 1);
    assert_eq!(db.statistics().failed, 0);
}

#[tokio::test]
async fn a_running_query_is_interrupted() {
    let file = file();
    // No time limit: only the interrupt can end it.
    for db in [
        open(&file, |b| b.readers(1).time_limit(None)).await,
        Sqlite::memory().await.unwrap().with_time_limit(None),
    ] {
        let mut query = Box::pin(db.query_one(ENDLESS, (), |_| Ok(())));
        assert!(send(&mut query).await.is_none());
        until(|| db.statistics().running == 1).await;
        drop(query);
        // There is only one reader, so this waits for the interrupt.
        let one = db
            .query_one("SELECT 1", (), |row| row.get::<_, i64>(0))
            .await;
        assert_eq!(one.unwrap(), 1);
        assert_eq!(db.statistics().interrupted, 1);
    }
}

#[tokio::test]
async fn a_running_write_is_interrupted_and_rolled_back() {
    let file = file();
    let db = open(&file, |b| b.time_limit(None)).await;
    for grouped in [false, true] {
        let work = |tx: &Connection| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            tx.execute(ENDLESS_INSERT, ())
        };
        let before = db.statistics().interrupted;
        let task = if grouped {
            tokio::spawn(db.write_grouped(work))
        } else {
            tokio::spawn(db.write(work))
        };
        until(|| db.statistics().running == 1).await;
        task.abort();
        db.execute("INSERT INTO t VALUES (?1)", [10 + i64::from(grouped)])
            .await
            .unwrap();
        assert_eq!(db.statistics().interrupted, before + 1);
    }
    assert_eq!(numbers(&db).await, [10, 11]);
}

#[tokio::test]
async fn a_closure_that_ignores_the_interrupt_stores_nothing() {
    let file = file();
    let db = open(&file, |b| b.time_limit(None)).await;
    let task = tokio::spawn(db.write(|tx| -> rusqlite::Result<()> {
        tx.execute("INSERT INTO t VALUES (1)", ())?;
        tx.query_row(ENDLESS, (), |_| Ok(())).unwrap_err();
        tx.execute_batch("SELECT 1").unwrap_err();
        Ok(())
    }));
    until(|| db.statistics().running == 1).await;
    task.abort();
    db.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
    assert_eq!(numbers(&db).await, [2]);
}

#[tokio::test]
async fn waiting_for_a_lock_ends_with_the_caller() {
    let file = file();
    let hour = Duration::from_secs(3600);
    let db = open(&file, |b| b.time_limit(None).busy_timeout(hour)).await;
    let other = Connection::open(&file.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let task = tokio::spawn(db.execute("INSERT INTO t VALUES (1)", ()));
    until(|| db.statistics().busy_waits == 1).await;
    task.abort();
    // The writer is free again, though the lock is still held.
    db.unmanaged(|_| Ok::<_, Error>(())).await.unwrap();
    other.execute_batch("COMMIT").unwrap();
    assert!(numbers(&db).await.is_empty());
}

/// Calls of two kinds share one connection: long ones, all cancelled at a random moment, and short ones, which must
/// not notice. An interrupt that arrived late would hit a short one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_never_hits_the_next_job() {
    let file = file();
    let db = open(&file, |b| b.readers(1).time_limit(None)).await;
    for round in 0..400_u64 {
        let victim = tokio::spawn(db.query_one(ENDLESS, (), |_| Ok(())));
        let writer = tokio::spawn(db.write_grouped(|tx| tx.execute(ENDLESS_INSERT, ())));
        let read = tokio::spawn(db.query_one(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 3000) SELECT sum(n) FROM c",
            (),
            |row| row.get::<_, i64>(0),
        ));
        for _ in 0..round % 20 {
            tokio::task::yield_now().await;
        }
        victim.abort();
        writer.abort();
        assert_eq!(read.await.unwrap().unwrap(), 4_501_500);
        let number = i64::try_from(round).unwrap();
        db.execute("INSERT INTO t VALUES (?1)", [number])
            .await
            .unwrap();
    }
    assert_eq!(numbers(&db).await, (0..400).collect::<Vec<_>>());
}

/// Short writes are cancelled after a varying number of polls: each is stored as a whole or not at all, and those
/// that were acknowledged are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_write_is_whole_or_absent() {
    let file = file();
    let db = open(&file, |b| b).await;
    db.execute_batch("CREATE TABLE pairs (n INTEGER, half INTEGER)")
        .await
        .unwrap();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for n in 0..600_i64 {
        let work = move |tx: &Connection| -> rusqlite::Result<()> {
            for half in 0..2 {
                tx.prepare_cached("INSERT INTO pairs VALUES (?1, ?2)")?
                    .execute((n, half))?;
            }
            Ok(())
        };
        let counted = Arc::clone(&acknowledged);
        let db = db.clone();
        let task = tokio::spawn(async move {
            if n % 2 == 0 {
                db.write_grouped(work).await.unwrap();
            } else {
                db.write(work).await.unwrap();
            }
            counted.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..n % 7 {
            tokio::task::yield_now().await;
        }
        if n % 3 == 0 {
            task.abort();
        }
        tasks.push((n, task));
    }
    for (n, task) in tasks {
        let cancelled = task.await.is_err_and(|error| error.is_cancelled());
        assert!(n % 3 == 0 || !cancelled);
        let halves = db
            .query_one("SELECT count(*) FROM pairs WHERE n = ?1", [n], |row| {
                row.get::<_, i64>(0)
            })
            .await
            .unwrap();
        if cancelled {
            assert!(halves == 0 || halves == 2, "{n}: {halves}");
        } else {
            assert_eq!(halves, 2, "{n}");
        }
    }
    assert!(acknowledged.load(Ordering::Relaxed) >= 400);
}
