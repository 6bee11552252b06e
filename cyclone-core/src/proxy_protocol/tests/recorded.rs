//! What HAProxy 2.6.12 sent, byte by byte.

use super::{ProxyHeader, reads};
use crate::proxy_protocol::{ProxyAddresses, Tlv, parse};

/// `send-proxy-v2 proxy-v2-options unique-id,crc32c`
const WITH_CHECKSUM: &[u8] = b"\
    \x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x1c\x7f\x00\x00\x01\x7f\x00\x00\x01\xbd\x6e\xde\x63\
    \x03\x00\x04\xb0\xd0\xd2\x07\x05\x00\x06the-id";

/// `send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c`
const WITH_TLS: &[u8] = b"\
    \x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x7b\x7f\x00\x00\x01\x7f\x00\x00\x01\xad\x02\xd7\x5b\
    \x03\x00\x04\xb6\xe4\xa1\x9a\x01\x00\x02h2\x02\x00\x0dasked.example\x20\x00\x50\x07\x00\x00\x00\x00\
    \x21\x00\x07TLSv1.3\x22\x00\x0eclient.example\x25\x00\x07RSA2048\x24\x00\x0aRSA-SHA256\
    \x23\x00\x16TLS_AES_256_GCM_SHA384";

/// From a client at a Unix domain socket: an extension, but no addresses.
const OF_UNIX: &[u8] = b"\
    \x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x20\x00\x00\x09\x05\x00\x06the-id";

fn header(source_port: u16, destination_port: u16) -> ProxyHeader {
    ProxyHeader::forwarding(
        ([127, 0, 0, 1], source_port).into(),
        ([127, 0, 0, 1], destination_port).into(),
    )
}

#[test]
fn headers_of_haproxy_are_read() {
    let named = header(48494, 56931)
        .with_tlv(Tlv::UNIQUE_ID, b"the-id")
        .unwrap();
    reads(WITH_CHECKSUM, &named);
    reads(OF_UNIX, &ProxyHeader::local());

    let (with_tls, length) = parse(WITH_TLS).unwrap().unwrap();
    assert_eq!(length, WITH_TLS.len());
    reads(WITH_TLS, &with_tls);
    let addresses = header(44290, 55131).addresses().clone();
    assert_eq!(with_tls.addresses(), &addresses);
    assert!(matches!(addresses, ProxyAddresses::Ip { .. }));
    assert_eq!(with_tls.alpn(), Some(&b"h2"[..]));
    assert_eq!(with_tls.authority(), Some("asked.example"));
    let ssl = with_tls.ssl().unwrap();
    assert!(ssl.is_tls() && ssl.is_client_verified());
    assert_eq!(ssl.version(), Some("TLSv1.3"));
    assert_eq!(ssl.common_name(), Some("client.example"));
    assert_eq!(ssl.cipher(), Some("TLS_AES_256_GCM_SHA384"));
    let kinds: Vec<u8> = ssl.details().map(|tlv| tlv.kind()).collect();
    assert_eq!(kinds, [0x21, 0x22, 0x25, 0x24, 0x23]);
}
