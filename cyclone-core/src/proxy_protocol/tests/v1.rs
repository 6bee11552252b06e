//! Section 2.1.

use super::{ProxyHeader, reads, refuses};
use crate::proxy_protocol::{MAX_V1_BYTES, ProxyErrorKind, parse};

fn header(source: &str, destination: &str) -> ProxyHeader {
    ProxyHeader::forwarding(source.parse().unwrap(), destination.parse().unwrap())
}

#[test]
fn lines_are_read_and_written() {
    let table = [
        (
            // The example of the specification.
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            header("192.168.0.1:56324", "192.168.0.11:443"),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            header("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
            header("0.0.0.0:0", "0.0.0.0:0"),
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
            header("[2001:db8::1]:1", "[::1]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", ProxyHeader::unknown()),
    ];
    for (line, expected) in table {
        reads(line.as_bytes(), &expected);
        assert_eq!(expected.encode_v1(), line.as_bytes());
    }
}

#[test]
fn other_forms_of_the_same_are_read_too() {
    let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY TCP6 {long} {long} 65535 65535\r\n");
    assert_eq!(line.len(), 104);
    let address = format!("[{long}]:65535");
    reads(line.as_bytes(), &header(&address, &address));
    reads(
        b"PROXY TCP6 2001:0DB8:0:0:0:0:0:0001 ::ffff:1.2.3.4 1 2\r\n",
        &header("[2001:db8::1]:1", "[::ffff:1.2.3.4]:2"),
    );
}

/// "the receiver must ignore anything presented before the CRLF is found"
#[test]
fn whatever_stands_behind_unknown_is_ignored_up_to_the_limit() {
    let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY UNKNOWN {long} {long} 65535 65535\r\n");
    assert_eq!(line.len(), MAX_V1_BYTES);
    reads(line.as_bytes(), &ProxyHeader::unknown());
    for junk in [&b""[..], b"TCP4", b"\xff\0", b"a\nb", b"a\rb", b"a\r\rb"] {
        let line = [b"PROXY UNKNOWN ", junk, b"\r\n"].concat();
        reads(&line, &ProxyHeader::unknown());
    }
    for (bytes, is_read) in [(106, true), (107, true), (108, false), (109, false)] {
        let mut line = b"PROXY UNKNOWN ".to_vec();
        line.resize(bytes - 2, b'x');
        line.extend(b"\r\n");
        match is_read {
            true => reads(&line, &ProxyHeader::unknown()),
            false => refuses(&line, ProxyErrorKind::TooLong),
        }
    }
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 1 << 20]].concat();
    refuses(&endless[..MAX_V1_BYTES], ProxyErrorKind::TooLong);
    assert_eq!(parse(&endless[..MAX_V1_BYTES - 1]), Ok(None));
    assert!(parse(&endless).is_err());
}

#[test]
fn what_is_not_as_the_format_wants_it_is_refused() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 \r\n",
        "PROXY TCP4 1.2.3.4\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY unknown\r\n",
        // Addresses: of the other family, out of range, with leading zeros, cut, too long, with more.
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
        "PROXY TCP4 256.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4/8 5.6.7.8 1 2\r\n",
        "PROXY TCP4 localhost 5.6.7.8 1 2\r\n",
        "PROXY TCP6 1::2::3 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP6 00001::1 ::1 1 2\r\n",
        // Ports: out of range, with a sign, with leading zeros, no numbers.
        "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 00 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 0x2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 two\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\u{a0}\r\n",
        // "must not tolerate a single CR or LF character to end the line"
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r\n",
        "PROXY\r\n",
    ] {
        let expected = match line {
            "PROXY\r\n" => ProxyErrorKind::NoHeader,
            _ => ProxyErrorKind::Malformed,
        };
        refuses(line.as_bytes(), expected);
    }
    refuses(
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\xff\r\n",
        ProxyErrorKind::Malformed,
    );
    let lone = b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rGET / HTTP/1.1";
    assert_eq!(parse(lone), Ok(None), "a CR alone ends no line");
}

#[test]
fn what_the_text_cannot_say_is_unknown() {
    let unix = ProxyHeader::forwarding_unix(b"/a", b"/b").unwrap();
    for header in [ProxyHeader::local(), unix, ProxyHeader::unknown()] {
        assert_eq!(header.encode_v1(), b"PROXY UNKNOWN\r\n");
    }
    let mixed = header("192.0.2.1:1", "[2001:db8::1]:2");
    assert_eq!(
        mixed.encode_v1(),
        b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n"
    );
    let with_extension = header("1.2.3.4:1", "5.6.7.8:2").with_tlv(1, b"h2").unwrap();
    assert_eq!(
        with_extension.encode_v1(),
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"
    );
}
