//! Headers as bytes.

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::crc32c::crc32c;
use super::{MAX_V2_BYTES, ProxyAddresses, ProxyHeader, Tlv, UNIX_ADDRESS_BYTES, v2};

/// The type, the length and the value of a checksum.
const CHECKSUM_BYTES: usize = 3 + 4;

/// Two addresses of one family.
enum Pair {
    V4(SocketAddrV4, SocketAddrV4),
    V6(SocketAddrV6, SocketAddrV6),
}

impl Pair {
    /// Addresses of two families are both written as IPv6.
    fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        match (source, destination) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => Self::V4(source, destination),
            _ => Self::V6(mapped(source), mapped(destination)),
        }
    }
}

fn mapped(address: SocketAddr) -> SocketAddrV6 {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddrV6::new(ip, address.port(), 0, 0)
}

impl ProxyHeader {
    /// The header in version 1, CR LF included.
    ///
    /// Version 1 has only TCP addresses: everything else becomes `UNKNOWN`, and extensions are left out.
    #[must_use]
    pub fn encode_v1(&self) -> Vec<u8> {
        let pair = match &self.addresses {
            ProxyAddresses::Ip {
                source,
                destination,
            } if !self.datagrams => Pair::new(*source, *destination),
            _ => return b"PROXY UNKNOWN\r\n".to_vec(),
        };
        let (name, source, destination): (_, SocketAddr, SocketAddr) = match pair {
            Pair::V4(source, destination) => ("TCP4", source.into(), destination.into()),
            Pair::V6(source, destination) => ("TCP6", source.into(), destination.into()),
        };
        let (from, to) = (source.port(), destination.port());
        let (source, destination) = (source.ip(), destination.ip());
        format!("PROXY {name} {source} {destination} {from} {to}\r\n").into_bytes()
    }

    /// The header in version 2, with its extensions and without a checksum.
    #[must_use]
    pub fn encode_v2(&self) -> Vec<u8> {
        self.encode(false)
    }

    /// The header in version 2 with a checksum behind its extensions.
    #[must_use]
    pub fn encode_v2_with_checksum(&self) -> Vec<u8> {
        let mut bytes = self.encode(true);
        let checksum = crc32c(&[&bytes]).to_be_bytes();
        let at = bytes.len() - checksum.len();
        bytes[at..].copy_from_slice(&checksum);
        bytes
    }

    fn encode(&self, room_for_checksum: bool) -> Vec<u8> {
        let (command, family) = match &self.addresses {
            ProxyAddresses::Local => (v2::COMMAND_LOCAL, v2::FAMILY_UNSPECIFIED),
            ProxyAddresses::Unknown => (v2::COMMAND_PROXY, v2::FAMILY_UNSPECIFIED),
            ProxyAddresses::Ip {
                source,
                destination,
            } => match Pair::new(*source, *destination) {
                Pair::V4(..) => (v2::COMMAND_PROXY, v2::FAMILY_INET),
                Pair::V6(..) => (v2::COMMAND_PROXY, v2::FAMILY_INET6),
            },
            ProxyAddresses::Unix { .. } => (v2::COMMAND_PROXY, v2::FAMILY_UNIX),
        };
        let transport = match (family, self.datagrams) {
            (v2::FAMILY_UNSPECIFIED, _) => 0,
            (_, false) => v2::TRANSPORT_STREAM,
            (_, true) => v2::TRANSPORT_DATAGRAM,
        };
        let mut bytes = v2::SIGNATURE.to_vec();
        bytes.extend([v2::VERSION | command, family | transport, 0, 0]);
        self.encode_addresses(&mut bytes);
        bytes.extend(&self.tlvs);
        if room_for_checksum {
            bytes.extend([Tlv::CRC32C, 0, 4, 0, 0, 0, 0]);
        }
        // It fits: an extension that would make the header too long is not added.
        let length = u16::try_from(bytes.len() - v2::FIXED_BYTES).unwrap_or(u16::MAX);
        bytes[14..16].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    fn encode_addresses(&self, bytes: &mut Vec<u8>) {
        match &self.addresses {
            ProxyAddresses::Local | ProxyAddresses::Unknown => {}
            ProxyAddresses::Ip {
                source,
                destination,
            } => {
                match Pair::new(*source, *destination) {
                    Pair::V4(source, destination) => {
                        bytes.extend(source.ip().octets());
                        bytes.extend(destination.ip().octets());
                    }
                    Pair::V6(source, destination) => {
                        bytes.extend(source.ip().octets());
                        bytes.extend(destination.ip().octets());
                    }
                }
                bytes.extend(source.port().to_be_bytes());
                bytes.extend(destination.port().to_be_bytes());
            }
            ProxyAddresses::Unix {
                source,
                destination,
            } => {
                for name in [source, destination] {
                    let end = bytes.len() + UNIX_ADDRESS_BYTES;
                    bytes.extend(name);
                    bytes.resize(end, 0);
                }
            }
        }
    }

    /// Whether so many bytes more, and a checksum, would make the header too long.
    pub(super) fn has_no_room(&self, bytes: usize) -> bool {
        self.encode(false).len() + bytes + CHECKSUM_BYTES > MAX_V2_BYTES
    }
}
