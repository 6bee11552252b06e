//! Codecs of lines and strings.

use bytes::BytesMut;
use cyclone_core::{
    FrameError, Int8Codec, Int16Codec, Int32Codec, LineCodec, LineEvent, NetstringCodec,
};
use tokio_util::codec::{Decoder, Encoder};

/// The limit of lines and strings here.
const LIMIT: usize = 16;

/// Of a line that is thrown away.
const DISCARDED: usize = 24;

/// What was read, pieces of raw bytes joined, and an error as whether there was one.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Line(Vec<u8>),
    Raw(Vec<u8>),
    TooLong(usize),
    Error,
}

/// What the first byte chooses.
struct Shape {
    end: &'static [u8],
    or_lf: bool,
    strict: bool,
    discard: bool,
}

impl Shape {
    fn new(choice: u8) -> (Self, LineCodec) {
        let (end, or_lf, codec): (&[u8], _, _) = match choice & 3 {
            0 => (b"\r\n", true, LineCodec::new()),
            1 => (b"\n", false, LineCodec::lf()),
            2 => (b"aab", false, LineCodec::delimited_by(b"aab")),
            _ => (b"\0\0", false, LineCodec::delimited_by(b"\0\0")),
        };
        let (strict, discard) = (choice & 4 != 0, choice & 8 != 0);
        let mut codec = codec.max_line_bytes(LIMIT);
        if strict {
            codec = codec.strict();
        }
        if discard {
            codec = codec.max_discarded_bytes(DISCARDED);
        }
        let shape = Self {
            end,
            or_lf: or_lf && !strict,
            strict,
            discard,
        };
        (shape, codec)
    }

    fn find(&self, text: &[u8]) -> Option<(usize, usize)> {
        if self.or_lf {
            let lf = text.iter().position(|byte| *byte == b'\n')?;
            let line = &text[..lf];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Some((line.len(), lf + 1));
        }
        let mut windows = text.windows(self.end.len());
        let at = windows.position(|window| window == self.end)?;
        Some((at, at + self.end.len()))
    }

    /// A simple look at the whole. A line that is a digit announces raw bytes, `r` those up to a `!`.
    fn expected(&self, mut text: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        while !text.is_empty() {
            let found = self.find(text);
            if found.is_none() && self.strict {
                seen.push(Seen::Error);
                break;
            }
            let (length, with_end) = found.unwrap_or((text.len(), text.len()));
            let line = &text[..length];
            text = &text[with_end..];
            if length > LIMIT {
                if !self.discard || length > DISCARDED {
                    seen.push(Seen::Error);
                    break;
                }
                seen.push(Seen::TooLong(length));
                continue;
            }
            seen.push(Seen::Line(line.to_vec()));
            let raw = match line {
                [digit @ b'0'..=b'9'] => usize::from(digit - b'0'),
                b"r" => {
                    let mark = text.iter().position(|byte| *byte == b'!');
                    mark.map_or(text.len(), |mark| mark + 1)
                }
                _ => 0,
            };
            let (bytes, rest) = text.split_at(raw.min(text.len()));
            text = rest;
            if !bytes.is_empty() {
                seen.push(Seen::Raw(bytes.to_vec()));
            }
            if bytes.len() < raw {
                seen.push(Seen::Error);
            }
        }
        seen
    }
}

/// The first byte chooses the codec, the second how the rest is cut.
pub(crate) fn lines(data: &[u8]) {
    let [choice, size, text @ ..] = data else {
        return;
    };
    let (shape, mut codec) = Shape::new(*choice);
    let mut seen = Vec::new();
    drive(&mut codec, text, *size, |codec, read| match read {
        Ok(LineEvent::Line(line)) => {
            match &line[..] {
                [digit @ b'0'..=b'9'] => codec.set_raw_bytes(u64::from(digit - b'0')),
                b"r" => codec.set_raw_mode(),
                _ => {}
            }
            seen.push(Seen::Line(line.to_vec()));
        }
        Ok(LineEvent::Raw(mut bytes)) => {
            assert!(!bytes.is_empty());
            let counted = !matches!(seen.iter().rev().find(|seen| matches!(seen, Seen::Line(_))),
                Some(Seen::Line(line)) if line == b"r");
            if !counted && let Some(mark) = bytes.iter().position(|byte| *byte == b'!') {
                let extra = bytes.split_off(mark + 1);
                codec.set_line_mode(extra);
            }
            match seen.last_mut() {
                Some(Seen::Raw(before)) => before.extend_from_slice(&bytes),
                _ => seen.push(Seen::Raw(bytes.to_vec())),
            }
        }
        Ok(LineEvent::TooLong { bytes }) => seen.push(Seen::TooLong(bytes)),
        Ok(_) => unreachable!("no other event"),
        Err(_) => seen.push(Seen::Error),
    });
    assert_eq!(seen, shape.expected(text));
}

/// The first byte says how the rest is cut.
pub(crate) fn netstrings(data: &[u8]) {
    strings(&NetstringCodec::new().max_bytes(LIMIT), data);
}

/// The first byte says how the rest is cut.
pub(crate) fn prefixed(data: &[u8]) {
    strings(&Int8Codec::new().max_bytes(LIMIT), data);
    strings(&Int16Codec::new().max_bytes(LIMIT), data);
    strings(&Int32Codec::new().max_bytes(LIMIT), data);
}

/// The strings, written again, are the bytes up to the first error; and the same however these are cut.
fn strings<C>(codec: &C, data: &[u8])
where
    C: Decoder<Item = BytesMut, Error = FrameError>
        + for<'a> Encoder<&'a BytesMut, Error = FrameError>
        + Clone,
{
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let read = |size| {
        let (mut strings, mut error) = (Vec::new(), None);
        drive(&mut codec.clone(), bytes, size, |_, read| match read {
            Ok(string) => strings.push(string),
            Err(failed) => error = Some(failed.to_string()),
        });
        (strings, error)
    };
    let (strings, error) = read(*size);
    let mut again = BytesMut::new();
    for string in &strings {
        assert!(string.len() <= LIMIT);
        codec.clone().encode(string, &mut again).unwrap();
    }
    assert!(bytes.starts_with(&again));
    assert_eq!(error.is_none(), bytes.len() == again.len());
    assert_eq!(read(0), (strings, error));
}

/// Reads `bytes` in pieces of `size` (0: as one) up to the end or the first error.
fn drive<D: Decoder<Error = FrameError>>(
    codec: &mut D,
    bytes: &[u8],
    size: u8,
    mut take: impl FnMut(&mut D, Result<D::Item, FrameError>),
) {
    let size = match size {
        0 => bytes.len().max(1),
        size => usize::from(size),
    };
    let mut source = BytesMut::new();
    let pieces = bytes.chunks(size).map(Some).chain([None]);
    for piece in pieces {
        source.extend_from_slice(piece.unwrap_or_default());
        loop {
            let read = match piece {
                Some(_) => codec.decode(&mut source),
                None => codec.decode_eof(&mut source),
            };
            match read {
                Ok(Some(item)) => take(codec, Ok(item)),
                Ok(None) => break,
                Err(error) => return take(codec, Err(error)),
            }
        }
    }
}
