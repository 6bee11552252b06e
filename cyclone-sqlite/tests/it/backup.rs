//! Copies of a database in use.

use std::path::Path;

use cyclone_sqlite::rusqlite::Connection;
use cyclone_sqlite::{Error, Sqlite};

use crate::support::{File, file, open, send};

fn count(path: &Path) -> i64 {
    let copy = Connection::open(path).unwrap();
    let check: String = copy
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    copy.query_row("SELECT count(*) FROM t", (), |row| row.get(0))
        .unwrap()
}

fn names(file: &File) -> Vec<String> {
    let directory = std::fs::read_dir(file.path.parent().unwrap()).unwrap();
    let mut names: Vec<_> = directory
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_copy_is_whole_and_replaces_the_one_before() {
    let file = file();
    let db = open(&file, |b| b).await;
    let copy = file.path.with_file_name("copy");
    for n in 1..4 {
        db.execute("INSERT INTO t VALUES (?1)", [n]).await.unwrap();
        // What a process that was killed left behind is no hindrance.
        std::fs::write(file.path.with_file_name("copy.partial"), "rubbish").unwrap();
        db.backup(&copy).await.unwrap();
        assert_eq!(count(&copy), n);
    }
    db.close().await;
    assert_eq!(names(&file), ["copy", "test.sqlite3"]);
    assert!(matches!(db.backup(&copy).await, Err(Error::Closed)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_has_the_permissions_of_the_original() {
    use std::os::unix::fs::PermissionsExt;

    let file = file();
    let db = open(&file, |b| b).await;
    std::fs::set_permissions(&file.path, PermissionsExt::from_mode(0o600)).unwrap();
    let copy = file.path.with_file_name("copy");
    db.backup(&copy).await.unwrap();
    assert_eq!(
        std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_while_a_copy_is_made() {
    let file = file();
    let db = open(&file, |b| b).await;
    db.execute_batch("CREATE TABLE pairs (n INTEGER, half INTEGER)")
        .await
        .unwrap();
    let writing = {
        let db = db.clone();
        tokio::spawn(async move {
            for n in 0..300 {
                db.write(move |tx| {
                    tx.execute("INSERT INTO pairs VALUES (?1, 0)", [n])?;
                    tx.execute("INSERT INTO pairs VALUES (?1, 1)", [n])
                })
                .await
                .unwrap();
            }
        })
    };
    for n in 0..5 {
        let copy = file.path.with_file_name(format!("copy{n}"));
        db.backup(&copy).await.unwrap();
        let copy = Connection::open(copy).unwrap();
        let odd = "SELECT count(*) FROM (SELECT n FROM pairs GROUP BY n HAVING count(*) <> 2)";
        assert_eq!(copy.query_row(odd, (), |row| row.get::<_, i64>(0)), Ok(0));
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn a_database_in_memory_can_be_saved() {
    let file = file();
    let db = Sqlite::memory().await.unwrap();
    db.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    db.backup(&file.path).await.unwrap();
    assert_eq!(count(&file.path), 1);
}

#[tokio::test]
async fn a_cancelled_or_failed_copy_leaves_nothing() {
    let file = file();
    let db = open(&file, |b| b).await;
    let rows = "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 200000) SELECT n FROM c";
    db.execute(rows, ()).await.unwrap();
    let copy = file.path.with_file_name("copy");
    let mut backup = Box::pin(db.backup(&copy));
    assert!(send(&mut backup).await.is_none());
    drop(backup);
    // Closing waits for the thread of the copy.
    db.close().await;
    assert_eq!(names(&file), ["test.sqlite3"]);

    let db = open(&file, |b| b).await;
    let error = db
        .backup(file.path.with_file_name("no/directory"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
}
