//! The field `Forwarded` (RFC 7239).

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap};

use super::{ForwardedClient, Said, address, host, scheme};

/// What a proxy has added: the client that it saw, and how.
type Element<'a> = ForwardedClient<'a>;

/// What the field says. Linear in its length.
///
/// The last element whose client is not a trusted proxy counts; the first when all are. Where the field is malformed
/// nothing of it counts, since what a proxy has added cannot be told from what the client wrote before it.
pub(super) fn client(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Element<'_> {
    let unknown = Element {
        ip: Said::Unknown,
        ..Element::default()
    };
    let mut found: Option<Element<'_>> = None;
    for line in headers.get_all(FORWARDED) {
        let Ok(mut rest) = line.to_str() else {
            return unknown;
        };
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let Some((element, after)) = element(rest) else {
                return unknown;
            };
            let is_proxy = matches!(element.ip, Said::This(ip) if trusts(ip));
            if found.is_none() || !is_proxy {
                found = Some(element);
            }
            rest = after;
        }
    }
    found.unwrap_or_default()
}

/// Reads `for=192.0.2.60;proto=http` up to the comma behind it.
fn element(mut text: &str) -> Option<(Element<'_>, &str)> {
    let mut element = Element {
        ip: Said::Unknown,
        ..Element::default()
    };
    let mut seen = 0_u8;
    loop {
        let (name, value, after) = pair(text)?;
        let names = ["for", "proto", "host", "by"];
        let known = names
            .iter()
            .position(|known| name.eq_ignore_ascii_case(known));
        if let Some(at) = known {
            // Each once in an element (section 4).
            if seen & 1 << at != 0 {
                return None;
            }
            seen |= 1 << at;
        }
        match known {
            Some(0) => element.ip = address(value).map_or(Said::Unknown, Said::This),
            Some(1) => element.scheme = scheme(value),
            Some(2) => element.host = host(value),
            _ => {}
        }
        let after = after.trim_start_matches([' ', '\t']);
        if let Some(next) = after.strip_prefix(';') {
            text = next.trim_start_matches([' ', '\t']);
            if !text.is_empty() && !text.starts_with(',') {
                continue;
            }
            return Some((element, text));
        }
        if after.is_empty() || after.starts_with(',') {
            return Some((element, after));
        }
        return None;
    }
}

/// Reads `name=value`; a quoted value without its quotes. A value with a backslash in it is taken as it is, and is
/// neither an address nor a host then.
fn pair(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.bytes().position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        })?;
        return Some((name, quoted.get(..end)?, quoted.get(end + 1..)?));
    }
    let end = rest
        .bytes()
        .position(|byte| matches!(byte, b';' | b',' | b' ' | b'\t'));
    let (value, after) = rest.split_at(end.unwrap_or(rest.len()));
    // Colons and brackets have to be quoted, and are not always.
    let is_sound = |byte| is_token(byte) || matches!(byte, b':' | b'[' | b']');
    (!value.is_empty() && value.bytes().all(is_sound)).then_some((name, value, after))
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
