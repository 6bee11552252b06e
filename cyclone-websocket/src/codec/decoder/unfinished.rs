//! Frames that arrive in pieces, and messages in fragments.

use std::io::Cursor;

use bytes::buf::Limit;
use bytes::{BufMut, Bytes};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Incoming, Limits, check_first_bytes, control_frame, header_length, message, unmask};
use crate::codec::Failure;

/// The longest header that a client writes, in bytes.
const MAX_HEADER_BYTES: usize = 14;
/// How much room a message gets at first, in bytes. More follows what has arrived, never what was declared.
pub(super) const FIRST_ROOM_BYTES: usize = 16 * 1024;
/// From this many missing payload bytes on it pays to read straight into the message.
pub(super) const DIRECT_READ_BYTES: usize = 8 * 1024;

/// What has arrived of a frame, or of a message, that is not complete.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// A header that has not arrived as a whole.
    header: [u8; MAX_HEADER_BYTES],
    header_len: usize,
    /// The frame whose payload arrives.
    frame: Option<Frame>,
    /// The payload of a control frame, which may come between the fragments of a message.
    control: Vec<u8>,
    /// The message whose fragments arrive.
    pub(super) message: Option<Partial>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// `None` for data, which goes into the message.
    control: Option<Control>,
    is_final: bool,
    mask: [u8; 4],
    /// Payload bytes that have not arrived.
    missing: usize,
}

#[derive(Debug)]
pub(super) struct Partial {
    is_text: bool,
    pub(super) data: Vec<u8>,
    /// How much of `data` is known to be UTF-8.
    checked: usize,
}

