//! Reads, writes, settings of the connections, the database in memory.

use cyclone_core::{Context, Health, Resources};
use cyclone_sqlite::rusqlite::{self, ErrorCode};
use cyclone_sqlite::{Error, ErrorKind, Sqlite, SqliteContext};

use crate::support::{file, numbers, open};

fn code(error: &Error) -> Option<ErrorCode> {
    match error {
        Error::Database(error) => error.sqlite_error_code(),
        _ => None,
    }
}

#[tokio::test]
async fn a_write_is_read_back_by_every_reader() {
    let file = file();
    let db = open(&file, |b| b.readers(3)).await;
    for n in 0..20 {
        db.execute("INSERT INTO t VALUES (?1)", [n]).await.unwrap();
        let reads: Vec<_> = (0..3)
            .map(|_| {
                tokio::spawn(db.query_one("SELECT max(n) FROM t", (), |row| row.get::<_, i64>(0)))
            })
            .collect();
        for read in reads {
            assert_eq!(read.await.unwrap().unwrap(), n);
        }
    }
}

#[tokio::test]
async fn an_error_rolls_the_whole_write_back() {
    let file = file();
    let db = open(&file, |b| b).await;
    let error = db
        .write(|tx| -> rusqlite::Result<()> {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            Ok(())
        })
        .await
        .unwrap_err();
    assert_eq!(code(&error), Some(ErrorCode::ConstraintViolation));
    assert_eq!(error.kind(), ErrorKind::NotStored);
    assert!(!error.is_retryable());
    assert!(numbers(&db).await.is_empty());

    let error = db
        .execute_batch("INSERT INTO t VALUES (1); INSERT INTO nothing VALUES (1)")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Database(_)));
    assert!(numbers(&db).await.is_empty());
}

#[tokio::test]
async fn an_error_of_the_application_comes_back_with_its_type() {
    #[derive(Debug, PartialEq)]
    struct Overdrawn(u32);
    impl std::fmt::Display for Overdrawn {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("overdrawn")
        }
    }
    impl std::error::Error for Overdrawn {}

    let file = file();
    let db = open(&file, |b| b).await;
    let error = db
        .write(|tx| -> Result<(), Error> {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            Err(Error::application(Overdrawn(7)))
        })
        .await
        .unwrap_err();
    assert_eq!(error.application_ref(), Some(&Overdrawn(7)));
    assert_eq!(error.to_string(), "overdrawn");
    assert!(numbers(&db).await.is_empty());
}

