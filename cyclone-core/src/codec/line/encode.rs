//! Lines and raw bytes, written.

use bytes::{BufMut, BytesMut};
use memchr::memchr2;
use tokio_util::codec::Encoder;

use super::LineCodec;
use crate::codec::{FrameError, Raw};

/// Writes a line and its end; a line with an end inside is [`FrameError::Unencodable`], as the peer would read two. A
/// strict codec of CR LF writes neither of them alone: another peer may take it for an end (RFC 5321 section 2.3.8).
impl<T: AsRef<[u8]>> Encoder<T> for LineCodec {
    type Error = FrameError;

    fn encode(&mut self, line: T, target: &mut BytesMut) -> Result<(), FrameError> {
        let (line, begin) = (line.as_ref(), target.len());
        if self.strict && self.end == b"\r\n" && memchr2(b'\r', b'\n', line).is_some() {
            let reason = "a line with a CR or a LF inside";
            return Err(FrameError::Unencodable { reason });
        }
        target.reserve(line.len() + self.end.len());
        target.put_slice(line);
        target.put_slice(self.end);
        let written = target.get(begin..).unwrap_or_default();
        if self.find_end(written, 0) == Some((line.len(), written.len())) {
            return Ok(());
        }
        target.truncate(begin);
        let reason = "a line with an end inside";
        Err(FrameError::Unencodable { reason })
    }
}

/// Writes bytes as they are.
impl<T: AsRef<[u8]>> Encoder<Raw<T>> for LineCodec {
    type Error = FrameError;

    fn encode(&mut self, bytes: Raw<T>, target: &mut BytesMut) -> Result<(), FrameError> {
        target.extend_from_slice(bytes.0.as_ref());
        Ok(())
    }
}
