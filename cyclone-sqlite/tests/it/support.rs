//! What the tests share.

use std::path::PathBuf;
use std::sync::mpsc;

use cyclone_sqlite::rusqlite::{self, Connection};
use cyclone_sqlite::{Error, Sqlite, SqliteBuilder};

/// A counter that never ends.
pub(crate) const ENDLESS: &str =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

/// An insert that never ends.
pub(crate) const ENDLESS_INSERT: &str = "INSERT INTO t \
     WITH RECURSIVE c(n) AS (SELECT 1000000 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c";

pub(crate) struct File {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn file() -> File {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.sqlite3");
    File {
        _directory: directory,
        path,
    }
}

/// A database in a file with a table `t (n INTEGER PRIMARY KEY)`.
pub(crate) async fn open(
    file: &File,
    settings: impl FnOnce(SqliteBuilder) -> SqliteBuilder,
) -> Sqlite {
    let db = settings(SqliteBuilder::file(&file.path))
        .open()
        .await
        .unwrap();
    db.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")
        .await
        .unwrap();
    db
}

/// The numbers in `t`.
pub(crate) async fn numbers(db: &Sqlite) -> Vec<i64> {
    db.query("SELECT n FROM t ORDER BY n", (), |row| row.get(0))
        .await
        .unwrap()
}

/// Keeps a worker busy until it is told to go on.
pub(crate) struct Plug {
    go: mpsc::Sender<()>,
    done: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Plug {
    /// Returns once the writer runs it.
    pub(crate) async fn writer(db: &Sqlite) -> Self {
        Self::new(db, true).await
    }

    /// Returns once a reader runs it.
    pub(crate) async fn reader(db: &Sqlite) -> Self {
        Self::new(db, false).await
    }

    async fn new(db: &Sqlite, writer: bool) -> Self {
        let (go, wait) = mpsc::channel();
        let (began, begun) = tokio::sync::oneshot::channel();
        let work = move |_: &Connection| -> rusqlite::Result<()> {
            let _ = began.send(());
            let _ = wait.recv();
            Ok(())
        };
        let done = if writer {
            tokio::spawn(db.unmanaged(work))
        } else {
            tokio::spawn(db.read(work))
        };
        begun.await.unwrap();
        Self { go, done }
    }

    pub(crate) async fn pull(self) {
        drop(self.go);
        self.done.await.unwrap().unwrap();
    }
}

/// Polls a future once, which sends its job.
pub(crate) async fn send<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
