//! Version 1: one line of text (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{MAX_V1_BYTES, ProxyAddresses, ProxyError, ProxyHeader, begin_as};

pub(super) const PREFIX: &[u8] = b"PROXY ";

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    if !begin_as(bytes, PREFIX) {
        return Err(ProxyError::no_header());
    }
    let within = &bytes[..bytes.len().min(MAX_V1_BYTES)];
    let Some(end) = within.windows(2).position(|two| two == b"\r\n") else {
        if within.contains(&b'\n') && !within.starts_with(b"PROXY UNKNOWN") {
            return Err(ProxyError::malformed("end of the line"));
        }
        return match within.len() {
            MAX_V1_BYTES => Err(ProxyError::too_long("line")),
            _ => Ok(None),
        };
    };
    // The line is complete, and so is the prefix.
    let text = within.get(PREFIX.len()..end).unwrap_or_default();
    Ok(Some((ProxyHeader::new(addresses(text)?), end + 2)))
}

fn addresses(text: &[u8]) -> Result<ProxyAddresses, ProxyError> {
    // What follows may be anything.
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return Ok(ProxyAddresses::Unknown);
    }
    let text = std::str::from_utf8(text).map_err(|_| ProxyError::malformed("line"))?;
    let mut words = text.split(' ');
    let family = words.next();
    let mut next = |what| words.next().ok_or(ProxyError::malformed(what));
    let (source, destination) = (next("source")?, next("destination")?);
    let (from, to) = (next("source port")?, next("destination port")?);
    if words.next().is_some() {
        return Err(ProxyError::malformed("line"));
    }
    let (from, to) = (port(from, "source port")?, port(to, "destination port")?);
    let (source, destination) = match family {
        Some("TCP4") => (
            ip::<Ipv4Addr>(source, "source")?,
            ip::<Ipv4Addr>(destination, "destination")?,
        ),
        Some("TCP6") => (
            ip::<Ipv6Addr>(source, "source")?,
            ip::<Ipv6Addr>(destination, "destination")?,
        ),
        _ => return Err(ProxyError::malformed("protocol")),
    };
    Ok(ProxyAddresses::Ip {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

fn ip<T: FromStr + Into<IpAddr>>(text: &str, what: &'static str) -> Result<IpAddr, ProxyError> {
    let address: T = text.parse().map_err(|_| ProxyError::malformed(what))?;
    Ok(address.into())
}

/// A decimal number without sign and leading zeros.
fn port(text: &str, what: &'static str) -> Result<u16, ProxyError> {
    let canonical = text == "0" || matches!(text.as_bytes().first(), Some(b'1'..=b'9'));
    match text.parse() {
        Ok(port) if canonical => Ok(port),
        _ => Err(ProxyError::malformed(what)),
    }
}
