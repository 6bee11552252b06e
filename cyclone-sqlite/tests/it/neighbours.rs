//! Other connections and processes that use the same file.

use std::process::{Command, Stdio};
use std::time::Duration;

use cyclone_sqlite::rusqlite::{Connection, ErrorCode};
use cyclone_sqlite::{Error, ErrorKind};

use crate::support::{file, numbers, open};

#[tokio::test]
async fn a_lock_of_another_is_waited_for() {
    let file = file();
    let db = open(&file, |b| b).await;
    let other = Connection::open(&file.path).unwrap();
    other
        .execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
        .unwrap();
    let write = tokio::spawn(db.execute("INSERT INTO t VALUES (2)", ()));
    while db.statistics().busy_waits == 0 {
        tokio::task::yield_now().await;
    }
    // Readers do not wait for it.
    assert!(numbers(&db).await.is_empty());
    other.execute_batch("COMMIT").unwrap();
    write.await.unwrap().unwrap();
    assert_eq!(numbers(&db).await, [1, 2]);
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_a_retryable_error() {
    let file = file();
    let db = open(&file, |b| b.busy_timeout(Duration::from_millis(20))).await;
    let other = Connection::open(&file.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcomes = [
        db.execute("INSERT INTO t VALUES (1)", ()).await.map(drop),
        db.execute_batch("INSERT INTO t VALUES (1)").await,
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        match &error {
            Error::Database(inner) => {
                assert_eq!(inner.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
            }
            other => panic!("{other:?}"),
        }
        assert!(error.is_retryable());
        assert_eq!(error.kind(), ErrorKind::NotStored);
    }
    other.execute_batch("COMMIT").unwrap();
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    assert_eq!(numbers(&db).await, [1]);
}

#[tokio::test]
async fn the_time_limit_ends_the_wait_for_a_lock() {
    let file = file();
    let db = open(&file, |b| b.busy_timeout(Duration::from_secs(3600))).await;
    let other = Connection::open(&file.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let hasty = db.with_time_limit(Some(Duration::from_millis(20)));
    let error = hasty
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimeLimit { .. }), "{error:?}");
}

const CHILD: &str = "CYCLONE_SQLITE_TEST_NEIGHBOUR";
const ROWS: i64 = 150;

/// Runs in a process of its own, started by the next test.
#[tokio::test]
async fn child() {
    let Ok(settings) = std::env::var(CHILD) else {
        return;
    };
    let (first, path) = settings.split_once(' ').unwrap();
    let first: i64 = first.parse().unwrap();
    let db = cyclone_sqlite::Sqlite::open(path).await.unwrap();
    for n in first..first + ROWS {
        db.execute("INSERT INTO t VALUES (?1)", [n]).await.unwrap();
    }
    db.close().await;
}

#[tokio::test]
async fn processes_share_a_file() {
    let file = file();
    let db = open(&file, |b| b).await;
    let mut children: Vec<_> = (1..3)
        .map(|child| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "neighbours::child"])
                .env(CHILD, format!("{} {}", child * ROWS, file.path.display()))
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for n in 0..ROWS {
        db.execute("INSERT INTO t VALUES (?1)", [n]).await.unwrap();
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(numbers(&db).await, (0..3 * ROWS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_read_while_the_writer_writes() {
    let file = file();
    let db = open(&file, |b| b.readers(2)).await;
    db.execute_batch("CREATE TABLE sums (a INTEGER, b INTEGER); INSERT INTO sums VALUES (0, 0)")
        .await
        .unwrap();
    let writer = {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                db.write(|tx| {
                    tx.execute("UPDATE sums SET a = a + 1", ())?;
                    tx.execute("UPDATE sums SET b = b - 1", ())
                })
                .await
                .unwrap();
            }
        })
    };
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut last = 0;
                while last < 200 {
                    let (a, b) = db
                        .query_one("SELECT a, b FROM sums", (), |row| {
                            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                        })
                        .await
                        .unwrap();
                    assert_eq!(a + b, 0, "half a transaction was seen");
                    assert!(a >= last, "time went backwards");
                    last = a;
                }
            })
        })
        .collect();
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}
