//! Strings that say how long they are in decimal digits.

use bytes::{Buf, BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::{DEFAULT_MAX_STRING_BYTES, FrameError};

/// Netstrings: `5:hello,` is `hello`. Twisted's `NetstringReceiver`.
///
/// As [D. J. Bernstein's definition](https://cr.yp.to/proto/netstrings.txt) asks, a length has no leading zeros. A
/// length over the limit is refused with the digit that makes it so, and nothing is allocated because a length was
/// said: the buffer grows with what comes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cyclone_core::FrameError> {
/// use cyclone_core::{Connection, NetstringCodec};
/// use futures_util::{SinkExt, StreamExt};
/// use tokio_util::codec::Decoder;
///
/// let (connection, peer) = Connection::in_memory();
/// let (mut ours, mut theirs) = (NetstringCodec::new().framed(connection), NetstringCodec::new().framed(peer));
/// theirs.send("hello").await?;
/// assert_eq!(ours.next().await.transpose()?.as_deref(), Some(&b"hello"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NetstringCodec {
    max_bytes: usize,
    /// What went wrong goes on being wrong.
    failed: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
enum Failure {
    TooLong,
    Malformed(&'static str),
}

/// A length that was read: its value, and how many bytes it took with its colon.
struct Length {
    value: usize,
    taken: usize,
}

impl NetstringCodec {
    /// A codec of strings up to [`DEFAULT_MAX_STRING_BYTES`] (99,999).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_bytes: DEFAULT_MAX_STRING_BYTES,
            failed: None,
        }
    }

    /// Sets how many bytes a string may have, read or written; 99,999 unless called.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The length at the start of `bytes`, once its colon has come.
    fn length(&self, bytes: &[u8]) -> Result<Option<Length>, Failure> {
        let mut value: usize = 0;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b':' if at == 0 => return Err(Failure::Malformed("a netstring without a length")),
                b':' => {
                    let taken = at + 1;
                    return Ok(Some(Length { value, taken }));
                }
                b'0'..=b'9' if at == 1 && value == 0 => {
                    return Err(Failure::Malformed("a length with a leading zero"));
                }
                b'0'..=b'9' => {
                    let more = value.checked_mul(10);
                    let more = more.and_then(|tens| tens.checked_add(usize::from(byte - b'0')));
                    value = more
                        .filter(|value| *value <= self.max_bytes)
                        .ok_or(Failure::TooLong)?;
                }
                _ => return Err(Failure::Malformed("a length that is no number")),
            }
        }
        Ok(None)
    }

    fn string(&self, source: &mut BytesMut) -> Result<Option<BytesMut>, Failure> {
        let Some(Length { value, taken }) = self.length(source)? else {
            return Ok(None);
        };
        let comes = source.get(taken..).unwrap_or_default();
        match comes.get(value) {
            None => return Ok(None),
            Some(b',') => {}
            Some(_) => return Err(Failure::Malformed("a netstring without its comma")),
        }
        source.advance(taken);
        let string = source.split_to(value);
        source.advance(1);
        Ok(Some(string))
    }

    fn error(&self, failure: Failure) -> FrameError {
        match failure {
            Failure::TooLong => FrameError::TooLong {
                max_bytes: self.max_bytes,
            },
            Failure::Malformed(reason) => FrameError::Malformed { reason },
        }
    }
}

impl Default for NetstringCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for NetstringCodec {
    type Item = BytesMut;
    type Error = FrameError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<BytesMut>, FrameError> {
        let read = match self.failed {
            Some(failure) => Err(failure),
            None => self.string(source),
        };
        read.map_err(|failure| {
            self.failed = Some(failure);
            source.clear();
            self.error(failure)
        })
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<BytesMut>, FrameError> {
        super::prefixed::decode_end(self, source)
    }
}

impl<T: AsRef<[u8]>> Encoder<T> for NetstringCodec {
    type Error = FrameError;

    fn encode(&mut self, string: T, target: &mut BytesMut) -> Result<(), FrameError> {
        let string = string.as_ref();
        if string.len() > self.max_bytes {
            let reason = "a string over the limit";
            return Err(FrameError::Unencodable { reason });
        }
        let length = string.len().to_string();
        target.reserve(length.len() + string.len() + 2);
        target.put_slice(length.as_bytes());
        target.put_u8(b':');
        target.put_slice(string);
        target.put_u8(b',');
        Ok(())
    }
}
