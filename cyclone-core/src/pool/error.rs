//! Why a pool gave no connection.

use std::{error::Error, fmt, time::Duration};

use deadpool::managed;

use crate::connector::ConnectionError;

/// Why [`Pool::get`](super::Pool::get) gave no connection.
///
/// Whatever the kind, nothing was sent to the other side: doing it all again is safe.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// No connection became free in time: the pool is too small for the load, or connections cannot be made.
    Timeout {
        /// The time limit that passed.
        waited: Duration,
        /// Why new connections cannot be made, when they cannot.
        error: Option<ConnectionError>,
    },
    /// There is no connection and none can be made; the pool keeps trying in the background.
    Connect(ConnectionError),
    /// There is no connection and none is tried: the pool gave up after
    /// [`max_attempts`](super::PoolBuilder::max_attempts), or was [told to](super::Pool::stop_trying). With the
    /// reason why the last attempt failed, if it did.
    Stopped(Option<ConnectionError>),
    /// The pool was closed.
    Closed,
    /// Too many callers wait already: the pool is much too small for the load, or the other side is stuck.
    Full {
        /// The most callers that may wait at the same time.
        limit: usize,
    },
}

impl PoolError {
    /// Whether nothing was sent to the other side: always true, no operation can have run.
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        true
    }

    /// Whether trying again later can help; it cannot when the pool was closed, or does not try itself.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Closed | Self::Stopped(_))
    }

    /// Why connections cannot be made, when that is known.
    #[must_use]
    pub fn connection_error(&self) -> Option<&ConnectionError> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Timeout { error, .. } | Self::Stopped(error) => error.as_ref(),
            Self::Closed | Self::Full { .. } => None,
        }
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { waited, error } => {
                write!(f, "not sent: no connection became free within {waited:?}")?;
                match error {
                    Some(error) => write!(f, " and none could be made: {error}"),
                    None => Ok(()),
                }
            }
            Self::Connect(error) => write!(f, "not sent: not connected: {error}"),
            Self::Stopped(None) => f.write_str("not sent: the pool stopped connecting"),
            Self::Stopped(Some(error)) => {
                write!(f, "not sent: the pool stopped connecting: {error}")
            }
            Self::Closed => f.write_str("not sent: the pool is closed"),
            Self::Full { limit } => {
                write!(f, "not sent: {limit} callers wait for a connection already")
            }
        }
    }
}

impl Error for PoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The text of the error itself is part of ours.
        self.connection_error()?.source()
    }
}

/// What deadpool's refusal means for us; a function, because deadpool is no part of our interface.
pub(super) fn from_deadpool(error: managed::PoolError<PoolError>) -> PoolError {
    match error {
        managed::PoolError::Backend(error) => error,
        managed::PoolError::Timeout(_) => PoolError::Timeout {
            waited: Duration::ZERO,
            error: None,
        },
        // The other two kinds need hooks and runtimes, which our pool does not use.
        managed::PoolError::Closed
        | managed::PoolError::NoRuntimeSpecified
        | managed::PoolError::PostCreateHook(_) => PoolError::Closed,
    }
}
