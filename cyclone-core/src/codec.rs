//! Codecs of line and length protocols, for `tokio_util::codec::Framed` and all that takes a `Decoder`.

pub use self::{
    error::FrameError,
    line::{DEFAULT_MAX_DISCARDED_BYTES, DEFAULT_MAX_LINE_BYTES, LineCodec},
    line_event::{LineEvent, Raw},
    netstring::NetstringCodec,
    prefixed::{Int8Codec, Int16Codec, Int32Codec, PrefixedCodec},
};

mod error;
mod line;
mod line_event;
mod netstring;
mod prefixed;

/// Bytes that a netstring or a length-prefixed string may have, unless said otherwise; Twisted's figure.
pub const DEFAULT_MAX_STRING_BYTES: usize = 99_999;
