//! The `host` of a request: RFC 9110 section 7.2, RFC 3986 section 3.2.

/// Whether `value` is a host with an optional port, as `host` and `:authority` must be: no user information,
/// no white space, not empty.
pub(crate) fn is_valid(value: &[u8]) -> bool {
    // Nearly all hosts are a plain name or an IPv4 address, with or without a port.
    let plain = value
        .iter()
        .take_while(|&&byte| PLAIN[usize::from(byte)])
        .count();
    match value.get(plain) {
        None => plain > 0,
        Some(b':') if plain > 0 => is_port(&value[plain + 1..]),
        Some(_) => is_valid_slow(value),
    }
}

/// The bytes of a `reg-name` that stand for themselves: `unreserved` and `sub-delims`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~!$&'()*+,;=";
    let mut index = 0;
    while index < others.len() {
        plain[others[index] as usize] = true;
        index += 1;
    }
    plain
};

/// Also knows IPv6 addresses and percent-encoding.
#[cold]
fn is_valid_slow(value: &[u8]) -> bool {
    let Some((host, port)) = split(value) else {
        return false;
    };
    port.is_none_or(is_port) && (is_ip_literal(host) || is_name(host))
}

/// Whether two valid authorities are the same, letter case and the scheme's default port aside.
pub(crate) fn is_same(left: &[u8], right: &[u8], scheme: Option<&str>) -> bool {
    if left.eq_ignore_ascii_case(right) {
        return true;
    }
    let default: &[u8] = match scheme {
        Some("https") => b"443",
        _ => b"80",
    };
    let (Some((left, left_port)), Some((right, right_port))) = (split(left), split(right)) else {
        return false;
    };
    let effective = |port: Option<&'_ [u8]>| match port {
        None | Some(b"") => default.to_vec(),
        Some(port) => port.to_vec(),
    };
    left.eq_ignore_ascii_case(right) && effective(left_port) == effective(right_port)
}

/// Splits off the port.
fn split(value: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if value.first() == Some(&b'[') {
        let end = value.iter().position(|&byte| byte == b']')?;
        let (host, rest) = value.split_at(end + 1);
        return match rest {
            [] => Some((host, None)),
            [b':', port @ ..] => Some((host, Some(port))),
            _ => None,
        };
    }
    match value.iter().position(|&byte| byte == b':') {
        Some(colon) => Some((&value[..colon], Some(&value[colon + 1..]))),
        None => Some((value, None)),
    }
}

/// `port = *DIGIT`, and a number that a port can be.
fn is_port(port: &[u8]) -> bool {
    let mut number = 0_u32;
    for &byte in port {
        if !byte.is_ascii_digit() {
            return false;
        }
        number = number * 10 + u32::from(byte - b'0');
        if number > u32::from(u16::MAX) {
            return false;
        }
    }
    true
}

fn is_ip_literal(host: &[u8]) -> bool {
    let [b'[', address @ .., b']'] = host else {
        return false;
    };
    std::str::from_utf8(address).is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

/// `reg-name`, not empty.
fn is_name(host: &[u8]) -> bool {
    let mut rest = host;
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                tail
            }
            (byte, tail) if PLAIN[usize::from(*byte)] => tail,
            _ => return false,
        };
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{is_same, is_valid};

    #[test]
    fn hosts_are_names_addresses_and_ports() {
        for valid in [
            "a",
            "example.com",
            "EXAMPLE.com",
            "example.com:80",
            "example.com:",
            "a_b.local",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:8080",
            "%41.com",
            "localhost:0",
        ] {
            assert!(is_valid(valid.as_bytes()), "{valid}");
        }
        for invalid in [
            "",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "user@host",
            "a:b",
            "a:65536",
            "a:80:80",
            "[::1",
            "::1",
            "[::1]x",
            "[zz]",
            "a#b",
            "a?b",
            "a\\b",
            "%4",
            "%zz",
            "a:-1",
            "a:+1",
            "\u{e4}",
            "a\t",
            "a,b/c",
            "[]",
            "a:99999999999999999999",
            "<a>",
            "a\"b",
        ] {
            assert!(!is_valid(invalid.as_bytes()), "{invalid}");
        }
    }

    #[test]
    fn same_hosts_differ_in_case_and_default_port_only() {
        let same = |left: &str, right: &str, scheme| {
            is_same(left.as_bytes(), right.as_bytes(), Some(scheme))
        };
        assert!(same("Example.com", "example.COM", "http"));
        assert!(same("example.com:80", "example.com", "http"));
        assert!(same("example.com", "example.com:", "http"));
        assert!(same("[::1]:443", "[::1]", "https"));
        assert!(!same("example.com:80", "example.com", "https"));
        assert!(!same("example.com:81", "example.com", "http"));
        assert!(!same("example.com", "example.org", "http"));
    }
}
