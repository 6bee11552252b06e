//! Panics in closures, leaked statements, connections that break and come back.

use cyclone_core::Health;
use cyclone_sqlite::rusqlite::{self, Connection};
use cyclone_sqlite::{Error, ErrorKind, Sqlite};

use crate::support::{Plug, file, numbers, open};

#[tokio::test]
async fn a_panic_is_an_error_and_rolls_back() {
    let file = file();
    for db in [open(&file, |b| b.readers(1)).await, {
        let db = Sqlite::memory().await.unwrap();
        db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .await
            .unwrap();
        db
    }] {
        let work = |conn: &Connection| -> rusqlite::Result<()> {
            let _ = conn.execute("INSERT INTO t VALUES (1)", ());
            panic!("on {}", "purpose");
        };
        for outcome in [
            db.read(work).await,
            db.write(work).await,
            db.write_grouped(work).await,
        ] {
            match outcome {
                Err(Error::Panicked { message }) => assert_eq!(message, "on purpose"),
                other => panic!("{other:?}"),
            }
        }
        // In the middle of a statement.
        let error = db
            .query("SELECT 1", (), |_| -> rusqlite::Result<()> {
                panic!("in a row")
            })
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Panicked { .. }));
        assert_eq!(error.kind(), ErrorKind::NotStored);
        assert!(numbers(&db).await.is_empty());
        db.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
        assert_eq!(numbers(&db).await, [2]);
        assert_eq!(db.statistics().reopened, 0);
        assert_eq!(db.health().current(), Health::Up);
    }
}

/// Panics when it is dropped, wherever that is.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[tokio::test]
async fn a_worker_survives_a_panic_outside_its_closure() {
    let file = file();
    let db = open(&file, |b| b.readers(1)).await;
    // The answer is dropped by the worker, because nobody waits for it.
    let plug = Plug::writer(&db).await;
    let (begin, wait) = std::sync::mpsc::channel::<()>();
    let (began, begun) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(db.unmanaged(move |_| {
        let _ = began.send(());
        let _ = wait.recv();
        Ok::<_, Error>(Bomb)
    }));
    plug.pull().await;
    begun.await.unwrap();
    task.abort();
    let _ = task.await;
    drop(begin);
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    assert_eq!(db.statistics().reopened, 1);
    assert_eq!(db.statistics().running, 0);
    assert_eq!(numbers(&db).await, [1]);
}

fn leak(conn: &Connection) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT 1 UNION ALL SELECT 2")?;
    let mut rows = statement.query(())?;
    rows.next()?;
    std::mem::forget(rows);
    std::mem::forget(statement);
    Ok(())
}

#[tokio::test]
async fn a_leaked_statement_costs_the_connection_and_nothing_else() {
    let file = file();
    let db = open(&file, |b| b.readers(1)).await;
    db.read(leak).await.unwrap();
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    assert_eq!(numbers(&db).await, [1]);
    assert_eq!(db.statistics().reopened, 1);
    db.write(leak).await.unwrap();
    db.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
    assert_eq!(numbers(&db).await, [1, 2]);
    assert_eq!(db.statistics().reopened, 2);
}

#[tokio::test]
async fn a_database_in_memory_survives_its_connections() {
    let db = Sqlite::memory().await.unwrap();
    db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    db.unmanaged(leak).await.unwrap();
    assert_eq!(numbers(&db).await, [1]);
    assert_eq!(db.statistics().reopened, 1);
}

#[tokio::test]
async fn a_file_that_is_away_is_waited_for() {
    let file = file();
    let db = open(&file, |b| b.readers(1)).await;
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    let mut health = db.health();
    let away = file.path.with_extension("away");
    std::fs::rename(&file.path, &away).unwrap();
    db.read(leak).await.unwrap();
    while !health.current().is_down() {
        health.changed().await.unwrap();
    }
    assert!(
        health
            .current()
            .to_string()
            .contains("no connection to read")
    );
    let error = db.query("SELECT 1", (), |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable), "{error:?}");
    assert!(error.is_retryable());
    std::fs::rename(&away, &file.path).unwrap();
    assert!(health.wait_up().await);
    assert_eq!(numbers(&db).await, [1]);
}

#[tokio::test]
async fn one_reader_of_two_that_is_lost_is_a_degradation() {
    let file = file();
    let db = open(&file, |b| b.readers(2)).await;
    let mut health = db.health();
    let away = file.path.with_extension("away");
    std::fs::rename(&file.path, &away).unwrap();
    db.read(leak).await.unwrap();
    while health.current().is_up() {
        health.changed().await.unwrap();
    }
    assert!(matches!(health.current(), Health::Degraded(_)));
    // The other still has the file.
    assert!(numbers(&db).await.is_empty());
    std::fs::rename(&away, &file.path).unwrap();
    assert!(health.wait_up().await);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_connection_that_is_away() {
    let file = file();
    let db = open(&file, |b| b.readers(1)).await;
    let mut health = db.health();
    std::fs::remove_file(&file.path).unwrap();
    db.read(leak).await.unwrap();
    while health.current().is_up() {
        health.changed().await.unwrap();
    }
    db.close().await;
}
