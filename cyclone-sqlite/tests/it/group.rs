//! Group commit: shared commits, separate fates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cyclone_sqlite::rusqlite::{self, Connection};
use cyclone_sqlite::{Error, Sqlite, SqliteBuilder};

use crate::support::{ENDLESS_INSERT, Plug, file, numbers, open};

type Task = tokio::task::JoinHandle<Result<usize, Error>>;

/// On a loaded machine a group must not end by its time.
fn unhurried(settings: SqliteBuilder) -> SqliteBuilder {
    settings.group_time(Duration::from_secs(3600))
}

/// Sends writes that wait behind a plug, so that they meet in one group.
async fn queue(db: &Sqlite, expected: usize, task: Task) -> Task {
    while db.statistics().write_queue < expected {
        tokio::task::yield_now().await;
    }
    task
}

fn insert(db: &Sqlite, n: i64) -> Task {
    tokio::spawn(db.execute("INSERT INTO t VALUES (?1)", [n]))
}

#[tokio::test]
async fn writes_that_wait_share_one_commit() {
    let file = file();
    let db = open(&file, unhurried).await;
    let before = db.statistics().commits;
    let plug = Plug::writer(&db).await;
    let mut tasks = Vec::new();
    for n in 0..10 {
        tasks.push(queue(&db, tasks.len() + 1, insert(&db, n)).await);
    }
    plug.pull().await;
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
    assert_eq!(numbers(&db).await, (0..10).collect::<Vec<_>>());
    let statistics = db.statistics();
    assert_eq!(statistics.commits - before, 1);
    assert_eq!(statistics.repeated, 0);
}

#[tokio::test]
async fn a_group_has_a_limit() {
    for (limit, commits) in [(1, 6), (2, 3), (5, 2), (6, 1), (7, 1)] {
        let file = file();
        let db = open(&file, |b| unhurried(b).group_limit(limit)).await;
        let before = db.statistics().commits;
        let plug = Plug::writer(&db).await;
        let mut tasks = Vec::new();
        for n in 0..6 {
            tasks.push(queue(&db, tasks.len() + 1, insert(&db, n)).await);
        }
        plug.pull().await;
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(db.statistics().commits - before, commits, "limit {limit}");
    }
}

#[tokio::test]
async fn writes_alone_do_not_join_and_keep_their_order() {
    let file = file();
    let db = open(&file, unhurried).await;
    let before = db.statistics().commits;
    let plug = Plug::writer(&db).await;
    let one = queue(&db, 1, insert(&db, 1)).await;
    let alone = tokio::spawn(db.write(|tx| tx.execute("UPDATE t SET n = n * 10", ())));
    let alone = queue(&db, 2, alone).await;
    let two = queue(&db, 3, insert(&db, 2)).await;
    plug.pull().await;
    for task in [one, alone, two] {
        task.await.unwrap().unwrap();
    }
    assert_eq!(numbers(&db).await, [2, 10]);
    assert_eq!(db.statistics().commits - before, 3);
}

#[tokio::test]
async fn a_failing_member_fails_alone() {
    let file = file();
    let db = open(&file, unhurried).await;
    // The failing one is first, in the middle and last.
    for failing in 0..4 {
        db.execute("DELETE FROM t", ()).await.unwrap();
        db.execute("INSERT INTO t VALUES (100)", ()).await.unwrap();
        let before = db.statistics().commits;
        let plug = Plug::writer(&db).await;
        let mut tasks = Vec::new();
        for n in 0..4 {
            let work = move |tx: &Connection| {
                tx.execute("INSERT INTO t VALUES (?1)", [n])?;
                tx.execute(
                    "INSERT INTO t VALUES (?1)",
                    [if n == failing { 100 } else { n + 200 }],
                )
            };
            tasks.push(queue(&db, tasks.len() + 1, tokio::spawn(db.write_grouped(work))).await);
        }
        plug.pull().await;
        for (n, task) in (0..).zip(tasks) {
            assert_eq!(task.await.unwrap().is_err(), n == failing, "{failing}");
        }
        let mut expected: Vec<i64> = (0..4)
            .filter(|n| *n != failing)
            .flat_map(|n| [n, n + 200])
            .collect();
        expected.push(100);
        expected.sort_unstable();
        assert_eq!(numbers(&db).await, expected);
        // When the first fails there is no transaction to join yet, so the others make one of their own.
        assert_eq!(db.statistics().commits - before, 1);
        assert_eq!(db.statistics().repeated, 0);
    }
}

/// What takes the whole transaction of a group down in SQLite.
#[derive(Clone, Copy, Debug)]
enum Disaster {
    OrRollback,
    IgnoredRollback,
    TimeLimit,
    Cancelled,
    Panic,
    DeferredForeignKey,
    DiskFull,
}

#[tokio::test]
async fn neighbours_survive_every_disaster() {
    for disaster in [
        Disaster::OrRollback,
        Disaster::IgnoredRollback,
        Disaster::TimeLimit,
        Disaster::Cancelled,
        Disaster::Panic,
        Disaster::DeferredForeignKey,
        Disaster::DiskFull,
    ] {
        for position in 0..3 {
            neighbours_survive(disaster, position).await;
        }
    }
}

