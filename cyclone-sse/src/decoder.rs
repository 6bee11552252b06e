//! `Decoder`: the client's side of the format, without input or output of its own.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How many bytes a [`Decoder`] holds for a line and for the data of an event: 1 MiB each.
pub const DEFAULT_DECODER_BYTES: usize = 1024 * 1024;

/// Reads an event stream as a client does (WHATWG HTML 9.2.6): bytes in, events out, no input or output of its own.
///
/// Bytes may be cut anywhere. After the end of the stream just drop it: as the standard says, an event without its
/// empty line does not count.
///
/// ```
/// use cyclone_sse::Decoder;
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"id: 7\nevent: greeting\ndata: he")?;
/// assert_eq!(decoder.next(), None);
/// decoder.feed(b"llo\n\n")?;
/// let event = decoder.next().unwrap();
/// assert_eq!((event.name.as_str(), event.data.as_str()), ("greeting", "hello"));
/// assert_eq!(decoder.last_event_id(), "7");
/// # Ok::<(), cyclone_sse::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    limit: usize,
    /// The line that is being read, without its end.
    line: Vec<u8>,
    /// The last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
    /// No line has been read yet: a byte order mark may stand here.
    at_start: bool,
    failed: bool,
    name: String,
    data: String,
    has_data: bool,
    id: String,
    /// Of what was read.
    last_event_id: String,
    /// Of the event that was taken last.
    taken_id: String,
    retry: Option<Duration>,
    events: VecDeque<DecodedEvent>,
}

/// An event as a [`Decoder`] gives it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedEvent {
    /// Its name; `message` when the server gave none.
    pub name: String,
    /// Its data, lines joined by LF.
    pub data: String,
    /// The last event id at this place, which may come from an earlier event; empty when there was none.
    pub id: String,
}

impl Decoder {
    /// A decoder with the default bound, [`DEFAULT_DECODER_BYTES`].
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_DECODER_BYTES)
    }

    /// A decoder that refuses a line, or the data of one event, of more than `bytes`.
    pub fn with_limit(bytes: usize) -> Self {
        Self {
            limit: bytes,
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            failed: false,
            name: String::new(),
            data: String::new(),
            has_data: false,
            id: String::new(),
            last_event_id: String::new(),
            taken_id: String::new(),
            retry: None,
            events: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the stream. Take the events with [`next`](Self::next) before feeding more: they are
    /// the only thing that is not bounded here but by what was fed.
    ///
    /// # Errors
    /// [`DecodeError`] when a line or the data of an event is too long. Events read before remain; the rest of the
    /// stream is refused, and the fault is the server's.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.failed {
            return Err(DecodeError(()));
        }
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = &rest[..end.unwrap_or(rest.len())];
            if part.len() > self.limit - self.line.len() {
                return Err(self.fail());
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else {
                break;
            };
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.end_line()?;
        }
        Ok(())
    }

    /// The next event that is complete.
    #[expect(
        clippy::should_implement_trait,
        reason = "more events may follow after none, unlike with an iterator"
    )]
    pub fn next(&mut self) -> Option<DecodedEvent> {
        let event = self.events.pop_front()?;
        event.id.clone_into(&mut self.taken_id);
        Some(event)
    }

    /// The id to send as `Last-Event-ID` when reconnecting; empty when there is none.
    ///
    /// It is never that of an event which [`next`](Self::next) has not given out yet.
    pub fn last_event_id(&self) -> &str {
        if self.events.is_empty() {
            &self.last_event_id
        } else {
            &self.taken_id
        }
    }

    /// The reconnection time that the server asked for last.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn fail(&mut self) -> DecodeError {
        self.failed = true;
        self.line = Vec::new();
        DecodeError(())
    }

    fn end_line(&mut self) -> Result<(), DecodeError> {
        let line = std::mem::take(&mut self.line);
        let mut content = line.as_slice();
        if std::mem::take(&mut self.at_start) {
            content = content
                .strip_prefix("\u{FEFF}".as_bytes())
                .unwrap_or(content);
        }
        let text = String::from_utf8_lossy(content);
        if text.is_empty() {
            self.dispatch();
        } else {
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value))?;
        }
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn field(&mut self, field: &str, value: &str) -> Result<(), DecodeError> {
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                let grown = self.data.len() + usize::from(self.has_data) + value.len();
                if grown > self.limit {
                    return Err(self.fail());
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A number too large for the clock is ignored like a text that is none.
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) {
        self.id.clone_into(&mut self.last_event_id);
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            let name = if name.is_empty() {
                "message".to_owned()
            } else {
                name
            };
            let id = self.last_event_id.clone();
            self.events.push_back(DecodedEvent { name, data, id });
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The error of a stream with a line, or an event, that is longer than the [`Decoder`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError(());

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line or an event of the stream is too long")
    }
}

impl Error for DecodeError {}
