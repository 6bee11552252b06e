//! Why a connection could not be made, or was lost.

use std::{any::Any, error::Error, fmt, sync::Arc, time::Duration};

/// Why a connection of a [`Pool`](crate::Pool) or [`Link`](crate::Link) could not be made, or was lost.
///
/// It is cheap to clone, as one failed attempt fails every caller that waits for it. It reads like the driver's
/// error, which [`downcast_ref`](Self::downcast_ref) gives back.
#[derive(Clone)]
pub struct ConnectionError {
    cause: Arc<Cause>,
}

enum Cause {
    Failed(Box<dyn Error + Send + Sync>),
    TimedOut(Duration),
    Panicked(String),
    Ended,
    Lost,
    GivenUp,
}

/// The sort of a [`ConnectionError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionErrorKind {
    /// The driver returned an error.
    Failed,
    /// The driver did not finish within its time limit.
    TimedOut,
    /// The driver panicked: a bug in it. The panic is treated as an error, its message is in the text.
    Panicked,
    /// The session of a link returned although nobody had closed the link.
    Ended,
    /// The connection was lost before the answer came.
    Lost,
    /// An operation over the connection was given up before its answer came: the connection could not be used
    /// again.
    GivenUp,
}

impl ConnectionError {
    /// An error of a driver.
    #[must_use]
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Cause::Failed(Box::new(error)).into()
    }

    pub(crate) fn timed_out(limit: Duration) -> Self {
        Cause::TimedOut(limit).into()
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown".to_owned());
        Cause::Panicked(message).into()
    }

    pub(crate) fn ended() -> Self {
        Cause::Ended.into()
    }

    pub(crate) fn lost() -> Self {
        Cause::Lost.into()
    }

    pub(crate) fn given_up() -> Self {
        Cause::GivenUp.into()
    }

    /// Whether both are clones of one error.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cause, &other.cause)
    }

    /// The sort of error.
    #[must_use]
    pub fn kind(&self) -> ConnectionErrorKind {
        match *self.cause {
            Cause::Failed(_) => ConnectionErrorKind::Failed,
            Cause::TimedOut(_) => ConnectionErrorKind::TimedOut,
            Cause::Panicked(_) => ConnectionErrorKind::Panicked,
            Cause::Ended => ConnectionErrorKind::Ended,
            Cause::Lost => ConnectionErrorKind::Lost,
            Cause::GivenUp => ConnectionErrorKind::GivenUp,
        }
    }

    /// The driver's own error, when it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &*self.cause {
            Cause::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl From<Cause> for ConnectionError {
    fn from(cause: Cause) -> Self {
        Self {
            cause: Arc::new(cause),
        }
    }
}

impl fmt::Debug for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ConnectionError");
        match &*self.cause {
            Cause::Failed(error) => debug.field(error),
            _ => debug.field(&format_args!("{self}")),
        };
        debug.finish()
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.cause {
            Cause::Failed(error) => error.fmt(f),
            Cause::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Cause::Panicked(message) => write!(f, "the driver panicked: {message}"),
            Cause::Ended => f.write_str("the session ended"),
            Cause::Lost => f.write_str("the connection was lost"),
            Cause::GivenUp => f.write_str("an operation was given up before its answer came"),
        }
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.cause {
            Cause::Failed(error) => error.source(),
            _ => None,
        }
    }
}
