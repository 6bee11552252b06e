//! Measures writes and reads a second, and their times, with 1 and 64 callers at once.
//!
//! `cargo run --release --package cyclone-sqlite --example throughput [seconds per line]`

use std::future::Future;
use std::time::{Duration, Instant};

use cyclone_sqlite::{Durability, Error, Sqlite, SqliteBuilder, rusqlite};

const ROWS: i64 = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(2.0), |text| text.parse())?;
    let time = Duration::from_secs_f64(seconds);
    let directory = tempfile::tempdir()?;
    report("", "callers", "a second", "p50 µs", "p99 µs");
    for durability in [Durability::Normal, Durability::Full] {
        let path = directory.path().join(format!("{durability:?}.sqlite3"));
        let db = SqliteBuilder::file(path)
            .durability(durability)
            .inline_readers(2)
            .open()
            .await?;
        db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, text TEXT)")
            .await?;
        db.write(|tx| -> rusqlite::Result<()> {
            let mut insert =
                tx.prepare("INSERT INTO t (n, text) VALUES (?1, 'some text of a row')")?;
            for n in 0..ROWS {
                insert.execute([n])?;
            }
            Ok(())
        })
        .await?;
        for callers in [1, 64] {
            let name = format!("{durability:?}: execute (grouped)");
            measure(&name, callers, time, &db, insert).await?;
            let name = format!("{durability:?}: write (alone)");
            measure(&name, callers, time, &db, write).await?;
            if durability == Durability::Normal {
                measure("query_one", callers, time, &db, query).await?;
                measure("read (snapshot)", callers, time, &db, read).await?;
                measure("read_inline", callers, time, &db, inline).await?;
            }
        }
        db.close().await;
    }
    Ok(())
}

async fn insert(db: Sqlite, n: i64) -> Result<(), Error> {
    db.execute(
        "INSERT INTO t (n, text) VALUES (?1, ?2)",
        (n, "some text of a row"),
    )
    .await
    .map(drop)
}

async fn write(db: Sqlite, n: i64) -> Result<(), Error> {
    let sql = "INSERT INTO t (n, text) VALUES (?1, ?2)";
    db.write(move |tx| tx.prepare_cached(sql)?.execute((n, "some text of a row")))
        .await
        .map(drop)
}

async fn query(db: Sqlite, n: i64) -> Result<(), Error> {
    db.query_one("SELECT text FROM t WHERE id = ?1", [n % ROWS + 1], |row| {
        row.get::<_, String>(0)
    })
    .await
    .map(drop)
}

async fn read(db: Sqlite, n: i64) -> Result<(), Error> {
    db.read(move |conn| row(conn, n)).await.map(drop)
}

async fn inline(db: Sqlite, n: i64) -> Result<(), Error> {
    db.read_inline(move |conn| row(conn, n)).await.map(drop)
}

fn row(conn: &rusqlite::Connection, n: i64) -> rusqlite::Result<String> {
    conn.prepare_cached("SELECT text FROM t WHERE id = ?1")?
        .query_row([n % ROWS + 1], |row| row.get(0))
}

async fn measure<F, W>(
    name: &str,
    callers: usize,
    time: Duration,
    db: &Sqlite,
    work: F,
) -> Result<(), Error>
where
    F: Fn(Sqlite, i64) -> W + Copy + Send + 'static,
    W: Future<Output = Result<(), Error>> + Send + 'static,
{
    let began = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let db = db.clone();
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            let mut number = i64::try_from(caller).unwrap_or(0);
            while began.elapsed() < time {
                let start = Instant::now();
                work(db.clone(), number).await?;
                times.push(start.elapsed());
                number += 64;
            }
            Ok::<_, Error>(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.map_err(Error::application)??);
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    report(
        name,
        &callers.to_string(),
        &format!("{rate:.0}"),
        &at(50).as_micros().to_string(),
        &at(99).as_micros().to_string(),
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn report(name: &str, callers: &str, rate: &str, p50: &str, p99: &str) {
    println!("{name:28} {callers:>7} {rate:>9} {p50:>8} {p99:>8}");
}
