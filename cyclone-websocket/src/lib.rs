//! WebSocket.
mod close;
mod codec;
mod config;
mod error;
mod handler;
mod handshake;
mod message;
mod queue;
mod sender;
mod session;
mod socket;
mod upgrade;

pub use close::{CloseCause, CloseCode, CloseError, CloseInfo, MAX_CLOSE_REASON_BYTES};
pub use config::{
    Config, DEFAULT_CLOSE_TIMEOUT, DEFAULT_HANDLER_GRACE, DEFAULT_MAX_FRAME_BYTES,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_OUTGOING_BYTES, DEFAULT_OUTGOING_MESSAGES,
    DEFAULT_PING_INTERVAL, DEFAULT_PONG_TIMEOUT, DEFAULT_UPGRADE_TIMEOUT,
    DEFAULT_WRITE_STALL_TIMEOUT, MAX_OUTGOING_BYTES, MAX_OUTGOING_MESSAGES,
};
pub use error::{HandlerError, MAX_PING_BYTES, PingError, Result, SendError};
pub use handler::WebSocketHandler;
pub use handshake::{HandshakeError, HandshakeErrorKind, same_origin};
#[cfg(feature = "json")]
pub use message::JsonError;
pub use message::{Message, Text};
pub use sender::WebSocketSender;
pub use socket::WebSocket;
pub use upgrade::{WebSocketService, upgrade, upgrade_with};
