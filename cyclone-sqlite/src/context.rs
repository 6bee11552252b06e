//! `SqliteContext`: the database of a context.

use cyclone_core::{Context, MissingResource};

use crate::handle::Sqlite;

/// Gives every [`Context`] (a request, a WebSocket, a session of your own protocol) the server's databases.
///
/// ```
/// use cyclone_core::{Context, Resources, Session};
/// use cyclone_sqlite::{Sqlite, SqliteContext};
///
/// async fn visits(cx: &impl Context) -> Result<i64, Box<dyn std::error::Error>> {
///     Ok(cx.sqlite()?.query_one("SELECT 41 + 1", (), |row| row.get(0)).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let resources = Resources::builder().insert(Sqlite::memory().await?).build();
/// let session = Session::detached_with(resources);
/// assert_eq!(visits(&session).await?, 42);
/// # Ok(())
/// # }
/// ```
pub trait SqliteContext: Context {
    /// The unnamed database of the server.
    ///
    /// # Errors
    /// [`MissingResource`] when the server has none: a mistake in its composition.
    fn sqlite(&self) -> Result<&Sqlite, MissingResource> {
        self.resources().get()
    }

    /// The database that was added under a name.
    ///
    /// # Errors
    /// [`MissingResource`] when the server has none of that name.
    fn sqlite_named(&self, name: &str) -> Result<&Sqlite, MissingResource> {
        self.resources().get_named(name)
    }
}

impl<C: Context + ?Sized> SqliteContext for C {}
