//! Why something could not be done in FreeSWITCH.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use cyclone_core::FrameError;

use super::command::BadCommand;

/// Why something could not be done in FreeSWITCH, and whether it was.
///
/// Nothing is ever sent twice. After [`is_not_sent`](Self::is_not_sent) it is safe to try again; after
/// [`is_outcome_unknown`](Self::is_outcome_unknown) one has to look first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EslError {
    /// The command would be read as another one. It was not sent; the caller is at fault.
    BadCommand(BadCommand),
    /// It was not sent, or not as a whole, so FreeSWITCH did not act on it.
    NotSent {
        /// Why.
        reason: &'static str,
    },
    /// It was sent and the connection ended before the answer: FreeSWITCH may have acted on it.
    OutcomeUnknown {
        /// Why.
        reason: &'static str,
    },
    /// FreeSWITCH refused, with this text (`-ERR ...`). Nothing was done.
    Refused {
        /// What it said.
        text: String,
    },
    /// The password was wrong, or the peer may not connect, with what FreeSWITCH said.
    Denied {
        /// What it said.
        text: String,
    },
    /// FreeSWITCH said something that is no event socket, or answered what was not asked. The connection is ended.
    Protocol {
        /// What.
        reason: &'static str,
    },
    /// There was no frame where one should be. The connection is ended.
    Frame(Arc<FrameError>),
    /// The connection failed.
    Io(Arc<io::Error>),
    /// FreeSWITCH ended the connection.
    Disconnected,
}

impl EslError {
    /// Whether FreeSWITCH certainly did not act on the command: it can be tried again.
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::BadCommand(_) | Self::NotSent { .. })
    }

    /// Whether FreeSWITCH may have acted on the command.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    /// Whether FreeSWITCH said no.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for EslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCommand(error) => error.fmt(f),
            Self::NotSent { reason } => write!(f, "not sent: {reason}"),
            Self::OutcomeUnknown { reason } => write!(f, "outcome unknown: {reason}"),
            Self::Refused { text } => write!(f, "freeswitch refused: {}", text.trim()),
            Self::Denied { text } => write!(f, "freeswitch lets nobody in: {}", text.trim()),
            Self::Protocol { reason } => write!(f, "no event socket: {reason}"),
            Self::Frame(error) => write!(f, "no event socket: {error}"),
            Self::Io(error) => error.fmt(f),
            Self::Disconnected => f.write_str("freeswitch ended the connection"),
        }
    }
}

impl Error for EslError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Their texts are part of ours.
            Self::Frame(error) => error.source(),
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<BadCommand> for EslError {
    fn from(error: BadCommand) -> Self {
        Self::BadCommand(error)
    }
}

impl From<FrameError> for EslError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) => error.into(),
            error => Self::Frame(Arc::new(error)),
        }
    }
}

impl From<io::Error> for EslError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
