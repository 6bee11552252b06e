//! How a request ended: what `on_finish` and the request log are told.

use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

/// How a request ended; told once for every request, whatever happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finish {
    /// The status that was sent, or 499 when the client went away before one was.
    pub status: StatusCode,
    /// Whether the response reached the connection whole.
    pub ending: Ending,
    /// Bytes of the response body that were handed to the connection.
    pub body_bytes: u64,
    pub(crate) started: Instant,
}

impl Finish {
    /// The time from the arrival of the request's head to now.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// nginx's 499: the client closed the connection before there was an answer.
pub(crate) fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// Whether a response reached the connection whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The last byte was handed to the connection.
    Complete,
    /// The client went away, or its connection was cut, before that.
    Disconnected,
    /// The handler failed or panicked after it had begun to answer; the client saw the response break off.
    Aborted,
}
