//! What a database or peer must offer to be kept connected by a [`Pool`](crate::Pool) or a [`Link`](crate::Link).

use std::{error::Error, future::Future, sync::Arc, time::Duration};

pub use error::{ConnectionError, ConnectionErrorKind};
pub(crate) use guarded::{check, close, connect, is_broken, needs_reset, outcome, reset, session};

use crate::operation::Outcome;

mod error;
mod guarded;

/// Time limit of one connection attempt, from the first packet to the last step of authentication.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes connections of one kind, and knows when one is dead.
///
/// It is all that a driver implements: [`Pool`](crate::Pool) and [`Link`](crate::Link) add time limits, backoff,
/// health and the rest. Every call is under a time limit, and a panic in one counts as its failure.
///
/// ```
/// use std::io;
/// use cyclone_core::Connector;
/// use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream};
///
/// struct Redis(String);
///
/// impl Connector for Redis {
///     type Connection = TcpStream;
///     type Error = io::Error;
///
///     async fn connect(&self) -> io::Result<TcpStream> {
///         TcpStream::connect(&self.0).await
///     }
///
///     async fn check(&self, connection: &mut TcpStream) -> io::Result<()> {
///         connection.write_all(b"PING\r\n").await?;
///         let mut answer = [0; 7];
///         connection.read_exact(&mut answer).await?;
///         if &answer == b"+PONG\r\n" { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
///     }
///
///     fn name(&self) -> &str {
///         "redis"
///     }
/// }
/// ```
pub trait Connector: Send + Sync + 'static {
    /// One connection, ready for use.
    type Connection: Send + 'static;
    /// Why a connection could not be made or is dead.
    type Error: Error + Send + Sync + 'static;

    /// Makes a connection that is ready for use: authenticated, the database selected.
    ///
    /// # Errors
    ///
    /// Any error is tried again after a backoff.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when its time is up; it must leave nothing behind.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Asks the other side for a sign of life.
    ///
    /// Not before every use: a connection that worked a moment ago is trusted. What a user leaves behind (an open
    /// transaction, a subscription) is ended by [`reset`](Self::reset).
    ///
    /// # Errors
    ///
    /// After any error the connection is dropped.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when its time is up, or when whoever wanted the connection goes away; the connection
    /// is dropped then too.
    fn check(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether a user left something on `connection` that the next one must not find: an open transaction, a watched
    /// key, half a mail. It must not wait.
    ///
    /// Asked whenever a connection comes back to a [`Pool`](crate::Pool). `false` unless told otherwise.
    fn needs_reset(&self, connection: &Self::Connection) -> bool {
        let _ = connection;
        false
    }

    /// Ends what a user left on a connection that [needs it](Self::needs_reset): `ROLLBACK`, `UNWATCH`, `RSET`.
    ///
    /// The pool does it in the background, within the time limit of a check, before anybody else has the connection.
    /// It does nothing unless told otherwise; a connection that needs it still is closed.
    ///
    /// # Errors
    ///
    /// After any error the connection is dropped.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when its time is up; the connection is dropped then too.
    fn reset(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = connection;
        std::future::ready(Ok(()))
    }

    /// What it connects to, for logs and health: `"connection"` unless told otherwise.
    fn name(&self) -> &str {
        "connection"
    }

    /// Whether `connection` is known to be dead, without asking the other side: it must not wait.
    ///
    /// Asked whenever a connection comes back or is about to go out. `false` unless told otherwise.
    fn is_broken(&self, connection: &Self::Connection) -> bool {
        let _ = connection;
        false
    }

    /// What an error of an operation tells of the operation: whether the other side answered, see
    /// [`Pool::run`](crate::Pool::run). It must not wait.
    ///
    /// [`Outcome::Unknown`] unless told otherwise, which is always safe, and closes the connection: a driver says
    /// [`Outcome::Known`] for what the other side answered, a duplicate key for instance.
    fn outcome(&self, error: &Self::Error) -> Outcome {
        let _ = error;
        Outcome::Unknown
    }

    /// Says goodbye on a healthy connection that is no longer wanted; drops it unless told otherwise.
    ///
    /// Broken connections, and those with an unfinished operation, are dropped without it.
    fn close(&self, connection: Self::Connection) -> impl Future<Output = ()> + Send {
        async move { drop(connection) }
    }
}

/// One connector for a pool and a link to the same server.
impl<C: Connector> Connector for Arc<C> {
    type Connection = C::Connection;
    type Error = C::Error;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        (**self).connect().await
    }

    async fn check(&self, connection: &mut Self::Connection) -> Result<(), Self::Error> {
        (**self).check(connection).await
    }

    fn needs_reset(&self, connection: &Self::Connection) -> bool {
        (**self).needs_reset(connection)
    }

    async fn reset(&self, connection: &mut Self::Connection) -> Result<(), Self::Error> {
        (**self).reset(connection).await
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn is_broken(&self, connection: &Self::Connection) -> bool {
        (**self).is_broken(connection)
    }

    fn outcome(&self, error: &Self::Error) -> Outcome {
        (**self).outcome(error)
    }

    async fn close(&self, connection: Self::Connection) {
        (**self).close(connection).await;
    }
}
