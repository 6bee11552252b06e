//! Strings after their length in binary.

use bytes::{Buf, BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::{DEFAULT_MAX_STRING_BYTES, FrameError};

/// Strings after their length in one byte, so up to 255 bytes; Twisted's `Int8StringReceiver`.
pub type Int8Codec = PrefixedCodec<1>;

/// Strings after their length in two bytes, the higher first; Twisted's `Int16StringReceiver`.
pub type Int16Codec = PrefixedCodec<2>;

/// Strings after their length in four bytes, the highest first; Twisted's `Int32StringReceiver`.
pub type Int32Codec = PrefixedCodec<4>;

/// Strings after their length in `WIDTH` bytes (1, 2 or 4), in network byte order; best used by the names
/// [`Int8Codec`], [`Int16Codec`] and [`Int32Codec`].
///
/// A length over the limit is refused as soon as it is read, and nothing is allocated because a length was said: the
/// buffer grows with what comes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use cyclone_core::{Connection, Int16Codec};
/// use futures_util::StreamExt;
/// use tokio::io::AsyncWriteExt;
/// use tokio_util::codec::Decoder;
///
/// let (connection, mut peer) = Connection::in_memory();
/// let mut strings = Int16Codec::new().max_bytes(1000).framed(connection);
/// peer.write_all(b"\x00\x05hello").await?;
/// assert_eq!(strings.next().await.transpose()?.as_deref(), Some(&b"hello"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PrefixedCodec<const WIDTH: usize> {
    max_bytes: usize,
    /// A string was too long: what follows is its rest.
    failed: bool,
}

impl<const WIDTH: usize> PrefixedCodec<WIDTH> {
    /// What the prefix can say at most.
    const MOST: u32 = u32::MAX >> (32 - 8 * WIDTH);

    /// A codec of strings up to [`DEFAULT_MAX_STRING_BYTES`] (99,999), or what the prefix can say.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(matches!(WIDTH, 1 | 2 | 4), "a prefix has 1, 2 or 4 bytes") };
        Self {
            max_bytes: DEFAULT_MAX_STRING_BYTES,
            failed: false,
        }
    }

    /// Sets how many bytes a string may have, read or written; 99,999 unless called.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl<const WIDTH: usize> Default for PrefixedCodec<WIDTH> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WIDTH: usize> Decoder for PrefixedCodec<WIDTH> {
    type Item = BytesMut;
    type Error = FrameError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<BytesMut>, FrameError> {
        let max_bytes = self.max_bytes;
        if self.failed {
            source.clear();
            return Err(FrameError::TooLong { max_bytes });
        }
        let Some((prefix, comes)) = source.split_at_checked(WIDTH) else {
            return Ok(None);
        };
        let length = prefix
            .iter()
            .fold(0, |length: u32, byte| (length << 8) | u32::from(*byte));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > max_bytes {
            self.failed = true;
            source.clear();
            return Err(FrameError::TooLong { max_bytes });
        }
        if comes.len() < length {
            return Ok(None);
        }
        source.advance(WIDTH);
        Ok(Some(source.split_to(length)))
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<BytesMut>, FrameError> {
        decode_end(self, source)
    }
}

impl<const WIDTH: usize, T: AsRef<[u8]>> Encoder<T> for PrefixedCodec<WIDTH> {
    type Error = FrameError;

    fn encode(&mut self, string: T, target: &mut BytesMut) -> Result<(), FrameError> {
        let string = string.as_ref();
        let length = u32::try_from(string.len()).ok();
        let fits = |length: &u32| *length <= Self::MOST && string.len() <= self.max_bytes;
        let Some(length) = length.filter(fits) else {
            let reason = "a string over the limit, or over what its prefix can say";
            return Err(FrameError::Unencodable { reason });
        };
        target.reserve(WIDTH + string.len());
        let prefix = length.to_be_bytes();
        target.put_slice(prefix.get(4 - WIDTH..).unwrap_or_default());
        target.put_slice(string);
        Ok(())
    }
}

/// The strings that are there in whole when the stream has ended; anything else was cut off.
pub(super) fn decode_end<D>(
    codec: &mut D,
    source: &mut BytesMut,
) -> Result<Option<BytesMut>, FrameError>
where
    D: Decoder<Item = BytesMut, Error = FrameError>,
{
    match codec.decode(source)? {
        None if !source.is_empty() => {
            source.clear();
            Err(FrameError::Truncated)
        }
        string => Ok(string),
    }
}
