use std::time::Instant;

use super::{Parsed, parse};
use crate::limits::Limits;

/// The header fields of a request with `fields`, when it is accepted.
fn fields(fields: &[u8], limits: &Limits) -> Option<usize> {
    let input = [b"GET / HTTP/1.1\r\nhost: a\r\n", fields, b"\r\n"].concat();
    match parse(&input, limits, Instant::now()) {
        Parsed::Request(request, used) => {
            assert_eq!(used, input.len());
            Some(request.head.headers().len())
        }
        _ => None,
    }
}

/// Handlers decide by the fields of a request. If one cannot be shown, the request is refused.
#[test]
fn every_field_of_an_accepted_request_is_there() {
    let limits = Limits::default();
    let mut accepted = 0;
    for byte in 0..=255 {
        for field in [
            [b"x-", &[byte][..], b": y\r\n"].concat(),
            [&[byte][..], b": y\r\n"].concat(),
            [b"x: y", &[byte][..], b"z\r\n"].concat(),
            [b"x: ", &[byte][..], b"\r\n"].concat(),
        ] {
            if let Some(count) = fields(&field, &limits) {
                accepted += 1;
                assert_eq!(count, 2, "{:?}", field.escape_ascii());
            }
        }
    }
    assert!(accepted > 500);
}

/// What the `http` crate cannot hold is refused, whatever the limits are.
#[test]
fn limits_end_where_those_of_the_http_crate_do() {
    const MOST_NAME_BYTES: usize = 65_535;
    const MOST_FIELDS: usize = 24_576;
    let limits = Limits::new()
        .header_section(usize::MAX)
        .header_line(usize::MAX)
        .header_count(usize::MAX);
    for (length, count) in [
        (MOST_NAME_BYTES - 1, Some(2)),
        (MOST_NAME_BYTES, Some(2)),
        (MOST_NAME_BYTES + 1, None),
    ] {
        let field = format!("{}: y\r\n", "x".repeat(length));
        assert_eq!(fields(field.as_bytes(), &limits), count, "{length}");
    }
    for (count, fine) in [
        (MOST_FIELDS - 1, true),
        (MOST_FIELDS, true),
        (MOST_FIELDS + 1, false),
    ] {
        let others: String = (1..count).map(|at| format!("x{at}: y\r\n")).collect();
        let seen = fields(others.as_bytes(), &limits);
        assert_eq!(seen, fine.then_some(count), "{count}");
    }
}

/// Routes are found by the path as it came, and handlers see it as a URI.
#[test]
fn the_uri_of_an_accepted_request_has_its_path() {
    let characters = ['\u{7ff}', '\u{800}', '\u{ffff}', '\u{10ffff}'];
    let characters = characters.map(|character| character.to_string().into_bytes());
    let bytes = (0..=255_u8).map(|byte| vec![byte]);
    let pairs = [
        "//",
        "/.",
        "??",
        "/?",
        "://",
        "[]",
        "%",
        "%0",
        "\u{e4}\u{f6}",
    ];
    let pairs = pairs.map(|pair| pair.as_bytes().to_vec());
    let mut accepted = 0;
    for piece in characters.into_iter().chain(bytes).chain(pairs) {
        for target in [
            [b"/", &piece[..]].concat(),
            [b"/a", &piece[..], b"b"].concat(),
            [b"/a?", &piece[..], b"b"].concat(),
        ] {
            let input = [b"GET ", &target[..], b" HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
            let Parsed::Request(request, _) = parse(&input, &Limits::default(), Instant::now())
            else {
                continue;
            };
            accepted += 1;
            let (head, uri) = (&request.head, request.head.uri());
            assert_eq!(head.path(), uri.path(), "{:?}", target.escape_ascii());
            let query = uri.query().map(str::as_bytes);
            assert_eq!(head.query_bytes(), query, "{:?}", target.escape_ascii());
            assert_eq!(uri.to_string().as_bytes(), target);
        }
    }
    assert!(accepted > 250, "{accepted}");
}
