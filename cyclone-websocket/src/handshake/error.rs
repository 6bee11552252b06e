//! Why a handshake was refused, as an error and as an HTTP response.

use std::borrow::Cow;
use std::fmt;

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::VERSION;

/// Why a request was not upgraded. Nothing was upgraded or spawned: answer the request with
/// [`into_response`](Self::into_response), or with a response of your own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeError {
    kind: HandshakeErrorKind,
    status: StatusCode,
    text: Cow<'static, str>,
}

/// The kinds of [`HandshakeError`], each with its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeErrorKind {
    /// The method is not GET: 405. The client's fault.
    Method,
    /// The request is not HTTP/1.1: 505. Extended CONNECT (RFC 8441) is not there yet.
    HttpVersion,
    /// `Upgrade` does not list `websocket`: 400. The client's fault.
    Upgrade,
    /// `Connection` does not list `upgrade`: 400. The client's fault, or that of a proxy that does not pass
    /// it on.
    Connection,
    /// `Sec-WebSocket-Version` is not exactly one 13: 426, which names the version. The client's fault.
    Version,
    /// `Sec-WebSocket-Key` is not exactly one base64 of 16 bytes: 400. The client's fault.
    Key,
    /// The request has a body: 400. The client's fault.
    Body,
    /// `Sec-WebSocket-Protocol` is not a list of distinct tokens, at most 64: 400. The client's fault.
    Subprotocol,
    /// The origin is refused: 403.
    Origin,
    /// The handler's `prepare` refused, with a status of its own.
    Refused,
    /// The server cannot upgrade this connection: 500. The fault of the server's set-up: hyper needs
    /// `with_upgrades`, and the upgrade must not have been taken before.
    NotUpgradable,
    /// The handler's fault, for instance a subprotocol that was not offered: 500.
    Internal,
}

impl HandshakeErrorKind {
    fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Upgrade | Self::Connection | Self::Key | Self::Body | Self::Subprotocol => {
                StatusCode::BAD_REQUEST
            }
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Origin | Self::Refused => StatusCode::FORBIDDEN,
            Self::NotUpgradable | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Method => "a websocket is opened by GET",
            Self::HttpVersion => "a websocket is opened over HTTP/1.1",
            Self::Upgrade => "can \"Upgrade\" only to \"websocket\"",
            Self::Connection => "\"Connection\" must be \"Upgrade\"",
            Self::Version => "\"Sec-WebSocket-Version\" must be 13",
            Self::Key => "\"Sec-WebSocket-Key\" must be base64 of 16 bytes",
            Self::Body => "a websocket request has no body",
            Self::Subprotocol => "\"Sec-WebSocket-Protocol\" must be a list of distinct tokens",
            Self::Origin => "cross origin websockets not allowed",
            Self::Refused => "forbidden",
            Self::NotUpgradable | Self::Internal => "internal server error",
        }
    }
}

impl HandshakeError {
    /// A refusal by [`WebSocketHandler::prepare`](crate::WebSocketHandler::prepare), with a status and a
    /// text for the client.
    ///
    /// ```
    /// use cyclone_websocket::HandshakeError;
    /// use http::StatusCode;
    ///
    /// let error = HandshakeError::refused(StatusCode::UNAUTHORIZED, "log in first");
    /// assert_eq!(error.into_response().status(), 401);
    /// ```
    pub fn refused(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: HandshakeErrorKind::Refused,
            status,
            text: text.into(),
        }
    }

    /// What was wrong.
    #[must_use]
    pub fn kind(&self) -> HandshakeErrorKind {
        self.kind
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The response to send: the status, the headers that it calls for, and a line of plain text.
    #[must_use]
    pub fn into_response(self) -> Response<String> {
        let mut response = Response::new(format!("{}\n", self.text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        match self.kind {
            HandshakeErrorKind::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            HandshakeErrorKind::Version => {
                headers.insert(
                    header::SEC_WEBSOCKET_VERSION,
                    HeaderValue::from_static(VERSION),
                );
                // RFC 9110 section 15.5.22.
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            }
            _ => {}
        }
        response
    }
}

impl From<HandshakeErrorKind> for HandshakeError {
    fn from(kind: HandshakeErrorKind) -> Self {
        Self {
            kind,
            status: kind.status(),
            text: Cow::Borrowed(kind.text()),
        }
    }
}

impl From<HandshakeError> for Response<String> {
    fn from(error: HandshakeError) -> Self {
        error.into_response()
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "websocket handshake refused with {}: {}",
            self.status, self.text
        )
    }
}

impl std::error::Error for HandshakeError {}
