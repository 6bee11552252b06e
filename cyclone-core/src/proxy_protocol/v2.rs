//! Version 2: binary, with extensions (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    MAX_V2_BYTES, ProxyAddresses, ProxyError, ProxyErrorKind, ProxyHeader, UNIX_ADDRESS_BYTES,
    begin_as, tlv,
};

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length of the rest.
pub(super) const FIXED_BYTES: usize = 16;

pub(super) const VERSION: u8 = 0x20;
pub(super) const COMMAND_LOCAL: u8 = 0;
pub(super) const COMMAND_PROXY: u8 = 1;
pub(super) const FAMILY_UNSPECIFIED: u8 = 0x00;
pub(super) const FAMILY_INET: u8 = 0x10;
pub(super) const FAMILY_INET6: u8 = 0x20;
pub(super) const FAMILY_UNIX: u8 = 0x30;
pub(super) const TRANSPORT_STREAM: u8 = 1;
pub(super) const TRANSPORT_DATAGRAM: u8 = 2;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    if !begin_as(bytes, SIGNATURE) {
        return Err(ProxyError::no_header());
    }
    if bytes.get(12).is_some_and(|byte| byte & 0xf0 != VERSION) {
        return Err(ProxyError::malformed("version"));
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(None);
    };
    let declared = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if declared > MAX_V2_BYTES - FIXED_BYTES {
        return Err(ProxyError::too_long("header"));
    }
    let header = match fixed[12] & 0x0f {
        // Whatever else it says is to be skipped.
        COMMAND_LOCAL if rest.len() < declared => return Ok(None),
        COMMAND_LOCAL => ProxyHeader::local(),
        COMMAND_PROXY => {
            let (family, transport) = family(fixed[13])?;
            let address_bytes = 2 * address_bytes(family);
            if declared < address_bytes {
                return Err(ProxyError::malformed("length"));
            }
            let Some(block) = rest.get(..declared) else {
                return Ok(None);
            };
            let (of_addresses, extensions) = block.split_at(address_bytes);
            let tlvs = match (family, tlv::check(&[fixed, of_addresses], extensions)) {
                // It may be an address that we do not know: to be ignored.
                (FAMILY_UNSPECIFIED, Err(error)) if error.kind() == ProxyErrorKind::Malformed => {
                    Vec::new()
                }
                (_, tlvs) => tlvs?,
            };
            ProxyHeader {
                addresses: addresses(family, of_addresses)?,
                datagrams: family != FAMILY_UNSPECIFIED && transport == TRANSPORT_DATAGRAM,
                tlvs,
            }
        }
        _ => return Err(ProxyError::malformed("command")),
    };
    Ok(Some((header, FIXED_BYTES + declared)))
}

/// The family of the addresses and the transport; when either is unspecified, there are no addresses.
fn family(byte: u8) -> Result<(u8, u8), ProxyError> {
    match (byte & 0xf0, byte & 0x0f) {
        (family, transport) if family > FAMILY_UNIX || transport > TRANSPORT_DATAGRAM => {
            Err(ProxyError::malformed("family"))
        }
        (_, 0) => Ok((FAMILY_UNSPECIFIED, 0)),
        known => Ok(known),
    }
}

fn address_bytes(family: u8) -> usize {
    match family {
        FAMILY_INET => 4 + 2,
        FAMILY_INET6 => 16 + 2,
        FAMILY_UNIX => UNIX_ADDRESS_BYTES,
        _ => 0,
    }
}

/// Both addresses, then both ports.
fn addresses(family: u8, bytes: &[u8]) -> Result<ProxyAddresses, ProxyError> {
    fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ProxyError> {
        let part = bytes.get(at..).and_then(<[u8]>::first_chunk);
        part.copied().ok_or(ProxyError::malformed("length"))
    }
    let port = |at| part(bytes, at).map(u16::from_be_bytes);
    Ok(match family {
        FAMILY_INET => {
            let ip = |at| part::<4>(bytes, at).map(Ipv4Addr::from);
            ProxyAddresses::Ip {
                source: SocketAddr::new(ip(0)?.into(), port(8)?),
                destination: SocketAddr::new(ip(4)?.into(), port(10)?),
            }
        }
        FAMILY_INET6 => {
            let ip = |at| part::<16>(bytes, at).map(Ipv6Addr::from);
            ProxyAddresses::Ip {
                source: SocketAddr::new(ip(0)?.into(), port(32)?),
                destination: SocketAddr::new(ip(16)?.into(), port(34)?),
            }
        }
        FAMILY_UNIX => {
            let name = |at| part::<UNIX_ADDRESS_BYTES>(bytes, at);
            ProxyAddresses::Unix {
                source: trimmed(&name(0)?).to_vec(),
                destination: trimmed(&name(UNIX_ADDRESS_BYTES)?).to_vec(),
            }
        }
        _ => ProxyAddresses::Unknown,
    })
}

/// The name in the address of a Unix domain socket, without what follows it.
pub(super) fn trimmed(name: &[u8]) -> &[u8] {
    let end = match name.first() {
        // An abstract name, which may have zero bytes inside.
        Some(0) => name.iter().rposition(|byte| *byte != 0).map(|at| at + 1),
        _ => name.iter().position(|byte| *byte == 0),
    };
    match (end, name.first()) {
        (Some(end), _) => &name[..end],
        (None, Some(0)) => &[],
        (None, _) => name,
    }
}
