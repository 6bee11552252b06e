//! Where lines end.

use bytes::BytesMut;
use cyclone_core::{FrameError, LineCodec, LineEvent};
use tokio_util::codec::Decoder;

use super::{read, read_cut, unwritable, written};

/// The lines, of which all must be read without an error.
fn lines(codec: &LineCodec, text: &str) -> Vec<String> {
    let (events, error) = read_cut(codec, text.as_bytes());
    assert!(error.is_none(), "{error:?}");
    let lines = events.into_iter().map(|event| match event {
        LineEvent::Line(line) => String::from_utf8(line.into()).unwrap(),
        other => panic!("{other:?}"),
    });
    lines.collect()
}

#[test]
fn lines_end_at_cr_lf_and_at_lf_wherever_they_are_cut() {
    let text = "one\r\ntwo\n\r\n\nthr\ree\r\r\nfour\n\rrest\r";
    let expected = ["one", "two", "", "", "thr\ree\r", "four", "\rrest\r"];
    assert_eq!(lines(&LineCodec::new(), text), expected);
    assert_eq!(lines(&LineCodec::default(), ""), [""; 0]);
}

/// CVE-2023-51764 and others (SMTP smuggling): one of two peers took a lone LF for the end of a line.
#[test]
fn strict_lines_end_at_cr_lf_alone() {
    let codec = LineCodec::new().strict();
    assert_eq!(
        lines(&codec, "one\ntwo\r\n\r\r\n\n\r\n"),
        ["one\ntwo", "\r", "\n"]
    );
    for text in ["x", "x\n", "x\r", "ok\r\nx"] {
        let (events, error) = read_cut(&codec, text.as_bytes());
        assert_eq!(events.len(), usize::from(text.starts_with("ok")));
        assert!(matches!(error, Some(FrameError::Truncated)), "{text:?}");
    }
}

#[test]
fn other_ends_are_exact() {
    assert_eq!(
        lines(&LineCodec::lf(), "a\r\nb\n\nc"),
        ["a\r", "b", "", "c"]
    );
    let records = LineCodec::delimited_by(b"\0");
    assert_eq!(lines(&records, "a\r\n\0\0b"), ["a\r\n", "", "b"]);
    let dots = LineCodec::delimited_by(b"\r\n.\r\n");
    assert_eq!(
        lines(&dots, "a\r\n.\r\n\r\n.\r\r\n.\r\nb\r\n."),
        ["a", "\r\n.\r", "b\r\n."]
    );
    let strict = LineCodec::delimited_by(b"--").strict();
    assert_eq!(lines(&strict, "a-b---c--"), ["a-b", "-c"]);
    let (_, error) = read_cut(&strict, b"a-");
    assert!(matches!(error, Some(FrameError::Truncated)));
}

/// After the end of the stream comes nothing more, whatever was there.
#[test]
fn the_end_stays_the_end() {
    for (codec, text) in [
        (LineCodec::new(), "rest"),
        (LineCodec::new().strict(), "rest"),
        (
            LineCodec::new().max_line_bytes(1).discard_long_lines(),
            "rest",
        ),
    ] {
        let mut codec = codec;
        let mut source = BytesMut::from(text);
        let _ = codec.decode_eof(&mut source);
        assert_eq!(codec.decode_eof(&mut source).unwrap(), None);
    }
}

#[test]
fn written_lines_have_the_end_of_the_codec() {
    assert_eq!(written(LineCodec::new(), "hello"), b"hello\r\n");
    assert_eq!(written(LineCodec::new(), ""), b"\r\n");
    assert_eq!(written(LineCodec::new(), "\r"), b"\r\r\n");
    assert_eq!(written(LineCodec::lf(), b"hello\r"), b"hello\r\n");
    assert_eq!(written(LineCodec::delimited_by(b"--"), "-a"), b"-a--");
}

/// What the reader on the other side would take for two lines is not written.
#[test]
fn lines_with_an_end_inside_are_not_written() {
    for line in ["a\r\nb", "\n", "a\n"] {
        assert!(unwritable(LineCodec::new(), line), "{line:?}");
    }
    assert!(unwritable(LineCodec::lf(), "a\nb"));
    // RFC 5321 section 2.3.8: CR and LF alone are not sent, as some readers take them for an end (SMTP smuggling,
    // CVE-2023-51764).
    for line in ["a\r\nb", "a\nb", "a\rb", "\n.", "a\r", "\r"] {
        assert!(unwritable(LineCodec::new().strict(), line), "{line:?}");
    }
    // `a-` and its end are `a---`, which is read as `a` and the beginning of another line.
    assert!(unwritable(LineCodec::delimited_by(b"--"), "a-"));
}

/// What was searched is not searched again: if it were, this would take hours.
#[test]
fn long_lines_take_linear_time() {
    const LENGTH: usize = 1024 * 1024;
    for codec in [
        LineCodec::new().max_line_bytes(LENGTH),
        LineCodec::delimited_by(b"end").max_line_bytes(LENGTH),
        LineCodec::new()
            .max_line_bytes(10)
            .max_discarded_bytes(LENGTH),
    ] {
        let text = vec![b'e'; LENGTH];
        let pieces: Vec<_> = text.chunks(1).collect();
        let (events, error) = read(codec, &pieces);
        assert!(error.is_none() && events.len() == 1);
    }
}
