//! Errors of sending, and errors of handlers.

use std::error::Error;
use std::fmt;

use crate::close::{CloseCause, CloseCode, CloseFrame};
use crate::message::{Message, Text};

/// The longest payload of a ping, in bytes (RFC 6455 section 5.5).
pub const MAX_PING_BYTES: usize = 125;

/// The error of `send` and `try_send`: the message was not sent and is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closing or closed; no retry helps.
    Closed(Message),
    /// The outgoing buffer has no room; only `try_send` says so. A retry later is safe.
    Full(Message),
}

impl SendError {
    /// The message, back.
    #[must_use]
    pub fn into_message(self) -> Message {
        match self {
            Self::Closed(message) | Self::Full(message) => message,
        }
    }

    /// Whether the buffer was full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether the session was closing or closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "the websocket is closed",
            Self::Full(_) => "the outgoing buffer of the websocket is full",
        })
    }
}

impl Error for SendError {}

/// The error of `ping`: nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PingError {
    /// The session is closing or closed.
    Closed,
    /// The payload has this many bytes, more than [`MAX_PING_BYTES`].
    TooLong(usize),
}

impl fmt::Display for PingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the websocket is closed"),
            Self::TooLong(bytes) => {
                write!(f, "a ping of {bytes} bytes is over {MAX_PING_BYTES}")
            }
        }
    }
}

impl Error for PingError {}

/// The result of a handler's methods.
pub type Result<T = (), E = HandlerError> = std::result::Result<T, E>;

/// What a handler returns to end its session with an error.
///
/// Every error converts into it by `?`; the peer then gets 1011 without a reason, and the text of the error
/// goes to the log only. [`HandlerError::close`] chooses code and reason.
///
/// ```
/// use cyclone_websocket::{CloseCode, HandlerError, Message, Result};
///
/// fn number(message: &Message) -> Result<u32> {
///     let Some(text) = message.as_text() else {
///         return Err(HandlerError::close(CloseCode::UNSUPPORTED, "text only"));
///     };
///     Ok(text.parse()?) // 1011 to the peer
/// }
/// # assert!(number(&"x".into()).is_err());
/// # assert!(number(&vec![1].into()).is_err());
/// ```
pub struct HandlerError {
    code: CloseCode,
    reason: Text,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl HandlerError {
    /// Ends the session with this code and reason.
    ///
    /// A code that must not be sent, or a reason over 123 bytes, is a mistake of the handler: it is logged,
    /// and the peer gets 1011.
    pub fn close(code: impl Into<CloseCode>, reason: impl Into<Text>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
            source: None,
        }
    }

    /// The code that the peer gets.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// Whether it was made from an error of this type.
    #[must_use]
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.is::<E>())
    }

    /// The frame to send, and the cause to report.
    pub(crate) fn into_frame(self) -> (CloseFrame, CloseCause) {
        let frame = CloseFrame::checked(self.code, self.reason).unwrap_or_else(|error| {
            tracing::error!(%error, "websocket handler chose an invalid close frame");
            CloseFrame::bare(CloseCode::INTERNAL_ERROR)
        });
        (frame, CloseCause::HandlerError)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self {
            code: CloseCode::INTERNAL_ERROR,
            reason: Text::default(),
            source: Some(Box::new(error)),
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => fmt::Display::fmt(source, f),
            None => write!(f, "{} {}", self.code, self.reason),
        }
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError")
            .field("code", &self.code)
            .field("reason", &self.reason)
            .field("source", &self.source)
            .finish()
    }
}
