//! Frames, wherever the stream is cut and whatever is wrong with it.

use cyclone_core::FrameError;
use cyclone_examples::freeswitch::{
    Command, CommandCodec, DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_HEAD_BYTES, DEFAULT_MAX_HEADERS,
    Frame, FrameCodec, FrameLimits, Message, Recording, Side,
};

use super::{RECORDINGS, decode, frames, recording, said};

fn codec() -> FrameCodec {
    FrameCodec::new(FrameLimits::default())
}

/// Between two frames the codec is as it was at the beginning, so each frame is cut with the one that follows it.
#[test]
fn every_recording_is_the_same_at_every_split_point() {
    for name in RECORDINGS {
        let bytes = said(name);
        let whole = frames(&bytes);
        let written: Vec<_> = whole.iter().map(Frame::to_bytes).collect();
        assert_eq!(written.concat(), bytes, "{name}");
        for (number, pair) in written.windows(2).enumerate() {
            let bytes = pair.concat();
            for split in 0..=pair[0].len() {
                let (first, second) = bytes.split_at(split);
                let (cut, error) = decode(codec(), &[first, second]);
                let same = error.is_none() && cut == whole[number..number + 2];
                assert!(same, "frame {number} of {name} cut at {split}");
            }
        }
        let (cut, error) = decode(codec(), &bytes.chunks(1).collect::<Vec<_>>());
        assert!(error.is_none() && cut == whole, "{name} byte by byte");
    }
}

#[test]
fn every_recorded_frame_is_known() {
    for name in RECORDINGS {
        for frame in frames(&said(name)) {
            let message = Message::from_frame(frame).unwrap();
            assert!(!matches!(message, Message::Other(_)), "{name} {message:?}");
        }
    }
}

#[test]
fn every_recorded_command_is_the_same_at_every_split_point() {
    for name in RECORDINGS {
        let bytes = recording(name).said_by(Side::Other);
        let (whole, error) = decode(CommandCodec::new(), &[&bytes]);
        assert!(error.is_none() && !whole.is_empty(), "{name}");
        for split in 0..=bytes.len() {
            let (first, second) = bytes.split_at(split);
            let (cut, error) = decode(CommandCodec::new(), &[first, second]);
            assert!(error.is_none() && cut == whole, "{name} cut at {split}");
        }
        let again: Vec<u8> = whole
            .iter()
            .flat_map(|command| command.to_bytes().unwrap())
            .collect();
        assert_eq!(again, bytes, "{name}");
    }
}

/// What is cut off anywhere inside a frame is an error, and between frames it is the end.
#[test]
fn a_frame_cut_off_is_an_error() {
    let bytes = said("api");
    let mut ends = vec![0];
    for frame in frames(&bytes) {
        ends.push(ends[ends.len() - 1] + frame.to_bytes().len());
    }
    for end in 0..=bytes.len() {
        let (whole, error) = decode(codec(), &[&bytes[..end]]);
        assert_eq!(
            whole.len(),
            ends.iter().filter(|at| **at <= end).count() - 1
        );
        assert_eq!(error.is_none(), ends.contains(&end), "cut at {end}");
        assert!(matches!(error, None | Some(FrameError::Truncated)));
    }
}

#[test]
fn lines_may_end_with_cr_lf_and_frames_may_have_empty_lines_between_them() {
    let text = b"\r\n\nContent-Type: a\r\nX:y\r\nEmpty:\n\r\n\n\nContent-Length: 2\n\n\n\nA: b\n\n";
    let read = frames(text);
    assert_eq!(read.len(), 3);
    let headers: Vec<_> = read[0].headers.iter().collect();
    assert_eq!(headers, [("Content-Type", "a"), ("X", "y"), ("Empty", "")]);
    assert_eq!(read[0].headers.get("content-type"), Some("a"));
    assert_eq!(read[1].body, &b"\n\n"[..]);
}

#[test]
fn what_is_no_frame_is_an_error_for_ever() {
    for text in [
        "no colon\n\n",
        ": no name\n\n",
        "Content-Length: x\n\n",
        "Content-Length: -1\n\n",
        "Content-Length: +1\n\nx",
        "Content-Length: 1 \n\nx",
        "Content-Length:\n\n",
        "Content-Length: 99999999999999999999999\n\n",
        "Content-Length: 1\nContent-Length: 2\n\nxx",
        "Content-Length: 1\ncontent-length: 01\n\nx",
    ] {
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend_from_slice(b"A: b\n\n");
        for split in 0..=bytes.len() {
            let (first, second) = bytes.split_at(split);
            let (frames, error) = decode(codec(), &[first, second]);
            assert!(frames.is_empty() && error.is_some(), "{text:?}");
        }
        let mut codec = codec();
        let mut source = bytes::BytesMut::from(&bytes[..]);
        tokio_util::codec::Decoder::decode(&mut codec, &mut source).unwrap_err();
        source.extend_from_slice(b"A: b\n\n");
        tokio_util::codec::Decoder::decode(&mut codec, &mut source).unwrap_err();
    }
    let twice = frames(b"Content-Length: 1\nContent-Length: 1\n\nx");
    assert_eq!(twice[0].body, &b"x"[..]);
}

