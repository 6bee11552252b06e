//! Section 2.2.

use super::{ProxyHeader, kind, reads, refuses};
use crate::proxy_protocol::{
    MAX_UNIQUE_ID_BYTES, MAX_V2_BYTES, ProxyAddresses, ProxyErrorKind, Tlv, UNIX_ADDRESS_BYTES,
    parse,
};

const SIGNATURE: &[u8] = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a";

/// Two addresses and two ports.
const INET: &[u8] = b"\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb";

fn bytes(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn inet() -> ProxyHeader {
    ProxyHeader::forwarding(
        "192.0.2.1:12345".parse().unwrap(),
        "198.51.100.2:443".parse().unwrap(),
    )
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// A header of IPv4 with these extensions.
fn with(extensions: &[u8]) -> Vec<u8> {
    bytes(0x21, 0x11, &[INET, extensions].concat())
}

#[test]
fn every_family_is_read_and_written() {
    reads(&bytes(0x21, 0x11, INET), &inet());
    assert_eq!(inet().encode_v2(), bytes(0x21, 0x11, INET));

    let mut block = vec![0; 36];
    block[15] = 1;
    block[16..20].copy_from_slice(b"\x20\x01\x0d\xb8");
    block[32..].copy_from_slice(b"\x00\x01\xff\xff");
    let inet6 = ProxyHeader::forwarding(
        "[::1]:1".parse().unwrap(),
        "[2001:db8::]:65535".parse().unwrap(),
    );
    reads(&bytes(0x21, 0x21, &block), &inet6);
    assert_eq!(inet6.encode_v2(), bytes(0x21, 0x21, &block));

    let mut block = vec![0; 216];
    block[..7].copy_from_slice(b"/client");
    block[109..112].copy_from_slice(b"a\0b");
    let unix = ProxyHeader::forwarding_unix(b"/client", b"\0a\0b").unwrap();
    reads(&bytes(0x21, 0x31, &block), &unix);
    assert_eq!(unix.encode_v2(), bytes(0x21, 0x31, &block));
}

#[test]
fn datagrams_are_told_apart() {
    for (family, block) in [(0x12, INET), (0x22, &[7; 36]), (0x32, &[0; 216])] {
        let bytes = bytes(0x21, family, block);
        let (header, _) = parse(&bytes).unwrap().unwrap();
        assert!(header.is_datagrams());
        assert_eq!(header.encode_v2(), bytes);
        assert_eq!(header.encode_v1(), b"PROXY UNKNOWN\r\n");
    }
}

#[test]
fn the_names_of_unix_sockets_may_fill_their_room() {
    for length in [0, 1, UNIX_ADDRESS_BYTES - 1, UNIX_ADDRESS_BYTES] {
        let name = vec![b'x'; length];
        let header = ProxyHeader::forwarding_unix(&name, b"").unwrap();
        reads(&header.encode_v2(), &header);
        let ProxyAddresses::Unix { source, .. } = header.addresses() else {
            panic!("{header:?}");
        };
        assert_eq!(source.len(), length);
    }
    let error = ProxyHeader::forwarding_unix(b"", &[b'x'; UNIX_ADDRESS_BYTES + 1]).unwrap_err();
    assert_eq!(error.kind(), ProxyErrorKind::TooLong);
}

/// "must use the real connection endpoints and discard the protocol block including the family which is ignored"
#[test]
fn a_local_connection_is_local_whatever_else_it_says() {
    assert_eq!(ProxyHeader::local().encode_v2(), bytes(0x20, 0x00, b""));
    for (family, block) in [(0x00, &b""[..]), (0x11, INET), (0xff, b"\x01"), (0x21, b"")] {
        reads(&bytes(0x20, family, block), &ProxyHeader::local());
    }
}

/// "The receiver should ignore address information."
#[test]
fn what_is_unspecified_is_unknown() {
    assert_eq!(ProxyHeader::unknown().encode_v2(), bytes(0x21, 0x00, b""));
    for (family, block) in [
        (0x00, &b""[..]),
        (0x00, b"\x01"),
        (0x01, INET),
        (0x10, INET),
        (0x20, b""),
        (0x30, &[1; 300]),
    ] {
        reads(&bytes(0x21, family, block), &ProxyHeader::unknown());
    }
    // HAProxy sends extensions there too.
    let named = ProxyHeader::unknown()
        .with_tlv(Tlv::UNIQUE_ID, b"id")
        .unwrap();
    reads(&bytes(0x21, 0x00, &tlv(5, b"id")), &named);
    let wrong = bytes(0x21, 0x00, &tlv(3, &[1; 4]));
    assert_eq!(kind(parse(&wrong)), ProxyErrorKind::Checksum);
}

#[test]
fn what_is_not_as_the_format_wants_it_is_refused() {
    // Versions and commands that do not exist.
    for command in [0x01, 0x11, 0x31, 0xf1, 0x22, 0x2f] {
        refuses(&bytes(command, 0x11, INET), ProxyErrorKind::Malformed);
    }
    // Families and transports that do not exist.
    for family in [0x03, 0x0f, 0x13, 0x23, 0x33, 0x40, 0x41, 0xf1] {
        refuses(&bytes(0x21, family, &[0; 300]), ProxyErrorKind::Malformed);
    }
    // Room for the addresses: just under, at, just over (an extension that is cut).
    for (family, room) in [(0x11, 12), (0x21, 36), (0x31, 216)] {
        for length in [0, room - 1, room + 1, room + 2] {
            let block = vec![0; length];
            refuses(&bytes(0x21, family, &block), ProxyErrorKind::Malformed);
        }
        assert!(parse(&bytes(0x21, family, &vec![0; room])).is_ok());
    }
}

#[test]
fn the_length_is_bounded_before_anything_is_waited_for() {
    let most = MAX_V2_BYTES - 16 - INET.len() - 3;
    for (padding, is_read) in [(most - 1, true), (most, true), (most + 1, false)] {
        let header = with(&tlv(Tlv::NOOP, &vec![0; padding]));
        if is_read {
            let (read, length) = parse(&header).unwrap().unwrap();
            assert_eq!(length, header.len());
            assert_eq!(read.tlvs().count(), 1);
        } else {
            assert_eq!(kind(parse(&header[..16])), ProxyErrorKind::TooLong);
        }
    }
    for command in [0x20, 0x21] {
        let whole = [SIGNATURE, &[command, 0x11, 0xff, 0xff]].concat();
        assert_eq!(kind(parse(&whole)), ProxyErrorKind::TooLong);
    }
    // What we send is bounded by the same, with room for a checksum.
    let fits = inet().with_tlv(Tlv::NOOP, &vec![0; most - 7]).unwrap();
    assert_eq!(fits.encode_v2_with_checksum().len(), MAX_V2_BYTES);
    let error = inet().with_tlv(Tlv::NOOP, &vec![0; most - 6]).unwrap_err();
    assert_eq!(error.kind(), ProxyErrorKind::TooLong);
    let error = inet().with_tlv(Tlv::NOOP, &[0; 70_000]).unwrap_err();
    assert_eq!(error.kind(), ProxyErrorKind::TooLong);
}

#[test]
fn extensions_are_read_and_written() {
    let ssl = [
        &[0x07, 0, 0, 0, 0][..],
        &tlv(0x21, b"TLSv1.3"),
        &tlv(0x22, b"example.com"),
        &tlv(0x23, b"TLS_AES_128_GCM_SHA256"),
        &tlv(0x28, b"\x30\x82"),
    ]
    .concat();
    let extensions = [
        tlv(0x01, b"h2"),
        tlv(0x02, b"example.com"),
        tlv(0x05, b"42"),
        tlv(0x20, &ssl),
        tlv(0x30, b"blue"),
        tlv(0xe0, b""),
    ]
    .concat();
    let (header, _) = parse(&with(&extensions)).unwrap().unwrap();
    reads(&with(&extensions), &header);
    assert_eq!(header.encode_v2(), with(&extensions));
    assert_eq!(header.alpn(), Some(&b"h2"[..]));
    assert_eq!(header.authority(), Some("example.com"));
    assert_eq!(header.unique_id(), Some(&b"42"[..]));
    let kinds: Vec<u8> = header.tlvs().map(|tlv| tlv.kind()).collect();
    assert_eq!(kinds, [1, 2, 5, 0x20, 0x30, 0xe0]);
    let last = header.tlvs().last().unwrap();
    assert_eq!(
        (last.value(), format!("{last:?}")),
        (&b""[..], "Tlv(0xe0, \"\")".into())
    );

    let ssl = header.ssl().unwrap();
    assert!(ssl.is_tls() && ssl.has_client_certificate() && ssl.is_client_verified());
    assert_eq!(ssl.version(), Some("TLSv1.3"));
    assert_eq!(ssl.common_name(), Some("example.com"));
    assert_eq!(ssl.cipher(), Some("TLS_AES_128_GCM_SHA256"));
    assert_eq!(ssl.client_certificate(), Some(&b"\x30\x82"[..]));
    assert_eq!(ssl.details().count(), 4);
    assert!(inet().ssl().is_none() && inet().alpn().is_none());
}

#[test]
fn a_client_is_verified_only_with_a_certificate() {
    for (client, verify, has_certificate, is_verified) in [
        (0x01, 0, false, false),
        (0x03, 0, true, true),
        (0x05, 0, true, true),
        (0x03, 1, true, false),
        (0x07, 0x0100_0000, true, false),
    ] {
        let value = [&[client][..], &u32::to_be_bytes(verify)].concat();
        let header = inet().with_tlv(Tlv::SSL, &value).unwrap();
        let ssl = header.ssl().unwrap();
        assert_eq!(ssl.has_client_certificate(), has_certificate);
        assert_eq!(ssl.is_client_verified(), is_verified);
    }
}

#[test]
fn extensions_that_are_cut_or_break_a_rule_are_refused() {
    let table = [
        vec![0x04],
        vec![0x04, 0],
        vec![0x04, 0, 1],
        vec![0x04, 0xff, 0xff],
        [tlv(0x04, b"x"), vec![0x04, 0, 2, 0]].concat(),
        tlv(0x02, b"\xff"),
        // TLS: too short for its fields, and extensions inside that are cut.
        tlv(0x20, b""),
        tlv(0x20, &[1, 0, 0, 0]),
        tlv(0x20, &[1, 0, 0, 0, 0, 0x21]),
        tlv(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 1]),
        // Checksums: of another length.
        tlv(0x03, b""),
        tlv(0x03, &[0; 3]),
        tlv(0x03, &[0; 5]),
    ];
    for extensions in table {
        refuses(&with(&extensions), ProxyErrorKind::Malformed);
    }
    for (length, is_read) in [(127, true), (128, true), (129, false)] {
        assert_eq!(MAX_UNIQUE_ID_BYTES, 128);
        let parsed = parse(&with(&tlv(0x05, &vec![b'x'; length])));
        match is_read {
            true => assert!(parsed.is_ok()),
            false => assert_eq!(kind(parsed), ProxyErrorKind::TooLong),
        }
    }
    let by_hand = inet().with_tlv(Tlv::CRC32C, &[0; 4]).unwrap_err();
    assert_eq!(by_hand.kind(), ProxyErrorKind::Malformed);
    assert!(inet().with_tlv(Tlv::SSL, b"").is_err());
}

/// Section 2.2.3.
#[test]
fn a_checksum_is_verified_wherever_it_stands() {
    let header = inet().with_tlv(Tlv::AUTHORITY, b"example.com").unwrap();
    let bytes = header.encode_v2_with_checksum();
    reads(&bytes, &header);
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut broken = bytes.clone();
            broken[at] ^= bit;
            assert!(parse(&broken) != Ok(Some((header.clone(), bytes.len()))));
        }
    }
    let mut wrong = bytes.clone();
    wrong[20] ^= 1;
    refuses(&wrong, ProxyErrorKind::Checksum);

    // In front of another extension, with a value that a program of its own computed bit by bit.
    let checksum = 0xda2cca8d_u32.to_be_bytes();
    let first = with(&[tlv(0x03, &checksum), tlv(0x02, b"example.com")].concat());
    reads(&first, &header);
    let twice = with(&[tlv(0x03, &checksum), tlv(0x03, &checksum)].concat());
    refuses(&twice, ProxyErrorKind::Malformed);
}
