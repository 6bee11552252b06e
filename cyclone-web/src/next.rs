//! Where a login returns to, and nowhere else.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// The target of a redirect that came from a client, if it stays on this site; `None` otherwise. For the `next`
/// argument of a login ([`RequestContext::next_url`](crate::RequestContext::next_url)) and its like.
///
/// It stays if it is a path, which begins with exactly one slash, or an `http` or `https` URL of exactly this `host` (a
/// name with its port, as in the `Host` header; `None` refuses all). Whatever browsers read differently than servers is
/// refused: backslashes, which they take for slashes; control characters, which they leave out; white space around;
/// user names.
///
/// ```
/// use cyclone_web::safe_next;
///
/// assert_eq!(safe_next("/inbox?page=2", None), Some("/inbox?page=2"));
/// assert_eq!(safe_next("//evil.example/", None), None);
/// assert_eq!(safe_next("/\\evil.example/", None), None);
/// assert_eq!(safe_next("https://site.example/inbox", Some("site.example")), Some("https://site.example/inbox"));
/// assert_eq!(safe_next("https://site.example.evil.example/", Some("site.example")), None);
/// ```
#[must_use]
pub fn safe_next<'a>(target: &'a str, host: Option<&str>) -> Option<&'a str> {
    let is_odd = |character: char| character.is_control() || character == '\\';
    if target.contains(is_odd) || target.trim() != target {
        return None;
    }
    if let Some(path) = target.strip_prefix('/') {
        return (!path.starts_with('/')).then_some(target);
    }
    let rest = strip_scheme(target)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let is_ours = host.is_some_and(|host| !host.is_empty() && host.eq_ignore_ascii_case(authority));
    is_ours.then_some(target)
}

/// What follows `http://` or `https://`.
fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_web.then_some(rest)
}

/// Whether a URL begins with a scheme (RFC 3986, 3.1).
pub(crate) fn is_absolute(url: &str) -> bool {
    let Some((scheme, _)) = url.split_once(':') else {
        return false;
    };
    let mut bytes = scheme.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// What stays as it is in the value of a query argument.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes the value of a query argument.
pub(crate) fn encode(value: &str) -> PercentEncode<'_> {
    utf8_percent_encode(value, QUERY_VALUE)
}

#[cfg(test)]
mod tests {
    use super::{is_absolute, safe_next};

    #[test]
    fn targets_on_this_site_are_let_through() {
        let host = Some("site.example:8888");
        for target in [
            "/",
            "/inbox",
            "/inbox?next=//other",
            "/a//b",
            "/\u{fc}",
            "http://site.example:8888",
            "HTTPS://SITE.example:8888/inbox#top",
            "http://site.example:8888?x",
        ] {
            assert_eq!(safe_next(target, host), Some(target), "{target}");
        }
    }

    /// CVE-2023-28370 and its kin: whatever a browser may take for another site.
    #[test]
    fn targets_elsewhere_are_refused() {
        for target in [
            "",
            "inbox",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\u{85}/evil.example",
            " /inbox",
            "/inbox ",
            "\u{a0}/inbox",
            "javascript:alert(1)",
            "data:text/html,x",
            "https:evil.example",
            "https:/evil.example",
            "http:///evil.example",
            "http://evil.example",
            "http://site.example:8888.evil.example/",
            "http://site.example:8888@evil.example/",
            "http://user@site.example:8888/",
            "http://site.example/",
            "http://site.example:8888\\@evil.example/",
            "ftp://site.example:8888/",
            "://site.example:8888/",
        ] {
            assert_eq!(
                safe_next(target, Some("site.example:8888")),
                None,
                "{target:?}"
            );
        }
        assert_eq!(safe_next("http:///", Some("")), None);
        assert_eq!(safe_next("http://site.example/", None), None);
    }

    #[test]
    fn absolute_urls_have_a_scheme() {
        for url in ["https://login.example/", "HTTP:", "a+b-c.1:x"] {
            assert!(is_absolute(url), "{url}");
        }
        for url in ["/login", "login", "//host/", "1a:x", ":x", "/a:b", ""] {
            assert!(!is_absolute(url), "{url}");
        }
    }
}
