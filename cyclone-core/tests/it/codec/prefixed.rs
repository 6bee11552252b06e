//! Strings after their length.

use bytes::BytesMut;
use cyclone_core::{
    DEFAULT_MAX_STRING_BYTES, FrameError, Int8Codec, Int16Codec, Int32Codec, PrefixedCodec,
};
use tokio_util::codec::Decoder;

use super::{read, read_cut, unwritable, written};

#[test]
fn strings_are_read_wherever_they_are_cut() {
    fn check<const WIDTH: usize>() {
        let mut bytes = Vec::new();
        for text in ["", "hello", "\0\0\0\u{1}"] {
            bytes.extend_from_slice(&written(PrefixedCodec::<WIDTH>::new(), text));
        }
        let (strings, error) = read_cut(&PrefixedCodec::<WIDTH>::default(), &bytes);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(strings, ["", "hello", "\0\0\0\u{1}"]);
    }
    check::<1>();
    check::<2>();
    check::<4>();
}

#[test]
fn lengths_are_in_network_byte_order() {
    assert_eq!(written(Int8Codec::new(), "ab"), b"\x02ab");
    assert_eq!(written(Int16Codec::new(), "ab"), b"\x00\x02ab");
    assert_eq!(written(Int32Codec::new(), "ab"), b"\x00\x00\x00\x02ab");
    let long = written(Int16Codec::new(), vec![0; 0x0102]);
    assert_eq!(long[..2], [1, 2]);
    let long = written(Int32Codec::new(), vec![0; 0x01_0203]);
    assert_eq!(long[..4], [0, 1, 2, 3]);
}

/// Before anything of it has come, and for every byte that comes then.
#[test]
fn lengths_over_the_limit_are_refused_at_once() {
    for (length, fits) in [(9_u32, true), (10, true), (11, false), (u32::MAX, false)] {
        let mut codec = Int32Codec::new().max_bytes(10);
        let mut source = BytesMut::from(&length.to_be_bytes()[..]);
        let read = codec.decode(&mut source);
        if fits {
            assert_eq!(read.unwrap(), None);
            continue;
        }
        assert!(matches!(read, Err(FrameError::TooLong { max_bytes: 10 })));
        source.extend_from_slice(&[0; 4]);
        codec.decode(&mut source).unwrap_err();
        assert!(source.is_empty());
        codec.decode_eof(&mut source).unwrap_err();
    }
}

#[test]
fn the_default_limits_are_those_of_twisted() {
    for length in [DEFAULT_MAX_STRING_BYTES - 1, DEFAULT_MAX_STRING_BYTES] {
        let bytes = written(Int32Codec::new(), vec![7; length]);
        assert_eq!(read(Int32Codec::new(), &[&bytes]).0[0].len(), length);
    }
    assert!(unwritable(
        Int32Codec::new(),
        vec![7; DEFAULT_MAX_STRING_BYTES + 1]
    ));
    let over = (99_999_u32 + 1).to_be_bytes();
    let (_, error) = read(Int32Codec::new(), &[&over]);
    assert!(matches!(
        error,
        Some(FrameError::TooLong { max_bytes: 99_999 })
    ));
}

#[test]
fn a_prefix_can_say_only_so_much() {
    assert_eq!(written(Int8Codec::new(), [7; 255])[0], 255);
    assert!(unwritable(Int8Codec::new(), [7; 256]));
    let most = written(Int16Codec::new(), vec![7; 65_535]);
    assert_eq!(most[..2], [255, 255]);
    assert_eq!(read(Int16Codec::new(), &[&most]).0[0].len(), 65_535);
    assert!(unwritable(Int16Codec::new(), vec![7; 65_536]));
    assert!(unwritable(Int8Codec::new().max_bytes(2), "abc"));
}

#[test]
fn nothing_is_allocated_because_it_was_announced() {
    let mut codec = Int32Codec::new().max_bytes(usize::MAX);
    let mut source = BytesMut::from(&b"\xff\xff\xff\xffabc"[..]);
    assert_eq!(codec.decode(&mut source).unwrap(), None);
    assert!(source.capacity() < 100);
}

#[test]
fn a_string_cut_off_is_an_error() {
    for bytes in [&b"\x00"[..], b"\x00\x02", b"\x00\x02a", b"\x00\x00\x00"] {
        let (_, error) = read_cut(&Int16Codec::new(), bytes);
        assert!(matches!(error, Some(FrameError::Truncated)), "{bytes:?}");
    }
}
