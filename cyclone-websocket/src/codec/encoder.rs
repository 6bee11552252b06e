//! Writes the frames of a server: final, not masked (RFC 6455 section 5.1).

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::close::CloseFrame;
use crate::message::Message;

/// Appends the header of the frame that carries `message`.
pub(crate) fn message_header(message: &Message, out: &mut Vec<u8>) {
    let kind = if message.is_text() {
        Data::Text
    } else {
        Data::Binary
    };
    header(OpCode::Data(kind), message.len(), out);
}

/// Appends a Ping frame.
pub(crate) fn ping(payload: &[u8], out: &mut Vec<u8>) {
    header(OpCode::Control(Control::Ping), payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a Pong frame.
pub(crate) fn pong(payload: &[u8], out: &mut Vec<u8>) {
    header(OpCode::Control(Control::Pong), payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a Close frame, without a body for `None`.
pub(crate) fn close(frame: Option<&CloseFrame>, out: &mut Vec<u8>) {
    let length = frame.map_or(0, |frame| 2 + frame.reason.len());
    header(OpCode::Control(Control::Close), length, out);
    if let Some(frame) = frame {
        out.extend_from_slice(&frame.code.as_u16().to_be_bytes());
        out.extend_from_slice(frame.reason.as_bytes());
    }
}

fn header(opcode: OpCode, length: usize, out: &mut Vec<u8>) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    // Writing into a vector cannot fail.
    let written = header.format(length as u64, out);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::{close, message_header, ping, pong};
    use crate::close::{CloseCode, CloseFrame};
    use crate::message::Message;

    fn header_of(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        message_header(&Message::from(vec![0; length]), &mut out);
        out
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(header_of(0), [0x82, 0]);
        assert_eq!(header_of(125), [0x82, 125]);
        assert_eq!(header_of(126), [0x82, 126, 0, 126]);
        assert_eq!(header_of(65_535), [0x82, 126, 0xff, 0xff]);
        assert_eq!(header_of(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn text_ping_pong_and_close_have_their_opcodes() {
        let mut out = Vec::new();
        message_header(&"a".into(), &mut out);
        ping(b"p", &mut out);
        pong(b"q", &mut out);
        close(None, &mut out);
        close(Some(&CloseFrame::bare(CloseCode::NORMAL)), &mut out);
        let frames = [
            0x81, 1, 0x89, 1, b'p', 0x8a, 1, b'q', 0x88, 0, 0x88, 2, 3, 232,
        ];
        assert_eq!(out, frames);
    }
}
