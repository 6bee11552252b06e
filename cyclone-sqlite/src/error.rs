//! What can go wrong, and what happened to the data.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use rusqlite::ErrorCode;

/// Says what happened to the data of a call that failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing ran: the call never reached the database. A retry is safe.
    NotSent,
    /// It ran and nothing of it was stored: the transaction was rolled back, or it was only a read.
    ///
    /// A retry is safe; whether it can succeed depends on the cause.
    NotStored,
    /// It may or may not be stored: the disk failed during the commit. A retry may do it twice.
    OutcomeUnknown,
}

/// The error of every call of [`Sqlite`](crate::Sqlite).
///
/// [`kind`](Self::kind) tells what happened to the data, [`is_retryable`](Self::is_retryable) whether the same call
/// may simply be made again.
///
/// ```
/// use cyclone_sqlite::{Error, ErrorKind};
///
/// let error = Error::QueueFull { limit: 1024 };
/// assert_eq!(error.kind(), ErrorKind::NotSent);
/// assert!(error.is_retryable());
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// The queue of jobs is full. Fault: the load. Not sent; retry later.
    QueueFull {
        /// How many jobs may wait.
        limit: usize,
    },
    /// The database is closed or closing. Fault: the caller. Not sent.
    Closed,
    /// The connection broke and could not be opened again yet. Fault: the file or its disk. Not sent; retry later.
    Unavailable,
    /// The job was interrupted because the database was closing. Nothing is stored.
    Interrupted,
    /// The job ran longer than its time limit and was interrupted. Nothing is stored.
    TimeLimit {
        /// The limit that was exceeded.
        limit: Duration,
    },
    /// SQLite refused. Nothing is stored. Retryable when the database was locked by another connection.
    Database(rusqlite::Error),
    /// The closure returned an error of its own. Nothing is stored.
    Application(Box<dyn StdError + Send + Sync>),
    /// The closure panicked. Fault: the closure. Nothing is stored; the connection goes on.
    Panicked {
        /// What the panic said, for the log and not for a peer.
        message: String,
    },
    /// The closure returned success, but SQLite had rolled its transaction back in the middle.
    ///
    /// It ignored the error of a statement that does so: one that was interrupted, met a full disk or had
    /// `OR ROLLBACK`. Fault: the closure. Nothing is stored.
    RolledBack,
    /// A query gave more rows than the limit. Fault: the caller; add a `LIMIT`, or read in pieces.
    TooManyRows {
        /// The greatest number of rows one call returns.
        limit: usize,
    },
    /// Whether the write is stored is not known: the disk failed during the commit, or the writer was lost.
    OutcomeUnknown(Option<rusqlite::Error>),
    /// A migration failed and was rolled back; those before it are stored.
    Migration {
        /// The name of the migration.
        name: String,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The database was migrated by a newer program than this one. Nothing was changed.
    NewerSchema {
        /// The version of the database (`PRAGMA user_version`).
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A file of a backup could not be made. The database was not changed.
    Io(std::io::Error),
    /// The database could not be opened. Nothing was sent.
    Open {
        /// What was tried.
        what: String,
        /// Why it failed, when SQLite said so.
        source: Option<rusqlite::Error>,
    },
}

impl Error {
    /// Wraps an error of the application, so that a closure can give up with it.
    ///
    /// ```
    /// use cyclone_sqlite::Error;
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Overdrawn;
    /// impl std::fmt::Display for Overdrawn {
    ///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    ///         f.write_str("overdrawn")
    ///     }
    /// }
    /// impl std::error::Error for Overdrawn {}
    ///
    /// let error = Error::application(Overdrawn);
    /// assert_eq!(error.application_ref::<Overdrawn>(), Some(&Overdrawn));
    /// ```
    pub fn application(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Application(error.into())
    }

    /// The error of the application, if it is one of type `E`.
    pub fn application_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match self {
            Self::Application(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// What happened to the data.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::QueueFull { .. } | Self::Closed | Self::Unavailable | Self::Open { .. } => {
                ErrorKind::NotSent
            }
            Self::OutcomeUnknown(_) => ErrorKind::OutcomeUnknown,
            _ => ErrorKind::NotStored,
        }
    }

    /// Whether the call had no effect and may succeed when it is made again, perhaps later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::QueueFull { .. } | Self::Unavailable => true,
            Self::Database(error) => is_busy(error),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { limit } => write!(f, "not sent: {limit} jobs are waiting already"),
            Self::Closed => f.write_str("not sent: the database is closed"),
            Self::Unavailable => f.write_str("not sent: the connection is being opened again"),
            Self::Interrupted => f.write_str("interrupted: the database is closing"),
            Self::TimeLimit { limit } => write!(f, "interrupted after the time limit of {limit:?}"),
            Self::Database(error) => error.fmt(f),
            Self::Application(error) => error.fmt(f),
            Self::Panicked { message } => write!(f, "the closure panicked: {message}"),
            Self::RolledBack => f.write_str("the transaction was rolled back while the job ran"),
            Self::TooManyRows { limit } => write!(f, "the query gave more than {limit} rows"),
            Self::OutcomeUnknown(Some(error)) => write!(f, "the commit may have failed: {error}"),
            Self::OutcomeUnknown(None) => {
                f.write_str("the writer was lost; the outcome is unknown")
            }
            Self::Migration { name, source } => write!(f, "migration {name:?} failed: {source}"),
            Self::NewerSchema { found, known } => write!(
                f,
                "the database has schema version {found}, this program knows {known}"
            ),
            Self::Io(error) => error.fmt(f),
            Self::Open { what, source: None } => f.write_str(what),
            Self::Open {
                what,
                source: Some(error),
            } => write!(f, "{what}: {error}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            // Their text is that of the inner error, so its source is the next one.
            Self::Database(error) => error.source(),
            Self::Application(error) => error.source(),
            Self::Io(error) => error.source(),
            Self::OutcomeUnknown(Some(error))
            | Self::Migration { source: error, .. }
            | Self::Open {
                source: Some(error),
                ..
            } => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Whether another connection held the lock for longer than the busy timeout.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether the connection may be at fault, so that a new one has to be opened.
pub(crate) fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
        )
    )
}

/// The error of a `COMMIT` that failed: after an error of the disk nobody knows what a recovery will find.
pub(crate) fn of_commit(error: rusqlite::Error) -> Error {
    if is_broken(&error) {
        Error::OutcomeUnknown(Some(error))
    } else {
        Error::Database(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn busy_is_retryable_and_a_constraint_is_not() {
        assert!(Error::from(failure(rusqlite::ffi::SQLITE_BUSY)).is_retryable());
        assert!(!Error::from(failure(rusqlite::ffi::SQLITE_CONSTRAINT)).is_retryable());
    }

    #[test]
    fn an_error_of_the_disk_at_the_commit_leaves_the_outcome_unknown() {
        let error = of_commit(failure(rusqlite::ffi::SQLITE_IOERR_FSYNC));
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        let error = of_commit(failure(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY));
        assert_eq!(error.kind(), ErrorKind::NotStored);
    }
}
