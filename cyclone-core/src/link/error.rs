//! Why a link is not up.

use std::{error::Error, fmt, time::Duration};

use crate::connector::ConnectionError;

/// Why a link did not come up for the one who waited, or is not up for the one who calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// It did not come up in time; it goes on trying.
    Timeout {
        /// The time limit that passed.
        waited: Duration,
        /// Why the last attempt failed, if one did.
        error: Option<ConnectionError>,
    },
    /// The connection was lost or could not be made; it goes on trying.
    Down(ConnectionError),
    /// It does not try: it gave up after [`max_attempts`](super::LinkBuilder::max_attempts), or was
    /// [told to](super::Link::stop_trying). With the reason why it is not up, if it ever tried.
    Stopped(Option<ConnectionError>),
    /// It was closed.
    Closed,
}

impl LinkError {
    /// Why it is not up, when that is known.
    #[must_use]
    pub fn connection_error(&self) -> Option<&ConnectionError> {
        match self {
            Self::Timeout { error, .. } | Self::Stopped(error) => error.as_ref(),
            Self::Down(error) => Some(error),
            Self::Closed => None,
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { waited, .. } => write!(f, "the link did not come up within {waited:?}"),
            Self::Down(_) => f.write_str("the link is down"),
            Self::Stopped(_) => f.write_str("the link stopped connecting"),
            Self::Closed => f.write_str("the link is closed"),
        }?;
        match self.connection_error() {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl Error for LinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The text of the error itself is part of ours.
        self.connection_error()?.source()
    }
}
