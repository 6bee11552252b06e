//! Frames: what FreeSWITCH sends, as header lines, an empty line, and a body of `Content-Length` bytes.

use bytes::{Bytes, BytesMut};
use cyclone_core::{FrameError, LineCodec, LineEvent};
use tokio_util::codec::{Decoder, Encoder};

use super::headers::Headers;

/// Bytes that the header lines of a frame may have. The answer to `connect` has every variable of a channel in them.
pub const DEFAULT_MAX_HEAD_BYTES: usize = 256 * 1024;

/// Header lines that a frame may have.
pub const DEFAULT_MAX_HEADERS: usize = 4096;

/// Bytes that the body of a frame may have: an event, or the answer to an `api` command.
pub const DEFAULT_MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// How much a frame may hold.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    /// Bytes of its header lines; [`DEFAULT_MAX_HEAD_BYTES`].
    pub head_bytes: usize,
    /// Header lines; [`DEFAULT_MAX_HEADERS`].
    pub headers: usize,
    /// Bytes of its body; [`DEFAULT_MAX_BODY_BYTES`].
    pub body_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            head_bytes: DEFAULT_MAX_HEAD_BYTES,
            headers: DEFAULT_MAX_HEADERS,
            body_bytes: DEFAULT_MAX_BODY_BYTES,
        }
    }
}

/// Headers, as they stand on the wire, and a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The header lines.
    pub headers: Headers,
    /// The body; empty when there is none.
    pub body: Bytes,
}

impl Frame {
    /// Writes the frame as FreeSWITCH would. `Content-Length` is one of its headers or is missing.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in self.headers.iter() {
            bytes.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Takes frames out of a stream, and writes commands into it: the lines and raw bytes of Twisted's `LineReceiver`,
/// which fiorix/eventsocket is made of.
///
/// Nothing is allocated because a `Content-Length` says so. A frame over a limit, or one that is no frame, is an error
/// after which the stream has to end.
#[derive(Debug)]
pub struct FrameCodec {
    lines: LineCodec,
    limits: FrameLimits,
    state: State,
    /// What was read of the frame.
    headers: Headers,
    head_bytes: usize,
    body: BytesMut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    /// In a body of so many bytes.
    Body {
        length: usize,
    },
    /// Something was no frame.
    Failed {
        reason: &'static str,
    },
}

impl FrameCodec {
    /// A codec with these limits.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            lines: LineCodec::new().max_line_bytes(limits.head_bytes),
            limits,
            state: State::Head,
            headers: Headers::default(),
            head_bytes: 0,
            body: BytesMut::new(),
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), FrameError> {
        let limit = self.limits.head_bytes;
        self.head_bytes += line.len() + 1;
        if self.head_bytes > limit {
            return Err(FrameError::TooLong { max_bytes: limit });
        }
        if self.headers.len() >= self.limits.headers {
            return Err(malformed("too many headers"));
        }
        let line = String::from_utf8_lossy(line);
        let (name, value) = line
            .split_once(':')
            .filter(|(name, _)| !name.is_empty())
            .ok_or(malformed("a header without a name"))?;
        self.headers
            .push(name, value.strip_prefix(' ').unwrap_or(value));
        Ok(())
    }

    /// The end of the header lines: the length of the body that follows.
    fn length(&self) -> Result<usize, FrameError> {
        let lengths = self.headers.iter();
        let mut lengths = lengths.filter_map(|(name, value)| {
            name.eq_ignore_ascii_case("Content-Length").then_some(value)
        });
        let Some(first) = lengths.next() else {
            return Ok(0);
        };
        if lengths.any(|other| other != first) {
            return Err(malformed("two lengths"));
        }
        let digits = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(malformed("a length that is no number"));
        }
        let max_bytes = self.limits.body_bytes;
        let length = first.parse().ok().filter(|length| *length <= max_bytes);
        length.ok_or(FrameError::TooLong { max_bytes })
    }

    fn take(&mut self) -> Frame {
        self.state = State::Head;
        self.head_bytes = 0;
        Frame {
            headers: std::mem::take(&mut self.headers),
            body: std::mem::take(&mut self.body).freeze(),
        }
    }

    /// Takes up one piece; the frame, when it is whole.
    fn event(&mut self, event: LineEvent) -> Result<Option<Frame>, FrameError> {
        match (event, self.state) {
            // Between frames empty lines mean nothing.
            (LineEvent::Line(line), _) if line.is_empty() && self.headers.is_empty() => Ok(None),
            (LineEvent::Line(line), _) if line.is_empty() => match self.length()? {
                0 => Ok(Some(self.take())),
                length => {
                    self.lines
                        .set_raw_bytes(u64::try_from(length).unwrap_or(u64::MAX));
                    self.state = State::Body { length };
                    Ok(None)
                }
            },
            (LineEvent::Line(line), _) => self.header(&line).map(|()| None),
            (LineEvent::Raw(bytes), State::Body { length }) => {
                if self.body.is_empty() {
                    self.body = bytes;
                } else {
                    self.body.extend_from_slice(&bytes);
                }
                Ok((self.body.len() == length).then(|| self.take()))
            }
            _ => Err(malformed("what the lines should not give")),
        }
    }
}

impl Default for FrameCodec {
    fn default() -> Self {
        Self::new(FrameLimits::default())
    }
}

const fn malformed(reason: &'static str) -> FrameError {
    FrameError::Malformed { reason }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if let State::Failed { reason } = self.state {
            source.clear();
            return Err(malformed(reason));
        }
        while let Some(event) = self.lines.decode(source)? {
            match self.event(event) {
                Ok(None) => {}
                Ok(frame) => return Ok(frame),
                Err(error) => {
                    let reason = "what follows something that is no frame";
                    self.state = State::Failed { reason };
                    source.clear();
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if let Some(frame) = self.decode(source)? {
            return Ok(Some(frame));
        }
        let inside = !source.is_empty() || !self.headers.is_empty();
        source.clear();
        self.headers = Headers::default();
        if inside {
            Err(FrameError::Truncated)
        } else {
            Ok(None)
        }
    }
}

/// Writes bytes that are a command already, see [`Command::to_bytes`](super::Command::to_bytes).
impl Encoder<Bytes> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, command: Bytes, target: &mut BytesMut) -> Result<(), FrameError> {
        target.extend_from_slice(&command);
        Ok(())
    }
}
