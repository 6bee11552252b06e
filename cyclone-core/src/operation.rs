//! How an operation over a pool or a link ends when it gives no result.

use std::{error::Error, fmt, time::Duration};

use crate::{breaker::BreakerOpen, connector::ConnectionError, link::LinkError, pool::PoolError};

/// Time limit of one operation of a [`Pool`](crate::Pool) or a [`CallLink`](crate::CallLink), from its start on a
/// connection to its answer.
pub const DEFAULT_OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// What an error of a driver tells of an operation: see [`Connector::outcome`](crate::Connector::outcome).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The other side answered that it refuses, or the request was never valid: the connection is as good as
    /// before.
    Known,
    /// Nothing was sent. The connection is closed.
    NotSent,
    /// It was sent, or may have been: it happened, or not, or will. The connection is closed.
    #[default]
    Unknown,
}

/// Why an operation gave no result; the three cases are what a caller can do about it.
///
/// `E` is the error of the driver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OperationError<E> {
    /// Nothing was sent: it did not happen, and doing it again is safe.
    NotSent(NotSent),
    /// It was sent, or may have been, and there was no answer: it happened, or not, or will.
    ///
    /// Doing it again is safe only when doing it twice is. Its connection is closed.
    OutcomeUnknown(ConnectionError),
    /// The other side answered with this error: the operation did not happen, as far as the error says.
    Failed(E),
}

impl<E> OperationError<E> {
    /// Whether nothing was sent, so that doing it all again is safe.
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::NotSent(_))
    }

    /// Whether nobody knows if it happened.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown(_))
    }

    /// What the other side answered.
    #[must_use]
    pub fn failure(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::NotSent(_) | Self::OutcomeUnknown(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for OperationError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(reason) => reason.fmt(f),
            Self::OutcomeUnknown(error) => write!(f, "outcome unknown: {error}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for OperationError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The text of each is part of ours.
        match self {
            Self::NotSent(reason) => reason.source(),
            Self::OutcomeUnknown(error) => error.source(),
            Self::Failed(error) => error.source(),
        }
    }
}

impl<E> From<NotSent> for OperationError<E> {
    fn from(reason: NotSent) -> Self {
        Self::NotSent(reason)
    }
}

impl<E> From<PoolError> for OperationError<E> {
    fn from(error: PoolError) -> Self {
        Self::NotSent(NotSent::Pool(error))
    }
}

/// Why an operation was not sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotSent {
    /// The pool gave no connection.
    Pool(PoolError),
    /// The link is not up.
    Link(LinkError),
    /// The breaker is open: operations before this one failed.
    Breaker(BreakerOpen),
    /// Too many operations wait already.
    Full {
        /// The most operations that may wait for their turn or their answer at the same time.
        limit: usize,
    },
    /// Its turn did not come in time.
    TimedOut(Duration),
    /// An operation before on the same connection was not ended.
    Unfinished,
    /// The driver says so.
    Driver(ConnectionError),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Its text begins with the same words.
            Self::Pool(error) => error.fmt(f),
            Self::Link(error) => write!(f, "not sent: {error}"),
            Self::Breaker(error) => write!(f, "not sent: {error}"),
            Self::Full { limit } => write!(f, "not sent: {limit} operations wait already"),
            Self::TimedOut(limit) => write!(f, "not sent: its turn did not come within {limit:?}"),
            Self::Unfinished => {
                f.write_str("not sent: an operation before on this connection was not ended")
            }
            Self::Driver(error) => write!(f, "not sent: {error}"),
        }
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pool(error) => error.source(),
            Self::Link(error) => error.source(),
            Self::Breaker(error) => error.source(),
            Self::Driver(error) => error.source(),
            Self::Full { .. } | Self::TimedOut(_) | Self::Unfinished => None,
        }
    }
}
