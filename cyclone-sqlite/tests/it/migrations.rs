//! The schema, step by step.

use cyclone_sqlite::rusqlite::{self, Connection};
use cyclone_sqlite::{Error, Sqlite};

use crate::support::{ENDLESS, file, open};

async fn version(db: &Sqlite) -> i64 {
    db.query_one("PRAGMA user_version", (), |row| row.get(0))
        .await
        .unwrap()
}

#[tokio::test]
async fn each_runs_once_in_order() {
    let db = Sqlite::memory().await.unwrap();
    let one = (
        "create",
        "CREATE TABLE m (n INTEGER); INSERT INTO m VALUES (1)",
    );
    let two = ("add", "INSERT INTO m SELECT max(n) + 1 FROM m");
    assert_eq!(db.migrate(&[]).await.unwrap(), 0);
    assert_eq!(db.migrate(&[one]).await.unwrap(), 1);
    assert_eq!(db.migrate(&[one, two, two]).await.unwrap(), 2);
    assert_eq!(db.migrate(&[one, two, two]).await.unwrap(), 0);
    assert_eq!(version(&db).await, 3);
    let max = db
        .query_one("SELECT max(n) FROM m", (), |row| row.get::<_, i64>(0))
        .await;
    assert_eq!(max.unwrap(), 3);
}

#[tokio::test]
async fn a_failing_one_is_rolled_back_and_those_before_it_stay() {
    let db = Sqlite::memory().await.unwrap();
    for bad in [
        "CREATE TABLE b (n); nonsense",
        "CREATE TABLE b (n); COMMIT",
        "CREATE TABLE b (n); ROLLBACK",
    ] {
        let error = db
            .migrate(&[("good", "CREATE TABLE a (n)"), ("bad", bad)])
            .await
            .unwrap_err();
        match &error {
            Error::Migration { name, .. } => assert_eq!(name, "bad"),
            other => panic!("{other:?}"),
        }
        assert_eq!(version(&db).await, 1);
    }
    db.execute("INSERT INTO a VALUES (1)", ()).await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let db = Sqlite::memory().await.unwrap();
    let one = ("one", "CREATE TABLE a (n)");
    db.migrate(&[one, ("two", "CREATE TABLE b (n)")])
        .await
        .unwrap();
    let error = db.migrate(&[one]).await.unwrap_err();
    assert!(
        matches!(error, Error::NewerSchema { found: 2, known: 1 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn tables_can_be_rebuilt_and_broken_keys_are_found() {
    let db = Sqlite::memory().await.unwrap();
    let create = (
        "create",
        "CREATE TABLE parent (n INTEGER PRIMARY KEY);
         CREATE TABLE child (n INTEGER REFERENCES parent ON DELETE CASCADE);
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);",
    );
    let rebuild = (
        "rebuild",
        "CREATE TABLE fresh (n INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO fresh (n) SELECT n FROM parent;
         DROP TABLE parent;
         ALTER TABLE fresh RENAME TO parent;",
    );
    db.migrate(&[create, rebuild]).await.unwrap();
    // With foreign keys enforced, dropping the parent would have deleted the children.
    let children = db
        .query("SELECT n FROM child", (), |row| row.get::<_, i64>(0))
        .await;
    assert_eq!(children.unwrap(), [1]);

    let breaks = ("breaks", "DELETE FROM parent");
    let error = db.migrate(&[create, rebuild, breaks]).await.unwrap_err();
    assert!(error.to_string().contains("child"), "{error}");
    // And they are enforced again, after success and failure alike.
    assert!(
        db.execute("INSERT INTO child VALUES (9)", ())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn two_programs_that_start_at_once_migrate_once() {
    let file = file();
    let one = open(&file, |b| b).await;
    let two = open(&file, |b| b).await;
    let migrations = [
        ("create", "CREATE TABLE m (n)"),
        ("fill", "INSERT INTO m VALUES (1)"),
    ];
    let (first, second) = tokio::join!(one.migrate(&migrations), two.migrate(&migrations));
    assert_eq!(first.unwrap() + second.unwrap(), 2);
    let rows = two
        .query("SELECT n FROM m", (), |row| row.get::<_, i64>(0))
        .await;
    assert_eq!(rows.unwrap(), [1]);
}

#[tokio::test]
async fn a_cancelled_migration_is_rolled_back() {
    let file = file();
    let db = open(&file, |b| b).await;
    let migrating = {
        let db = db.clone();
        tokio::spawn(async move {
            let endless = format!("CREATE TABLE b (n); {ENDLESS}");
            db.migrate(&[("one", "CREATE TABLE a (n)"), ("two", &endless)])
                .await
        })
    };
    let look = |conn: &Connection| -> rusqlite::Result<i64> {
        conn.query_row("PRAGMA user_version", (), |row| row.get(0))
    };
    while db.read(look).await.unwrap() < 1 {}
    migrating.abort();
    assert!(migrating.await.unwrap_err().is_cancelled());
    // Waits for the writer, which ends the interrupted migration first.
    db.execute("INSERT INTO a VALUES (1)", ()).await.unwrap();
    assert!(db.execute("INSERT INTO b VALUES (1)", ()).await.is_err());
    assert_eq!(version(&db).await, 1);
    let keys =
        db.unmanaged(|conn| conn.query_row("PRAGMA foreign_keys", (), |row| row.get::<_, i64>(0)));
    assert_eq!(keys.await.unwrap(), 1);
}
