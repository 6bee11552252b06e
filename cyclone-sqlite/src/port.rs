//! What the ports `Log` and `Store` have in common here: their tables and their errors.

use cyclone_core::{PortError, PortErrorKind};
use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::error::{Error, ErrorKind};
use crate::handle::Sqlite;

/// Brings the tables of one port up to date, independent of the application's own migrations.
pub(crate) async fn prepare(
    db: &Sqlite,
    port: &'static str,
    migrations: &'static [&'static str],
) -> Result<(), Error> {
    db.write(move |tx| migrate(tx, port, migrations)).await
}

fn migrate(tx: &Connection, port: &str, migrations: &[&str]) -> Result<(), Error> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS cyclone_ports \
         (port TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    )?;
    let found: i64 = tx
        .query_row(
            "SELECT version FROM cyclone_ports WHERE port = ?1",
            [port],
            |row| row.get(0),
        )
        .optional()?
        .unwrap_or(0);
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    for sql in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(sql)?;
    }
    tx.execute(
        "INSERT OR REPLACE INTO cyclone_ports VALUES (?1, ?2)",
        (port, known),
    )?;
    Ok(())
}

/// A closure of a port gives up with an error of the port.
impl From<PortError> for Error {
    fn from(error: PortError) -> Self {
        Self::application(error)
    }
}

/// Tells the caller of a port what happened to the data.
impl From<Error> for PortError {
    fn from(error: Error) -> Self {
        let error = match error {
            Error::Application(inner) => match inner.downcast::<Self>() {
                Ok(port) => return *port,
                Err(inner) => Error::Application(inner),
            },
            error => error,
        };
        let kind = match (&error, error.kind()) {
            (_, ErrorKind::OutcomeUnknown) => PortErrorKind::OutcomeUnknown,
            (Error::Database(inner), _) if is_full(inner) => PortErrorKind::Full,
            (Error::Interrupted | Error::TimeLimit { .. }, _) | (_, ErrorKind::NotSent) => {
                PortErrorKind::NotSent
            }
            (error, _) if error.is_retryable() => PortErrorKind::NotSent,
            _ => PortErrorKind::Refused,
        };
        Self::new(kind, "the sqlite call failed").with_source(error)
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// A size or count as SQLite keeps it.
pub(crate) fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_tells_what_happened() {
        let failure = |code| {
            Error::Database(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(code),
                None,
            ))
        };
        for (error, kind) in [
            (Error::QueueFull { limit: 1 }, PortErrorKind::NotSent),
            (Error::Closed, PortErrorKind::NotSent),
            (Error::Interrupted, PortErrorKind::NotSent),
            (Error::OutcomeUnknown(None), PortErrorKind::OutcomeUnknown),
            (failure(rusqlite::ffi::SQLITE_BUSY), PortErrorKind::NotSent),
            (failure(rusqlite::ffi::SQLITE_FULL), PortErrorKind::Full),
            (
                failure(rusqlite::ffi::SQLITE_READONLY),
                PortErrorKind::Refused,
            ),
            (
                PortError::new(PortErrorKind::Invalid, "no").into(),
                PortErrorKind::Invalid,
            ),
        ] {
            assert_eq!(PortError::from(error).kind(), kind);
        }
    }

    #[test]
    fn tables_of_a_newer_program_are_left_alone() -> Result<(), Error> {
        let connection = Connection::open_in_memory()?;
        migrate(
            &connection,
            "x",
            &["CREATE TABLE a (n)", "CREATE TABLE b (n)"],
        )?;
        migrate(
            &connection,
            "x",
            &["CREATE TABLE a (n)", "CREATE TABLE b (n)"],
        )?;
        let error = migrate(&connection, "x", &["CREATE TABLE a (n)"]);
        assert!(matches!(
            error,
            Err(Error::NewerSchema { found: 2, known: 1 })
        ));
        migrate(&connection, "y", &["CREATE TABLE c (n)"])
    }
}
