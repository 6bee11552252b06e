//! Just enough WebSocket to talk, and to misbehave: the handshake and frames of RFC 6455.

use std::io::{Read, Write};

use super::reply::Reply;
use super::wire::{Failure, Wire, wrong};

/// The key of the example in RFC 6455 section 1.3, so that no hash is needed here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The code of a close frame.
    pub(super) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk()?;
        (self.opcode == CLOSE).then(|| u16::from_be_bytes(*code))
    }

    /// Reads the next frame; the server never sends fragments, nor masks.
    pub(super) fn read<S: Read + Write>(wire: &mut Wire<S>) -> Result<Self, Failure> {
        let head = wire.take(2)?;
        let (opcode, short) = (head[0] & 0x0f, head[1]);
        if head[0] & 0xf0 != 0x80 || short & 0x80 != 0 {
            return wrong(format!("a frame begins with {head:02x?}"));
        }
        let length = match short {
            126 => number(&wire.take(2)?),
            127 => number(&wire.take(8)?),
            short => usize::from(short),
        };
        let payload = wire.take(length)?;
        Ok(Self { opcode, payload })
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// The request that opens a socket.
pub(super) fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: soak\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
    )
}

/// Opens a socket.
pub(super) fn open<S: Read + Write>(wire: &mut Wire<S>, path: &str) -> Result<(), Failure> {
    wire.send(request(path))?;
    let reply = Reply::head(wire)?;
    reply.expect(101)?;
    match reply.header("sec-websocket-accept") {
        Some(ACCEPT) => Ok(()),
        other => wrong(format!("sec-websocket-accept is {other:?}")),
    }
}

/// A whole frame of a client.
pub(super) fn frame(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap_or_default()),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend(u64::try_from(length).unwrap_or_default().to_be_bytes());
        }
    }
    bytes.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(std::io::Cursor<Vec<u8>>);

    impl Read for Bytes {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Bytes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn read(bytes: &[u8]) -> Result<Frame, Failure> {
        Frame::read(&mut Wire::new(Bytes(std::io::Cursor::new(bytes.to_vec()))))
    }

    #[test]
    fn masking_is_that_of_the_rfc() {
        // RFC 6455 section 5.7: a single-frame masked text message.
        let bytes = frame(TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        let expected = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn lengths_just_under_and_over_each_form() {
        for (length, head) in [(125, 6), (126, 8), (0xffff, 8), (0x1_0000, 14)] {
            let mut bytes = frame(TEXT, &vec![b'x'; length], [0; 4]);
            assert_eq!(bytes.len(), length + head);
            // What a server would send: the same without a mask.
            bytes[1] &= 0x7f;
            bytes.drain(head - 4..head);
            let frame = read(&bytes).unwrap();
            assert_eq!((frame.opcode, frame.payload.len()), (TEXT, length));
        }
    }

    #[test]
    fn close_codes_are_read() {
        let frame = read(&[0x88, 0x02, 0x03, 0xe8]).unwrap();
        assert_eq!(frame.close_code(), Some(1000));
        assert_eq!(read(&[0x88, 0x00]).unwrap().close_code(), None);
        assert_eq!(read(&[0x81, 0x02, 0x03, 0xe8]).unwrap().close_code(), None);
    }

    #[test]
    fn masked_frames_and_reserved_bits_of_a_server_are_wrong() {
        assert!(matches!(read(&[0x81, 0x80]), Err(Failure::Wrong(_))));
        assert!(matches!(read(&[0xc1, 0x00]), Err(Failure::Wrong(_))));
        assert!(matches!(read(&[0x81]), Err(Failure::Closed)));
    }
}
