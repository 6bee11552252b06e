//! Migrations: the schema of a database, step by step.

use rusqlite::Connection;

use crate::error::Error;
use crate::handle::Sqlite;
use crate::job::Mode;

impl Sqlite {
    /// Brings the schema up to date: runs the migrations that the database has not seen, in order.
    ///
    /// A migration is a name and its SQL, one or more statements. The database remembers how many it has seen in
    /// `PRAGMA user_version`, so migrations are only ever added at the end. Each runs in a transaction of its own,
    /// together with the new version: it is there as a whole or not at all, also when two processes start at the
    /// same time. Foreign keys are not enforced while it runs, so that tables can be rebuilt, and are checked before
    /// it is committed. Returns how many were run. They have no time limit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cyclone_sqlite::Error> {
    /// # let db = cyclone_sqlite::Sqlite::memory().await?;
    /// const MIGRATIONS: &[(&str, &str)] = &[
    ///     ("users", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"),
    ///     ("names are unique", "CREATE UNIQUE INDEX users_name ON users (name)"),
    /// ];
    /// assert_eq!(db.migrate(MIGRATIONS).await?, 2);
    /// assert_eq!(db.migrate(MIGRATIONS).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Migration`] when one failed: it is rolled back, those before it are stored.
    /// [`Error::NewerSchema`] when the database has seen more migrations than there are: a newer program has used it.
    ///
    /// # Cancel safety
    /// When the future is dropped, the migration that runs is rolled back and those before it are stored.
    pub async fn migrate(&self, migrations: &[(&str, &str)]) -> Result<usize, Error> {
        let migrations: Vec<(String, String)> = migrations
            .iter()
            .map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned()))
            .collect();
        self.with_time_limit(None)
            .once(Mode::Unmanaged, None, move |connection| {
                // It has no effect inside a transaction, so it is switched outside. The worker switches it back.
                connection.execute_batch("PRAGMA foreign_keys = OFF")?;
                migrate(connection, &migrations)
            })
            .await
    }
}

fn migrate(connection: &Connection, migrations: &[(String, String)]) -> Result<usize, Error> {
    let mut done = 0;
    loop {
        match next(connection, migrations)? {
            None => return Ok(done),
            Some(name) => {
                done += 1;
                tracing::info!(name, "sqlite migration done");
            }
        }
    }
}

/// Runs the next migration, if there is one, and returns its name.
fn next<'a>(
    connection: &Connection,
    migrations: &'a [(String, String)],
) -> Result<Option<&'a str>, Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = (|| {
        let found: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(Error::NewerSchema { found, known });
        }
        let next = usize::try_from(found)
            .ok()
            .and_then(|index| migrations.get(index));
        let Some((name, sql)) = next else {
            return Ok(None);
        };
        apply(connection, sql, found + 1).map_err(|source| Error::Migration {
            name: name.clone(),
            source,
        })?;
        Ok(Some(name.as_str()))
    })();
    if !connection.is_autocommit() {
        // The error of the migration says more than one of its end; the worker repairs what is left.
        let _ = connection.execute_batch("ROLLBACK");
    }
    migrated
}

fn apply(connection: &Connection, sql: &str, version: i64) -> rusqlite::Result<()> {
    connection.execute_batch(sql)?;
    if connection.is_autocommit() {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISUSE),
            Some("it ended the transaction it runs in".to_owned()),
        ));
    }
    let violation = connection
        .prepare("PRAGMA foreign_key_check")?
        .query(())?
        .next()?
        .map(|row| row.get::<_, String>(0))
        .transpose()?;
    if let Some(table) = violation {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY),
            Some(format!("a foreign key of table {table} has no target")),
        ));
    }
    connection.execute_batch(&format!("PRAGMA user_version = {version}; COMMIT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_version_runs_nothing() -> Result<(), Error> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch("PRAGMA user_version = -1")?;
        assert_eq!(migrate(&connection, &[("a".into(), "not sql".into())])?, 0);
        Ok(())
    }
}
