//! `SqliteBuilder` and the defaults.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use rusqlite::Connection;

use crate::error::Error;
use crate::handle::Sqlite;

/// The greatest number of reader threads by default: 4, or the number of processors when that is less.
pub const DEFAULT_MAX_READERS: usize = 4;

/// How many jobs may wait for a reader: 1,024.
pub const DEFAULT_READ_QUEUE: usize = 1024;

/// How many jobs may wait for the writer: 1,024.
pub const DEFAULT_WRITE_QUEUE: usize = 1024;

/// How long a job waits for a lock that another process holds: 5 seconds.
pub const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a job may run, from its first statement to its last: 30 seconds.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(30);

/// A job that runs for longer than this is logged as slow: 250 milliseconds.
pub const DEFAULT_SLOW_AFTER: Duration = Duration::from_millis(250);

/// How long [`Sqlite::close`] lets jobs go on before it interrupts them: 5 seconds.
pub const DEFAULT_CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How many prepared statements a connection keeps: 128.
pub const DEFAULT_STATEMENT_CACHE: usize = 128;

/// How much of the database a connection keeps in memory: 8 MiB.
pub const DEFAULT_PAGE_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// How many grouped writes share one commit at most: 128.
pub const DEFAULT_GROUP_LIMIT: usize = 128;

/// How long a group of writes takes further ones in, from its first: 10 milliseconds.
pub const DEFAULT_GROUP_TIME: Duration = Duration::from_millis(10);

/// How many rows [`Sqlite::query`] returns at most: 100,000.
pub const DEFAULT_ROW_LIMIT: usize = 100_000;

/// The size of the write-ahead log above which it is cut as soon as no reader is in the way: 64 MiB.
pub const DEFAULT_WAL_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// What an acknowledged write has survived (`PRAGMA synchronous`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The end of the process, `kill -9` included: what was acknowledged is in the hands of the operating system.
    ///
    /// When the power fails or the kernel crashes the last commits may be missing, but nothing is corrupt and no
    /// commit is half there. It is the default, and much faster, because the disk is only waited for at checkpoints.
    #[default]
    Normal,
    /// The end of the machine: every commit waits for the disk (`fsync`). Group commit pays off most here.
    Full,
}

impl Durability {
    pub(crate) fn pragma(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Full => "FULL",
        }
    }
}

/// Where the database is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Memory,
}

type Setup = dyn Fn(&Connection) -> rusqlite::Result<()> + Send + Sync;

/// The settings of a database, and how to open it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cyclone_sqlite::Error> {
/// use std::time::Duration;
/// use cyclone_sqlite::{Durability, SqliteBuilder};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("app.sqlite3");
/// let db = SqliteBuilder::file(&path)
///     .durability(Durability::Full)
///     .readers(2)
///     .time_limit(Some(Duration::from_secs(2)))
///     .open()
///     .await?;
/// # db.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct SqliteBuilder {
    pub(crate) place: Place,
    pub(crate) readers: usize,
    pub(crate) inline_readers: usize,
    pub(crate) read_queue: usize,
    pub(crate) write_queue: usize,
    pub(crate) busy_timeout: Duration,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) slow_after: Option<Duration>,
    pub(crate) close_limit: Duration,
    pub(crate) durability: Durability,
    pub(crate) statement_cache: usize,
    pub(crate) page_cache_bytes: usize,
    pub(crate) mmap_bytes: u64,
    pub(crate) group_limit: usize,
    pub(crate) group_time: Duration,
    pub(crate) row_limit: usize,
    pub(crate) wal_limit_bytes: u64,
    pub(crate) setup: Option<Arc<Setup>>,
}

