//! What holds for both versions; each has tests of its own.

use super::{ProxyError, ProxyErrorKind, ProxyHeader, parse, parse_v1, parse_v2};

mod v1;
mod v2;

/// A header is read once it is complete and not before, whatever follows it.
fn reads(bytes: &[u8], expected: &ProxyHeader) {
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end]), Ok(None), "{end} of {bytes:?}");
    }
    for after in [&b""[..], b"G", b"\r\n", b"PROXY UNKNOWN\r\n", &[0; 300]] {
        let whole = [bytes, after].concat();
        assert_eq!(parse(&whole), Ok(Some((expected.clone(), bytes.len()))));
    }
}

fn kind(parsed: Result<Option<(ProxyHeader, usize)>, ProxyError>) -> ProxyErrorKind {
    parsed.unwrap_err().kind()
}

/// The error comes at the latest with the last byte, and once there it stays.
fn refuses(bytes: &[u8], expected: ProxyErrorKind) {
    assert_eq!(kind(parse(bytes)), expected, "{:?}", bytes.escape_ascii());
    for end in 0..bytes.len() {
        match parse(&bytes[..end]) {
            Ok(parsed) => assert_eq!(parsed, None),
            Err(error) => assert_eq!(error.kind(), expected),
        }
    }
}

#[test]
fn what_is_no_header_is_seen_at_the_first_wrong_byte() {
    for bytes in [
        &b"G"[..],
        b"\x16",
        b"P.",
        b"PROXY\t",
        b"\r\nX",
        b"\r\n\r\n\x01",
    ] {
        refuses(bytes, ProxyErrorKind::NoHeader);
        assert_eq!(parse(&bytes[..bytes.len() - 1]), Ok(None));
    }
}

#[test]
fn a_reader_of_one_version_refuses_the_other_at_once() {
    assert_eq!(kind(parse_v1(b"\r")), ProxyErrorKind::NoHeader);
    assert_eq!(kind(parse_v2(b"P")), ProxyErrorKind::NoHeader);
    assert_eq!(parse_v1(b""), Ok(None));
    assert_eq!(parse_v2(b""), Ok(None));
}

#[test]
fn errors_say_what_is_wrong() {
    let error = parse(b"PROXY TCP4 1.2.3.4 5.6.7.8 080 1\r\n").unwrap_err();
    assert_eq!(error.to_string(), "PROXY header: malformed source port");
    let error = parse(b"SSH").unwrap_err();
    assert_eq!(error.to_string(), "no PROXY header of the expected version");
}
