//! `Sqlite`: the handle of a database.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cyclone_core::HealthWatch;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::builder::SqliteBuilder;
use crate::call::Call;
use crate::connect::{Opener, Role};
use crate::error::Error;
use crate::job::Mode;
use crate::shared::{Shared, Stage};
use crate::statistics::Statistics;
use crate::worker::Worker;

/// A SQLite database: one thread that writes, some that read, and this handle, which is cheap to clone.
///
/// # What happens to a call
/// Its closure waits in a bounded queue, runs on a thread of the database and answers. A full queue refuses at once
/// with [`Error::QueueFull`]. SQLite allows one writer at a time and any number of readers beside it; writers wait
/// here in a fair queue and not, as usual, by trying again and again until a time limit.
///
/// # Cancel safety
/// Dropping the future of a call takes its closure out of the queue; a statement that runs is interrupted and its
/// transaction is rolled back. When it comes too late, while the commit runs, the write is stored. Other calls never
/// notice. A closure that computes without SQLite cannot be interrupted.
///
/// # Deadlock
/// A closure must not wait for another call of the same database: it would hold the thread that is to serve it.
#[derive(Clone)]
pub struct Sqlite {
    pub(crate) owner: Arc<Owner>,
    time_limit: Option<Duration>,
}

/// Closes the database when the last handle and the last call are gone.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.begin_close();
    }
}

