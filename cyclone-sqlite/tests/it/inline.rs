//! Reads on the caller's thread.

use std::thread;
use std::time::Duration;

use cyclone_sqlite::rusqlite::Connection;
use cyclone_sqlite::{Error, Sqlite, rusqlite};

use crate::support::{ENDLESS, file, open};

fn where_am_i(_: &Connection) -> Result<thread::ThreadId, Error> {
    Ok(thread::current().id())
}

fn count(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT count(*) FROM t", (), |row| row.get(0))
}

#[tokio::test]
async fn it_runs_here_when_a_connection_is_free_and_elsewhere_otherwise() {
    let here = thread::current().id();
    let file = file();
    let db = open(&file, |b| b.inline_readers(1)).await;
    assert_eq!(db.read_inline(where_am_i).await.unwrap(), here);
    assert_ne!(db.read(where_am_i).await.unwrap(), here);
    // While the only connection is in use, in a read within a read.
    let inner = db.clone();
    let elsewhere = db.read_inline(move |_| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let inner = thread::spawn(move || {
            (
                thread::current().id(),
                runtime.block_on(inner.read_inline(where_am_i)),
            )
        });
        let (other, ran) = inner.join().unwrap();
        Ok::<_, Error>(ran? == other)
    });
    assert!(!elsewhere.await.unwrap());
    assert_eq!(db.read_inline(where_am_i).await.unwrap(), here);

    let none = open(&file, |b| b).await;
    assert_ne!(none.read_inline(where_am_i).await.unwrap(), here);
    let memory = Sqlite::memory().await.unwrap();
    assert_ne!(memory.read_inline(where_am_i).await.unwrap(), here);
}

#[tokio::test]
async fn it_sees_what_was_written_and_cannot_write() {
    let file = file();
    let db = open(&file, |b| b.inline_readers(1)).await;
    for n in 0..3 {
        db.execute("INSERT INTO t VALUES (?1)", [n]).await.unwrap();
        assert_eq!(db.read_inline(count).await.unwrap(), n + 1);
    }
    let error = db
        .read_inline(|conn| conn.execute("DELETE FROM t", ()))
        .await;
    assert!(matches!(error, Err(Error::Database(_))));
    db.close().await;
    assert!(matches!(db.read_inline(count).await, Err(Error::Closed)));
    // It was not left open: the write-ahead log is gone.
    let names = std::fs::read_dir(file.path.parent().unwrap()).unwrap();
    assert_eq!(names.count(), 1);
}

#[tokio::test]
async fn its_connection_survives_panics_time_limits_and_leaks() {
    let file = file();
    let db = open(&file, |b| b.inline_readers(1)).await;
    let here = thread::current().id();
    let panicking = |_: &Connection| -> Result<(), Error> { panic!("on purpose") };
    assert!(matches!(
        db.read_inline(panicking).await,
        Err(Error::Panicked { .. })
    ));

    let hasty = db.with_time_limit(Some(Duration::from_millis(20)));
    let endless = |conn: &Connection| conn.query_row(ENDLESS, (), |_| Ok(()));
    assert!(matches!(
        hasty.read_inline(endless).await,
        Err(Error::TimeLimit { .. })
    ));
    assert_eq!(db.statistics().reopened, 0);

    let leaking = |conn: &Connection| {
        let mut statement = conn.prepare("SELECT 1 UNION ALL SELECT 2")?;
        let mut rows = statement.query(())?;
        rows.next()?;
        std::mem::forget(rows);
        std::mem::forget(statement);
        Ok::<_, rusqlite::Error>(())
    };
    db.read_inline(leaking).await.unwrap();
    assert_eq!(db.statistics().reopened, 1);
    assert_eq!(db.read_inline(where_am_i).await.unwrap(), here);
    assert_eq!(db.read_inline(count).await.unwrap(), 0);
    db.close().await;
    assert!(matches!(db.read_inline(count).await, Err(Error::Closed)));
}
