//! Lines just under, at and over their limit.

use bytes::BytesMut;
use cyclone_core::{
    DEFAULT_MAX_DISCARDED_BYTES, DEFAULT_MAX_LINE_BYTES, FrameError, LineCodec, LineEvent,
};
use tokio_util::codec::Decoder;

use super::{read, read_cut};

const LIMIT: usize = 5;

/// Each codec with what ends its lines.
fn codecs() -> Vec<(LineCodec, &'static str)> {
    vec![
        (LineCodec::new(), "\n"),
        (LineCodec::new(), "\r\n"),
        (LineCodec::new().strict(), "\r\n"),
        (LineCodec::lf(), "\n"),
        (LineCodec::delimited_by(b"<end>"), "<end>"),
    ]
}

#[test]
fn a_line_over_the_limit_ends_the_conversation() {
    for (codec, end) in codecs() {
        let codec = codec.max_line_bytes(LIMIT);
        for length in LIMIT - 1..LIMIT + 9 {
            let text = format!("{}{end}ok{end}", "x".repeat(length));
            let (events, error) = read_cut(&codec, text.as_bytes());
            if length <= LIMIT {
                assert!(error.is_none() && events.len() == 2, "{length} {end:?}");
            } else {
                assert!(events.is_empty(), "{length} {end:?}");
                assert!(matches!(
                    error,
                    Some(FrameError::TooLong { max_bytes: LIMIT })
                ));
            }
        }
    }
}

/// The rest of the line must not be taken for a line, and must not be kept.
#[test]
fn the_error_is_repeated_for_whatever_comes() {
    let mut codec = LineCodec::new().max_line_bytes(LIMIT);
    let mut source = BytesMut::from("too long\nquit\n");
    for more in ["", "quit\n", "x", "\n"] {
        source.extend_from_slice(more.as_bytes());
        codec.decode(&mut source).unwrap_err();
        assert!(source.is_empty());
        codec.set_raw_mode();
        codec.set_raw_bytes(1);
        codec.set_line_mode("quit\n");
    }
    codec.decode_eof(&mut source).unwrap_err();
}

/// A peer that never ends its line is stopped as soon as it cannot be one that fits.
#[test]
fn an_endless_line_is_refused_at_the_default_limit() {
    let mut codec = LineCodec::new();
    // At the limit, and its CR.
    let mut source = BytesMut::from(&[b'y'; DEFAULT_MAX_LINE_BYTES + 1][..]);
    assert_eq!(codec.decode(&mut source).unwrap(), None);
    source.extend_from_slice(b"y");
    codec.decode(&mut source).unwrap_err();
}

#[test]
fn long_lines_are_discarded_and_reported_where_asked_for() {
    for (codec, end) in codecs() {
        let codec = codec.max_line_bytes(LIMIT).discard_long_lines();
        for length in LIMIT - 1..LIMIT + 9 {
            let text = format!("ok{end}{}{end}ok{end}", "x".repeat(length));
            let (mut events, error) = read_cut(&codec, text.as_bytes());
            assert!(error.is_none() && events.len() == 3, "{length} {end:?}");
            let ok = LineEvent::Line(BytesMut::from("ok"));
            assert_eq!([events.remove(0), events.remove(1)], [ok.clone(), ok]);
            let line = LineEvent::Line(BytesMut::from(&*"x".repeat(length)));
            let too_long = LineEvent::TooLong { bytes: length };
            let expected = if length <= LIMIT { line } else { too_long };
            assert_eq!(events, [expected], "{length} {end:?}");
        }
    }
}

#[test]
fn a_long_line_that_ends_with_the_stream_is_reported() {
    let codec = LineCodec::new().max_line_bytes(LIMIT).discard_long_lines();
    for length in LIMIT - 1..LIMIT + 9 {
        let (events, error) = read_cut(&codec, "x".repeat(length).as_bytes());
        assert!(error.is_none(), "{length}");
        let too_long = events == [LineEvent::TooLong { bytes: length }];
        assert_eq!(too_long, length > LIMIT, "{length}");
        let (events, error) = read_cut(&codec.clone().strict(), "x".repeat(length).as_bytes());
        assert!(events.is_empty() && matches!(error, Some(FrameError::Truncated)));
    }
}

/// Throwing away ends too: it costs the server reading.
#[test]
fn discarding_has_a_limit() {
    let codec = LineCodec::new()
        .max_line_bytes(LIMIT)
        .max_discarded_bytes(12);
    for (length, end) in [11, 12, 13, 14, 15, 30]
        .into_iter()
        .flat_map(|length| ["\n", "\r\n", ""].map(|end| (length, end)))
    {
        let text = format!("{}{end}", "x".repeat(length));
        let (events, error) = read_cut(&codec, text.as_bytes());
        if length <= 12 {
            assert_eq!(events, [LineEvent::TooLong { bytes: length }]);
            assert!(error.is_none());
        } else {
            assert!(events.is_empty(), "{length} {end:?}");
            assert!(matches!(error, Some(FrameError::TooLong { .. })));
        }
    }
}

#[test]
fn discarding_has_a_default_limit() {
    for (length, fits) in [
        (DEFAULT_MAX_DISCARDED_BYTES - 1, true),
        (DEFAULT_MAX_DISCARDED_BYTES, true),
        (DEFAULT_MAX_DISCARDED_BYTES + 1, false),
    ] {
        let mut text = vec![b'x'; length];
        text.extend_from_slice(b"\r\n");
        let pieces: Vec<_> = text.chunks(4096).collect();
        let (_, error) = read(LineCodec::new().discard_long_lines(), &pieces);
        assert_eq!(error.is_none(), fits, "{length}");
    }
}

/// Nothing of a line that is thrown away stays in memory.
#[test]
fn discarded_bytes_are_not_kept() {
    let mut codec = LineCodec::new().max_line_bytes(LIMIT).discard_long_lines();
    let mut source = BytesMut::new();
    for _ in 0..1000 {
        source.extend_from_slice(&[b'x'; 100]);
        assert_eq!(codec.decode(&mut source).unwrap(), None);
        assert!(source.len() <= 1);
    }
}

#[test]
fn a_limit_of_all_memory_is_no_overflow() {
    let codec = LineCodec::delimited_by(b"<end>").max_line_bytes(usize::MAX);
    let (events, error) = read_cut(&codec, b"fine<end>");
    assert_eq!(events, [LineEvent::Line(BytesMut::from("fine"))]);
    assert!(error.is_none());
}
