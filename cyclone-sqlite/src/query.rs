//! Calls of one statement each.

use std::future::Future;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::error::Error;
use crate::handle::Sqlite;
use crate::job::Mode;

impl Sqlite {
    /// Reads all rows of a query, each turned into a value by `map`.
    ///
    /// The parameters are a tuple or an array: `(1, "a")`, `["a"]`, `()`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cyclone_sqlite::Error> {
    /// # let db = cyclone_sqlite::Sqlite::memory().await?;
    /// # db.execute_batch("CREATE TABLE users (name TEXT, age INTEGER)").await?;
    /// db.execute("INSERT INTO users VALUES (?1, ?2)", ("ann", 41)).await?;
    /// let names: Vec<String> = db
    ///     .query("SELECT name FROM users WHERE age > ?1", [18], |row| row.get(0))
    ///     .await?;
    /// assert_eq!(names, ["ann"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::TooManyRows`] above the row limit, or any [`Error`] of the call. A retry is always safe.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn query<T, S, P, F>(
        &self,
        sql: S,
        params: P,
        mut map: F,
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send + use<T, S, P, F>
    where
        S: Into<Arc<str>>,
        P: Params + Send + 'static,
        F: FnMut(&Row<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let sql = sql.into();
        let limit = self.row_limit();
        self.once(Mode::Read, Some(Arc::clone(&sql)), move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params)?;
            let mut values = Vec::new();
            while let Some(row) = rows.next()? {
                if values.len() == limit {
                    return Err(Error::TooManyRows { limit });
                }
                values.push(map(row)?);
            }
            Ok(values)
        })
    }

    /// Reads the first row of a query.
    ///
    /// # Errors
    /// [`Error::Database`] with [`rusqlite::Error::QueryReturnedNoRows`] when there is none, or any [`Error`] of the
    /// call. A retry is always safe.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn query_one<T, S, P, F>(
        &self,
        sql: S,
        params: P,
        map: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, S, P, F>
    where
        S: Into<Arc<str>>,
        P: Params + Send + 'static,
        F: FnOnce(&Row<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let sql = sql.into();
        self.once(Mode::Read, Some(Arc::clone(&sql)), move |connection| {
            connection.prepare_cached(&sql)?.query_row(params, map)
        })
    }

    /// Reads the first row of a query, if there is one.
    ///
    /// # Errors
    /// Any [`Error`] of the call. A retry is always safe.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn query_optional<T, S, P, F>(
        &self,
        sql: S,
        params: P,
        map: F,
    ) -> impl Future<Output = Result<Option<T>, Error>> + Send + use<T, S, P, F>
    where
        S: Into<Arc<str>>,
        P: Params + Send + 'static,
        F: FnOnce(&Row<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let sql = sql.into();
        self.once(Mode::Read, Some(Arc::clone(&sql)), move |connection| {
            connection
                .prepare_cached(&sql)?
                .query_row(params, map)
                .optional()
        })
    }

    /// Executes one statement that writes and returns how many rows it changed.
    ///
    /// It shares its commit with others that wait, as [`write_grouped`](Self::write_grouped) describes.
    ///
    /// # Errors
    /// Any [`Error`] of the call; [`Error::kind`] tells what happened to the data.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn execute<S, P>(
        &self,
        sql: S,
        params: P,
    ) -> impl Future<Output = Result<usize, Error>> + Send + use<S, P>
    where
        S: Into<Arc<str>>,
        P: Params + Clone + Send + 'static,
    {
        let sql = sql.into();
        self.repeatable(Some(Arc::clone(&sql)), move |connection| {
            connection.prepare_cached(&sql)?.execute(params.clone())
        })
    }

    /// Executes one `INSERT` and returns the row id of the new row.
    ///
    /// It shares its commit with others that wait, as [`write_grouped`](Self::write_grouped) describes.
    ///
    /// # Errors
    /// Any [`Error`] of the call; [`rusqlite::Error::StatementChangedRows`] in [`Error::Database`] when it did not
    /// insert exactly one row, and then nothing is stored.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn insert<S, P>(
        &self,
        sql: S,
        params: P,
    ) -> impl Future<Output = Result<i64, Error>> + Send + use<S, P>
    where
        S: Into<Arc<str>>,
        P: Params + Clone + Send + 'static,
    {
        let sql = sql.into();
        self.repeatable(Some(Arc::clone(&sql)), move |connection| {
            connection.prepare_cached(&sql)?.insert(params.clone())
        })
    }

    /// Executes statements separated by semicolons, all of them or none, in one transaction.
    ///
    /// # Errors
    /// Any [`Error`] of the call; [`Error::kind`] tells what happened to the data.
    ///
    /// # Cancel safety
    /// As [`Sqlite`] describes.
    #[track_caller]
    pub fn execute_batch<S>(
        &self,
        sql: S,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<S>
    where
        S: Into<Arc<str>>,
    {
        let sql = sql.into();
        self.once(
            Mode::Write,
            Some(Arc::clone(&sql)),
            move |connection: &Connection| connection.execute_batch(&sql),
        )
    }
}
