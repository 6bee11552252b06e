//! Commands: what is sent to FreeSWITCH.

use std::fmt;

use bytes::Bytes;

use super::event::EventFormat;
use super::headers::Headers;

/// Bytes that a command may have with its headers and its body.
pub const MAX_COMMAND_BYTES: usize = 1024 * 1024;

/// Which sort of answer ends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// `command/reply`.
    Reply,
    /// `api/response`, or `command/reply` where the command is refused as a whole.
    ApiResponse,
}

/// A command: a line, headers, and a body. It is checked when it is sent.
///
/// ```
/// use cyclone_examples::freeswitch::Command;
///
/// let command = Command::new("sendevent CUSTOM").header("Event-Subclass", "app::news").body("hello");
/// assert_eq!(
///     &command.to_bytes()?[..],
///     b"sendevent CUSTOM\nEvent-Subclass: app::news\nContent-Length: 5\n\nhello",
/// );
/// // Nobody gets a second command in.
/// Command::api("echo hi\n\napi shutdown").to_bytes().unwrap_err();
/// # Ok::<(), cyclone_examples::freeswitch::BadCommand>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    line: String,
    headers: Headers,
    body: Bytes,
}

/// A command that would be read as something else: nothing of it was sent, and it is the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCommand {
    reason: &'static str,
}

impl fmt::Display for BadCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad command: {}", self.reason)
    }
}

impl std::error::Error for BadCommand {}

impl Command {
    /// A command of this line.
    #[must_use]
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            headers: Headers::default(),
            body: Bytes::new(),
        }
    }

    /// `auth`: the password that a connection begins with.
    #[must_use]
    pub fn auth(password: &str) -> Self {
        Self::new(format!("auth {password}"))
    }

    /// `userauth`: a user (`1000@example.com`) of the directory and the password, instead of [`auth`](Self::auth).
    #[must_use]
    pub fn userauth(user: &str, password: &str) -> Self {
        Self::new(format!("userauth {user}:{password}"))
    }

    /// `api`: runs a command of the console and waits for it, as does everything else on the connection.
    #[must_use]
    pub fn api(command: &str) -> Self {
        Self::new(format!("api {command}"))
    }

    /// `bgapi`: runs a command of the console in the background under a name.
    #[must_use]
    pub fn bgapi(command: &str, job_uuid: &str) -> Self {
        Self::new(format!("bgapi {command}")).header("Job-UUID", job_uuid)
    }

    /// `event`: subscribes to events by their names, each with what belongs to it (`CUSTOM app::news`).
    #[must_use]
    pub fn event(format: EventFormat, names: &[impl AsRef<str>]) -> Self {
        let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
        Self::new(format!("event {} {}", format.as_str(), names.join(" ")))
    }

    /// `filter`: lets events through that have this value of a header.
    #[must_use]
    pub fn filter(header: &str, value: &str) -> Self {
        Self::new(format!("filter {header} {value}"))
    }

    /// `sendevent`: makes an event.
    #[must_use]
    pub fn sendevent(name: &str) -> Self {
        Self::new(format!("sendevent {name}"))
    }

    /// `sendmsg`: tells something to a channel, or to the one of the connection.
    #[must_use]
    pub fn sendmsg(channel_uuid: Option<&str>) -> Self {
        match channel_uuid {
            Some(uuid) => Self::new(format!("sendmsg {uuid}")),
            None => Self::new("sendmsg"),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Adds a body; its length is added by itself.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The line, which may have a secret in it.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The first value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The headers, without that of the length.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn content(&self) -> &Bytes {
        &self.body
    }

    /// The first word, for logs: the rest may be secret.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// Which sort of answer ends it.
    #[must_use]
    pub fn expects(&self) -> Expects {
        if self.verb().eq_ignore_ascii_case("api") {
            Expects::ApiResponse
        } else {
            Expects::Reply
        }
    }

    /// What goes over the wire.
    ///
    /// # Errors
    /// [`BadCommand`] when a part has a line break or a NUL in it, with which FreeSWITCH would read another command or
    /// another header; when a header has no name or one with a colon; over [`MAX_COMMAND_BYTES`].
    pub fn to_bytes(&self) -> Result<Bytes, BadCommand> {
        let bad = |reason| Err(BadCommand { reason });
        if self.line.trim().is_empty() {
            return bad("it is empty");
        }
        if breaks(&self.line) {
            return bad("a line break or NUL in the command");
        }
        let mut text = format!("{}\n", self.line);
        for (name, value) in self.headers.iter() {
            if name.is_empty() || name.contains([':', ' ', '\t']) || breaks(name) {
                return bad("a header with a bad name");
            }
            if breaks(value) {
                return bad("a line break or NUL in a header");
            }
            if name.eq_ignore_ascii_case("Content-Length") {
                return bad("a length that the body has by itself");
            }
            text.push_str(&format!("{name}: {value}\n"));
        }
        if !self.body.is_empty() {
            text.push_str(&format!("Content-Length: {}\n", self.body.len()));
        }
        text.push('\n');
        if text.len().saturating_add(self.body.len()) > MAX_COMMAND_BYTES {
            return bad("it is too long");
        }
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        Ok(bytes.into())
    }
}

/// Shows no more than the verb and the names of the headers: a password may be in the rest.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Command")
            .field("verb", &self.verb())
            .field("headers", &headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn breaks(text: &str) -> bool {
    text.contains(['\r', '\n', '\0'])
}