impl SqliteBuilder {
    /// A database in a file, which is created when it is not there; the directory must exist.
    ///
    /// The path `:memory:` means [`memory`](Self::memory). URI file names are refused when it is opened.
    pub fn file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        if path == Path::new(":memory:") {
            return Self::memory();
        }
        Self::new(Place::File(path.to_owned()))
    }

    /// A database in memory, gone when the last handle is: for tests, caches and demonstrations.
    ///
    /// SQLite has no write-ahead log in memory, so readers would block the writer and the reverse. It therefore has
    /// one thread for reads and writes, in the order in which they came, with a second, read-only connection for
    /// reads: everything else behaves as it does with a file. [`readers`](Self::readers) and
    /// [`durability`](Self::durability) have no effect.
    pub fn memory() -> Self {
        Self::new(Place::Memory)
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            readers: available_parallelism()
                .map_or(1, usize::from)
                .min(DEFAULT_MAX_READERS),
            inline_readers: 0,
            read_queue: DEFAULT_READ_QUEUE,
            write_queue: DEFAULT_WRITE_QUEUE,
            busy_timeout: DEFAULT_BUSY_TIMEOUT,
            time_limit: Some(DEFAULT_TIME_LIMIT),
            slow_after: Some(DEFAULT_SLOW_AFTER),
            close_limit: DEFAULT_CLOSE_LIMIT,
            durability: Durability::default(),
            statement_cache: DEFAULT_STATEMENT_CACHE,
            page_cache_bytes: DEFAULT_PAGE_CACHE_BYTES,
            mmap_bytes: 0,
            group_limit: DEFAULT_GROUP_LIMIT,
            group_time: DEFAULT_GROUP_TIME,
            row_limit: DEFAULT_ROW_LIMIT,
            wal_limit_bytes: DEFAULT_WAL_LIMIT_BYTES,
            setup: None,
        }
    }

    /// Sets the number of reader threads, each with a connection; 0 counts as 1.
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// Sets how many connections are kept for [`Sqlite::read_inline`]; by default none.
    ///
    /// As many as there are threads of the runtime are enough. They have no effect in memory.
    pub fn inline_readers(mut self, connections: usize) -> Self {
        self.inline_readers = connections;
        self
    }

    /// Sets how many jobs may wait for a reader before [`Error::QueueFull`]; 0 counts as 1.
    ///
    /// In memory reads wait in the queue of the writer.
    pub fn read_queue(mut self, jobs: usize) -> Self {
        self.read_queue = jobs.max(1);
        self
    }

    /// Sets how many jobs may wait for the writer before [`Error::QueueFull`]; 0 counts as 1.
    pub fn write_queue(mut self, jobs: usize) -> Self {
        self.write_queue = jobs.max(1);
        self
    }

    /// Sets how long a job waits for a lock of another process.
    pub fn busy_timeout(mut self, limit: Duration) -> Self {
        self.busy_timeout = limit;
        self
    }

    /// Sets how long a job may run before it is interrupted with [`Error::TimeLimit`]; `None` for ever.
    ///
    /// [`Sqlite::with_time_limit`] overrides it for some calls. The time in the queue does not count.
    pub fn time_limit(mut self, limit: Option<Duration>) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets how long a job may run before it is logged as slow; `None` never.
    pub fn slow_after(mut self, limit: Option<Duration>) -> Self {
        self.slow_after = limit;
        self
    }

    /// Sets how long closing lets jobs go on before it interrupts those that run and refuses those that wait.
    pub fn close_limit(mut self, limit: Duration) -> Self {
        self.close_limit = limit;
        self
    }

    /// Sets what an acknowledged write has survived.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how many prepared statements each connection keeps; 0 prepares every statement anew.
    pub fn statement_cache(mut self, statements: usize) -> Self {
        self.statement_cache = statements;
        self
    }

    /// Sets how much of the database each connection keeps in memory, in bytes, rounded down to KiB.
    pub fn page_cache_bytes(mut self, bytes: usize) -> Self {
        self.page_cache_bytes = bytes;
        self
    }

    /// Sets how much of the file each connection maps into memory, in bytes; 0, the default, nothing.
    ///
    /// It makes reads of large databases cheaper. With it an error of the disk, or a file that another program cuts
    /// short, ends the process with SIGBUS instead of failing one call.
    pub fn mmap_bytes(mut self, bytes: u64) -> Self {
        self.mmap_bytes = bytes;
        self
    }

    /// Sets how many grouped writes share one commit at most; 1, or 0, turns group commit off.
    pub fn group_limit(mut self, jobs: usize) -> Self {
        self.group_limit = jobs.max(1);
        self
    }

    /// Sets how long a group of writes takes further ones in, from its first.
    ///
    /// It is what group commit may add to the time of a write when the queue never ends; an idle writer never waits.
    /// A write that joins a group and runs for five times as long is undone, so that those before it can be
    /// committed, and runs again alone.
    pub fn group_time(mut self, limit: Duration) -> Self {
        self.group_time = limit;
        self
    }

    /// Sets how many rows [`Sqlite::query`] returns before it fails with [`Error::TooManyRows`].
    pub fn row_limit(mut self, rows: usize) -> Self {
        self.row_limit = rows;
        self
    }

    /// Sets the size above which the write-ahead log is cut when no reader is in the way, in bytes.
    pub fn wal_limit_bytes(mut self, bytes: u64) -> Self {
        self.wal_limit_bytes = bytes;
        self
    }

    /// Runs `setup` on every new connection: to register functions and collations, or set more pragmas.
    ///
    /// It runs after the settings of this builder, also when a connection is opened again.
    pub fn on_connect(
        mut self,
        setup: impl Fn(&Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.setup = Some(Arc::new(setup));
        self
    }

    /// Opens the database: starts the threads, opens every connection and sets it up.
    ///
    /// # Errors
    /// [`Error::Open`] when the file cannot be opened, is no database, or cannot be put into WAL mode, as on
    /// a network file system.
    ///
    /// # Cancel safety
    /// When the future is dropped, what was opened is closed again.
    pub async fn open(self) -> Result<Sqlite, Error> {
        Sqlite::start(self).await
    }
}

impl fmt::Debug for SqliteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBuilder")
            .field("place", &self.place)
            .field("readers", &self.readers)
            .field("read_queue", &self.read_queue)
            .field("write_queue", &self.write_queue)
            .field("busy_timeout", &self.busy_timeout)
            .field("time_limit", &self.time_limit)
            .field("close_limit", &self.close_limit)
            .field("durability", &self.durability)
            .field("group_limit", &self.group_limit)
            .finish_non_exhaustive()
    }
}
