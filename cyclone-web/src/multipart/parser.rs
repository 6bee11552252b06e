//! The parser: bytes in, parts out, no I/O.

use bytes::{Bytes, BytesMut};
use memchr::{memmem, memrchr};

use super::config::{MAX_AROUND_PARTS, MultipartConfig};
use super::error::{MultipartError, MultipartErrorKind};
use super::header::PartHeader;
use crate::media_type::is_boundary;

/// White space that may stand between a boundary and the end of its line, in bytes.
const MAX_PADDING: usize = 64;

/// What a [`MultipartParser`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultipartEvent {
    /// A part begins.
    Part(PartHeader),
    /// Bytes of it, never none. How they are cut says nothing.
    Data(Bytes),
    /// It ends.
    PartEnd,
}

/// Takes `multipart/form-data` apart (RFC 7578, RFC 2046 5.1.1), without I/O: whoever reads the body gives its bytes to
/// [`feed`](Self::feed) and takes events from [`next_event`](Self::next_event).
///
/// The data of parts is handed through without a copy. The work grows with the number of bytes and of pieces, whatever
/// is in them, and at most a header, or a boundary, is held back.
///
/// Lines end with CRLF. What two readers could take differently is an error: a boundary with something else than white
/// space behind it in its line, a CR, LF or NUL in a header, a second `Content-Disposition`, and the like.
///
/// ```
/// use cyclone_web::{MultipartConfig, MultipartEvent, MultipartParser};
///
/// let body = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n";
/// let mut parser = MultipartParser::new("b", &MultipartConfig::new())?;
/// parser.feed(body.into());
/// parser.end();
/// let mut events = Vec::new();
/// while let Some(event) = parser.next_event()? {
///     events.push(event);
/// }
/// let [MultipartEvent::Part(header), data, end] = &events[..] else { panic!("{events:?}") };
/// assert_eq!(header.name(), "a");
/// assert_eq!((data, end), (&MultipartEvent::Data("1".into()), &MultipartEvent::PartEnd));
/// assert!(parser.is_complete());
/// # Ok::<(), cyclone_web::MultipartError>(())
/// ```
#[derive(Debug)]
pub struct MultipartParser {
    /// CRLF, two hyphens, the boundary.
    delimiter: Bytes,
    finder: memmem::Finder<'static>,
    max_parts: usize,
    max_header: usize,
    /// Bytes that were fed and not looked at.
    input: Bytes,
    /// Nothing more will be fed.
    ended: bool,
    state: State,
    /// What was held back of a header, or of the rest of the line of a boundary.
    held: BytesMut,
    parts: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the data of a part. So many bytes of a delimiter were the last ones of the input before.
    Data {
        matched: usize,
    },
    /// Before the first part; so many bytes were thrown away. The form may begin with a boundary, as if a CRLF were
    /// before it.
    Preamble {
        matched: usize,
        passed: usize,
    },
    /// Behind a boundary.
    Delimiter,
    /// In the header of a part.
    Header,
    /// Behind the last boundary; so many bytes were thrown away.
    Epilogue {
        passed: usize,
    },
    Failed(MultipartErrorKind),
}

/// What came of looking for the next boundary.
enum Found {
    Data(Bytes),
    Delimiter,
    /// The input is used up, and ends with so many bytes of a delimiter.
    Nothing {
        matched: usize,
    },
}

impl MultipartParser {
    /// A parser for a form with this boundary, which is that of its [`MediaType`](crate::MediaType::boundary).
    ///
    /// # Errors
    /// [`MultipartErrorKind::Boundary`] when RFC 2046 does not allow it.
    pub fn new(boundary: &str, config: &MultipartConfig) -> Result<Self, MultipartError> {
        if !is_boundary(boundary) {
            return Err(MultipartError::new(MultipartErrorKind::Boundary));
        }
        let delimiter = Bytes::from(format!("\r\n--{boundary}"));
        Ok(Self {
            finder: memmem::Finder::new(&delimiter).into_owned(),
            delimiter,
            max_parts: config.parts,
            max_header: config.part_header,
            input: Bytes::new(),
            ended: false,
            state: State::Preamble {
                matched: 2,
                passed: 0,
            },
            held: BytesMut::new(),
            parts: 0,
        })
    }

    /// Takes the next bytes of the form. Best called when [`next_event`](Self::next_event) has nothing more: what was
    /// left is copied otherwise.
    pub fn feed(&mut self, bytes: Bytes) {
        if self.input.is_empty() {
            self.input = bytes;
        } else {
            let mut both = BytesMut::with_capacity(self.input.len() + bytes.len());
            both.extend_from_slice(&self.input);
            both.extend_from_slice(&bytes);
            self.input = both.freeze();
        }
    }

