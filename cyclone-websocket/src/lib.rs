//! WebSocket.
mod close;
mod codec;
mod config;
mod error;
mod message;
pub use close::{CloseCause, CloseCode, CloseError, CloseInfo, MAX_CLOSE_REASON_BYTES};
pub use config::*;
pub use error::*;
pub use message::{Message, Text};
