//! WebSocket (RFC 6455) sessions with heartbeats, bounded queues and clean shutdown, for any hyper or tower
//! server.
//!
//! A session is a value of a type that implements [`WebSocketHandler`]: `open`, `message`, `close`, as in
//! Tornado. It is started from an upgrade request by [`upgrade`] in plain hyper and in
//! servers that hand over connections by [`cyclone_core::upgrade`], or by a
//! [`WebSocketService`] mounted in axum and other tower stacks; `cyclone-web` is not needed.
//!
//! ```no_run
//! use cyclone_websocket::{
//!     CloseInfo, Message, Result, WebSocket, WebSocketHandler, WebSocketService,
//! };
//!
//! struct Echo;
//!
//! impl WebSocketHandler for Echo {
//!     async fn open(&mut self, socket: &WebSocket) -> Result {
//!         socket.send("welcome").await?;
//!         Ok(())
//!     }
//!
//!     async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
//!         socket.send(message).await?;
//!         Ok(())
//!     }
//!
//!     async fn close(&mut self, _socket: &WebSocket, info: CloseInfo) {
//!         println!("closed: {info}");
//!     }
//! }
//!
//! # async fn serve() -> std::io::Result<()> {
//! let echo = WebSocketService::new(|_request: &http::request::Parts| Echo);
//! let app = axum::Router::new().route_service("/echo", echo);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8888").await?;
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! # Sending from elsewhere
//! [`WebSocket::sender`] gives a [`WebSocketSender`] that is cheap to clone: put it into a room, a timer, a
//! task that listens to a bus. `send` waits for room, `try_send` does not.
//!
//! # Guarantees
//! - `close` is called exactly once for every session whose `open` succeeded: after a closing handshake, a
//!   lost connection, a time-out, an error, a panic, a cut.
//! - While a method of the handler awaits, messages are written and pings are answered; the next message
//!   is delivered when it has returned.
//! - A peer that is gone is noticed, by [`Config::ping_interval`] and [`Config::pong_timeout`]: any byte
//!   that arrives after a ping is a sign of life, because a peer in the middle of a long frame cannot put a
//!   pong into it.
//! - A peer that reads slowly costs at most the outgoing limit; one that takes no byte for
//!   [`Config::write_stall_timeout`] is disconnected.
//! - When the server of the [`Session`](cyclone_core::Session) shuts down, the peer gets 1001 and
//!   [`Config::close_timeout`] to answer.
//! - What the peer gets to see of an error or a panic is 1011 and nothing else.
//! - A protocol violation is told by 1002, text that is not UTF-8 by 1007 as soon as it is seen, a message
//!   over the limit by 1009 as soon as its header is; then bytes are read and dropped until the peer
//!   closes, so that no reset destroys the Close frame.
//!
//! # Limits
//!
//! | what | default | set by |
//! |---|---|---|
//! | incoming message | 10 MiB, at most two per connection | [`Config::max_message_bytes`] |
//! | incoming frame | 10 MiB | [`Config::max_frame_bytes`] |
//! | outgoing payload | 1 MiB | [`Config::outgoing_bytes`] |
//! | outgoing messages | 1024 | [`Config::outgoing_messages`] |
//! | time between pings | 30 s | [`Config::ping_interval`] |
//! | silence after a ping | 30 s | [`Config::pong_timeout`] |
//! | no byte taken by the peer | 30 s | [`Config::write_stall_timeout`] |
//! | closing handshake | 5 s | [`Config::close_timeout`] |
//! | upgrade, after the 101 was returned | 10 s | [`Config::upgrade_timeout`] |
//! | a method after the end, and `close` | 30 s | [`Config::handler_grace`] |
//! | subprotocols offered | 64 | fixed |
//! | close reason, ping payload | 123, 125 bytes | the protocol |
//! | bytes read ahead, while a message waits for the handler | 64 KiB, beside that message | fixed |
//! | pongs waiting | one while the peer reads nothing, else about 1 KiB | fixed |
//!
//! The payload of a message is allocated as it arrives, never from a declared length. Reading and writing use
//! buffers that the sessions of a thread lend each other: an idle session owns none, also after traffic, and costs
//! about 2 KB of memory in a server of `cyclone-core`, its socket and its entry in the registry included. All frames
//! that are answered together leave together, by one call of the system.
//!
//! # Not supported
//! permessage-deflate (RFC 7692): offers are ignored, so browsers talk without compression. WebSockets over
//! HTTP/2 (RFC 8441): refused with 505. Drafts older than RFC 6455 and their versions 7 and 8: refused with
//! 426. A client: use `tokio-tungstenite`.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `json` | no | `Message::json` and `Message::parse_json`, by serde |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod close;
mod codec;
mod config;
mod error;
mod handler;
mod handshake;
mod message;
mod queue;
mod request;
mod sender;
mod session;
mod socket;
mod upgrade;

pub use close::{CloseCause, CloseCode, CloseError, CloseInfo, MAX_CLOSE_REASON_BYTES};
pub use config::{
    Config, DEFAULT_CLOSE_TIMEOUT, DEFAULT_HANDLER_GRACE, DEFAULT_MAX_FRAME_BYTES,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_OUTGOING_BYTES, DEFAULT_OUTGOING_MESSAGES,
    DEFAULT_PING_INTERVAL, DEFAULT_PONG_TIMEOUT, DEFAULT_UPGRADE_TIMEOUT,
    DEFAULT_WRITE_STALL_TIMEOUT, MAX_OUTGOING_BYTES, MAX_OUTGOING_MESSAGES, SHORTEST_PING_INTERVAL,
};
pub use error::{HandlerError, MAX_PING_BYTES, PingError, Result, SendError};
pub use handler::WebSocketHandler;
pub use handshake::{HandshakeError, HandshakeErrorKind, MAX_SUBPROTOCOLS, same_origin};
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub use message::JsonError;
pub use message::{Message, Text};
pub use queue::Sending;
pub use sender::WebSocketSender;
pub use socket::WebSocket;
pub use upgrade::{WebSocketService, upgrade, upgrade_with};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