async fn neighbours_survive(disaster: Disaster, position: i64) {
    let file = file();
    // As if the disk had room for 50 pages.
    let full = |conn: &Connection| conn.execute_batch("PRAGMA max_page_count = 50");
    let db = open(&file, |b| unhurried(b).on_connect(full)).await;
    db.execute_batch(
        "CREATE TABLE child (t INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (100);",
    )
    .await
    .unwrap();
    let hasty = db.with_time_limit(Some(Duration::from_millis(20)));
    let endless = db.with_time_limit(None);
    let plug = Plug::writer(&db).await;
    let mut tasks = Vec::new();
    for n in 0..3 {
        let task = if n == position {
            let disastrous = move |tx: &Connection| {
                tx.execute("INSERT INTO t VALUES (50)", ())?;
                match disaster {
                    Disaster::OrRollback => {
                        tx.execute("INSERT OR ROLLBACK INTO t VALUES (100)", ())
                    }
                    Disaster::IgnoredRollback => {
                        tx.execute("INSERT OR ROLLBACK INTO t VALUES (100)", ())
                            .unwrap_err();
                        Ok(1)
                    }
                    Disaster::TimeLimit | Disaster::Cancelled => tx.execute(ENDLESS_INSERT, ()),
                    Disaster::Panic => panic!("on purpose"),
                    Disaster::DeferredForeignKey => tx.execute("INSERT INTO child VALUES (7)", ()),
                    Disaster::DiskFull => {
                        tx.execute("INSERT INTO child VALUES (zeroblob(1000000))", ())
                    }
                }
            };
            match disaster {
                Disaster::TimeLimit => tokio::spawn(hasty.write_grouped(disastrous)),
                _ => tokio::spawn(endless.write_grouped(disastrous)),
            }
        } else {
            insert(&db, n)
        };
        tasks.push(queue(&db, tasks.len() + 1, task).await);
    }
    plug.pull().await;
    if matches!(disaster, Disaster::Cancelled) {
        while db.statistics().running == 0 {
            tokio::task::yield_now().await;
        }
        let index = usize::try_from(position).unwrap();
        tasks[index].abort();
    }
    for (n, task) in (0..).zip(tasks) {
        let outcome = task.await;
        if n == position {
            assert!(
                !matches!(outcome, Ok(Ok(_))),
                "{disaster:?} {position}: {outcome:?}"
            );
        } else {
            assert_eq!(outcome.unwrap().unwrap(), 1, "{disaster:?} {position}");
        }
    }
    let expected: Vec<i64> = (0..3).filter(|n| *n != position).chain([100]).collect();
    assert_eq!(numbers(&db).await, expected, "{disaster:?} {position}");
}

#[tokio::test]
async fn a_slow_member_steps_aside_and_is_stored_all_the_same() {
    let file = file();
    let db = open(&file, |b| b).await;
    let runs = Arc::new(AtomicU64::new(0));
    let plug = Plug::writer(&db).await;
    let first = queue(&db, 1, insert(&db, 1)).await;
    let counted = Arc::clone(&runs);
    // The first time it never ends; the neighbour before it is not to wait for that.
    let slow = tokio::spawn(
        db.write_grouped(move |tx: &Connection| -> rusqlite::Result<usize> {
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                tx.execute(ENDLESS_INSERT, ())?;
            }
            tx.execute("INSERT INTO t VALUES (2)", ())
        }),
    );
    let slow = queue(&db, 2, slow).await;
    let third = queue(&db, 3, insert(&db, 3)).await;
    plug.pull().await;
    for task in [first, slow, third] {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(numbers(&db).await, [1, 2, 3]);
}

/// Many callers, a third of them failing, some cancelled: what was acknowledged is there, what failed is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_get_what_they_were_told() {
    let file = file();
    let db = open(&file, unhurried).await;
    db.execute("INSERT INTO t VALUES (-1)", ()).await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..300_i64 {
        let task = tokio::spawn(db.write_grouped(move |tx: &Connection| {
            let mut insert = tx.prepare_cached("INSERT OR ROLLBACK INTO t VALUES (?1)")?;
            insert.execute([n])?;
            if n % 3 == 1 {
                insert.execute([-1])?;
            }
            Ok::<_, rusqlite::Error>(())
        }));
        if n % 11 == 0 {
            task.abort();
        }
        tasks.push(task);
    }
    let mut sure = vec![-1];
    let mut unsure = Vec::new();
    for (n, task) in (0..).zip(tasks) {
        match task.await {
            Ok(Ok(())) => sure.push(n),
            Ok(Err(error)) => assert!(n % 3 == 1, "{n}: {error}"),
            Err(_) => unsure.push(n),
        }
    }
    let stored = numbers(&db).await;
    assert!(sure.iter().all(|n| stored.contains(n)));
    assert!(
        stored
            .iter()
            .all(|n| sure.contains(n) || (unsure.contains(n) && n % 3 != 1))
    );
}

/// The caller of a write that waits for its commit goes away while a neighbour is in the middle of a statement.
#[tokio::test]
async fn a_cancelled_member_does_not_interrupt_the_one_that_runs() {
    let file = file();
    let db = open(&file, unhurried).await;
    let plug = Plug::writer(&db).await;
    let first = queue(&db, 1, insert(&db, 1)).await;
    let (began, begun) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let second = tokio::spawn(db.write_grouped(
        move |tx: &Connection| -> rusqlite::Result<usize> {
            let mut statement = tx.prepare("SELECT 1 UNION ALL SELECT 2")?;
            let mut rows = statement.query(())?;
            rows.next()?;
            let _ = began.send(());
            let _ = wait.recv();
            rows.next()?;
            tx.execute("INSERT INTO t VALUES (2)", ())
        },
    ));
    let second = queue(&db, 2, second).await;
    plug.pull().await;
    tokio::task::spawn_blocking(move || begun.recv())
        .await
        .unwrap()
        .unwrap();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    drop(go);
    assert_eq!(second.await.unwrap().unwrap(), 1);
    // It had succeeded, so it was stored although nobody waited for it any more.
    assert_eq!(numbers(&db).await, [1, 2]);
}
