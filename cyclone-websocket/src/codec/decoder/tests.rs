//! Every frame is decoded whole and split at every byte.

use bytes::Bytes;

use super::unfinished::{DIRECT_READ_BYTES, FIRST_ROOM_BYTES};
use super::{Decoder, Incoming};
use crate::close::CloseCode;
use crate::codec::Failure;
use crate::message::Message;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A masked client frame; `first` is FIN, RSV and opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            out.push(0xfe);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0xff);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    out
}

fn run(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<Incoming>, Failure> {
    let mut all = Vec::new();
    for piece in pieces {
        let mut piece = *piece;
        while let Some(incoming) = decoder.decode(&mut piece)? {
            all.push(incoming);
        }
        assert!(piece.is_empty());
    }
    Ok(all)
}

/// Decodes whole, split in two at every byte, and byte by byte; the results must agree.
fn decode_with(limit: usize, input: &[u8]) -> Result<Vec<Incoming>, Failure> {
    let whole = run(&mut Decoder::new(limit, limit), &[input]);
    for split in 0..=input.len() {
        let (front, back) = input.split_at(split);
        let result = run(&mut Decoder::new(limit, limit), &[front, back]);
        assert_eq!(result, whole, "split at {split}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(run(&mut Decoder::new(limit, limit), &bytes), whole);
    whole
}

fn decode(input: &[u8]) -> Result<Vec<Incoming>, Failure> {
    decode_with(4096, input)
}

#[test]
fn messages_of_every_length_form() {
    for length in [0, 1, 125, 126, 127, 300] {
        let payload = vec![b'x'; length];
        let text = String::from_utf8(payload.clone()).unwrap();
        let want = Incoming::Message(Message::from(text));
        assert_eq!(decode(&frame(0x81, &payload)), Ok(vec![want]));
        let want = Incoming::Message(Message::from(payload.clone()));
        assert_eq!(decode(&frame(0x82, &payload)), Ok(vec![want]));
    }
}

#[test]
fn long_messages_come_whole_and_in_chunks() {
    for length in [65_535, 65_536, 3 * FIRST_ROOM_BYTES + 1] {
        let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let input = frame(0x82, &payload);
        let want = vec![Incoming::Message(Message::from(payload))];
        for size in [1000, 4099, input.len()] {
            let chunks: Vec<&[u8]> = input.chunks(size).collect();
            let mut decoder = Decoder::new(1 << 20, 1 << 20);
            assert_eq!(run(&mut decoder, &chunks).as_ref(), Ok(&want));
        }
    }
}

#[test]
fn a_direct_read_ends_in_the_same_message() {
    let payload: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let input = frame(0x82, &payload);
    let mut decoder = Decoder::new(1 << 20, 1 << 20);
    let (mut front, mut back) = input.split_at(1001);
    assert_eq!(decoder.decode(&mut front), Ok(None));
    while let Some(mut room) = decoder.direct() {
        let count = bytes::BufMut::remaining_mut(&room).min(back.len()).min(777);
        bytes::BufMut::put_slice(&mut room, &back[..count]);
        back = &back[count..];
        decoder.arrived(count).unwrap();
    }
    assert!(back.len() < DIRECT_READ_BYTES);
    let want = Incoming::Message(Message::from(payload));
    assert_eq!(decoder.decode(&mut back), Ok(Some(want)));
}

/// RUSTSEC-2023-0065: the declared length is not believed.
#[test]
fn a_declared_length_reserves_little() {
    let mut head: &[u8] = &[0x82, 0xff, 0, 0, 0, 0, 0, 0x90, 0, 0, 1, 2, 3, 4, 5];
    let mut decoder = Decoder::new(10 << 20, 10 << 20);
    assert_eq!(decoder.decode(&mut head), Ok(None));
    let message = decoder
        .unfinished
        .as_ref()
        .unwrap()
        .message
        .as_ref()
        .unwrap();
    assert_eq!(message.data.capacity(), FIRST_ROOM_BYTES);
}

#[test]
fn small_fragments_do_not_copy_the_message_each_time() {
    let mut input = frame(0x02, b"a");
    let mut decoder = Decoder::new(1 << 20, 1 << 20);
    let mut grown = 0;
    let mut capacity = 0;
    for _ in 0..10_000 {
        let mut piece = &input[..];
        assert_eq!(decoder.decode(&mut piece), Ok(None));
        let now = decoder
            .unfinished
            .as_ref()
            .unwrap()
            .message
            .as_ref()
            .unwrap()
            .data
            .capacity();
        grown += usize::from(now != capacity);
        capacity = now;
        input = frame(0x00, b"a");
    }
    assert!(grown < 20, "grown {grown} times");
}

#[test]
fn control_frames_come_between_fragments() {
    let mut input = frame(0x01, "gr\u{fc}n".as_bytes());
    input.extend(frame(0x89, b"ping"));
    input.extend(frame(0x00, b""));
    input.extend(frame(0x8a, &[7; 125]));
    input.extend(frame(0x80, b"er"));
    let want = vec![
        Incoming::Ping(Bytes::from_static(b"ping")),
        Incoming::Pong(Bytes::from(vec![7; 125])),
        Incoming::Message(Message::from("gr\u{fc}ner")),
    ];
    assert_eq!(decode(&input), Ok(want));
}

#[test]
fn a_code_point_may_be_split_between_fragments() {
    let text = "\u{10348}\u{20ac}\u{e9}a";
    for split in 0..=text.len() {
        let (front, back) = text.as_bytes().split_at(split);
        let mut input = frame(0x01, front);
        input.extend(frame(0x80, back));
        assert_eq!(
            decode(&input),
            Ok(vec![Incoming::Message(text.into())]),
            "{split}"
        );
    }
}

#[test]
fn text_that_is_not_utf8_fails_at_every_split() {
    let bad: [&[u8]; 6] = [
        b"abc\xff",
        b"\xce\xba\xed\xa0\x80edited",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"ok\x80",
    ];
    for text in bad {
        assert_eq!(
            decode(&frame(0x81, text)),
            Err(Failure::InvalidText),
            "{text:?}"
        );
        for split in 0..=text.len() {
            let (front, back) = text.split_at(split);
            let mut input = frame(0x01, front);
            input.extend(frame(0x80, back));
            assert_eq!(
                decode(&input),
                Err(Failure::InvalidText),
                "{text:?} {split}"
            );
        }
    }
}

#[test]
fn bad_text_fails_before_the_message_ends() {
    let input = frame(0x01, b"abc\xff");
    assert_eq!(decode(&input), Err(Failure::InvalidText));
    let half = &frame(0x81, b"abc\xffdef")[..10];
    let result = run(&mut Decoder::new(100, 100), &[half]);
    assert_eq!(result, Err(Failure::InvalidText));
}

#[test]
fn protocol_violations() {
    let mut data_inside = frame(0x01, b"a");
    data_inside.extend(frame(0x81, b"b"));
    let unmasked = vec![0x81, 1, b'a'];
    let long_form = vec![0x82, 0xfe, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5];
    let longer_form = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    let high_bit = vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let table: Vec<(Vec<u8>, &str)> = vec![
        (unmasked, "frame is not masked"),
        (vec![0x89, 0], "frame is not masked"),
        (frame(0xc1, b""), "reserved bit set"),
        (frame(0xa1, b""), "reserved bit set"),
        (frame(0x91, b""), "reserved bit set"),
        (frame(0xc9, b""), "reserved bit set"),
        (frame(0x83, b""), "unknown opcode"),
        (frame(0x87, b""), "unknown opcode"),
        (frame(0x8b, b""), "unknown opcode"),
        (frame(0x8f, b""), "unknown opcode"),
        (frame(0x09, b""), "control frame in fragments"),
        (frame(0x0a, b""), "control frame in fragments"),
        (frame(0x08, b""), "control frame in fragments"),
        (frame(0x89, &[0; 126]), "control frame over 125 bytes"),
        (frame(0x8a, &[0; 126]), "control frame over 125 bytes"),
        (frame(0x80, b"x"), "continuation of nothing"),
        (frame(0x00, b"x"), "continuation of nothing"),
        (data_inside, "message inside a message"),
        (long_form, "length not in its shortest form"),
        (longer_form, "length not in its shortest form"),
        (high_bit, "length with its highest bit set"),
        (frame(0x88, b"\x03"), "close code cut short"),
    ];
    for (input, what) in table {
        assert_eq!(decode(&input), Err(Failure::Protocol(what)), "{input:02x?}");
    }
}

#[test]
fn a_broken_frame_is_not_waited_for() {
    for head in [[0xc1, 0x85], [0x81, 0x05], [0x89, 0xfe], [0x83, 0x80]] {
        let result = run(&mut Decoder::new(100, 100), &[&head]);
        assert!(
            matches!(result, Err(Failure::Protocol(_))),
            "{head:x?} {result:?}"
        );
    }
}

#[test]
fn close_frames() {
    assert_eq!(decode(&frame(0x88, b"")), Ok(vec![Incoming::Close(None)]));
    for code in [
        1000u16, 1001, 1002, 1003, 1007, 1008, 1011, 1012, 1014, 3000, 3999, 4000, 4999,
    ] {
        let mut body = code.to_be_bytes().to_vec();
        body.extend(b"why");
        let want = Incoming::Close(Some((CloseCode::from(code), "why".into())));
        assert_eq!(decode(&frame(0x88, &body)), Ok(vec![want]));
    }
    for code in [
        0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        let result = decode(&frame(0x88, &code.to_be_bytes()));
        assert_eq!(
            result,
            Err(Failure::Protocol("invalid close code")),
            "{code}"
        );
    }
    let result = decode(&frame(0x88, b"\x03\xe8\xff"));
    assert_eq!(result, Err(Failure::InvalidText));
    let mut longest = vec![3, 232];
    longest.extend([b'r'; 123]);
    assert!(decode(&frame(0x88, &longest)).is_ok());
}

#[test]
fn limits_under_at_and_over() {
    for (length, fits) in [(99, true), (100, true), (101, false)] {
        let result = decode_with(100, &frame(0x82, &vec![0; length]));
        assert_eq!(result.is_ok(), fits, "one frame of {length}");

        let mut input = frame(0x02, &[0; 60]);
        input.extend(frame(0x80, &vec![0; length - 60]));
        let result = decode_with(100, &input);
        assert_eq!(result.is_ok(), fits, "two frames of {length}");
        if !fits {
            assert_eq!(result, Err(Failure::TooBig));
        }

        let mut decoder = Decoder::new(1000, 100);
        let result = run(&mut decoder, &[&frame(0x82, &vec![0; length])]);
        assert_eq!(result.is_ok(), fits, "frame limit, {length}");
    }
}

#[test]
fn too_big_is_told_by_the_header_alone() {
    let head = &frame(0x82, &[0; 101])[..8];
    assert_eq!(
        run(&mut Decoder::new(100, 100), &[head]),
        Err(Failure::TooBig)
    );
}

/// An idle connection owns nothing, and one that gets whole frames never does.
#[test]
fn between_messages_it_owns_nothing() {
    let mut decoder = Decoder::new(1000, 1000);
    let mut input = frame(0x81, b"whole");
    input.extend(frame(0x89, b"ping"));
    input.extend(frame(0x82, &[0; 200]));
    let mut whole = &input[..];
    while decoder.decode(&mut whole).unwrap().is_some() {
        assert!(decoder.unfinished.is_none());
    }
    let mut fragments = frame(0x01, b"frag");
    fragments.extend(frame(0x80, b"ments"));
    let (mut front, mut back) = fragments.split_at(3);
    assert_eq!(decoder.decode(&mut front), Ok(None));
    assert!(decoder.unfinished.is_some());
    assert!(decoder.decode(&mut back).unwrap().is_some());
    assert!(decoder.unfinished.is_none());
    assert!(size_of::<Decoder>() <= 24);
}
