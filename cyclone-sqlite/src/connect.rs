//! Opens connections and sets them up.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags};

use crate::builder::{Place, SqliteBuilder};
use crate::error::{Error, is_busy};
use crate::scope;

/// The oldest SQLite that will do: 3.37, for shared databases in memory and `STRICT` tables.
const OLDEST_SQLITE: i32 = 3_037_000;

/// How many pages the write-ahead log grows before a commit copies them into the database: 1,000, about 4 MiB.
const CHECKPOINT_PAGES: u32 = 1000;

/// How many rows of an index `PRAGMA optimize` looks at: 400, as SQLite's documentation advises.
const ANALYSIS_LIMIT: u32 = 400;

/// The pause between two tries to switch to WAL while another process does the same: 10 ms.
const WAL_PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    /// Reads the database and writes a copy of it.
    Copier,
}

/// Opens connections to one database.
pub(crate) struct Opener {
    settings: SqliteBuilder,
    /// The name of the database in memory.
    memory: Option<String>,
}

/// A connection with the handle that interrupts it.
pub(crate) struct Live {
    pub(crate) connection: Connection,
    pub(crate) interrupt: Arc<InterruptHandle>,
}

impl Opener {
    pub(crate) fn new(settings: SqliteBuilder) -> Result<Self, Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            let what = format!("sqlite {} is older than 3.37", rusqlite::version());
            return Err(Error::Open { what, source: None });
        }
        let memory = match &settings.place {
            Place::Memory => Some(memory_name()),
            Place::File(path) => {
                check_path(path)?;
                None
            }
        };
        Ok(Self { settings, memory })
    }

    /// Opens a connection that keeps a database in memory alive; none for a file.
    pub(crate) fn anchor(&self) -> Result<Option<Connection>, Error> {
        if self.memory.is_none() {
            return Ok(None);
        }
        self.raw(Role::Writer)
            .map(Some)
            .map_err(|error| self.failed(error))
    }

    pub(crate) fn open(&self, role: Role) -> Result<Live, Error> {
        self.raw(role)
            .and_then(|connection| self.set_up(connection, role))
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        let what = match &self.settings.place {
            Place::File(path) => format!("cannot open the database {}", path.display()),
            Place::Memory => "cannot open the database in memory".to_owned(),
        };
        Error::Open {
            what,
            source: Some(error),
        }
    }

    fn raw(&self, role: Role) -> rusqlite::Result<Connection> {
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match &self.settings.place {
            Place::Memory => {
                flags |= OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
                let name = self.memory.as_deref().unwrap_or_default();
                Connection::open_with_flags_and_vfs(name, flags, "memdb")
            }
            Place::File(path) => {
                flags |= match role {
                    Role::Writer => {
                        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
                    }
                    Role::Reader | Role::Copier => OpenFlags::SQLITE_OPEN_READ_ONLY,
                };
                Connection::open_with_flags(path, flags)
            }
        }
    }

    fn set_up(&self, mut connection: Connection, role: Role) -> rusqlite::Result<Live> {
        let settings = &self.settings;
        connection.busy_timeout(
            settings
                .busy_timeout
                .min(Duration::from_millis(i32::MAX as u64)),
        )?;
        connection.set_prepared_statement_cache_capacity(settings.statement_cache);
        // The schema of a file may come from anywhere: it must not call functions with side effects.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Ordinary SQL must not be able to corrupt the file.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        // A misspelt column in double quotes is an error and not a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        if role == Role::Writer && self.memory.is_none() {
            self.switch_to_wal(&connection)?;
        }
        connection.execute_batch(&format!(
            "PRAGMA synchronous = {}; PRAGMA foreign_keys = ON; PRAGMA cache_size = -{}; \
             PRAGMA mmap_size = {}; PRAGMA analysis_limit = {ANALYSIS_LIMIT}; \
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA journal_size_limit = {};",
            settings.durability.pragma(),
            (settings.page_cache_bytes / 1024).clamp(1, i32::MAX as usize),
            settings.mmap_bytes.min(i64::MAX as u64),
            settings.wal_limit_bytes.min(i64::MAX as u64),
        ))?;
        if let Some(setup) = &settings.setup {
            setup(&connection)?;
        }
        if role == Role::Reader {
            connection.execute_batch("PRAGMA query_only = ON")?;
        }
        // Reads the file: what is no database fails here and not at the first job.
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
        scope::install(&mut connection)?;
        let interrupt = Arc::new(connection.get_interrupt_handle());
        Ok(Live {
            connection,
            interrupt,
        })
    }

    fn switch_to_wal(&self, connection: &Connection) -> rusqlite::Result<()> {
        let began = Instant::now();
        loop {
            // SQLite does not call the busy handler when two connections switch at the same time.
            let mode = connection.query_row("PRAGMA journal_mode = WAL", (), |row| {
                row.get::<_, String>(0)
            });
            match mode {
                Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
                Ok(mode) => {
                    return Err(rusqlite::Error::SqliteFailure(
                        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                        Some(format!(
                            "the file system cannot keep a write-ahead log (journal mode {mode})"
                        )),
                    ));
                }
                Err(error) if is_busy(&error) && began.elapsed() < self.settings.busy_timeout => {
                    std::thread::sleep(WAL_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The size of the write-ahead log in bytes; 0 when there is none.
    pub(crate) fn wal_bytes(&self) -> u64 {
        let Some(path) = self.path() else {
            return 0;
        };
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |metadata| metadata.len())
    }

    /// The file of the database; none in memory.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.settings.place {
            Place::File(path) => Some(path),
            Place::Memory => None,
        }
    }

    pub(crate) fn settings(&self) -> &SqliteBuilder {
        &self.settings
    }

    pub(crate) fn is_memory(&self) -> bool {
        self.memory.is_some()
    }
}

/// Refuses names to which SQLite gives a meaning of its own: every connection would get another database.
fn check_path(path: &Path) -> Result<(), Error> {
    let complaint = if path.as_os_str().is_empty() {
        "the path of the database is empty"
    } else if path.to_string_lossy().starts_with("file:") {
        "the path of the database is a URI, which is not supported"
    } else if path.to_string_lossy().starts_with(":memory:") {
        "the path of the database begins with :memory:"
    } else {
        return Ok(());
    };
    Err(Error::Open {
        what: complaint.to_owned(),
        source: None,
    })
}

/// A name that no other database of this process has.
fn memory_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("/cyclone-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