#[tokio::test]
async fn readers_cannot_write() {
    let file = file();
    for db in [open(&file, |b| b).await, Sqlite::memory().await.unwrap()] {
        for sql in [
            "CREATE TABLE u (n)",
            "PRAGMA query_only = OFF",
            "PRAGMA user_version = 3",
            "ATTACH ':memory:' AS other",
        ] {
            let error = db.read(move |conn| conn.execute_batch(sql)).await;
            assert!(matches!(error, Err(Error::Database(_))), "{sql}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_read_sees_one_state() {
    let file = file();
    let db = open(&file, |b| b.readers(1)).await;
    let (looked, has_looked) = tokio::sync::oneshot::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let count = |conn: &rusqlite::Connection| {
        conn.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0))
    };
    let read = tokio::spawn(db.read(move |conn| -> rusqlite::Result<_> {
        let before = count(conn)?;
        let _ = looked.send(());
        let _ = wait.recv();
        Ok((before, count(conn)?))
    }));
    has_looked.await.unwrap();
    // The writer does not wait for the reader.
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    drop(go);
    assert_eq!(read.await.unwrap().unwrap(), (0, 0));
    assert_eq!(db.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn an_ignored_rollback_is_told_and_nothing_more_is_stored() {
    let file = file();
    let db = open(&file, |b| b).await;
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    let error = db
        .write(|tx| -> rusqlite::Result<()> {
            tx.execute("INSERT INTO t VALUES (2)", ())?;
            tx.execute("INSERT OR ROLLBACK INTO t VALUES (1)", ())
                .unwrap_err();
            // SQLite is in autocommit mode now; the commit hook refuses.
            let error = tx.execute("INSERT INTO t VALUES (3)", ()).unwrap_err();
            assert_eq!(
                error.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation)
            );
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::RolledBack), "{error:?}");
    assert_eq!(numbers(&db).await, [1]);
}

#[tokio::test]
async fn unmanaged_can_vacuum_and_what_it_leaves_open_is_rolled_back() {
    let file = file();
    let db = open(&file, |b| b).await;
    assert!(db.execute_batch("VACUUM").await.is_err());
    db.unmanaged(|conn| conn.execute_batch("VACUUM"))
        .await
        .unwrap();
    db.unmanaged(|conn| conn.execute_batch("BEGIN; INSERT INTO t VALUES (1)"))
        .await
        .unwrap();
    assert!(numbers(&db).await.is_empty());
    db.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
    assert_eq!(numbers(&db).await, [2]);
}

#[tokio::test]
async fn sugar_reads_and_writes() {
    let db = Sqlite::memory().await.unwrap();
    db.execute_batch("CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT)")
        .await
        .unwrap();
    assert_eq!(
        db.insert("INSERT INTO u (name) VALUES (?1)", ["ann"])
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        db.insert("INSERT INTO u (name) VALUES (?1)", ("bob",))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        db.execute("UPDATE u SET name = name || ?1", ["!"])
            .await
            .unwrap(),
        2
    );
    let name = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    assert_eq!(
        db.query("SELECT name FROM u ORDER BY id", (), name)
            .await
            .unwrap(),
        ["ann!", "bob!"]
    );
    assert_eq!(
        db.query_one("SELECT name FROM u WHERE id = ?1", [2], name)
            .await
            .unwrap(),
        "bob!"
    );
    assert_eq!(
        db.query_optional("SELECT name FROM u WHERE id = ?1", [3], name)
            .await
            .unwrap(),
        None
    );
    let error = db
        .query_one("SELECT name FROM u WHERE id = ?1", [3], name)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Database(rusqlite::Error::QueryReturnedNoRows)
    ));
    let error = db
        .insert("INSERT INTO u SELECT 4, 'x' WHERE 0", ())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Database(rusqlite::Error::StatementChangedRows(0))
    ));
}

#[tokio::test]
async fn in_memory_readers_see_what_the_writer_wrote() {
    let db = Sqlite::open(":memory:").await.unwrap();
    let other = Sqlite::memory().await.unwrap();
    for db in [&db, &other] {
        db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .await
            .unwrap();
    }
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    assert_eq!(numbers(&db).await, [1]);
    // Another database in memory is another one.
    assert!(numbers(&other).await.is_empty());
    db.close().await;
    assert!(matches!(
        db.execute("INSERT INTO t VALUES (2)", ()).await,
        Err(Error::Closed)
    ));
}

#[tokio::test]
async fn a_context_has_its_databases() {
    let resources = Resources::builder()
        .insert(Sqlite::memory().await.unwrap())
        .insert_named("stats", Sqlite::memory().await.unwrap())
        .build();
    let cx: &dyn Context = &resources;
    assert!(cx.sqlite().is_ok());
    assert!(cx.sqlite_named("stats").is_ok());
    assert!(cx.sqlite_named("other").is_err());
    assert!(Resources::default().sqlite().is_err());
}

#[tokio::test]
async fn health_is_up_until_it_is_closed() {
    let db = Sqlite::memory().await.unwrap();
    let health = db.health();
    assert_eq!(health.current(), Health::Up);
    db.close().await;
    assert!(health.current().is_down());
}

#[tokio::test]
async fn the_futures_can_be_spawned() {
    fn assert_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let db = Sqlite::memory().await.unwrap();
    let read = assert_send(db.read(|_| Ok::<_, Error>(1)));
    let close = db.clone();
    drop(db);
    // A call keeps the database open.
    assert_eq!(read.await.unwrap(), 1);
    tokio::spawn(async move { close.close().await })
        .await
        .unwrap();
}
