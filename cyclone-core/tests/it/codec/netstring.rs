//! Netstrings.

use bytes::BytesMut;
use cyclone_core::{DEFAULT_MAX_STRING_BYTES, FrameError, NetstringCodec};
use tokio_util::codec::Decoder;

use super::{read, read_cut, unwritable, written};

fn malformed(bytes: &[u8]) -> bool {
    let (strings, error) = read_cut(&NetstringCodec::new(), bytes);
    strings.is_empty() && matches!(error, Some(FrameError::Malformed { .. }))
}

/// The examples of the definition are `0:,` and `12:hello world!,`.
#[test]
fn strings_are_read_wherever_they_are_cut() {
    let (strings, error) = read_cut(&NetstringCodec::new(), b"0:,12:hello world!,3:4:,,2:\r\n,");
    assert!(error.is_none(), "{error:?}");
    assert_eq!(strings, ["", "hello world!", "4:,", "\r\n"]);
}

#[test]
fn a_broken_peer_is_an_error() {
    for bytes in [
        "00:,",
        "01:a,",
        "007:",
        ":",
        ":,",
        "a",
        "-1:a,",
        "+1:a,",
        " 1:a,",
        "1 :a,",
        "1:ab,",
        "0:0:,",
        "1:a;",
        "1a:",
        "1\n:a,",
        "\u{661}:a,",
    ] {
        assert!(malformed(bytes.as_bytes()), "{bytes}");
    }
}

#[test]
fn the_error_is_repeated_for_whatever_comes() {
    for bytes in ["x", "1:ab", "100000:"] {
        let mut codec = NetstringCodec::new();
        let mut source = BytesMut::from(bytes);
        let first = codec.decode(&mut source).unwrap_err().to_string();
        source.extend_from_slice(b"2:ok,");
        let again = codec.decode(&mut source).unwrap_err().to_string();
        assert_eq!(first, again);
        assert!(source.is_empty());
        codec.decode_eof(&mut source).unwrap_err();
    }
}

#[test]
fn lengths_over_the_limit_are_refused_at_the_digit_that_makes_them_so() {
    let codec = NetstringCodec::new().max_bytes(25);
    for (length, fits) in [(24, true), (25, true), (26, false), (250, false)] {
        let text = format!("{length}:{},", "x".repeat(length));
        let (strings, error) = read_cut(&codec, text.as_bytes());
        assert_eq!(strings.len(), usize::from(fits));
        assert_eq!(error.is_none(), fits, "{length}");
        let (_, error) = read(codec.clone(), &[length.to_string().as_bytes()]);
        assert_eq!(
            matches!(error, Some(FrameError::TooLong { max_bytes: 25 })),
            !fits
        );
    }
    let none = NetstringCodec::new().max_bytes(0);
    assert_eq!(read_cut(&none, b"0:,").0, [""]);
    assert!(read_cut(&none, b"1").1.is_some());
}

#[test]
fn the_default_limit_is_that_of_twisted() {
    for length in [DEFAULT_MAX_STRING_BYTES - 1, DEFAULT_MAX_STRING_BYTES] {
        let text = format!("{length}:{},", "x".repeat(length));
        let (strings, _) = read(NetstringCodec::new(), &[text.as_bytes()]);
        assert_eq!(strings[0].len(), length);
    }
    let (_, error) = read(NetstringCodec::default(), &[b"100000"]);
    assert!(matches!(
        error,
        Some(FrameError::TooLong { max_bytes: 99_999 })
    ));
}

/// A length that no integer holds, and a limit of all memory.
#[test]
fn numbers_do_not_overflow() {
    let codec = NetstringCodec::new().max_bytes(usize::MAX);
    let (_, error) = read_cut(&codec, "9".repeat(40).as_bytes());
    assert!(matches!(error, Some(FrameError::TooLong { .. })));
    let mut codec = NetstringCodec::new().max_bytes(usize::MAX);
    let mut source = BytesMut::from(&*format!("{}:abc", usize::MAX));
    assert_eq!(codec.decode(&mut source).unwrap(), None);
    assert!(source.capacity() < 100);
}

#[test]
fn a_string_cut_off_is_an_error() {
    for text in ["1", "3:", "3:ab", "3:abc", "1:a,1"] {
        let (_, error) = read_cut(&NetstringCodec::new(), text.as_bytes());
        assert!(matches!(error, Some(FrameError::Truncated)), "{text}");
    }
}

#[test]
fn written_strings_have_their_length() {
    assert_eq!(written(NetstringCodec::new(), ""), b"0:,");
    assert_eq!(written(NetstringCodec::new(), "hello"), b"5:hello,");
    let codec = NetstringCodec::new().max_bytes(2);
    assert_eq!(written(codec.clone(), "ab"), b"2:ab,");
    assert!(unwritable(codec, "abc"));
}

/// If a string were looked at again with every byte, this would take hours.
#[test]
fn long_strings_take_linear_time() {
    const LENGTH: usize = 1024 * 1024;
    let text = format!("{LENGTH}:{},", "x".repeat(LENGTH));
    let pieces: Vec<_> = text.as_bytes().chunks(1).collect();
    let (strings, error) = read(NetstringCodec::new().max_bytes(LENGTH), &pieces);
    assert!(error.is_none() && strings[0].len() == LENGTH);
}
