//! Closing: what waits is done, what takes too long is not, and the file is complete.

use std::time::Duration;

use cyclone_sqlite::rusqlite::{self, Connection};
use cyclone_sqlite::{Error, ErrorKind, SqliteBuilder};

use crate::support::{ENDLESS, ENDLESS_INSERT, Plug, file, open, send};

fn count(file: &crate::support::File) -> i64 {
    Connection::open(&file.path)
        .unwrap()
        .query_row("SELECT count(*) FROM t", (), |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn close_finishes_what_waits_and_refuses_what_comes() {
    let file = file();
    let db = open(&file, |b| b).await;
    let plug = Plug::writer(&db).await;
    let mut waiting: Vec<_> = (0..5)
        .map(|n| Box::pin(db.execute("INSERT INTO t VALUES (?1)", [n])))
        .collect();
    for job in &mut waiting {
        assert!(send(job).await.is_none());
    }
    let mut close = Box::pin(db.close());
    assert!(send(&mut close).await.is_none());
    let error = db
        .execute("INSERT INTO t VALUES (9)", ())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Closed), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NotSent);
    let error = db.query("SELECT 1", (), |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, Error::Closed), "{error:?}");
    plug.pull().await;
    for job in waiting {
        job.await.unwrap();
    }
    close.await;
    db.close().await;
    // One file with everything in it.
    let names: Vec<_> = std::fs::read_dir(file.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["test.sqlite3"]);
    assert_eq!(count(&file), 5);
}

#[tokio::test]
async fn after_the_close_limit_what_runs_is_interrupted_and_what_waits_is_refused() {
    let file = file();
    let limit = Duration::from_millis(30);
    let db = open(&file, |b| b.readers(1).time_limit(None).close_limit(limit)).await;
    let read = tokio::spawn(db.query_one(ENDLESS, (), |_| Ok(())));
    let write = tokio::spawn(db.execute(ENDLESS_INSERT, ()));
    while db.statistics().running < 2 {
        tokio::task::yield_now().await;
    }
    let mut waiting = Box::pin(db.execute("INSERT INTO t VALUES (1)", ()));
    assert!(send(&mut waiting).await.is_none());
    db.close().await;
    assert!(matches!(read.await.unwrap(), Err(Error::Interrupted)));
    let error = write.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NotStored);
    assert!(matches!(waiting.await, Err(Error::Closed)));
    assert_eq!(count(&file), 0);
}

#[tokio::test]
async fn a_close_whose_future_is_dropped_goes_on() {
    let file = file();
    let db = open(&file, |b| b).await;
    let mut close = Box::pin(db.close());
    let _ = send(&mut close).await;
    drop(close);
    assert!(matches!(
        db.execute("INSERT INTO t VALUES (1)", ()).await,
        Err(Error::Closed)
    ));
    db.close().await;
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let file = file();
    let db = open(&file, |b| b).await;
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    let mut health = db.health();
    let clone = db.clone();
    drop(db);
    clone.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
    drop(clone);
    while !health.current().is_down() {
        if health.changed().await.is_none() {
            break;
        }
    }
    assert_eq!(count(&file), 2);
}

#[tokio::test]
async fn a_dropped_open_leaves_a_usable_file() {
    let file = file();
    for _ in 0..20 {
        let mut opening = Box::pin(SqliteBuilder::file(&file.path).open());
        let _ = send(&mut opening).await;
        drop(opening);
    }
    let db = open(&file, |b| b).await;
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    db.close().await;
    assert_eq!(count(&file), 1);
}

#[tokio::test]
async fn close_does_not_wait_for_ever_for_a_closure_that_does_not_end() {
    let file = file();
    let limit = Duration::from_millis(1);
    let db = open(&file, |b| b.readers(1).close_limit(limit)).await;
    let plug = Plug::reader(&db).await;
    // The reader cannot be interrupted; the writer goes without it.
    let (_, ()) = tokio::join!(db.execute("INSERT INTO t VALUES (1)", ()), db.close());
    let stuck: rusqlite::Result<i64> = Ok(count(&file));
    assert!(stuck.is_ok());
    plug.pull().await;
}

#[tokio::test]
async fn a_server_closes_its_database() {
    let file = file();
    let db = open(&file, |b| b).await;
    let server = cyclone_core::Server::new()
        .resource(db.clone())
        .service(db.clone())
        .start()
        .await
        .unwrap();
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    server.shutdown();
    server.wait().await;
    assert!(matches!(
        db.execute("INSERT INTO t VALUES (2)", ()).await,
        Err(Error::Closed)
    ));
    assert_eq!(count(&file), 1);
}