impl Unfinished {
    /// Whether everything was complete.
    pub(super) fn is_nothing(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Takes bytes off the front of `input` until something is complete.
    pub(super) fn decode(
        &mut self,
        input: &mut &[u8],
        limits: Limits,
    ) -> Result<Option<Incoming>, Failure> {
        loop {
            let Some(frame) = self.frame else {
                let Some((header, length)) = self.take_header(input)? else {
                    return Ok(None);
                };
                self.begin(&header, length, limits)?;
                continue;
            };
            if frame.missing > 0 {
                let (now, rest) = input.split_at(frame.missing.min(input.len()));
                *input = rest;
                self.take_payload(now);
                if now.len() < frame.missing {
                    self.check_text()?;
                    return Ok(None);
                }
            }
            self.frame = None;
            if let Some(incoming) = self.end(frame)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Room to read the rest of a big frame into.
    pub(super) fn direct(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let frame = self.frame.as_ref()?;
        if frame.control.is_some() || frame.missing < DIRECT_READ_BYTES {
            return None;
        }
        let message = self.message.as_mut()?;
        message.make_room(1, frame.missing, frame.is_final);
        let room = message.data.capacity() - message.data.len();
        let limit = room.min(frame.missing);
        Some((&mut message.data).limit(limit))
    }

    /// Says that `count` bytes were read into [`direct`](Self::direct).
    pub(super) fn arrived(&mut self, count: usize) -> Result<(), Failure> {
        if let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) {
            let start = message.data.len() - count;
            unmask(&mut message.data[start..], &mut frame.mask);
            frame.missing -= count;
        }
        self.check_text()
    }

    /// Completes a header, whose length its second byte tells.
    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<(FrameHeader, u64)>, Failure> {
        loop {
            let wanted = match self.header_len {
                0 | 1 => 2,
                _ => header_length(self.header[1]),
            };
            let count = (wanted - self.header_len).min(input.len());
            let (now, rest) = input.split_at(count);
            *input = rest;
            self.header[self.header_len..self.header_len + count].copy_from_slice(now);
            self.header_len += count;
            if self.header_len < wanted {
                return Ok(None);
            }
            if self.header_len == 2 {
                check_first_bytes(self.header[0], self.header[1])?;
            }
            if self.header_len == header_length(self.header[1]) {
                break;
            }
        }
        let mut cursor = Cursor::new(&self.header[..self.header_len]);
        let (header, length) = FrameHeader::parse(&mut cursor)
            .ok()
            .flatten()
            .ok_or(Failure::Protocol("bad frame header"))?;
        if header.len(length) != self.header_len {
            return Err(Failure::Protocol("length not in its shortest form"));
        }
        if length > i64::MAX as u64 {
            return Err(Failure::Protocol("length with its highest bit set"));
        }
        self.header_len = 0;
        Ok(Some((header, length)))
    }

    /// Checks the header against the limits and against the frames before it.
    fn begin(&mut self, header: &FrameHeader, length: u64, limits: Limits) -> Result<(), Failure> {
        let Some(mask) = header.mask else {
            return Err(Failure::Protocol("frame is not masked"));
        };
        let length = usize::try_from(length).map_err(|_| Failure::TooBig)?;
        let control = match header.opcode {
            OpCode::Control(control) => Some(control),
            OpCode::Data(data) => {
                self.begin_data(data, length, limits)?;
                None
            }
        };
        self.frame = Some(Frame {
            control,
            is_final: header.is_final,
            mask,
            missing: length,
        });
        Ok(())
    }

    fn begin_data(&mut self, data: Data, length: usize, limits: Limits) -> Result<(), Failure> {
        let before = match (data, &self.message) {
            (Data::Continue, Some(message)) => message.data.len(),
            (Data::Continue, None) => {
                return Err(Failure::Protocol("continuation of nothing"));
            }
            (_, Some(_)) => return Err(Failure::Protocol("message inside a message")),
            (_, None) => 0,
        };
        if length > limits.frame || before.saturating_add(length) > limits.message {
            return Err(Failure::TooBig);
        }
        self.message.get_or_insert_with(|| Partial {
            is_text: data == Data::Text,
            data: Vec::new(),
            checked: 0,
        });
        Ok(())
    }

    fn take_payload(&mut self, now: &[u8]) {
        let Some(frame) = &mut self.frame else { return };
        let target = match (frame.control, &mut self.message) {
            (None, Some(message)) => {
                message.make_room(now.len(), frame.missing, frame.is_final);
                &mut message.data
            }
            _ => &mut self.control,
        };
        let start = target.len();
        target.extend_from_slice(now);
        unmask(&mut target[start..], &mut frame.mask);
        frame.missing -= now.len();
    }

    /// Ends a frame: a control frame is an event, the last frame of a message too.
    fn end(&mut self, frame: Frame) -> Result<Option<Incoming>, Failure> {
        if let Some(control) = frame.control {
            let payload = Bytes::from(std::mem::take(&mut self.control));
            return control_frame(control, payload).map(Some);
        }
        if !frame.is_final {
            self.check_text()?;
            return Ok(None);
        }
        let Some(whole) = self.message.take() else {
            return Ok(None);
        };
        message(whole.is_text, whole.data).map(Some)
    }

    /// Fails as soon as the text that has arrived cannot become UTF-8 any more.
    fn check_text(&mut self) -> Result<(), Failure> {
        let Some(message) = self.message.as_mut().filter(|message| message.is_text) else {
            return Ok(());
        };
        match std::str::from_utf8(&message.data[message.checked..]) {
            Ok(_) => message.checked = message.data.len(),
            Err(error) if error.error_len().is_some() => return Err(Failure::InvalidText),
            Err(error) => message.checked += error.valid_up_to(),
        }
        Ok(())
    }
}

impl Partial {
    /// Makes room for `needed` bytes of a frame that misses `missing`: at most twice of what has arrived,
    /// so that a declared length alone costs nothing (RUSTSEC-2023-0065), and at least that where it is
    /// needed, so that many small fragments do not copy the message again and again.
    fn make_room(&mut self, needed: usize, missing: usize, is_final: bool) {
        if self.data.capacity() - self.data.len() >= needed {
            return;
        }
        let twice = self.data.len().max(FIRST_ROOM_BYTES).max(needed);
        if is_final || missing > twice {
            self.data.reserve_exact(twice.min(missing));
        } else {
            self.data.reserve(needed);
        }
    }
}
