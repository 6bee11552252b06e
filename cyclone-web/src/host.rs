//! Hosts that routes are for.

use std::fmt;
use std::net::Ipv6Addr;

/// The hosts that routes are for: a name, all names below one, or a regular expression.
///
/// `"example.com"` is that host alone, `"*.example.com"` all below it and not itself, `"[::1]"` an address in any
/// spelling. Letter case, the port, and a dot at the end of the host of a request do not count.
#[derive(Clone)]
pub struct HostPattern {
    text: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Name(String),
    /// What a name ends in, with its dot.
    Below(String),
    Address(Ipv6Addr),
    #[cfg(feature = "regex")]
    Expression(regex::Regex),
}

impl HostPattern {
    /// The hosts that a regular expression matches as a whole, without port, in lower case: Tornado's host patterns. An
    /// IPv6 address stands in brackets.
    ///
    /// # Panics
    /// When it is no regular expression: a mistake in the program, found at its start.
    #[cfg(feature = "regex")]
    #[must_use]
    #[expect(clippy::panic, reason = "a mistake in the program, found at its start")]
    pub fn regex(pattern: &str) -> Self {
        match crate::router::compile(pattern) {
            Ok(expression) => Self {
                text: format!("regex {pattern}"),
                kind: Kind::Expression(expression),
            },
            Err(problem) => panic!("host `{pattern}`: {problem}"),
        }
    }

    fn new(text: &str) -> Self {
        let name = normal(without_port(text));
        let kind = match (address(&name), name.strip_prefix('*')) {
            (Some(address), _) => Kind::Address(address),
            (None, Some(below)) if below.starts_with('.') => Kind::Below(below.to_owned()),
            _ => Kind::Name(name.clone()),
        };
        Self { text: name, kind }
    }

    /// Whether a host of a request, port or not, is one of these.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let name = normal(without_port(host));
        match &self.kind {
            Kind::Name(wanted) => *wanted == name,
            Kind::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
            Kind::Address(wanted) => address(&name) == Some(*wanted),
            #[cfg(feature = "regex")]
            Kind::Expression(expression) => expression.is_match(&name),
        }
    }

    /// Whether it is the same pattern.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl From<&str> for HostPattern {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for HostPattern {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostPattern").field(&self.text).finish()
    }
}

/// A host without its port. The colons of an IPv6 address are none of a port.
pub(crate) fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

fn normal(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_ascii_lowercase()
}

fn address(name: &str) -> Option<Ipv6Addr> {
    let inner = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    inner.unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{HostPattern, without_port};

    #[test]
    fn ports_go_and_addresses_stay() {
        for (host, name) in [
            ("example.com", "example.com"),
            ("example.com:8888", "example.com"),
            ("example.com:", "example.com"),
            ("[::1]:8888", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1", "[::1"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name, "{host}");
        }
    }

    #[test]
    fn names_match_whatever_their_case_port_and_last_dot() {
        for (pattern, host, expected) in [
            ("example.com", "EXAMPLE.com:8888", true),
            ("Example.COM", "example.com.", true),
            ("example.com", "www.example.com", false),
            ("example.com", "example.com.evil.example", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "a.b.example.com:1", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("[::1]", "[::1]:8888", true),
            ("::1", "[0:0:0:0:0:0:0:1]", true),
            ("[::1]", "[::2]", false),
            ("[2001:DB8::1]", "[2001:db8:0::1]:443", true),
            ("127.0.0.1", "127.0.0.1:80", true),
        ] {
            let pattern = HostPattern::from(pattern);
            assert_eq!(pattern.matches(host), expected, "{pattern:?} {host}");
        }
    }

    #[cfg(feature = "regex")]
    #[test]
    fn expressions_match_whole_hosts() {
        let pattern = HostPattern::regex(r"(www|api)\.example\.com|\[::1\]");
        for (host, expected) in [
            ("www.example.com", true),
            ("API.example.com:80", true),
            ("[::1]:80", true),
            ("www.example.com.evil.example", false),
            ("x.www.example.com", false),
            ("wwwxexample.com", false),
        ] {
            assert_eq!(pattern.matches(host), expected, "{host}");
        }
    }
}
