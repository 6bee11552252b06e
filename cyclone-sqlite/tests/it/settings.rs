//! How connections are opened and set up, and that closures leave it so.

use cyclone_sqlite::rusqlite::{self, ErrorCode};
use cyclone_sqlite::{Durability, Error, ErrorKind, Sqlite, SqliteBuilder};

use crate::support::{file, numbers, open};

fn code(error: &Error) -> Option<ErrorCode> {
    match error {
        Error::Database(error) => error.sqlite_error_code(),
        _ => None,
    }
}

async fn pragma(db: &Sqlite, name: &'static str) -> (String, String) {
    fn ask(conn: &rusqlite::Connection, name: &str) -> rusqlite::Result<String> {
        conn.query_row(&format!("PRAGMA {name}"), (), |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })
    }
    let writer = db.unmanaged(move |conn| ask(conn, name)).await.unwrap();
    let reader = db.read(move |conn| ask(conn, name)).await.unwrap();
    (writer, reader)
}

#[tokio::test]
async fn connections_are_set_up_for_a_server() {
    let file = file();
    let db = open(&file, |b| b).await;
    for (name, writer, reader) in [
        ("journal_mode", "wal", "wal"),
        ("synchronous", "1", "1"),
        ("foreign_keys", "1", "1"),
        ("trusted_schema", "0", "0"),
        ("query_only", "0", "1"),
        ("cache_size", "-8192", "-8192"),
        ("mmap_size", "0", "0"),
        ("wal_autocheckpoint", "1000", "1000"),
        ("journal_size_limit", "67108864", "67108864"),
    ] {
        let expected = (writer.to_owned(), reader.to_owned());
        assert_eq!(pragma(&db, name).await, expected, "{name}");
    }
    db.close().await;

    let db = open(&file, |b| b.durability(Durability::Full)).await;
    assert_eq!(pragma(&db, "synchronous").await.0, "2");
}

#[tokio::test]
async fn a_closure_cannot_end_the_transaction_nor_change_settings() {
    let file = file();
    let db = open(&file, |b| b).await;
    for sql in [
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "END",
        "RELEASE cyclone_job",
        "PRAGMA synchronous = OFF",
        "PRAGMA foreign_keys = OFF",
        "pragma Busy_Timeout = 0",
        "ATTACH ':memory:' AS other",
    ] {
        for grouped in [false, true] {
            let work = move |tx: &rusqlite::Connection| {
                tx.execute("INSERT INTO t VALUES (1)", ())?;
                tx.execute_batch(sql)
            };
            let error = if grouped {
                db.write_grouped(work).await.unwrap_err()
            } else {
                db.write(work).await.unwrap_err()
            };
            let code = code(&error);
            assert_eq!(
                code,
                Some(ErrorCode::AuthorizationForStatementDenied),
                "{sql}"
            );
            assert!(numbers(&db).await.is_empty(), "{sql}");
        }
    }
    // A statement that the cache holds is not checked again, and yet stores nothing.
    let error = db
        .write(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            tx.prepare_cached("COMMIT")?.execute(()).map(drop)
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    assert!(numbers(&db).await.is_empty());
    // What is part of the transaction is allowed.
    db.write(|tx| tx.execute_batch("PRAGMA user_version = 3; PRAGMA defer_foreign_keys = ON"))
        .await
        .unwrap();
    assert_eq!(pragma(&db, "user_version").await.1, "3");
}

#[tokio::test]
async fn foreign_keys_are_enforced() {
    let file = file();
    let db = open(&file, |b| b).await;
    db.execute_batch("CREATE TABLE child (t INTEGER REFERENCES t)")
        .await
        .unwrap();
    let error = db
        .execute("INSERT INTO child VALUES (7)", ())
        .await
        .unwrap_err();
    assert_eq!(code(&error), Some(ErrorCode::ConstraintViolation));
    // Also after an unmanaged job that switched them off.
    db.unmanaged(|conn| conn.execute_batch("PRAGMA foreign_keys = OFF"))
        .await
        .unwrap();
    assert!(
        db.execute("INSERT INTO child VALUES (7)", ())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn names_with_a_meaning_of_their_own_are_refused() {
    for path in ["", "file:x?mode=memory", ":memory:x"] {
        let error = Sqlite::open(path).await.unwrap_err();
        assert!(matches!(error, Error::Open { .. }), "{path}");
        assert_eq!(error.kind(), ErrorKind::NotSent);
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("no/such/directory/db");
    let error = Sqlite::open(&missing).await.unwrap_err();
    assert!(error.to_string().contains("no/such/directory"), "{error}");

    let text = directory.path().join("text");
    std::fs::write(
        &text,
        "this is no database, but long enough to be read as one\n".repeat(100),
    )
    .unwrap();
    assert!(matches!(Sqlite::open(&text).await, Err(Error::Open { .. })));
}

#[tokio::test]
async fn a_connection_hook_registers_what_it_likes() {
    let file = file();
    let setup = |conn: &rusqlite::Connection| conn.execute_batch("PRAGMA recursive_triggers = ON");
    let db = open(&file, |b| b.on_connect(setup)).await;
    assert_eq!(
        pragma(&db, "recursive_triggers").await,
        ("1".into(), "1".into())
    );

    let failing = |conn: &rusqlite::Connection| conn.execute_batch("nonsense");
    let error = SqliteBuilder::memory()
        .on_connect(failing)
        .open()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Open { .. }));
}
