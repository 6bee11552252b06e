//! From the path of a request to the name of a file below the root.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::StaticError;

/// Longest decoded path, in bytes: `PATH_MAX` of Linux.
const MAX_PATH: usize = 4096;

/// The one name with a leading dot that is not hidden (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// Decodes once and checks every component; returns them joined by `/`, empty for the root.
///
/// What tries to climb out or to name a drive is refused; what no file can be called is not found.
pub(super) fn normalize(encoded: &str, hidden: bool) -> Result<Cow<'_, str>, StaticError> {
    if is_plain(encoded) {
        return Ok(Cow::Borrowed(encoded));
    }
    if encoded.len() > MAX_PATH * 3 || !has_valid_escapes(encoded) {
        return Err(StaticError::NotFound);
    }
    let decoded = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| StaticError::NotFound)?;
    normalize_decoded(decoded, hidden)
}

/// As [`normalize`], for a path that is not encoded.
pub(super) fn normalize_decoded(
    decoded: Cow<'_, str>,
    hidden: bool,
) -> Result<Cow<'_, str>, StaticError> {
    if decoded.len() > MAX_PATH || decoded.contains('\0') {
        return Err(StaticError::NotFound);
    }
    if decoded.contains('\\') {
        return Err(StaticError::Forbidden);
    }
    let mut clean = !decoded.is_empty();
    for (index, component) in decoded.split('/').enumerate() {
        check(component, index, hidden)?;
        clean &= !component.is_empty();
    }
    if clean {
        return Ok(decoded);
    }
    let components = decoded.split('/').filter(|component| !component.is_empty());
    Ok(Cow::Owned(components.collect::<Vec<_>>().join("/")))
}

/// Tells of most paths in one pass that none of the rules has anything to say about them: short, of letters,
/// digits, `-`, `_` and `.` only, no component empty or beginning with a dot.
fn is_plain(encoded: &str) -> bool {
    let mut begins = true;
    for byte in encoded.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => begins = false,
            b'.' if !begins => {}
            b'/' if !begins => begins = true,
            _ => return false,
        }
    }
    !begins && encoded.len() <= MAX_PATH
}

fn check(component: &str, index: usize, hidden: bool) -> Result<(), StaticError> {
    let has_drive = matches!(component.as_bytes(), [b'a'..=b'z' | b'A'..=b'Z', b':', ..]);
    if component == ".." || has_drive || (cfg!(windows) && component.contains(':')) {
        return Err(StaticError::Forbidden);
    }
    let is_hidden = component.starts_with('.') && !(component == WELL_KNOWN && index == 0);
    if component == "." || (is_hidden && !hidden) {
        return Err(StaticError::NotFound);
    }
    Ok(())
}

/// Tells whether two hex digits follow every `%`.
fn has_valid_escapes(encoded: &str) -> bool {
    let mut rest = encoded.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match &rest[at + 1..] {
            [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(encoded: &str) -> Result<String, u16> {
        normalize(encoded, false)
            .map(Cow::into_owned)
            .map_err(|error| error.status().as_u16())
    }

    #[test]
    fn names_are_decoded_once() {
        for (encoded, expected) in [
            ("", ""),
            ("/", ""),
            ("a/b.txt", "a/b.txt"),
            ("/a//b.txt/", "a/b.txt"),
            ("a%20b/%C3%A9", "a b/\u{e9}"),
            ("a%2Fb", "a/b"),
            ("%252e%252e/x", "%2e%2e/x"),
            ("a..b/c...", "a..b/c..."),
            (".well-known/acme", ".well-known/acme"),
            ("1:x/ab:c", "1:x/ab:c"),
        ] {
            assert_eq!(normalized(encoded), Ok(expected.to_owned()), "{encoded}");
        }
    }

    /// RustSec 2021-0135 (tower-http), 2022-0043 and 2022-0082 (warp), 2021-0126 (rust-embed).
    #[test]
    fn rustsec_2021_0135_2022_0043_2022_0082_2021_0126_escapes_are_refused() {
        for encoded in [
            "..",
            "../x",
            "a/../x",
            "a/..",
            "%2e%2e/x",
            ".%2E/x",
            "..%2fx",
            "a%2f..%2f..%2fx",
            "..\\x",
            "a\\b",
            "%5c%5cserver%5cshare",
            "c:/x",
            "C:%5cx",
            "a/c:x",
            "/c%3a/x",
            "c:",
        ] {
            assert_eq!(normalized(encoded), Err(403), "{encoded}");
        }
    }

    #[test]
    fn what_no_file_is_called_is_not_found() {
        for encoded in [
            "a%00b",
            "%",
            "a%2",
            "a%zz",
            "%ff",
            ".",
            "./a",
            "a/./b",
            ".git/config",
            "a/.env",
            "a/.well-known/b",
            ".wellknown",
            "...",
        ] {
            assert_eq!(normalized(encoded), Err(404), "{encoded}");
        }
        assert_eq!(normalize("a/.env", true).unwrap(), "a/.env");
        assert!(normalize("./a", true).is_err() && normalize("../a", true).is_err());
    }

    #[test]
    fn length_just_under_at_and_over_the_limit() {
        for (length, accepted) in [
            (MAX_PATH - 1, true),
            (MAX_PATH, true),
            (MAX_PATH + 1, false),
        ] {
            assert_eq!(
                normalize(&"a".repeat(length), false).is_ok(),
                accepted,
                "{length}"
            );
            assert_eq!(
                normalize(&"%61".repeat(length), false).is_ok(),
                accepted,
                "{length}"
            );
        }
    }

    #[test]
    fn random_paths_never_climb() {
        fastrand::seed(16);
        let pieces = [
            ".", "..", "/", "%2e", "%2f", "%5c", "a", "%", "%00", ":", "\\", "%25", "C",
        ];
        for _ in 0..50_000 {
            let count = fastrand::usize(0..8);
            let encoded: String = (0..count)
                .filter_map(|_| fastrand::choice(pieces))
                .collect();
            for hidden in [false, true] {
                if is_plain(&encoded) {
                    let name = normalize_decoded(Cow::Borrowed(&encoded), hidden);
                    assert_eq!(name.unwrap(), encoded);
                }
                if let Ok(name) = normalize(&encoded, hidden) {
                    let mut components = name.split('/');
                    assert!(
                        !name.starts_with('/') && !name.contains(['\\', '\0']),
                        "{encoded}"
                    );
                    assert!(
                        components.all(|part| part != ".." && part != "."),
                        "{encoded}"
                    );
                }
            }
        }
    }
}
