//! What is read and written besides lines.

use bytes::BytesMut;

/// What a [`LineCodec`](super::LineCodec) reads.
///
/// The bytes are a piece of what was read at once, which stays in memory as long as any piece of it: copy what is
/// kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineEvent {
    /// A line without its end. Twisted's `lineReceived`.
    Line(BytesMut),
    /// Raw bytes, at least one: as many as had come. Twisted's `rawDataReceived`.
    Raw(BytesMut),
    /// A line over the limit has ended and was thrown away. Twisted's `lineLengthExceeded`.
    TooLong {
        /// How long it was.
        bytes: usize,
    },
}

/// Bytes to be written by a [`LineCodec`](super::LineCodec) as they are, without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<T>(pub T);
