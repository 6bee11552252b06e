//! Raw bytes between lines.

use bytes::BytesMut;
use cyclone_core::{FrameError, LineCodec, LineEvent, Raw};
use tokio_util::codec::Decoder;

use super::{read_with, written};

/// What was read, pieces of raw bytes joined.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Line(String),
    Raw(String),
}

fn join(events: Vec<LineEvent>) -> Vec<Part> {
    let mut parts = Vec::new();
    for event in events {
        match event {
            LineEvent::Line(line) => {
                parts.push(Part::Line(String::from_utf8(line.into()).unwrap()));
            }
            LineEvent::Raw(bytes) => {
                assert!(!bytes.is_empty());
                let more = std::str::from_utf8(&bytes).unwrap();
                match parts.last_mut() {
                    Some(Part::Raw(text)) => text.push_str(more),
                    _ => parts.push(Part::Raw(more.to_owned())),
                }
            }
            other => panic!("{other:?}"),
        }
    }
    parts
}

/// `N` announces raw bytes, `raw` those up to a `!`.
fn react(codec: &mut LineCodec, event: &mut LineEvent) {
    match event {
        LineEvent::Line(line) => {
            let text = std::str::from_utf8(line).unwrap();
            if let Ok(bytes) = text.parse() {
                codec.set_raw_bytes(bytes);
            } else if text == "raw" {
                codec.set_raw_mode();
            }
        }
        LineEvent::Raw(bytes) => {
            if let Some(end) = bytes.iter().position(|byte| *byte == b'!') {
                let extra = bytes.split_off(end + 1);
                codec.set_line_mode(extra);
            }
        }
        _ => {}
    }
}

fn cut(codec: &LineCodec, text: &str) -> (Vec<Part>, Option<FrameError>) {
    let bytes = text.as_bytes();
    let whole = read_with(&mut codec.clone(), &[bytes], react);
    let whole = (join(whole.0), whole.1);
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            let (events, error) = read_with(&mut codec.clone(), &pieces, react);
            assert_eq!(join(events), whole.0, "{pieces:?}");
            assert_eq!(super::named(&error), super::named(&whole.1), "{pieces:?}");
        }
    }
    whole
}

fn parts(expected: &[(bool, &str)]) -> Vec<Part> {
    let parts = expected.iter().map(|(raw, text)| {
        let text = (*text).to_owned();
        if *raw {
            Part::Raw(text)
        } else {
            Part::Line(text)
        }
    });
    parts.collect()
}

#[test]
fn counted_raw_bytes_begin_and_end_exactly() {
    let (read, error) = cut(
        &LineCodec::new(),
        "7\r\n\r\na\nb\r\nx\r\n0\r\n\r\n1\n\n2\r\n",
    );
    assert!(matches!(error, Some(FrameError::Truncated)));
    let expected = [
        (false, "7"),
        (true, "\r\na\nb\r\n"),
        (false, "x"),
        (false, "0"),
        (false, ""),
        (false, "1"),
        (true, "\n"),
        (false, "2"),
    ];
    assert_eq!(read, parts(&expected));
}

#[test]
fn raw_mode_lasts_until_lines_are_set_and_the_rest_is_given_back() {
    let (read, error) = cut(
        &LineCodec::new(),
        "raw\r\na\r\n!b\r\nraw\n!raw\n!!\nraw\nrest\r\n",
    );
    assert!(error.is_none(), "{error:?}");
    let expected = [
        (false, "raw"),
        (true, "a\r\n!"),
        (false, "b"),
        (false, "raw"),
        (true, "!"),
        (false, "raw"),
        (true, "!"),
        (false, "!"),
        (false, "raw"),
        (true, "rest\r\n"),
    ];
    assert_eq!(read, parts(&expected));
}

/// The line limit is not for raw bytes, and the count does not begin again after each piece.
#[test]
fn raw_bytes_have_no_limit_of_lines() {
    let codec = LineCodec::new().max_line_bytes(3);
    let text = format!("50\r\n{}abc\r\n", "\n".repeat(50));
    let (read, error) = cut(&codec, &text);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read.last(), Some(&Part::Line("abc".to_owned())));
}

/// Just under, at and over what was announced.
#[test]
fn a_peer_that_closes_before_the_last_raw_byte_is_told_apart() {
    for (text, truncated) in [("3\nab", true), ("3\nabc", false), ("3\nabcd", false)] {
        let (_, error) = cut(&LineCodec::new(), text);
        assert_eq!(matches!(error, Some(FrameError::Truncated)), truncated);
    }
}

/// A huge announcement allocates nothing.
#[test]
fn nothing_is_allocated_because_it_was_announced() {
    let mut codec = LineCodec::new();
    codec.set_raw_bytes(u64::MAX);
    let mut source = BytesMut::from("abc");
    let event = codec.decode(&mut source).unwrap();
    assert_eq!(event, Some(LineEvent::Raw(BytesMut::from("abc"))));
    assert!(codec.is_raw() && source.capacity() < 100);
}

#[test]
fn what_is_given_back_comes_before_what_came_later() {
    let mut codec = LineCodec::new();
    codec.set_line_mode("two\n");
    codec.set_line_mode("one\n");
    let mut source = BytesMut::from("three\n");
    for expected in ["one", "two", "three"] {
        let event = codec.decode(&mut source).unwrap();
        assert_eq!(event, Some(LineEvent::Line(BytesMut::from(expected))));
    }
}

/// Turning from lines to raw bytes and back for every byte copies none of the rest: else this would take hours.
#[test]
fn giving_back_takes_linear_time() {
    let text = "raw\n!".repeat(300_000);
    let (events, error) = read_with(&mut LineCodec::new(), &[text.as_bytes()], react);
    assert!(error.is_none());
    assert_eq!(events.len(), 600_000);
}

#[test]
fn a_line_that_has_begun_is_raw_when_that_is_asked_for() {
    let mut codec = LineCodec::new();
    let mut source = BytesMut::from("beg");
    assert_eq!(codec.decode(&mut source).unwrap(), None);
    codec.set_raw_bytes(4);
    assert!(codec.is_raw());
    let event = codec.decode(&mut source).unwrap();
    assert_eq!(event, Some(LineEvent::Raw(BytesMut::from("beg"))));
    source.extend_from_slice(b"\nun\n");
    codec.decode(&mut source).unwrap();
    assert!(!codec.is_raw());
    let event = codec.decode(&mut source).unwrap();
    assert_eq!(event, Some(LineEvent::Line(BytesMut::from("un"))));
}

#[test]
fn raw_bytes_are_written_as_they_are() {
    assert_eq!(written(LineCodec::new(), Raw("a\r\nb")), b"a\r\nb");
}
