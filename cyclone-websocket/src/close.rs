//! Why a session ended, and the codes that say so on the wire.

use std::fmt;

use crate::message::Text;

/// The longest close reason, in bytes: 125 bytes of a control frame less two for the code (RFC 6455
/// section 5.5).
pub const MAX_CLOSE_REASON_BYTES: usize = 123;

/// The status code of a Close frame (RFC 6455 section 7.4 and the IANA registry).
///
/// ```
/// use cyclone_websocket::CloseCode;
///
/// assert_eq!(CloseCode::GOING_AWAY.as_u16(), 1001);
/// assert!(CloseCode::from(4000).is_sendable());
/// assert!(!CloseCode::ABNORMAL.is_sendable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the browser left the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that is not taken, binary for instance.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the Close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: there was no Close frame, the connection was lost or cut. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a policy of the application forbids it.
    pub const POLICY: Self = Self(1008);
    /// 1009: the message is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: the server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: the server is overloaded, try again later.
    pub const TRY_AGAIN: Self = Self(1013);

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether an endpoint may put this code into a Close frame: 1000 to 1003, 1007 to 1014, and 3000 to
    /// 4999 (3000s are registered, 4000s are the application's own).
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The content of a Close frame that may be sent: checked when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseFrame {
    pub(crate) code: CloseCode,
    pub(crate) reason: Text,
}

impl CloseFrame {
    /// A frame with a code of ours and no reason.
    pub(crate) fn bare(code: CloseCode) -> Self {
        Self {
            code,
            reason: Text::default(),
        }
    }

    /// Checks code and reason.
    pub(crate) fn checked(code: CloseCode, reason: Text) -> Result<Self, CloseError> {
        if !code.is_sendable() {
            return Err(CloseError::InvalidCode(code));
        }
        if reason.len() > MAX_CLOSE_REASON_BYTES {
            return Err(CloseError::ReasonTooLong(reason.len()));
        }
        Ok(Self { code, reason })
    }
}

/// The error of `close(code, reason)`: the caller's fault, and nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// The code must not be on the wire; see [`CloseCode::is_sendable`].
    InvalidCode(CloseCode),
    /// The reason has this many bytes, more than [`MAX_CLOSE_REASON_BYTES`].
    ReasonTooLong(usize),
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidCode(code) => write!(f, "close code {code} must not be sent"),
            Self::ReasonTooLong(bytes) => write!(
                f,
                "a close reason of {bytes} bytes is over {MAX_CLOSE_REASON_BYTES}"
            ),
        }
    }
}

impl std::error::Error for CloseError {}

/// How a session ended: what [`WebSocketHandler::close`](crate::WebSocketHandler::close) and
/// [`WebSocketSender::closed`](crate::WebSocketSender::closed) tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    pub(crate) code: CloseCode,
    pub(crate) reason: Text,
    pub(crate) clean: bool,
    pub(crate) cause: CloseCause,
}

impl CloseInfo {
    pub(crate) fn abnormal(cause: CloseCause) -> Self {
        Self {
            code: CloseCode::ABNORMAL,
            reason: Text::default(),
            clean: false,
            cause,
        }
    }

    /// The code of the Close frame that began the end, the peer's or ours;
    /// [`NO_STATUS`](CloseCode::NO_STATUS) when the peer's frame had none,
    /// [`ABNORMAL`](CloseCode::ABNORMAL) when there was no Close frame.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason in that frame; the peer chose it when the cause is [`CloseCause::Peer`], so escape it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether both sides sent a Close frame.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// What ended the session.
    #[must_use]
    pub fn cause(&self) -> CloseCause {
        self.cause
    }
}

impl fmt::Display for CloseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code, self.cause)
    }
}

/// What ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCause {
    /// The peer sent a Close frame.
    Peer,
    /// The application called `close`.
    Local,
    /// The server shuts down: 1001 was sent.
    GoingAway,
    /// The connection ended without a Close frame.
    Lost,
    /// The connection was cut: the shutdown deadline passed, or an operator closed it.
    Cut,
    /// The peer sent nothing after a ping for the pong time-out.
    PongTimeout,
    /// The peer took no byte for the write stall time-out: a slow consumer.
    WriteStalled,
    /// The peer broke the protocol: 1002 was sent.
    ProtocolError,
    /// The peer sent text that is not UTF-8: 1007 was sent.
    InvalidText,
    /// The peer sent a message or a frame over the limit: 1009 was sent.
    TooBig,
    /// The handler returned an error: 1011, or the code of the error, was sent.
    HandlerError,
    /// The handler panicked: 1011 was sent.
    HandlerPanic,
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "closed by the peer",
            Self::Local => "closed by the application",
            Self::GoingAway => "server going away",
            Self::Lost => "connection lost",
            Self::Cut => "connection cut",
            Self::PongTimeout => "no pong in time",
            Self::WriteStalled => "peer stopped reading",
            Self::ProtocolError => "protocol error",
            Self::InvalidText => "text is not UTF-8",
            Self::TooBig => "message too big",
            Self::HandlerError => "handler failed",
            Self::HandlerPanic => "handler panicked",
        })
    }
}
