//! The handle through which anything in the process sends to a socket.

use std::sync::Arc;

use bytes::Bytes;

use crate::close::{CloseCode, CloseError, CloseFrame, CloseInfo};
use crate::config::Config;
use crate::error::{MAX_PING_BYTES, PingError, SendError};
use crate::message::{Message, Text};
use crate::queue::{Queue, Sending};

/// Sends to one socket, from anywhere: a room, a timer, a subscription of a bus.
///
/// Clones share the socket's bounded queue ([`Config::outgoing_bytes`](crate::Config::outgoing_bytes),
/// [`Config::outgoing_messages`](crate::Config::outgoing_messages)). A sender does not keep the session
/// alive.
///
/// # Slow consumers
/// When the peer reads more slowly than is sent, the queue fills up and nothing beyond it: `send` waits,
/// `try_send` says [`SendError::Full`], and the caller decides to wait, to skip or to close. A peer that
/// takes no byte at all for [`Config::write_stall_timeout`](crate::Config::write_stall_timeout) is
/// disconnected.
///
/// A broadcast should use `try_send`, so that one slow socket does not hold up the others:
/// ```
/// use cyclone_websocket::{CloseCode, Message, WebSocketSender};
///
/// fn broadcast(room: &mut Vec<WebSocketSender>, message: &Message) {
///     room.retain(|sender| match sender.try_send(message.clone()) {
///         Ok(()) => true,
///         Err(error) => {
///             if error.is_full() {
///                 let _ = sender.close(CloseCode::POLICY, "too slow");
///             }
///             false
///         }
///     });
/// }
/// # broadcast(&mut Vec::new(), &"".into());
/// ```
#[derive(Clone, Debug)]
pub struct WebSocketSender {
    queue: Arc<Queue>,
}

impl WebSocketSender {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    pub(crate) fn config(&self) -> &Config {
        self.queue.config()
    }

    /// Queues a message, waiting for room in the order of the calls.
    ///
    /// It resolves when the message is queued, not when it is written; what the peer got nobody knows
    /// without an answer from it.
    ///
    /// # Errors
    /// [`SendError::Closed`] gives the message back: it was not sent.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the message was not queued.
    pub fn send(&self, message: impl Into<Message>) -> Sending<'_> {
        self.queue.send(message.into())
    }

    /// Queues a message when there is room now.
    ///
    /// # Errors
    /// [`SendError::Full`] and [`SendError::Closed`] give the message back: it was not sent.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.queue.try_send(message.into())
    }

    /// Sends a ping before the messages that are queued; of several that wait only the last is sent. The
    /// answer goes to [`WebSocketHandler::pong`](crate::WebSocketHandler::pong).
    ///
    /// # Errors
    /// When the session is closing, or the payload is over 125 bytes.
    pub fn ping(&self, payload: impl Into<Bytes>) -> Result<(), PingError> {
        let payload = payload.into();
        if payload.len() > MAX_PING_BYTES {
            return Err(PingError::TooLong(payload.len()));
        }
        self.queue.ping(payload)
    }

    /// Begins to close: what is queued is written, then the Close frame; then the peer has the rest of
    /// [`Config::close_timeout`](crate::Config::close_timeout) to answer it. From now on nothing can be
    /// sent, and messages that arrive are dropped. Nothing happens when the session is closing already.
    ///
    /// # Errors
    /// When the code must not be sent, or the reason is over 123 bytes.
    pub fn close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<(), CloseError> {
        self.queue
            .ask_close(CloseFrame::checked(code.into(), reason.into())?);
        Ok(())
    }

    /// Whether messages are still taken: nobody has begun to close.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.queue.is_open()
    }

    /// The payload bytes that are queued and not written.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.queue.buffered()
    }

    /// How the session ended; `None` while it has not.
    #[must_use]
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.queue.info()
    }

    /// Waits until the session has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; once resolved it resolves at once for ever.
    pub async fn closed(&self) -> CloseInfo {
        self.queue.closed().await
    }
}

/// Whether both send to the same socket, to find one in a list.
impl PartialEq for WebSocketSender {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.queue, &other.queue)
    }
}

impl Eq for WebSocketSender {}
