//! `X-Forwarded-For` and its kin, which no document defines.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderValue};

use super::{ForwardedClient, Said, address, host, scheme};

/// What these fields say. Linear in their length.
pub(super) fn client(
    headers: &HeaderMap,
    with_real_ip: bool,
    trusts: impl Fn(IpAddr) -> bool,
) -> ForwardedClient<'_> {
    let named = |name: &str| with_real_ip.then(|| last(headers, name)).flatten();
    let proto = named("x-scheme").or_else(|| last(headers, "x-forwarded-proto"));
    ForwardedClient {
        ip: match named("x-real-ip") {
            Some(real) => address(real).map_or(Said::Unknown, Said::This),
            None => nearest(headers, trusts),
        },
        scheme: proto.and_then(scheme),
        host: last(headers, "x-forwarded-host").and_then(host),
    }
}

/// The last address that is not of a trusted proxy; the first when all are.
fn nearest(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Said<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter();
    let mut found = Said::Nothing;
    for line in lines.rev() {
        let Ok(line) = line.to_str() else {
            return Said::Unknown;
        };
        for piece in line.rsplit(',').map(str::trim) {
            if piece.is_empty() {
                continue;
            }
            match address(piece) {
                Some(ip) if trusts(ip) => found = Said::This(ip),
                Some(ip) => return Said::This(ip),
                None => return Said::Unknown,
            }
        }
    }
    found
}

/// The last element of a list, which the nearest proxy has added; `None` when there is no such field.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line: &'a HeaderValue = headers.get_all(name).iter().next_back()?;
    // What cannot be read is there all the same.
    let line = line.to_str().unwrap_or_default();
    Some(line.rsplit(',').next().unwrap_or_default().trim())
}