/// Just under, at and over each limit.
#[test]
fn frames_have_limits() {
    let limits = FrameLimits {
        head_bytes: 20,
        headers: 3,
        body_bytes: 5,
    };
    let fits = |text: &str| {
        let (frames, error) = decode(FrameCodec::new(limits), &[text.as_bytes()]);
        let (cut, _) = decode(
            FrameCodec::new(limits),
            &text.as_bytes().chunks(1).collect::<Vec<_>>(),
        );
        assert_eq!(cut, frames);
        assert_eq!(frames.is_empty(), error.is_some());
        error.is_none()
    };
    // In one line, and in two.
    for (length, ok) in [(19, true), (20, true), (21, false), (22, false)] {
        let text = format!("A:{}\n\n", "x".repeat(length - 3));
        assert_eq!(fits(&text), ok, "{length}");
        let text = format!("A:b\nA:{}\n\n", "x".repeat(length - 7));
        assert_eq!(fits(&text), ok, "{length}");
    }
    assert!(fits("A:\nB:\n\n") && fits("A:\nB:\nC:\n\n"));
    assert!(!fits("A:\nB:\nC:\nD:\n\n"));
    assert!(fits("Content-Length:4\n\nxxxx") && fits("Content-Length:5\n\nxxxxx"));
    assert!(!fits("Content-Length:6\n\nxxxxxx"));
    // The limits of one frame do not count for the next.
    assert!(fits(
        "A:\nB:\nC:\n\nA:\nB:\nC:\n\nContent-Length:5\n\nxxxxx"
    ));
}

#[test]
fn the_limits_have_defaults() {
    let fits = |text: String| decode(codec(), &[text.as_bytes()]).1.is_none();
    for (more, ok) in [(0, true), (1, true), (2, false)] {
        let length = DEFAULT_MAX_HEAD_BYTES - 4 + more;
        assert_eq!(fits(format!("A:{}\n\n", "x".repeat(length))), ok);
        let count = DEFAULT_MAX_HEADERS - 1 + more;
        assert_eq!(fits("A:\n".repeat(count) + "\n"), ok);
    }
    // Nothing is allocated because it was said.
    let text = format!("Content-Length: {DEFAULT_MAX_BODY_BYTES}\n\n");
    let mut source = bytes::BytesMut::from(&*text);
    let mut codec = codec();
    let read = tokio_util::codec::Decoder::decode(&mut codec, &mut source);
    assert!(read.unwrap().is_none() && source.capacity() < 1000);
    assert!(!fits(format!(
        "Content-Length: {}\n\n",
        DEFAULT_MAX_BODY_BYTES + 1
    )));
}

/// A body that comes byte by byte is not looked at again with each: else this would take hours.
#[test]
fn long_frames_take_linear_time() {
    let length = 1024 * 1024;
    let text = format!("Content-Length: {length}\n\n{}", "x".repeat(length));
    let (frames, _) = decode(codec(), &text.as_bytes().chunks(1).collect::<Vec<_>>());
    assert_eq!(frames[0].body.len(), length);
}

#[test]
fn commands_have_limits_and_forms() {
    let read = |text: &str| {
        let whole = decode(CommandCodec::new(), &[text.as_bytes()]);
        let cut = decode(
            CommandCodec::new(),
            &text.as_bytes().chunks(1).collect::<Vec<_>>(),
        );
        assert_eq!(whole.0, cut.0);
        whole
    };
    let (commands, error) = read("\nexit\n\n\n\nsendmsg\r\na: b \r\nContent-Length: 2\r\n\r\nhi");
    assert!(error.is_none(), "{error:?}");
    let second = Command::new("sendmsg").header("a", "b").body("hi");
    assert_eq!(commands, [Command::new("exit"), second]);
    for text in [
        "x\nno colon\n\n",
        "x\nContent-Length: y\n\n",
        "x\nContent-Length: 1048576\n\n",
    ] {
        let (commands, error) = read(text);
        assert!(commands.is_empty() && error.is_some(), "{text:?}");
    }
    for text in ["x", "x\n", "x\na: b\n", "x\nContent-Length: 2\n\nx"] {
        assert!(matches!(read(text).1, Some(FrameError::Truncated)));
    }
}

#[test]
fn what_is_no_recording_is_told() {
    for text in [
        "x",
        ">>> S 3\nab",
        ">>> S 1\nab\n",
        ">>> X 1\na\n",
        ">>> S\n",
        ">>> S x\n",
    ] {
        assert!(Recording::parse(text.as_bytes()).is_none(), "{text:?}");
    }
    assert_eq!(Recording::parse(b"").unwrap().turns.len(), 0);
}
