//! How a pool is, as a value.

use tokio::time::Instant;

use crate::{connector::ConnectionError, health::Health};

/// How a [`Pool`](super::Pool) is, apart from its breaker.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum PoolState {
    /// Nothing is known yet: no attempt to connect has ended.
    #[default]
    Starting,
    /// Connections can be made, as far as is known.
    Up,
    /// Some connections are open, and no more can be made.
    Degraded {
        /// Why.
        error: ConnectionError,
        /// When the next attempt starts; in the past while it is under way.
        retry_at: Instant,
    },
    /// There is no connection and none can be made.
    Down {
        /// Why.
        error: ConnectionError,
        /// When the next attempt starts; in the past while it is under way.
        retry_at: Instant,
    },
    /// There is no connection and none is tried, until [`continue_trying`](super::Pool::continue_trying).
    Stopped {
        /// Why the last attempt failed, if it did.
        error: Option<ConnectionError>,
    },
    /// The pool was closed for good.
    Closed,
}

impl PoolState {
    /// Whether connections can be made, as far as is known.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }

    /// Whether there is no connection and none can be made.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(
            self,
            Self::Down { .. } | Self::Stopped { .. } | Self::Closed
        )
    }

    pub(super) fn health(&self, open: usize) -> Health {
        match self {
            Self::Starting => Health::Starting,
            Self::Up => Health::Up,
            Self::Degraded { error, .. } => Health::Degraded(format!(
                "{open} connections open, no more can be made: {error}"
            )),
            Self::Down { error, .. } => Health::Down(error.to_string()),
            Self::Stopped { error: None } => Health::Down("stopped".to_owned()),
            Self::Stopped { error: Some(error) } => Health::Down(format!("stopped: {error}")),
            Self::Closed => Health::Down("closed".to_owned()),
        }
    }

    /// Whether nobody needs to be told of the difference.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Starting, Self::Starting)
            | (Self::Up, Self::Up)
            | (Self::Closed, Self::Closed)
            | (Self::Stopped { error: None }, Self::Stopped { error: None }) => true,
            (Self::Stopped { error: Some(one) }, Self::Stopped { error: Some(other) }) => {
                one.is_same(other)
            }
            (
                Self::Degraded { error, retry_at },
                Self::Degraded {
                    error: other,
                    retry_at: at,
                },
            )
            | (
                Self::Down { error, retry_at },
                Self::Down {
                    error: other,
                    retry_at: at,
                },
            ) => error.is_same(other) && retry_at == at,
            _ => false,
        }
    }
}