impl Sqlite {
    /// Opens the database in a file with the default settings; `:memory:` opens one in memory.
    ///
    /// # Errors
    /// [`Error::Open`], as [`SqliteBuilder::open`].
    ///
    /// # Cancel safety
    /// When the future is dropped, what was opened is closed again.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        SqliteBuilder::file(path).open().await
    }

    /// Opens an empty database in memory, as [`SqliteBuilder::memory`] describes.
    ///
    /// # Errors
    /// [`Error::Open`], as [`SqliteBuilder::open`].
    ///
    /// # Cancel safety
    /// When the future is dropped, what was opened is closed again.
    pub async fn memory() -> Result<Self, Error> {
        SqliteBuilder::memory().open().await
    }

    pub(crate) async fn start(settings: SqliteBuilder) -> Result<Self, Error> {
        let time_limit = settings.time_limit;
        let readers = settings.readers;
        let inline_readers = settings.inline_readers;
        let opener = Opener::new(settings)?;
        let has_readers = !opener.is_memory();
        let shared = Arc::new(Shared::new(opener)?);
        let owner = Arc::new(Owner {
            shared: Arc::clone(&shared),
        });
        // The writer first: it creates the file and its write-ahead log.
        spawn(
            "sqlite-writer".to_owned(),
            Worker::writer(Arc::clone(&shared)),
        )
        .await?;
        if has_readers {
            for number in 0..readers {
                let worker = Worker::reader(Arc::clone(&shared), number);
                spawn(format!("sqlite-reader-{number}"), worker).await?;
            }
        }
        if has_readers {
            for _ in 0..inline_readers {
                shared.inline.add(shared.opener.open(Role::Reader)?);
            }
        }
        shared.opened();
        Ok(Self { owner, time_limit })
    }

    /// The same database with another time limit for the calls made through the new handle; `None` for ever.
    #[must_use]
    pub fn with_time_limit(&self, limit: Option<Duration>) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
            time_limit: limit,
        }
    }

    /// Runs a closure on a read-only connection, in one read transaction: all its statements see the same state.
    ///
    /// Readers do not wait for the writer nor the reverse. A write is visible once its call has returned.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cyclone_sqlite::Error> {
    /// # let db = cyclone_sqlite::Sqlite::memory().await?;
    /// # db.execute_batch("CREATE TABLE users (name TEXT)").await?;
    /// let (users, first) = db
    ///     .read(|conn| -> rusqlite::Result<(i64, Option<String>)> {
    ///         let users = conn.query_row("SELECT count(*) FROM users", (), |row| row.get(0))?;
    ///         let first = conn.query_row("SELECT min(name) FROM users", (), |row| row.get(0))?;
    ///         Ok((users, first))
    ///     })
    ///     .await?;
    /// # assert_eq!((users, first), (0, None));
    /// # Ok(())
    /// # }
    /// # use cyclone_sqlite::rusqlite;
    /// ```
    ///
    /// # Errors
    /// What the closure returns, or any [`Error`] of the call. Nothing is changed by a read, so a retry is always safe.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn read<T, E, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E, F>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        self.once(Mode::Snapshot, None, work)
    }

    /// Runs a closure on the writer, in a transaction of its own.
    ///
    /// It is committed when the closure returns `Ok`, and the call returns only after that; it is rolled back when
    /// the closure returns an error or panics. The closure runs at most once. It cannot end the transaction itself,
    /// nor change settings of the connection: SQLite answers "not authorized" to such statements.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cyclone_sqlite::Error> {
    /// # let db = cyclone_sqlite::Sqlite::memory().await?;
    /// # db.execute_batch("CREATE TABLE accounts (name TEXT PRIMARY KEY, balance INTEGER)").await?;
    /// # db.execute_batch("INSERT INTO accounts VALUES ('ann', 10), ('bob', 0)").await?;
    /// db.write(|tx| -> rusqlite::Result<()> {
    ///     tx.execute("UPDATE accounts SET balance = balance - 10 WHERE name = ?1", ["ann"])?;
    ///     tx.execute("UPDATE accounts SET balance = balance + 10 WHERE name = ?1", ["bob"])?;
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// # use cyclone_sqlite::rusqlite;
    /// ```
    ///
    /// # Errors
    /// What the closure returns, or any [`Error`] of the call; [`Error::kind`] tells what happened to the data.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn write<T, E, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E, F>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        self.once(Mode::Write, None, work)
    }

    /// Runs a closure on the writer, in a transaction that it may share with other grouped writes that wait.
    ///
    /// Sharing the commit makes many small writes several times cheaper, with [`Durability::Full`] a hundred times.
    /// It looks as if each had its own: a failing one is rolled back alone (by a savepoint), and a call returns only
    /// after the commit. The price is that the closure **may run again**, when a neighbour takes the common
    /// transaction down; only its last run is stored. So it must have no effect but on the database.
    ///
    /// [`execute`](Self::execute) and [`insert`](Self::insert) work in this way.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    ///
    /// [`Durability::Full`]: crate::Durability::Full
    #[track_caller]
    pub fn write_grouped<T, E, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E, F>
    where
        F: FnMut(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        self.repeatable(None, work)
    }

    /// Runs a closure on the writer outside any transaction and without guard: for `VACUUM`, `ATTACH` and pragmas.
    ///
    /// What a statement did stays when a later one fails, and [`Error::kind`] speaks of the last one only. Settings
    /// that it changes stay for every job that follows, until the connection is opened again, but for
    /// `foreign_keys`, which is set back. A transaction that it leaves open is rolled back.
    ///
    /// # Errors
    /// What the closure returns, or any [`Error`] of the call.
    ///
    /// # Cancel safety
    /// The statement that runs is interrupted; what was done before stays.
    #[track_caller]
    pub fn unmanaged<T, E, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E, F>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        self.once(Mode::Unmanaged, None, work)
    }

    /// Closes the database, for all its handles.
    ///
    /// New calls are refused with [`Error::Closed`] from now on. Those that wait or run go on for the close limit
    /// ([`SqliteBuilder::close_limit`]); after it, those that run are interrupted and those that wait are refused.
    /// Then the write-ahead log is copied into the file and removed, unless another process has the file open.
    /// Returns when all connections are closed. Closing twice is allowed.
    ///
    /// Without this call the same happens in the background when the last handle is dropped, and may be cut short by
    /// the end of the process, which loses nothing.
    ///
    /// # Cancel safety
    /// When the future is dropped, closing goes on.
    pub async fn close(&self) {
        self.owner.shared.begin_close();
        let mut stage = self.owner.shared.stage();
        // The sender lives in what this handle owns, so it cannot be gone.
        let _ = stage.wait_for(|stage| *stage == Stage::Closed).await;
    }

    /// How well it works, to read or to watch: degraded when a reader, down when the writer has no connection.
    pub fn health(&self) -> HealthWatch {
        self.owner.shared.health()
    }

    /// What it has done since it was opened, and does now.
    pub fn statistics(&self) -> Statistics {
        self.owner.shared.statistics()
    }

    pub(crate) fn row_limit(&self) -> usize {
        self.owner.shared.opener.settings().row_limit
    }

    #[track_caller]
    pub(crate) fn once<T, E, F>(
        &self,
        mode: Mode,
        sql: Option<Arc<str>>,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E, F>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        self.call(mode, sql).once(work)
    }

    #[track_caller]
    pub(crate) fn repeatable<T, E, F>(
        &self,
        sql: Option<Arc<str>>,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E, F>
    where
        F: FnMut(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        self.call(Mode::Grouped, sql).repeatable(work)
    }

    #[track_caller]
    pub(crate) fn call(&self, mode: Mode, sql: Option<Arc<str>>) -> Call {
        Call {
            owner: Arc::clone(&self.owner),
            mode,
            limit: self.time_limit,
            origin: Location::caller(),
            sql,
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("settings", self.owner.shared.opener.settings())
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

/// Starts a thread and waits until it has its connection.
async fn spawn(name: String, worker: Worker) -> Result<(), Error> {
    let (opened, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name(name)
        .spawn(move || worker.run(opened))
        .map_err(|error| Error::Open {
            what: format!("cannot start a thread: {error}"),
            source: None,
        })?;
    answer.await.unwrap_or(Err(Error::Unavailable))
}
