//! FreeSWITCH's side of the framing: commands out of bytes.

use bytes::{Bytes, BytesMut};
use cyclone_core::{FrameError, LineCodec, LineEvent};
use tokio_util::codec::Decoder;

use super::command::{Command, MAX_COMMAND_BYTES};
use super::headers::Headers;

/// Takes commands out of a stream: for a server that plays FreeSWITCH.
///
/// A command over [`MAX_COMMAND_BYTES`], or one that is none, is an error after which the stream has to end.
#[derive(Debug)]
pub struct CommandCodec {
    lines: LineCodec,
    /// The first line, once it has come.
    line: Option<String>,
    headers: Headers,
    bytes: usize,
    /// How long the body is, while it comes.
    length: usize,
    body: BytesMut,
    failed: bool,
}

impl CommandCodec {
    /// A codec at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: LineCodec::new().max_line_bytes(MAX_COMMAND_BYTES),
            line: None,
            headers: Headers::default(),
            bytes: 0,
            length: 0,
            body: BytesMut::new(),
            failed: false,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Command>, FrameError> {
        let max_bytes = MAX_COMMAND_BYTES;
        self.bytes += line.len() + 1;
        if self.bytes > max_bytes {
            return Err(FrameError::TooLong { max_bytes });
        }
        let text = String::from_utf8_lossy(line);
        match (&self.line, line.is_empty()) {
            // Some clients end a command with more than one empty line.
            (None, true) => self.bytes = 0,
            (None, false) => self.line = Some(text.into_owned()),
            (Some(_), false) => {
                let reason = "a header without a name";
                let (name, value) = text
                    .split_once(':')
                    .ok_or(FrameError::Malformed { reason })?;
                self.headers.push(name.trim(), value.trim());
            }
            (Some(_), true) => {
                let reason = "a length that is no number";
                self.length = match self.headers.get("Content-Length") {
                    None => 0,
                    Some(digits) => digits
                        .parse()
                        .map_err(|_| FrameError::Malformed { reason })?,
                };
                if self.length > max_bytes - self.bytes {
                    return Err(FrameError::TooLong { max_bytes });
                }
                if self.length == 0 {
                    return Ok(self.take());
                }
                let length = u64::try_from(self.length).unwrap_or(u64::MAX);
                self.lines.set_raw_bytes(length);
            }
        }
        Ok(None)
    }

    fn take(&mut self) -> Option<Command> {
        self.bytes = 0;
        let headers = std::mem::take(&mut self.headers);
        let body = Bytes::from(std::mem::take(&mut self.body));
        let command = Command::new(self.line.take()?).body(body);
        let headers = headers.iter();
        let headers = headers.filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Length"));
        Some(headers.fold(command, |command, (name, value)| {
            command.header(name, value)
        }))
    }

    fn event(&mut self, event: LineEvent) -> Result<Option<Command>, FrameError> {
        match event {
            LineEvent::Line(line) => self.line(&line),
            LineEvent::Raw(bytes) => {
                self.body.extend_from_slice(&bytes);
                let whole = self.body.len() == self.length;
                Ok(if whole { self.take() } else { None })
            }
            _ => Ok(None),
        }
    }
}

impl Default for CommandCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for CommandCodec {
    type Item = Command;
    type Error = FrameError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Command>, FrameError> {
        if self.failed {
            source.clear();
            let reason = "what follows something that is no command";
            return Err(FrameError::Malformed { reason });
        }
        while let Some(event) = self.lines.decode(source)? {
            match self.event(event) {
                Ok(None) => {}
                Ok(command) => return Ok(command),
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Command>, FrameError> {
        if let Some(command) = self.decode(source)? {
            return Ok(Some(command));
        }
        let inside = !source.is_empty() || self.line.is_some();
        source.clear();
        self.line = None;
        match inside {
            true => Err(FrameError::Truncated),
            false => Ok(None),
        }
    }
}
