//! Codecs of lines and strings.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fmt::Debug;

use bytes::BytesMut;
use cyclone_core::FrameError;
use tokio_util::codec::{Decoder, Encoder};

mod framed;
mod line;
mod line_limits;
mod netstring;
mod prefixed;
mod raw;

/// Everything read of `pieces` until their end, or until the first error; `react` may turn the codec to another mode
/// after each item.
fn read_with<D: Decoder<Error = FrameError>>(
    codec: &mut D,
    pieces: &[&[u8]],
    mut react: impl FnMut(&mut D, &mut D::Item),
) -> (Vec<D::Item>, Option<FrameError>) {
    let (mut source, mut items) = (BytesMut::new(), Vec::new());
    let mut drain = |codec: &mut D, source: &mut BytesMut, eof: bool| {
        loop {
            let read = if eof {
                codec.decode_eof(source)
            } else {
                codec.decode(source)
            };
            match read {
                Ok(Some(mut item)) => {
                    react(codec, &mut item);
                    items.push(item);
                }
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    };
    for piece in pieces {
        source.extend_from_slice(piece);
        if let Some(error) = drain(codec, &mut source, false) {
            return (items, Some(error));
        }
    }
    let error = drain(codec, &mut source, true);
    (items, error)
}

fn read<D: Decoder<Error = FrameError>>(
    mut codec: D,
    pieces: &[&[u8]],
) -> (Vec<D::Item>, Option<FrameError>) {
    read_with(&mut codec, pieces, |_, _| {})
}

/// Reads `bytes` cut at every two points, and byte by byte: it must always be the same, which is returned.
fn read_cut<D>(codec: &D, bytes: &[u8]) -> (Vec<D::Item>, Option<FrameError>)
where
    D: Decoder<Error = FrameError> + Clone,
    D::Item: PartialEq + Debug,
{
    let whole = read(codec.clone(), &[bytes]);
    let same = |pieces: &[&[u8]]| {
        let cut = read(codec.clone(), pieces);
        assert_eq!(cut.0, whole.0, "{pieces:?}");
        assert_eq!(named(&cut.1), named(&whole.1), "{pieces:?}");
    };
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            same(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
        }
    }
    same(&bytes.chunks(1).collect::<Vec<_>>());
    whole
}

fn named(error: &Option<FrameError>) -> Option<String> {
    error.as_ref().map(ToString::to_string)
}

fn written<T>(mut codec: impl Encoder<T, Error = FrameError>, item: T) -> Vec<u8> {
    let mut target = BytesMut::from("before ");
    codec.encode(item, &mut target).unwrap();
    target.split_off("before ".len()).to_vec()
}

/// Writing fails by the caller's fault and leaves nothing.
fn unwritable<T>(mut codec: impl Encoder<T, Error = FrameError>, item: T) -> bool {
    let mut target = BytesMut::from("before");
    let error = codec.encode(item, &mut target);
    assert_eq!(target, "before");
    matches!(error, Err(FrameError::Unencodable { .. }))
}
