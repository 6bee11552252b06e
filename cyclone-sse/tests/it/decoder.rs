//! `Decoder` against the examples of WHATWG HTML 9.2.6, cut at every point.

use std::time::Duration;

use cyclone_sse::Decoder;

type Expected<'a> = &'a [(&'a str, &'a str, &'a str)];

/// Input, and the (name, data, id) of its events.
const CASES: &[(&str, Expected<'_>)] = &[
    // The examples of the standard.
    (
        "data: YHOO\ndata: +2\ndata: 10\n\n",
        &[("message", "YHOO\n+2\n10", "")],
    ),
    (
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
        &[
            ("message", "first event", "1"),
            ("message", "second event", ""),
        ],
    ),
    (
        "data\n\ndata\ndata\n\ndata:",
        &[("message", "", ""), ("message", "\n", "")],
    ),
    (
        "data:test\n\ndata: test\n\n",
        &[("message", "test", ""), ("message", "test", "")],
    ),
    (
        "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
        &[("add", "73857293", ""), ("remove", "2153", "")],
    ),
    // Ends of lines, mixed.
    (
        "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
        &[
            ("message", "a", ""),
            ("message", "b", ""),
            ("message", "c", ""),
        ],
    ),
    (
        "data: a\r\n\ndata: b\r\r\n",
        &[("message", "a", ""), ("message", "b", "")],
    ),
    (
        "data: a\n\r\n\r\ndata: b\n\r",
        &[("message", "a", ""), ("message", "b", "")],
    ),
    (
        "id: 1\r\ndata: a\r\ndata: b\r\n\r\n",
        &[("message", "a\nb", "1")],
    ),
    ("data: a\rdata: b\r\r", &[("message", "a\nb", "")]),
    // A byte order mark counts once, and only at the start.
    ("\u{FEFF}data: a\n\n", &[("message", "a", "")]),
    (
        "\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n",
        &[("message", "b", "")],
    ),
    ("\n\u{FEFF}data: a\n\n", &[]),
    ("data: \u{FEFF}\n\n", &[("message", "\u{FEFF}", "")]),
    // Names and ids.
    ("event: x\n\ndata: a\n\n", &[("message", "a", "")]),
    (
        "event: x\nevent: y\ndata: a\n\ndata: b\n\n",
        &[("y", "a", ""), ("message", "b", "")],
    ),
    ("event: x\nevent\ndata: a\n\n", &[("message", "a", "")]),
    ("id: 1\n\ndata: a\n\n", &[("message", "a", "1")]),
    (
        "id: 1\nid: 2\ndata: a\n\ndata: b\n\n",
        &[("message", "a", "2"), ("message", "b", "2")],
    ),
    ("id: 1\n\nid: x\0y\ndata: a\n\n", &[("message", "a", "1")]),
    (
        "id: 1\ndata: a\n\nid:\ndata: b\n\n",
        &[("message", "a", "1"), ("message", "b", "")],
    ),
    // What is no field is ignored.
    (
        "unknown: x\nDATA: x\n data: x\ndata : x\n:\n: \n::\ndata: a\n\n",
        &[("message", "a", "")],
    ),
    (
        "data: a: b\ndata:: c\ndata:  d\n\n",
        &[("message", "a: b\n: c\n d", "")],
    ),
    ("", &[]),
    ("\n\n\r\r\n", &[]),
    ("data: é 🌀\n\n", &[("message", "é 🌀", "")]),
];

fn run(parts: &[&[u8]]) -> (Vec<(String, String, String)>, String, Option<Duration>) {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for part in parts {
        assert_eq!(decoder.feed(part), Ok(()));
        while let Some(event) = decoder.next() {
            events.push((event.name, event.data, event.id));
        }
    }
    (events, decoder.last_event_id().to_owned(), decoder.retry())
}

#[test]
fn examples_whole_and_cut_at_every_point() {
    for (input, expected) in CASES {
        let bytes = input.as_bytes();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, data, id)| ((*name).to_owned(), (*data).to_owned(), (*id).to_owned()))
            .collect();
        assert_eq!(run(&[bytes]).0, expected, "{input:?}");
        for cut in 0..=bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(run(&[left, right]).0, expected, "{input:?} cut at {cut}");
            for second in cut..=bytes.len() {
                let parts = [left, &bytes[cut..second], &bytes[second..]];
                assert_eq!(
                    run(&parts).0,
                    expected,
                    "{input:?} cut at {cut} and {second}"
                );
            }
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(run(&single).0, expected, "{input:?} byte by byte");
    }
}

#[test]
fn retry_is_digits_only() {
    for (field, expected) in [
        ("retry: 3000", Some(3000)),
        ("retry:0", Some(0)),
        ("retry: +1", None),
        ("retry: -1", None),
        ("retry: 1.5", None),
        ("retry: 1 ", None),
        ("retry:  1", None),
        ("retry:", None),
        ("retry", None),
        ("retry: ٣", None),
        ("retry: 99999999999999999999999", None),
        ("retry: 5\nretry: x", Some(5)),
        ("retry: 5\nretry: 6", Some(6)),
    ] {
        // It counts as soon as its line is complete, without an empty line.
        let (events, _, retry) = run(&[field.as_bytes(), b"\n"]);
        assert_eq!(events, []);
        assert_eq!(retry, expected.map(Duration::from_millis), "{field:?}");
    }
}

#[test]
fn the_last_event_id_counts_with_the_empty_line_also_without_data() {
    assert_eq!(run(&[b"id: 7\n"]).1, "");
    assert_eq!(run(&[b"id: 7\n\n"]).1, "7");
    assert_eq!(run(&[b"id: 7\n\nid: 8\ndata: x\n"]).1, "7");
}

#[test]
fn the_last_event_id_is_not_that_of_an_event_not_taken() {
    let mut decoder = Decoder::new();
    decoder
        .feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n")
        .unwrap();
    assert_eq!(decoder.last_event_id(), "");
    decoder.next().unwrap();
    assert_eq!(decoder.last_event_id(), "1");
    decoder.next().unwrap();
    assert_eq!(decoder.last_event_id(), "3");
}

#[test]
fn broken_utf_8_is_replaced_and_ends_with_its_line() {
    let input = b"data: \xff\xf0\x9f\x8c\ndata: \xc3\n\ndata: \xa9\n\n";
    let expected = ["\u{FFFD}\u{FFFD}\n\u{FFFD}", "\u{FFFD}"];
    for cut in 0..input.len() {
        let (left, right) = input.split_at(cut);
        let events = run(&[left, right]).0;
        let data: Vec<_> = events.iter().map(|(_, data, _)| data.as_str()).collect();
        assert_eq!(data, expected, "cut at {cut}");
    }
}

#[test]
fn a_line_just_under_at_and_over() {
    for (length, fits) in [(9, true), (10, true), (11, false)] {
        let line = vec![b'x'; length];
        for cut in 0..=length {
            let mut decoder = Decoder::with_limit(10);
            let fed = decoder
                .feed(&line[..cut])
                .and_then(|()| decoder.feed(&line[cut..]));
            assert_eq!(fed.is_ok(), fits, "{length} cut at {cut}");
            assert_eq!(
                decoder.feed(b"\n").is_ok(),
                fits,
                "the rest is refused, too"
            );
        }
    }
}

#[test]
fn data_just_under_at_and_over() {
    for (second, fits) in [("123", true), ("1234", true), ("12345", false)] {
        let mut decoder = Decoder::with_limit(11);
        decoder.feed(b"data:123456\n").unwrap();
        let fed = decoder.feed(format!("data:{second}\n\n").as_bytes());
        assert_eq!(fed.is_ok(), fits, "{second}");
        let data = decoder.next().map(|event| event.data);
        assert_eq!(data, fits.then(|| format!("123456\n{second}")));
    }
}

#[test]
fn events_before_a_line_that_is_too_long_remain() {
    let mut decoder = Decoder::with_limit(10);
    let error = decoder
        .feed(b"data: a\n\ndata: much too long\n\n")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a line or an event of the stream is too long"
    );
    assert_eq!(decoder.next().unwrap().data, "a");
    assert_eq!(decoder.next(), None);
}

/// Nothing the decoder is given makes it panic, and cutting never matters.
#[test]
fn random_input_whole_and_cut() {
    const ALPHABET: &[&[u8]] = &[
        b"data",
        b"id",
        b"event",
        b"retry",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\0",
        b"7",
        b"\xff",
        "é".as_bytes(),
        "\u{FEFF}".as_bytes(),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..2000 {
        let input: Vec<u8> = (0..random.usize(1..40))
            .flat_map(|_| ALPHABET[random.usize(..ALPHABET.len())])
            .copied()
            .collect();
        let whole = run(&[&input]);
        let mut rest = input.as_slice();
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (part, more) = rest.split_at(random.usize(1..=rest.len()));
            parts.push(part);
            rest = more;
        }
        assert_eq!(run(&parts), whole, "round {round}: {input:?}");
    }
}
