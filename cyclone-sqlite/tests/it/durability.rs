//! What was acknowledged survives `kill -9`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use cyclone_sqlite::rusqlite::Connection;
use cyclone_sqlite::{Durability, Sqlite, SqliteBuilder};

use crate::support::{file, numbers, open};

const CHILD: &str = "CYCLONE_SQLITE_TEST_VICTIM";

/// Runs in a process of its own, which the next test kills: writes for ever and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let db = SqliteBuilder::file(path)
        .durability(Durability::Normal)
        .open()
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for writer in 0..8_i64 {
        let db: Sqlite = db.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0.. {
                let number = n * 8 + writer;
                let work = move |tx: &Connection| {
                    tx.execute("INSERT INTO t VALUES (?1)", [number])?;
                    tx.execute("INSERT INTO t VALUES (?1)", [-1 - number])
                };
                if writer % 2 == 0 {
                    db.write_grouped(work).await.unwrap();
                } else {
                    db.write(work).await.unwrap();
                }
                let mut out = std::io::stdout().lock();
                writeln!(out, "acknowledged {number}").unwrap();
                out.flush().unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_write_survives_a_kill() {
    for moment in [1, 2, 17, 100, 700] {
        let file = file();
        open(&file, |b| b).await.close().await;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::child", "--nocapture"])
            .env(CHILD, &file.path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut acknowledged: Vec<i64> = Vec::new();
        let mut killed = false;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Ok(line) = line else { break };
            // The test harness writes in between, and the last line may be cut off.
            let number = line
                .split_once("acknowledged ")
                .map(|(_, number)| number.parse());
            if let Some(Ok(number)) = number {
                acknowledged.push(number);
            }
            if acknowledged.len() == moment && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(acknowledged.len() >= moment);
        if killed {
            // A number whose line was cut in the middle is a shorter number, which need not have been written.
            acknowledged.pop();
        }

        let db = open(&file, |b| b).await;
        let stored = numbers(&db).await;
        for number in acknowledged {
            assert!(
                stored.binary_search(&number).is_ok(),
                "{number} was acknowledged and is lost"
            );
        }
        for number in &stored {
            assert!(
                stored.binary_search(&(-1 - number)).is_ok(),
                "{number} is half a transaction"
            );
        }
        let check = db
            .query_one("PRAGMA integrity_check", (), |row| row.get::<_, String>(0))
            .await;
        assert_eq!(check.unwrap(), "ok");
    }
}
