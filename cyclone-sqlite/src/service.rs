//! `Sqlite` as a service of a server: closed at the end, its health told on the way.

use cyclone_core::{Health, Service, ServiceError};

use crate::handle::Sqlite;

/// A server that has the database as a service closes it when all connections are gone, and shows its health.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cyclone_core::Server;
/// use cyclone_sqlite::Sqlite;
///
/// let db = Sqlite::memory().await?;
/// let server = Server::new().resource(db.clone()).service(db).start().await?;
/// # server.shutdown();
/// # server.wait().await;
/// # Ok(())
/// # }
/// ```
impl Service for Sqlite {
    fn name(&self) -> &str {
        "sqlite"
    }

    async fn stop(&self) -> Result<(), ServiceError> {
        self.close().await;
        Ok(())
    }

    fn health(&self) -> Health {
        Self::health(self).current()
    }
}
