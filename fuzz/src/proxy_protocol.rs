//! The headers of proxies.

use cyclone_core::proxy_protocol::{ProxyHeader, parse, parse_v1, parse_v2};

/// Nothing is read before it is complete, nothing is said twice, and what is read is written so that it reads the
/// same.
pub(crate) fn proxy_protocol(data: &[u8]) {
    let parsed = parse(data);
    let of_one = match data.first() {
        Some(b'P') => parse_v1(data),
        _ => parse_v2(data),
    };
    assert_eq!(parsed, of_one);
    let Ok(Some((header, length))) = parsed else {
        // More bytes mend nothing.
        if parsed.is_err() {
            assert!(parse(&[data, b"\r\n"].concat()).is_err());
        }
        return;
    };
    for end in [0, 1, length / 2, length - 1] {
        assert_eq!(parse(&data[..end]), Ok(None), "{end} of {length}");
    }
    assert_eq!(parse(&data[..length]), Ok(Some((header.clone(), length))));
    for bytes in [header.encode_v2(), header.encode_v2_with_checksum()] {
        assert_eq!(parse(&bytes), Ok(Some((header.clone(), bytes.len()))));
    }
    if let Ok(Some((text, length))) = parse(&header.encode_v1()) {
        assert_eq!(length, header.encode_v1().len());
        assert!(
            text == header || text == without_extensions(&header),
            "{header:?}"
        );
    }
    let _ = (header.alpn(), header.authority(), header.unique_id());
    if let Some(ssl) = header.ssl() {
        let _ = (ssl.common_name(), ssl.details().count());
    }
}

/// What version 1 can say of a header.
fn without_extensions(header: &ProxyHeader) -> ProxyHeader {
    use cyclone_core::proxy_protocol::ProxyAddresses::Ip;
    match header.addresses() {
        Ip {
            source,
            destination,
        } if !header.is_datagrams() => ProxyHeader::forwarding(*source, *destination),
        _ => ProxyHeader::unknown(),
    }
}
