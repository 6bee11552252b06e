//! Frames and messages without I/O (RFC 6455 section 5), on the frame header of tungstenite.
//!
//! Bytes come in, events go out; nothing here reads a socket or a clock.

pub(crate) mod decoder;
pub(crate) mod encoder;

use crate::close::{CloseCause, CloseCode, CloseFrame};
use crate::message::Text;

/// Why the bytes of the peer cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer broke the protocol, in this way.
    Protocol(&'static str),
    /// Text, or a close reason, that is not UTF-8.
    InvalidText,
    /// A frame or a message over its limit.
    TooBig,
}

impl Failure {
    /// The Close frame that says so, and the cause to report.
    pub(crate) fn into_frame(self) -> (CloseFrame, CloseCause) {
        let (code, reason, cause) = match self {
            Self::Protocol(what) => (CloseCode::PROTOCOL_ERROR, what, CloseCause::ProtocolError),
            Self::InvalidText => (
                CloseCode::INVALID_DATA,
                "text is not UTF-8",
                CloseCause::InvalidText,
            ),
            Self::TooBig => (CloseCode::TOO_BIG, "message too big", CloseCause::TooBig),
        };
        let frame = CloseFrame {
            code,
            reason: Text::from_static(reason),
        };
        (frame, cause)
    }
}
