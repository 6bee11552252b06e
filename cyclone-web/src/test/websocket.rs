//! A WebSocket of a test.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::backend::Stream;
use super::limit::within;
use super::{TestClient, TestError, TestErrorKind, TestRequest};

/// What came over a [`TestWebSocket`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestMessage {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// A ping; it has been answered.
    Ping(Bytes),
    /// The answer to a ping of the test.
    Pong(Bytes),
    /// The server closes, with code and reason if it said any; it has been answered.
    Close(Option<(u16, String)>),
}

/// The client's end of a WebSocket. Dropping it ends the connection without a word.
pub struct TestWebSocket {
    stream: WebSocketStream<Stream>,
    headers: HeaderMap,
    time_limit: Duration,
}

impl TestClient {
    /// Opens a WebSocket; `client.get(..).websocket()` does so with more headers.
    ///
    /// # Errors
    /// As [`TestRequest::websocket`].
    pub async fn websocket(&self, target: impl AsRef<str>) -> Result<TestWebSocket, TestError> {
        self.get(target).websocket().await
    }
}

impl TestRequest {
    /// Offers subprotocols of a WebSocket, the best first.
    pub fn subprotocols(self, names: &[&str]) -> Self {
        self.header(SEC_WEBSOCKET_PROTOCOL, names.join(", "))
    }

    /// Opens a WebSocket with the headers and cookies of the request.
    ///
    /// # Errors
    /// [`TestErrorKind::Refused`] when the answer is another than 101, with its status; others as for requests.
    pub async fn websocket(mut self) -> Result<TestWebSocket, TestError> {
        for (name, value) in [
            (CONNECTION, "upgrade"),
            (UPGRADE, "websocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
        ] {
            self = self.header(name, value);
        }
        self = self.header(SEC_WEBSOCKET_KEY, generate_key());
        let time_limit = self.client.shared.time_limit;
        within(time_limit, async move {
            let (mut parts, _) = self.take_request()?.into_parts();
            let shared = &self.client.shared;
            // The client of the handshake wants a whole URL.
            let host = parts.headers.get(http::header::HOST);
            let host = host
                .and_then(|host| host.to_str().ok())
                .unwrap_or(&shared.host);
            let url = format!("ws://{host}{}", parts.uri);
            parts.uri = url.parse().map_err(TestError::request)?;
            let request = http::Request::from_parts(parts, ());
            let stream = shared.backend.connect(&shared.place).await?;
            let opened = tokio_tungstenite::client_async(request, stream).await;
            let (stream, response) = match opened {
                Ok(opened) => opened,
                Err(Error::Http(response)) => {
                    self.keep_cookies(response.headers());
                    return Err(TestError::refused(response.status()));
                }
                Err(error) => return Err(TestError::connection(error)),
            };
            self.keep_cookies(response.headers());
            Ok(TestWebSocket {
                stream,
                headers: response.headers().clone(),
                time_limit,
            })
        })
        .await
    }
}

impl TestWebSocket {
    /// The head of the answer 101.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The subprotocol that the server chose.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        let chosen = self.headers.get(SEC_WEBSOCKET_PROTOCOL);
        chosen.and_then(|value: &HeaderValue| value.to_str().ok())
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the connection is gone or the time limit passes.
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), TestError> {
        self.send(Message::text(text.into())).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn send_binary(&mut self, bytes: impl Into<Bytes>) -> Result<(), TestError> {
        self.send(Message::Binary(bytes.into())).await
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), TestError> {
        self.send(Message::Ping(payload.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), TestError> {
        let sending = async {
            let sent = self.stream.send(message).await;
            sent.map_err(TestError::connection)
        };
        within(self.time_limit, sending).await
    }

    /// Waits for what comes next; `None` when the connection has ended. Pings are answered while this waits.
    ///
    /// # Errors
    /// When the connection breaks, the server violates the protocol, or the time limit passes.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn receive(&mut self) -> Result<Option<TestMessage>, TestError> {
        let receiving = async {
            loop {
                return Ok(Some(match self.stream.next().await {
                    None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                        return Ok(None);
                    }
                    Some(Err(error)) => return Err(TestError::connection(error)),
                    Some(Ok(Message::Frame(_))) => continue,
                    Some(Ok(Message::Text(text))) => TestMessage::Text(text.as_str().to_owned()),
                    Some(Ok(Message::Binary(bytes))) => TestMessage::Binary(bytes),
                    Some(Ok(Message::Ping(payload))) => TestMessage::Ping(payload),
                    Some(Ok(Message::Pong(payload))) => TestMessage::Pong(payload),
                    Some(Ok(Message::Close(frame))) => TestMessage::Close(frame.as_ref().map(said)),
                }));
            }
        };
        within(self.time_limit, receiving).await
    }

    /// Waits for a text; pings and pongs on the way are skipped.
    ///
    /// # Errors
    /// As [`receive`](Self::receive), and when something else comes.
    pub async fn receive_text(&mut self) -> Result<String, TestError> {
        loop {
            match self.receive().await? {
                Some(TestMessage::Text(text)) => return Ok(text),
                Some(TestMessage::Ping(_) | TestMessage::Pong(_)) => {}
                other => {
                    let message = format!("no text came, but {other:?}");
                    return Err(TestError::new(TestErrorKind::Response, message));
                }
            }
        }
    }

    /// Begins to close. What was on its way is still to be received, and the answer of the server.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), TestError> {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.send(Message::Close(Some(frame))).await
    }

    /// Reads until the connection has ended, and tells the code and the reason of the server, if it said any.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn closed(&mut self) -> Result<Option<(u16, String)>, TestError> {
        let mut last = None;
        while let Some(message) = self.receive().await? {
            if let TestMessage::Close(frame) = message {
                last = frame;
            }
        }
        Ok(last)
    }
}

fn said(frame: &CloseFrame) -> (u16, String) {
    (frame.code.into(), frame.reason.as_str().to_owned())
}

impl fmt::Debug for TestWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestWebSocket")
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