    /// Says that the form has no more bytes.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the last boundary was there. What follows it is thrown away.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Epilogue { .. })
    }

    /// Finds what comes next; `None` when that takes more bytes, or, after the [end](Self::end), when there is nothing.
    ///
    /// # Errors
    /// What is wrong with the form, and the same again at every further call.
    pub fn next_event(&mut self) -> Result<Option<MultipartEvent>, MultipartError> {
        let event = self.advance();
        event.map_err(|kind| {
            self.state = State::Failed(kind);
            self.input = Bytes::new();
            self.held = BytesMut::new();
            MultipartError::new(kind)
        })
    }

    fn advance(&mut self) -> Result<Option<MultipartEvent>, MultipartErrorKind> {
        loop {
            if let State::Failed(kind) = self.state {
                return Err(kind);
            }
            if self.input.is_empty() {
                return match self.state {
                    State::Epilogue { .. } => Ok(None),
                    _ if self.ended => Err(MultipartErrorKind::Incomplete),
                    _ => Ok(None),
                };
            }
            match self.state {
                State::Data { matched } => match self.look_for_delimiter(matched) {
                    Found::Data(bytes) => {
                        self.state = State::Data { matched: 0 };
                        return Ok(Some(MultipartEvent::Data(bytes)));
                    }
                    Found::Delimiter => {
                        self.state = State::Delimiter;
                        return Ok(Some(MultipartEvent::PartEnd));
                    }
                    Found::Nothing { matched } => self.state = State::Data { matched },
                },
                State::Preamble { matched, passed } => match self.look_for_delimiter(matched) {
                    Found::Data(bytes) => {
                        let passed = within_surplus(passed, bytes.len(), 2)?;
                        self.state = State::Preamble { matched: 0, passed };
                    }
                    Found::Delimiter => self.state = State::Delimiter,
                    Found::Nothing { matched } => {
                        self.state = State::Preamble { matched, passed };
                    }
                },
                State::Delimiter => self.end_delimiter()?,
                State::Header => {
                    if let Some(header) = self.read_header()? {
                        self.state = State::Data { matched: 0 };
                        return Ok(Some(MultipartEvent::Part(header)));
                    }
                }
                State::Epilogue { passed } => {
                    let passed = within_surplus(passed, self.input.len(), 0)?;
                    self.state = State::Epilogue { passed };
                    self.input = Bytes::new();
                }
                State::Failed(_) => {}
            }
        }
    }

    /// Goes on to the next delimiter, `matched` bytes of which were the end of the input before. A CR is only at the
    /// beginning of a delimiter, so no other one can begin within these.
    fn look_for_delimiter(&mut self, matched: usize) -> Found {
        if matched > 0 {
            let wanted = &self.delimiter[matched..];
            let common = wanted.len().min(self.input.len());
            if self.input[..common] != wanted[..common] {
                return Found::Data(self.delimiter.slice(..matched));
            }
            let is_whole = common == wanted.len();
            let _ = self.input.split_to(common);
            return if is_whole {
                Found::Delimiter
            } else {
                Found::Nothing {
                    matched: matched + common,
                }
            };
        }
        match self.finder.find(&self.input) {
            Some(0) => {
                let _ = self.input.split_to(self.delimiter.len());
                Found::Delimiter
            }
            Some(at) => Found::Data(self.input.split_to(at)),
            None => {
                let matched = self.delimiter_at_end();
                let data = self.input.split_to(self.input.len() - matched);
                if data.is_empty() {
                    self.input = Bytes::new();
                    Found::Nothing { matched }
                } else {
                    // The beginning of a delimiter is looked at when its time comes, like any input.
                    Found::Data(data)
                }
            }
        }
    }

    /// How many bytes at the end of the input are the beginning of a delimiter.
    fn delimiter_at_end(&self) -> usize {
        let tail = self.input.len().min(self.delimiter.len() - 1);
        let tail = &self.input[self.input.len() - tail..];
        match memrchr(b'\r', tail) {
            Some(at) if self.delimiter.starts_with(&tail[at..]) => tail.len() - at,
            _ => 0,
        }
    }

    /// Reads what stands between a boundary and the end of its line (RFC 2046 5.1.1: `transport-padding`).
    fn end_delimiter(&mut self) -> Result<(), MultipartErrorKind> {
        while !self.input.is_empty() {
            let byte = self.input.split_to(1)[0];
            let is_padding = |held: &[u8]| held.iter().all(|byte| b" \t".contains(byte));
            match (&self.held[..], byte) {
                ([], b'-') => {}
                (b"-", b'-') => {
                    self.held.clear();
                    self.state = State::Epilogue { passed: 0 };
                    return Ok(());
                }
                ([.., b'\r'], b'\n') => {
                    if self.parts == self.max_parts {
                        let limit = self.max_parts;
                        return Err(MultipartErrorKind::TooManyParts { limit });
                    }
                    self.parts += 1;
                    self.held.clear();
                    self.state = State::Header;
                    return Ok(());
                }
                (held, b' ' | b'\t') if is_padding(held) && held.len() < MAX_PADDING => {}
                (held, b'\r') if is_padding(held) => {}
                _ => return Err(MultipartErrorKind::Delimiter),
            }
            self.held.extend_from_slice(&[byte]);
        }
        Ok(())
    }

    /// Reads the header of a part, with the empty line behind it.
    fn read_header(&mut self) -> Result<Option<PartHeader>, MultipartErrorKind> {
        const END: &[u8] = b"\r\n\r\n";
        let before = self.held.len();
        let room = (self.max_header + END.len()).saturating_sub(before);
        let taken = self.input.len().min(room);
        self.held.extend_from_slice(&self.input[..taken]);
        if self.held.starts_with(b"\r\n") {
            return Err(MultipartErrorKind::Disposition);
        }
        let from = before.saturating_sub(END.len() - 1);
        let Some(at) = memmem::find(&self.held[from..], END) else {
            if taken == room {
                let limit = self.max_header;
                return Err(MultipartErrorKind::HeaderTooLarge { limit });
            }
            self.input = Bytes::new();
            return Ok(None);
        };
        let end = from + at;
        let _ = self.input.split_to(end + END.len() - before);
        let header = PartHeader::parse(&self.held[..end])?;
        self.held.clear();
        Ok(Some(header))
    }
}

/// Adds to what was thrown away; so many bytes of it nobody sent.
fn within_surplus(passed: usize, more: usize, unsent: usize) -> Result<usize, MultipartErrorKind> {
    let passed = passed.saturating_add(more);
    if passed > MAX_AROUND_PARTS + unsent {
        return Err(MultipartErrorKind::Surplus);
    }
    Ok(passed)
}
