//! The trait that applications implement.

use std::future::{Future, ready};

use bytes::Bytes;
use http::request::Parts;

use crate::close::CloseInfo;
use crate::config::Config;
use crate::error::Result;
use crate::handshake::{HandshakeError, same_origin};
use crate::message::Message;
use crate::socket::WebSocket;

/// One WebSocket session of the application, as Tornado's `WebSocketHandler`.
///
/// A value of the implementing type is made for each connection and lives as long as it. Write the methods
/// as `async fn`; only [`message`](Self::message) is required.
///
/// ```
/// use cyclone_websocket::{CloseInfo, Message, Result, WebSocket, WebSocketHandler};
///
/// struct Echo;
///
/// impl WebSocketHandler for Echo {
///     async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
///         socket.send(message).await?;
///         Ok(())
///     }
///
///     async fn close(&mut self, _socket: &WebSocket, info: CloseInfo) {
///         println!("closed: {info}");
///     }
/// }
/// ```
///
/// # Order of calls
/// During the handshake `check_origin` (when there is an Origin), `prepare`, `select_subprotocol`, `config`;
/// then `open`; when it succeeded, any number of `message` and `pong`, one at a time; at last `close`,
/// exactly once whatever happened. When `open` fails or panics, `close` is not called.
///
/// # While a method awaits
/// The session goes on under it: what was queued is written, pings of the peer are answered, our pings are
/// sent, a Close frame or the loss of the connection is noticed (see [`WebSocket::closed`]). To do that it
/// reads ahead, at most one message. When a second one waits, nothing more is read and TCP holds the peer
/// back; then its pings wait too, and it cannot be blamed for a missing pong, so the pong time-out stands
/// still until reading goes on. A handler that works longer than the peer's own time-out should therefore
/// spawn the work and answer through a [`WebSocketSender`](crate::WebSocketSender).
///
/// When the connection ends, the method is not cancelled at once: a message that was received is
/// processed. It has [`Config::handler_grace`] to finish and is dropped then; when the connection is cut it
/// is dropped at once.
///
/// # Errors and panics
/// An error ends the session with 1011, or with the code that it names; a panic ends it with 1011. The peer
/// sees no text of either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a WebSocket handler",
    label = "does not implement `WebSocketHandler`",
    note = "implement `async fn message(&mut self, socket: &WebSocket, message: Message) -> Result`"
)]
pub trait WebSocketHandler: Send + 'static {
    /// The session is open; messages wait until this returns.
    ///
    /// # Errors
    /// An error closes the session; `close` is not called then.
    fn open(&mut self, socket: &WebSocket) -> impl Future<Output = Result> + Send {
        let _ = socket;
        ready(Ok(()))
    }

    /// A message has arrived; the next one waits until this returns.
    ///
    /// # Errors
    /// An error closes the session.
    fn message(
        &mut self,
        socket: &WebSocket,
        message: Message,
    ) -> impl Future<Output = Result> + Send;

    /// The session has ended; nothing can be sent any more. Limited by [`Config::handler_grace`].
    fn close(&mut self, socket: &WebSocket, info: CloseInfo) -> impl Future<Output = ()> + Send {
        let _ = (socket, info);
        ready(())
    }

    /// A pong has arrived, for a ping of the session (with an empty payload), for one of
    /// [`WebSocketSender::ping`](crate::WebSocketSender::ping), or for none.
    ///
    /// Of the pongs that arrive while another method runs only the last is told.
    ///
    /// # Errors
    /// An error closes the session.
    fn pong(&mut self, socket: &WebSocket, payload: Bytes) -> impl Future<Output = Result> + Send {
        let _ = (socket, payload);
        ready(Ok(()))
    }

    /// Whether a page of this origin may open the socket; asked when there is an `Origin` header. The
    /// default is [`same_origin`]. Other clients than browsers send none and are let in.
    fn check_origin(&self, origin: &str, request: &Parts) -> bool {
        same_origin(origin, request)
    }

    /// A last look at the request before the 101: authentication by a cookie, arguments.
    ///
    /// # Errors
    /// [`HandshakeError::refused`] answers the request with a status instead.
    fn prepare(&mut self, request: &Parts) -> std::result::Result<(), HandshakeError> {
        let _ = request;
        Ok(())
    }

    /// Chooses one of the subprotocols that the client offers, in its order of preference. Always called,
    /// with nothing when it offers none. The default chooses none.
    fn select_subprotocol(&mut self, offered: &[&str]) -> Option<String> {
        let _ = offered;
        None
    }

    /// The limits and times of this session.
    fn config(&self) -> Config {
        Config::default()
    }
}
