//! Operations over a pool: under a time limit, through the breaker, on a connection that is closed unless the
//! operation ended in a known state.

use std::{
    ops::{AsyncFnOnce, Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::timeout;

use super::{Pool, Pooled};
use crate::{
    breaker::BreakerPermit,
    connector::{self, ConnectionError, Connector},
    operation::{NotSent, OperationError, Outcome},
};

impl<C: Connector> Pool<C> {
    /// Runs an operation on one of the connections: the way to use a pool that cannot go wrong.
    ///
    /// The connection goes back to the pool when the operation returns `Ok`, or an error that the driver
    /// [knows to be an answer](Connector::outcome). In every other case it is closed: after any other error, after
    /// [`operation_timeout`](super::PoolBuilder::operation_timeout) (10 s), when the future is dropped, and after a
    /// panic. So the late answer to one operation is never read by another. Nothing is ever sent twice.
    ///
    /// An operation may be several requests, a transaction for instance; its time limit is for all of them. An error
    /// of your own, which says nothing of the connection, is returned as `Ok(Err(..))`. What is left open on the
    /// connection is ended before its next use, if the driver [can tell](Connector::needs_reset); otherwise leave it as
    /// it was found.
    ///
    /// ```
    /// # use std::{error::Error, io};
    /// # use cyclone_core::{Connector, OperationError, Pool};
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    /// # struct Echo;
    /// # impl Connector for Echo {
    /// #     type Connection = DuplexStream;
    /// #     type Error = io::Error;
    /// #     async fn connect(&self) -> io::Result<DuplexStream> {
    /// #         let (client, server) = tokio::io::duplex(64);
    /// #         tokio::spawn(async move {
    /// #             let (mut read, mut write) = tokio::io::split(server);
    /// #             tokio::io::copy(&mut read, &mut write).await
    /// #         });
    /// #         Ok(client)
    /// #     }
    /// #     async fn check(&self, _: &mut DuplexStream) -> io::Result<()> { Ok(()) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn Error>> {
    /// let pool = Pool::new(Echo);
    /// let answer = pool
    ///     .run(async |connection| {
    ///         connection.write_all(b"ping").await?;
    ///         let mut answer = [0; 4];
    ///         connection.read_exact(&mut answer).await?;
    ///         Ok(answer)
    ///     })
    ///     .await;
    /// match answer {
    ///     Ok(answer) => assert_eq!(&answer, b"ping"),
    ///     Err(OperationError::NotSent(reason)) => println!("try again: {reason}"),
    ///     Err(OperationError::OutcomeUnknown(error)) => println!("who knows: {error}"),
    ///     Err(error) => println!("refused: {error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`OperationError::NotSent`] without a connection, while the breaker is open, or when the driver says that
    /// nothing was sent; [`OperationError::OutcomeUnknown`] when there was no answer;
    /// [`OperationError::Failed`] with what the other side answered.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before the operation has a connection, nothing was sent. Later its outcome is
    /// unknown, and the connection is closed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time, and with a panic of the operation.
    pub async fn run<T, F>(&self, operation: F) -> Result<T, OperationError<C::Error>>
    where
        F: AsyncFnOnce(&mut C::Connection) -> Result<T, C::Error>,
    {
        let limit = self.handle.shared.settings.operation_timeout;
        self.run_within(limit, operation).await
    }

    /// As [`run`](Self::run), with a time limit of its own; [`Duration::MAX`] is none, for an operation that waits
    /// for something to happen.
    ///
    /// The limit begins when the operation has its connection; until then
    /// [`wait_timeout`](super::PoolBuilder::wait_timeout) holds.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub async fn run_within<T, F>(
        &self,
        limit: Duration,
        operation: F,
    ) -> Result<T, OperationError<C::Error>>
    where
        F: AsyncFnOnce(&mut C::Connection) -> Result<T, C::Error>,
    {
        let breaker = &self.handle.shared.breaker;
        let mut permit = breaker.permit().map_err(NotSent::Breaker)?;
        let mut pooled = self.get().await?;
        // It may have opened while this caller waited for the connection.
        permit.confirm().map_err(NotSent::Breaker)?;
        pooled.operate(permit, limit, operation).await
    }
}

impl<C: Connector> Pooled<C> {
    /// Runs an operation on this connection, as [`Pool::run`] does: for several operations on the same one.
    ///
    /// After an operation without an answer there is no other on this connection, which is closed when this is
    /// dropped.
    ///
    /// # Errors
    ///
    /// As [`Pool::run`], and [`NotSent::Unfinished`] after an operation that did not end.
    ///
    /// # Cancel safety
    ///
    /// As [`Pool::run`].
    ///
    /// # Panics
    ///
    /// As [`Pool::run`].
    pub async fn run<T, F>(&mut self, operation: F) -> Result<T, OperationError<C::Error>>
    where
        F: AsyncFnOnce(&mut C::Connection) -> Result<T, C::Error>,
    {
        let limit = self.shared.settings.operation_timeout;
        self.run_within(limit, operation).await
    }

    /// As [`run`](Self::run), with a time limit of its own; [`Duration::MAX`] is none.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub async fn run_within<T, F>(
        &mut self,
        limit: Duration,
        operation: F,
    ) -> Result<T, OperationError<C::Error>>
    where
        F: AsyncFnOnce(&mut C::Connection) -> Result<T, C::Error>,
    {
        let permit = self.shared.breaker.permit().map_err(NotSent::Breaker)?;
        self.operate(permit, limit, operation).await
    }

    async fn operate<T, F>(
        &mut self,
        permit: BreakerPermit,
        limit: Duration,
        operation: F,
    ) -> Result<T, OperationError<C::Error>>
    where
        F: AsyncFnOnce(&mut C::Connection) -> Result<T, C::Error>,
    {
        let shared = Arc::clone(&self.shared);
        let counts = &shared.counts;
        let epoch = self.epoch();
        let mut begun = self.begin()?;
        let mut cancelled = CountWhenDropped(Some(&counts.cancelled));
        let ended = timeout(limit, operation(&mut begun)).await;
        cancelled.0 = None;

        let (known, error) = match ended {
            Ok(Ok(value)) => (Ok(value), None),
            Ok(Err(error)) => match connector::outcome(&shared.connector, &error) {
                Outcome::Known => (Err(OperationError::Failed(error)), None),
                Outcome::NotSent => {
                    let error = ConnectionError::new(error);
                    (Err(NotSent::Driver(error.clone()).into()), Some(error))
                }
                Outcome::Unknown => {
                    let error = ConnectionError::new(error);
                    (
                        Err(OperationError::OutcomeUnknown(error.clone())),
                        Some(error),
                    )
                }
            },
            Err(_) => {
                let error = ConnectionError::timed_out(limit);
                (
                    Err(OperationError::OutcomeUnknown(error.clone())),
                    Some(error),
                )
            }
        };
        match error {
            None => {
                begun.end();
                counts.answered.fetch_add(1, Relaxed);
                permit.succeeded();
            }
            Some(error) => {
                counts.unanswered.fetch_add(1, Relaxed);
                // What happened to this connection may have happened to the others.
                shared.suspect(epoch);
                permit.failed(error);
            }
        }
        known
    }
}

/// An operation that was begun on a [`Pooled`] connection, made by [`Pooled::begin`].
///
/// Unless it is [ended](Self::end), its connection is closed and not given back.
#[derive(Debug)]
#[must_use]
pub struct PooledOperation<'a, C: Connector> {
    pooled: &'a mut Pooled<C>,
}

impl<'a, C: Connector> PooledOperation<'a, C> {
    /// For a connection that was marked as unfinished.
    pub(super) fn new(pooled: &'a mut Pooled<C>) -> Self {
        Self { pooled }
    }

    /// Notes that everything that was sent has been answered, and the answer was read to its end.
    pub fn end(self) {
        self.pooled.set_finished();
    }
}

impl<C: Connector> Deref for PooledOperation<'_, C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        self.pooled.peek()
    }
}

impl<C: Connector> DerefMut for PooledOperation<'_, C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        self.pooled.connection()
    }
}

/// Counts one when it is dropped, if there is a counter.
struct CountWhenDropped<'a>(Option<&'a AtomicU64>);

impl Drop for CountWhenDropped<'_> {
    fn drop(&mut self) {
        if let Some(counter) = self.0 {
            counter.fetch_add(1, Relaxed);
        }
    }
}
