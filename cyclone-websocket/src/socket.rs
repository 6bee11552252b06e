//! What a handler gets to see of its session.

use bytes::Bytes;
use cyclone_core::{Context, Resources, Session};
use http::request::Parts;

use crate::close::{CloseCode, CloseError, CloseInfo};
use crate::config::Config;
use crate::error::{PingError, SendError};
use crate::message::{Message, Text};
use crate::queue::Sending;
use crate::request::OpeningRequest;
use crate::sender::WebSocketSender;

/// The session as its handler sees it: the request that opened it, the way to send, and the
/// [`Context`] through which drivers are reached.
#[derive(Debug)]
pub struct WebSocket {
    sender: WebSocketSender,
    request: OpeningRequest,
    session: Session,
}

impl WebSocket {
    pub(crate) fn new(
        sender: WebSocketSender,
        request: Parts,
        session: Session,
        subprotocol: Option<&str>,
    ) -> Self {
        Self {
            sender,
            request: OpeningRequest::new(request, &session, subprotocol),
            session,
        }
    }

    /// The request that opened the session: target, headers and extensions.
    ///
    /// It is kept as a few hundred bytes until it is first asked for, and costs some hundred more from then on.
    /// What is needed of it all the time is better kept by the handler.
    #[must_use]
    pub fn request(&self) -> &Parts {
        self.request.parts(&self.session)
    }

    pub(crate) fn config(&self) -> &Config {
        self.sender.config()
    }

    /// The place of the connection in its server; detached when the server is none of cyclone's.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.request.subprotocol()
    }

    /// A handle to send from elsewhere: clone it into tasks, rooms and subscriptions.
    #[must_use]
    pub fn sender(&self) -> &WebSocketSender {
        &self.sender
    }

    /// Queues a message, waiting for room; see [`WebSocketSender::send`].
    ///
    /// # Errors
    /// [`SendError::Closed`] gives the message back.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the message was not queued.
    pub fn send(&self, message: impl Into<Message>) -> Sending<'_> {
        self.sender.send(message)
    }

    /// Queues a message when there is room now; see [`WebSocketSender::try_send`].
    ///
    /// # Errors
    /// [`SendError::Full`] and [`SendError::Closed`] give the message back.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.sender.try_send(message)
    }

    /// Sends a ping; see [`WebSocketSender::ping`].
    ///
    /// # Errors
    /// When the session is closing, or the payload is over 125 bytes.
    pub fn ping(&self, payload: impl Into<Bytes>) -> Result<(), PingError> {
        self.sender.ping(payload)
    }

    /// Begins to close; see [`WebSocketSender::close`].
    ///
    /// # Errors
    /// When the code must not be sent, or the reason is over 123 bytes.
    pub fn close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<(), CloseError> {
        self.sender.close(code, reason)
    }

    /// Waits until the session has ended; for a handler that wants to stop early.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) -> CloseInfo {
        self.sender.closed().await
    }
}

impl Context for WebSocket {
    fn resources(&self) -> &Resources {
        self.session.resources()
    }
}
