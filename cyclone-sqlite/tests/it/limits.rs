//! Queues, time limits and row limits: just under, at and just over.

use std::time::Duration;

use cyclone_sqlite::{Error, ErrorKind, Sqlite, SqliteBuilder, rusqlite};

use crate::support::{ENDLESS, ENDLESS_INSERT, Plug, file, numbers, open, send};

#[tokio::test]
async fn a_full_write_queue_refuses_and_nothing_was_sent() {
    let file = file();
    let db = open(&file, |b| b.write_queue(2)).await;
    let plug = Plug::writer(&db).await;
    let mut first = Box::pin(db.execute("INSERT INTO t VALUES (1)", ()));
    let mut second = Box::pin(db.execute("INSERT INTO t VALUES (2)", ()));
    assert!(send(&mut first).await.is_none());
    assert_eq!(db.statistics().write_queue, 1);
    assert!(send(&mut second).await.is_none());
    assert_eq!(db.statistics().write_queue, 2);
    let error = db
        .execute("INSERT INTO t VALUES (3)", ())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::QueueFull { limit: 2 }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NotSent);
    assert!(error.is_retryable());
    assert_eq!(db.statistics().refused, 1);
    plug.pull().await;
    first.await.unwrap();
    second.await.unwrap();
    db.execute("INSERT INTO t VALUES (4)", ()).await.unwrap();
    assert_eq!(numbers(&db).await, [1, 2, 4]);
}

#[tokio::test]
async fn a_full_read_queue_refuses() {
    let file = file();
    let db = open(&file, |b| b.readers(1).read_queue(1)).await;
    let plug = Plug::reader(&db).await;
    let mut waiting = Box::pin(db.query("SELECT 1", (), |row| row.get::<_, i64>(0)));
    assert!(send(&mut waiting).await.is_none());
    assert_eq!(db.statistics().read_queue, 1);
    let error = db.query("SELECT 1", (), |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, Error::QueueFull { limit: 1 }), "{error:?}");
    // The writer has a queue of its own.
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    plug.pull().await;
    assert_eq!(waiting.await.unwrap(), [1]);
}

#[tokio::test]
async fn a_cancelled_job_gives_its_place_back() {
    let file = file();
    let db = open(&file, |b| b.write_queue(1)).await;
    let plug = Plug::writer(&db).await;
    for n in 0..50 {
        let mut job = Box::pin(db.execute("INSERT INTO t VALUES (?1)", [n]));
        assert!(send(&mut job).await.is_none());
    }
    assert_eq!(db.statistics().write_queue, 0);
    assert_eq!(db.statistics().cancelled, 50);
    plug.pull().await;
    assert!(numbers(&db).await.is_empty());
}

#[tokio::test]
async fn an_endless_query_meets_its_time_limit() {
    let file = file();
    let limit = Duration::from_millis(30);
    for db in [
        open(&file, |b| b.readers(1).time_limit(Some(limit))).await,
        SqliteBuilder::memory()
            .time_limit(Some(limit))
            .open()
            .await
            .unwrap(),
    ] {
        let error = db.query_one(ENDLESS, (), |_| Ok(())).await.unwrap_err();
        assert!(
            matches!(error, Error::TimeLimit { limit: l } if l == limit),
            "{error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::NotStored);
        assert!(error.to_string().contains("30ms"), "{error}");
        // The connection goes on.
        assert_eq!(
            db.query_one("SELECT 1", (), |row| row.get::<_, i64>(0))
                .await
                .unwrap(),
            1
        );
        assert_eq!(db.statistics().interrupted, 1);
    }
}

#[tokio::test]
async fn an_endless_write_meets_its_time_limit_and_is_rolled_back() {
    let file = file();
    let db = open(&file, |b| b).await;
    let hasty = db.with_time_limit(Some(Duration::from_millis(30)));
    let error = hasty.execute(ENDLESS_INSERT, ()).await.unwrap_err();
    assert!(matches!(error, Error::TimeLimit { .. }), "{error:?}");
    let error = hasty
        .write(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            tx.execute(ENDLESS_INSERT, ())
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimeLimit { .. }), "{error:?}");
    assert!(numbers(&db).await.is_empty());
}

#[tokio::test]
async fn a_closure_of_many_short_statements_meets_its_time_limit() {
    let file = file();
    let db = open(&file, |b| b.time_limit(Some(Duration::from_millis(30)))).await;
    // Each statement is far shorter than what lies between two looks at the clock.
    for cached in [false, true] {
        let error = db
            .write(move |tx| -> rusqlite::Result<()> {
                for n in 0.. {
                    let sql = "INSERT INTO t VALUES (?1)";
                    if cached {
                        tx.prepare_cached(sql)?.execute([n])?;
                    } else {
                        tx.execute(sql, [n])?;
                    }
                }
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(matches!(error, Error::TimeLimit { .. }), "{error:?}");
    }
    assert!(numbers(&db).await.is_empty());
}

#[tokio::test]
async fn who_ignores_the_time_limit_stores_nothing() {
    let file = file();
    let db = open(&file, |b| b.time_limit(Some(Duration::from_millis(30)))).await;
    let error = db
        .write(|tx| -> rusqlite::Result<()> {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            tx.query_row(ENDLESS, (), |_| Ok(())).unwrap_err();
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimeLimit { .. }), "{error:?}");
    assert!(numbers(&db).await.is_empty());
}

#[tokio::test]
async fn a_job_within_its_time_limit_is_left_alone() {
    let db = Sqlite::memory().await.unwrap();
    let sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 20000) SELECT count(*) FROM c";
    for limit in [None, Some(Duration::from_secs(3600)), Some(Duration::MAX)] {
        let count = db
            .with_time_limit(limit)
            .query_one(sql, (), |row| row.get::<_, i64>(0))
            .await;
        assert_eq!(count.unwrap(), 20000);
    }
}

#[tokio::test]
async fn rows_are_limited() {
    let db = SqliteBuilder::memory().row_limit(3).open().await.unwrap();
    let rows = async |n: i64| {
        let sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c LIMIT ?1";
        db.query(sql, [n], |row| row.get::<_, i64>(0)).await
    };
    assert_eq!(rows(2).await.unwrap().len(), 2);
    assert_eq!(rows(3).await.unwrap().len(), 3);
    assert!(matches!(
        rows(4).await,
        Err(Error::TooManyRows { limit: 3 })
    ));
}

#[tokio::test]
async fn slow_jobs_are_counted() {
    let db = SqliteBuilder::memory()
        .slow_after(Some(Duration::ZERO))
        .open()
        .await
        .unwrap();
    db.query("SELECT 1", (), |_| Ok(())).await.unwrap();
    assert_eq!(db.statistics().slow, 1);
    let db = SqliteBuilder::memory()
        .slow_after(None)
        .open()
        .await
        .unwrap();
    db.query("SELECT 1", (), |_| Ok(())).await.unwrap();
    assert_eq!(db.statistics().slow, 0);
}

#[tokio::test]
async fn the_write_ahead_log_is_cut_when_it_is_too_long() {
    for (limit, cut) in [(0, true), (1 << 30, false)] {
        let file = file();
        let wal = file.path.with_extension("sqlite3-wal");
        // The first write is checked at once, after its answer and before the next job.
        let db = open(&file, |b| b.wal_limit_bytes(limit)).await;
        db.unmanaged(|_| Ok::<_, Error>(())).await.unwrap();
        assert_eq!(std::fs::metadata(&wal).unwrap().len() == 0, cut);
        db.close().await;
        assert!(!wal.exists());
    }
}
