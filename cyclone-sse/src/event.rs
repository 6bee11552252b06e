//! `Event`: one server-sent event, always well formed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

/// One server-sent event (WHATWG HTML 9.2.6), always well formed.
///
/// Line breaks in data and comments (CR, LF and CRLF) begin a new line of the same field, so nothing in them can
/// start another field or event; the client gets them back as LF. A line break or NUL in an id or a name is an
/// error.
///
/// ```
/// use cyclone_sse::Event;
///
/// let event = Event::text("one\ntwo").name("greeting")?.id("7")?;
/// assert_eq!(event.encode(), "id: 7\nevent: greeting\ndata: one\ndata: two\n\n");
/// assert!(Event::text("x").name("a\ndata: forged").is_err());
/// # Ok::<(), cyclone_sse::EventError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    comment: Option<String>,
    id: Option<String>,
    name: Option<String>,
    retry: Option<Duration>,
    data: Option<String>,
}

impl Event {
    /// An event without data: a client keeps its id and retry time but does not show it to the page.
    pub fn new() -> Self {
        Self::default()
    }

    /// An event with text as its data; empty text is data, too.
    pub fn text(data: impl Into<String>) -> Self {
        Self {
            data: Some(data.into()),
            ..Self::default()
        }
    }

    /// An event with a value as its data, in JSON (feature `json`).
    ///
    /// # Errors
    /// [`EventError`] when the value cannot be written as JSON, a map with keys that are no text for example.
    #[cfg(feature = "json")]
    pub fn json(data: &impl serde::Serialize) -> Result<Self, EventError> {
        let text = serde_json::to_string(data).map_err(|error| EventError(Reason::Json(error)))?;
        Ok(Self::text(text))
    }

    /// A comment, which clients ignore.
    pub fn comment(text: impl Into<String>) -> Self {
        Self::new().with_comment(text)
    }

    /// Puts a comment before the event.
    #[must_use]
    pub fn with_comment(mut self, text: impl Into<String>) -> Self {
        self.comment = Some(text.into());
        self
    }

    /// Sets the name, for which the page listens; without one, or with an empty one, it is `message`.
    ///
    /// # Errors
    /// [`EventError`] when the name contains CR, LF or NUL.
    pub fn name(mut self, name: impl Into<String>) -> Result<Self, EventError> {
        self.name = Some(one_line(name.into(), Reason::Name)?);
        Ok(self)
    }

    /// Sets the id, which the client sends back as `Last-Event-ID` when it reconnects; an empty id makes it forget.
    ///
    /// An event that is published on an [`SseChannel`](crate::SseChannel) gets its id there.
    ///
    /// # Errors
    /// [`EventError`] when the id contains CR, LF or NUL.
    pub fn id(mut self, id: impl Into<String>) -> Result<Self, EventError> {
        self.id = Some(one_line(id.into(), Reason::Id)?);
        Ok(self)
    }

    /// Sets how long the client waits before it reconnects, from now on; sent in whole milliseconds.
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Writes the event as it goes over the wire, with the empty line that ends it.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.size_hint());
        if let Some(comment) = &self.comment {
            put_lines(&mut out, b": ", comment);
        }
        if let Some(id) = &self.id {
            put_field(&mut out, b"id: ", id);
        }
        if let Some(name) = &self.name {
            put_field(&mut out, b"event: ", name);
        }
        if let Some(retry) = self.retry {
            put_retry(&mut out, retry);
        }
        if let Some(data) = &self.data {
            put_lines(&mut out, b"data: ", data);
        }
        out.put_u8(b'\n');
        out.freeze()
    }

    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    fn size_hint(&self) -> usize {
        let texts = [&self.comment, &self.id, &self.name, &self.data];
        let texts = texts.into_iter().flatten();
        texts.map(|text| text.len() + 16).sum::<usize>() + 32
    }
}

/// Writes `retry` as a field, without the empty line that would end an event.
pub(crate) fn put_retry(out: &mut BytesMut, retry: Duration) {
    put_field(out, b"retry: ", &retry.as_millis().to_string());
}

pub(crate) fn put_field(out: &mut BytesMut, field: &[u8], value: &str) {
    out.put_slice(field);
    out.put_slice(value.as_bytes());
    out.put_u8(b'\n');
}

/// Writes each line of `text` as a field of its own.
fn put_lines(out: &mut BytesMut, field: &[u8], text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        put_field(out, field, &rest[..at]);
        let end = if rest[at..].starts_with("\r\n") {
            at + 2
        } else {
            at + 1
        };
        rest = &rest[end..];
    }
    put_field(out, field, rest);
}

fn one_line(text: String, reason: Reason) -> Result<String, EventError> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(EventError(reason));
    }
    Ok(text)
}

/// The error of an [`Event`] that cannot be; the fault is the caller's and nothing was sent.
#[derive(Debug)]
pub struct EventError(Reason);

#[derive(Debug)]
enum Reason {
    Id,
    Name,
    #[cfg(feature = "json")]
    Json(serde_json::Error),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::Id => "the id of an event contains a line break or nul",
            Reason::Name => "the name of an event contains a line break or nul",
            #[cfg(feature = "json")]
            Reason::Json(_) => "the data of an event cannot be written as json",
        })
    }
}

impl Error for EventError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Id | Reason::Name => None,
            #[cfg(feature = "json")]
            Reason::Json(error) => Some(error),
        }
    }
}
