//! Turns the bytes of a client into messages and control frames.

use bytes::Bytes;
use bytes::buf::Limit;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Control;

use super::Failure;
use crate::close::CloseCode;
use crate::error::MAX_PING_BYTES;
use crate::message::{Message, Text};

#[cfg(test)]
mod tests;
mod unfinished;

use unfinished::Unfinished;

/// The longest payload of a control frame, in bytes (RFC 6455 section 5.5).
const MAX_CONTROL_BYTES: usize = MAX_PING_BYTES;

/// What the peer said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    /// A Close frame, with the code and reason that it may have.
    Close(Option<(CloseCode, Text)>),
}

/// What a client may send, in payload bytes.
#[derive(Clone, Copy, Debug)]
struct Limits {
    message: usize,
    frame: usize,
}

/// The decoder of one connection; between messages it owns no heap memory.
///
/// After a [`Failure`] it must not be used again.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    unfinished: Option<Box<Unfinished>>,
}

impl Decoder {
    /// A decoder with these limits in payload bytes.
    pub(crate) fn new(max_message: usize, max_frame: usize) -> Self {
        Self {
            limits: Limits {
                message: max_message,
                frame: max_frame,
            },
            unfinished: None,
        }
    }

    /// Takes bytes off the front of `input` until something is complete; `None` when all are taken and
    /// nothing is.
    pub(crate) fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Failure> {
        if self.unfinished.is_none() {
            if input.is_empty() {
                return Ok(None);
            }
            let whole = self.whole_frame(input)?;
            if whole.is_some() {
                return Ok(whole);
            }
        }
        let unfinished = self.unfinished.get_or_insert_default();
        let incoming = unfinished.decode(input, self.limits)?;
        if unfinished.is_nothing() {
            self.unfinished = None;
        }
        Ok(incoming)
    }

    /// The short way: a frame without fragments that has arrived as a whole, as nearly all are. Gives `None`
    /// and takes nothing when the frame at the front is of another kind; the long way finds its faults then.
    fn whole_frame(&self, input: &mut &[u8]) -> Result<Option<Incoming>, Failure> {
        let [first, second, ..] = **input else {
            return Ok(None);
        };
        check_first_bytes(first, second)?;
        let (start, length) = match (second & 0x7f, *input) {
            (126, [_, _, high, low, ..]) => (8, usize::from(u16::from_be_bytes([*high, *low]))),
            (126 | 127, _) => return Ok(None),
            (length, _) => (6, usize::from(length)),
        };
        let is_control = first & 0x08 != 0;
        let is_within = is_control || length <= self.limits.frame.min(self.limits.message);
        let is_shortest = start == 6 || length > 125;
        let is_whole = first & 0x80 != 0 && first & 0x0f != 0;
        if !(is_within && is_shortest && is_whole) {
            return Ok(None);
        }
        let Some((frame, rest)) = input.split_at_checked(start + length) else {
            return Ok(None);
        };
        let (header, payload) = frame.split_at(start);
        let Some(mask) = header.last_chunk::<4>() else {
            return Ok(None);
        };
        *input = rest;
        let mut payload = payload.to_vec();
        unmask(&mut payload, &mut mask.clone());
        let incoming = match first & 0x0f {
            1 => message(true, payload),
            2 => message(false, payload),
            8 => control_frame(Control::Close, payload.into()),
            9 => control_frame(Control::Ping, payload.into()),
            10 => control_frame(Control::Pong, payload.into()),
            opcode => control_frame(Control::Reserved(opcode), payload.into()),
        };
        incoming.map(Some)
    }

    /// Room to read the rest of a big frame into, once all earlier bytes are decoded. Call
    /// [`arrived`](Self::arrived) after reading, then [`decode`](Self::decode).
    pub(crate) fn direct(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        self.unfinished.as_mut()?.direct()
    }

    /// Says that `count` bytes were read into [`direct`](Self::direct).
    pub(crate) fn arrived(&mut self, count: usize) -> Result<(), Failure> {
        match &mut self.unfinished {
            Some(unfinished) => unfinished.arrived(count),
            None => Ok(()),
        }
    }
}

/// A message, which is complete.
fn message(is_text: bool, payload: Vec<u8>) -> Result<Incoming, Failure> {
    let bytes = Bytes::from(payload);
    Ok(Incoming::Message(if is_text {
        Message::Text(Text::try_from(bytes).map_err(|_| Failure::InvalidText)?)
    } else {
        Message::Binary(bytes)
    }))
}

/// A control frame, which is complete.
fn control_frame(control: Control, payload: Bytes) -> Result<Incoming, Failure> {
    match control {
        Control::Ping => Ok(Incoming::Ping(payload)),
        Control::Pong => Ok(Incoming::Pong(payload)),
        Control::Close => close(&payload).map(Incoming::Close),
        Control::Reserved(_) => Err(Failure::Protocol("unknown opcode")),
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
