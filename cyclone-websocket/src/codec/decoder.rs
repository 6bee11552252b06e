//! Turns the bytes of a client into messages and control frames.

use std::io::Cursor;

use bytes::buf::Limit;
use bytes::{BufMut, Bytes};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::Failure;
use crate::close::CloseCode;
use crate::error::MAX_PING_BYTES;
use crate::message::{Message, Text};

#[cfg(test)]
mod tests;

/// The longest header that a client writes, in bytes.
const MAX_HEADER_BYTES: usize = 14;
/// The longest payload of a control frame, in bytes (RFC 6455 section 5.5).
const MAX_CONTROL_BYTES: usize = MAX_PING_BYTES;
/// How much room a message gets at first, in bytes. More follows what has arrived, never what was declared.
const FIRST_ROOM_BYTES: usize = 16 * 1024;
/// From this many missing payload bytes on it pays to read straight into the message.
pub(crate) const DIRECT_READ_BYTES: usize = 8 * 1024;

/// What the peer said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    /// A Close frame, with the code and reason that it may have.
    Close(Option<(CloseCode, Text)>),
}

/// The decoder of one connection; idle it owns no heap memory.
///
/// After a [`Failure`] it must not be used again.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_message: usize,
    max_frame: usize,
    /// A header that has not arrived as a whole.
    header: [u8; MAX_HEADER_BYTES],
    header_len: usize,
    /// The frame whose payload arrives.
    frame: Option<Frame>,
    /// The payload of a control frame, which may come between the fragments of a message.
    control: Vec<u8>,
    /// The message whose fragments arrive.
    message: Option<Partial>,
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
struct Partial {
    is_text: bool,
    data: Vec<u8>,
    /// How much of `data` is known to be UTF-8.
    checked: usize,
}

impl Decoder {
    /// A decoder with these limits in payload bytes.
    pub(crate) fn new(max_message: usize, max_frame: usize) -> Self {
        Self {
            max_message,
            max_frame,
            header: [0; MAX_HEADER_BYTES],
            header_len: 0,
            frame: None,
            control: Vec::new(),
            message: None,
        }
    }

    /// Takes bytes off the front of `input` until something is complete; `None` when all are taken and
    /// nothing is.
    pub(crate) fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Failure> {
        loop {
            let Some(frame) = self.frame else {
                let Some((header, length)) = self.take_header(input)? else {
                    return Ok(None);
                };
                self.begin(&header, length)?;
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

    /// Room to read the rest of a big frame into, once all earlier bytes are decoded. Call
    /// [`arrived`](Self::arrived) after reading, then [`decode`](Self::decode).
    pub(crate) fn direct(&mut self) -> Option<Limit<&mut Vec<u8>>> {
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
    pub(crate) fn arrived(&mut self, count: usize) -> Result<(), Failure> {
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
    fn begin(&mut self, header: &FrameHeader, length: u64) -> Result<(), Failure> {
        let Some(mask) = header.mask else {
            return Err(Failure::Protocol("frame is not masked"));
        };
        let length = usize::try_from(length).map_err(|_| Failure::TooBig)?;
        let control = match header.opcode {
            OpCode::Control(control) => Some(control),
            OpCode::Data(data) => {
                self.begin_data(data, length)?;
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

    fn begin_data(&mut self, data: Data, length: usize) -> Result<(), Failure> {
        let before = match (data, &self.message) {
            (Data::Continue, Some(message)) => message.data.len(),
            (Data::Continue, None) => {
                return Err(Failure::Protocol("continuation of nothing"));
            }
            (_, Some(_)) => return Err(Failure::Protocol("message inside a message")),
            (_, None) => 0,
        };
        if length > self.max_frame || before.saturating_add(length) > self.max_message {
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
            return match control {
                Control::Ping => Ok(Some(Incoming::Ping(payload))),
                Control::Pong => Ok(Some(Incoming::Pong(payload))),
                Control::Close => close(&payload).map(|body| Some(Incoming::Close(body))),
                Control::Reserved(_) => Err(Failure::Protocol("unknown opcode")),
            };
        }
        if !frame.is_final {
            self.check_text()?;
            return Ok(None);
        }
        let Some(message) = self.message.take() else {
            return Ok(None);
        };
        let bytes = Bytes::from(message.data);
        Ok(Some(Incoming::Message(if message.is_text {
            Message::Text(Text::try_from(bytes).map_err(|_| Failure::InvalidText)?)
        } else {
            Message::Binary(bytes)
        })))
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

/// The checks that need the first two bytes only, so that a broken frame is not waited for.
fn check_first_bytes(first: u8, second: u8) -> Result<(), Failure> {
    if first & 0x70 != 0 {
        return Err(Failure::Protocol("reserved bit set"));
    }
    if matches!(first & 0x0f, 3..=7 | 11..=15) {
        return Err(Failure::Protocol("unknown opcode"));
    }
    if second & 0x80 == 0 {
        return Err(Failure::Protocol("frame is not masked"));
    }
    if first & 0x08 != 0 {
        if first & 0x80 == 0 {
            return Err(Failure::Protocol("control frame in fragments"));
        }
        if usize::from(second & 0x7f) > MAX_CONTROL_BYTES {
            return Err(Failure::Protocol("control frame over 125 bytes"));
        }
    }
    Ok(())
}

/// The length of a header by its second byte.
fn header_length(second: u8) -> usize {
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + extended + if second & 0x80 == 0 { 0 } else { 4 }
}

/// Reads the body of a Close frame (RFC 6455 section 5.5.1).
fn close(payload: &Bytes) -> Result<Option<(CloseCode, Text)>, Failure> {
    match payload[..] {
        [] => Ok(None),
        [_] => Err(Failure::Protocol("close code cut short")),
        [high, low, ..] => {
            let code = CloseCode::from(u16::from_be_bytes([high, low]));
            if !code.is_sendable() {
                return Err(Failure::Protocol("invalid close code"));
            }
            let reason = Text::try_from(payload.slice(2..)).map_err(|_| Failure::InvalidText)?;
            Ok(Some((code, reason)))
        }
    }
}

/// Takes the mask off `data`, eight bytes at a time, and turns the mask for the bytes that follow.
fn unmask(data: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(rest.len() % 4);
}
