//! What holds for both versions; each has tests of its own.

use super::{ProxyError, ProxyErrorKind, ProxyHeader, parse, parse_v1, parse_v2};
use crate::peer::{Address, Peer};

mod recorded;
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

#[test]
fn a_peer_has_the_header_of_its_connection() {
    let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
    let unix = |path: &str| Address::Unix(Some(path.into()));
    let (client, server) = ("192.0.2.1:1", "[::1]:2");
    let ip = ProxyHeader::forwarding(client.parse().unwrap(), server.parse().unwrap());
    let named = |source: &[u8], destination: &[u8]| {
        ProxyHeader::forwarding_unix(source, destination).unwrap()
    };
    let table = [
        (tcp(client), tcp(server), ip),
        (Address::Unix(None), unix("/run/a"), named(b"", b"/run/a")),
        (
            unix("/c"),
            Address::Abstract(b"a".to_vec()),
            named(b"/c", b"\0a"),
        ),
        (tcp(client), unix("/a"), ProxyHeader::unknown()),
        (Address::Memory, Address::Memory, ProxyHeader::unknown()),
        (
            Address::Unix(None),
            unix(&"x".repeat(109)),
            ProxyHeader::unknown(),
        ),
    ];
    for (remote, local, header) in table {
        assert_eq!(ProxyHeader::from(&Peer::new(remote, local)), header);
    }
}
