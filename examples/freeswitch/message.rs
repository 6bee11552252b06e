//! What a frame means.

use std::fmt;

use bytes::Bytes;

use super::event::Event;
use super::frame::Frame;
use super::headers::Headers;

/// Something that FreeSWITCH says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A password is wanted.
    AuthRequest,
    /// The answer to a command.
    Reply(Reply),
    /// The answer to an `api` command.
    ApiResponse(Reply),
    /// An event that was subscribed to.
    Event(Event),
    /// A line of the log.
    Log(LogLine),
    /// The connection ends, or goes on without its channel.
    Disconnect(Disconnect),
    /// The peer may not connect (`text/rude-rejection`), with the reason.
    Rejected(String),
    /// A frame of a kind that is not known here.
    Other(Frame),
}

impl Message {
    /// What a frame means.
    ///
    /// # Errors
    /// What is wrong with the event in it; the frames after it are not in doubt.
    pub fn from_frame(frame: Frame) -> Result<Self, &'static str> {
        if let Some(event) = Event::from_frame(&frame)? {
            return Ok(Self::Event(event));
        }
        let kind = frame.headers.get("Content-Type").unwrap_or_default();
        Ok(match kind {
            "auth/request" => Self::AuthRequest,
            "command/reply" => Self::Reply(frame.into()),
            "api/response" => Self::ApiResponse(frame.into()),
            "log/data" => Self::Log(LogLine::new(&frame)),
            "text/disconnect-notice" => Self::Disconnect(Disconnect::new(&frame)),
            "text/rude-rejection" => Self::Rejected(text(&frame.body).trim().to_owned()),
            _ => Self::Other(frame),
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The answer to a command.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its headers; those of the answer to `connect` are the channel's and decoded.
    pub headers: Headers,
    /// What an `api` command printed.
    pub body: Bytes,
}

impl Reply {
    /// What was answered: the body, or else `Reply-Text`.
    #[must_use]
    pub fn text(&self) -> String {
        match self.headers.get("Reply-Text") {
            Some(text) if self.body.is_empty() => text.to_owned(),
            _ => text(&self.body),
        }
    }

    /// Whether the command was refused: `-ERR`, or `-USAGE` with how it is called.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let text = match self.headers.get("Reply-Text") {
            Some(text) if self.body.is_empty() => text.as_bytes(),
            _ => &self.body,
        };
        text.starts_with(b"-ERR") || text.starts_with(b"-USAGE")
    }
}

impl From<Frame> for Reply {
    fn from(frame: Frame) -> Self {
        // Only this answer is an event at the same time, and URL-encoded.
        let is_event = frame.headers.get("Event-Name").is_some();
        let headers = if is_event {
            frame.headers.decoded()
        } else {
            frame.headers
        };
        Self {
            headers,
            body: frame.body,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("headers", &self.headers)
            .field("body", &text(&self.body))
            .finish()
    }
}

/// A line of FreeSWITCH's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it comes from: `Log-Level`, `Log-File`, `Log-Func`, `Log-Line`, `User-Data`.
    pub headers: Headers,
    /// The line itself.
    pub text: String,
}

impl LogLine {
    fn new(frame: &Frame) -> Self {
        Self {
            headers: frame.headers.clone(),
            text: text(&frame.body),
        }
    }

    /// How bad it is: 0 is worst, 7 is for debugging.
    #[must_use]
    pub fn level(&self) -> Option<u8> {
        self.headers.get("Log-Level")?.parse().ok()
    }
}

/// The end of a connection, or of its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Its headers, `Controlled-Session-UUID` for instance.
    pub headers: Headers,
    /// What was said to it.
    pub text: String,
}

impl Disconnect {
    fn new(frame: &Frame) -> Self {
        Self {
            headers: frame.headers.clone(),
            text: text(&frame.body),
        }
    }

    /// Whether only the channel ended: the last of its events are still to come.
    #[must_use]
    pub fn lingers(&self) -> bool {
        self.headers.get("Content-Disposition") == Some("linger")
    }
}
