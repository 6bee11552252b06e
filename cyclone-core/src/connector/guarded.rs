//! The calls into a driver, each with its time limit, a panic being one more error.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::timeout;

use super::{ConnectionError, Connector};
use crate::operation::Outcome;

/// Makes a connection within `limit`.
pub(crate) async fn connect<C: Connector>(
    connector: &C,
    limit: Duration,
) -> Result<C::Connection, ConnectionError> {
    within(limit, async { connector.connect().await }).await
}

/// Checks a connection within `limit`.
pub(crate) async fn check<C: Connector>(
    connector: &C,
    connection: &mut C::Connection,
    limit: Duration,
) -> Result<(), ConnectionError> {
    within(limit, async { connector.check(connection).await }).await
}

/// Ends what a user left behind, within `limit`.
pub(crate) async fn reset<C: Connector>(
    connector: &C,
    connection: &mut C::Connection,
    limit: Duration,
) -> Result<(), ConnectionError> {
    within(limit, async { connector.reset(connection).await }).await
}

/// A call of the driver that has so much time, and may panic.
async fn within<T, E>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, ConnectionError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    timeout(limit, caught(call, ConnectionError::new))
        .await
        .unwrap_or_else(|_| Err(ConnectionError::timed_out(limit)))
}

/// Says goodbye within `limit`, or drops the connection.
pub(crate) async fn close<C: Connector>(connector: &C, connection: C::Connection, limit: Duration) {
    let goodbye = AssertUnwindSafe(async { connector.close(connection).await }).catch_unwind();
    match timeout(limit, goodbye).await {
        Ok(Ok(())) => {}
        Ok(Err(payload)) => {
            let error = ConnectionError::panicked(&*payload);
            tracing::warn!(name = connector.name(), %error, "closing a connection failed");
        }
        Err(_) => tracing::debug!(
            name = connector.name(),
            ?limit,
            "closing a connection timed out"
        ),
    }
}

/// Whether the driver knows the connection to be dead; a driver that panics says yes.
pub(crate) fn is_broken<C: Connector>(connector: &C, connection: &C::Connection) -> bool {
    catch_unwind(AssertUnwindSafe(|| connector.is_broken(connection))).unwrap_or(true)
}

/// Whether a user left something on the connection; a driver that panics says yes.
pub(crate) fn needs_reset<C: Connector>(connector: &C, connection: &C::Connection) -> bool {
    catch_unwind(AssertUnwindSafe(|| connector.needs_reset(connection))).unwrap_or(true)
}

/// What an error tells of an operation; a driver that panics does not know.
pub(crate) fn outcome<C: Connector>(connector: &C, error: &C::Error) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| connector.outcome(error))).unwrap_or_default()
}

/// Runs the session of a link, without a time limit; `reason` makes one error of those that it returns.
pub(crate) async fn session<E>(
    session: impl Future<Output = Result<(), E>>,
    reason: fn(E) -> ConnectionError,
) -> Result<(), ConnectionError> {
    caught(session, reason).await
}

/// Awaits a call of the driver; what it shares with us is only reached through its own methods, so that a panic
/// cannot leave our data torn.
async fn caught<T, E>(
    call: impl Future<Output = Result<T, E>>,
    reason: fn(E) -> ConnectionError,
) -> Result<T, ConnectionError> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result.map_err(reason),
        Err(payload) => Err(ConnectionError::panicked(&*payload)),
    }
}
