//! The forms of a request target (RFC 9112 section 3.2).

use http::uri::Authority;
use http::{Method, Uri};

use crate::engine::framing::Refusal;
use crate::engine::host;

/// What a target is.
pub(crate) enum Form {
    /// A path of so many bytes, perhaps with a query behind it.
    Origin {
        /// The length of the path in bytes.
        path: usize,
    },
    /// A whole URI, or `*`.
    Other(Uri),
}

const INVALID: Refusal = Refusal::bad("the request target is invalid\n");
const FRAGMENT: Refusal = Refusal::bad("the request target has a fragment\n");

/// The longest target that the `http` crate takes, in bytes.
const MOST_BYTES: usize = u16::MAX as usize - 1;

/// Checks a target against the method and the `host` field.
pub(crate) fn check(method: &Method, target: &str, host: Option<&[u8]>) -> Result<Form, Refusal> {
    if target.starts_with('/') {
        return check_origin(target.as_bytes());
    }
    check_other(method, target, host)
}

/// Measures a path with a query perhaps at the beginning of `bytes`: the length of the path, and of all of it.
/// Nothing when there is none, or it is too long.
#[inline]
pub(crate) fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    let scan = |bytes: &[u8], known: &[bool; 256]| {
        bytes
            .iter()
            .position(|&byte| !known[usize::from(byte)])
            .unwrap_or(bytes.len())
    };
    if bytes.first() != Some(&b'/') {
        return None;
    }
    let path = scan(bytes, &PATH);
    let length = match bytes.get(path) {
        Some(b'?') => path + 1 + scan(&bytes[path + 1..], &QUERY),
        _ => path,
    };
    (length <= MOST_BYTES).then_some((path, length))
}

fn check_origin(target: &[u8]) -> Result<Form, Refusal> {
    let (path, end) = measure(target).ok_or(INVALID)?;
    match target.get(end) {
        None => Ok(Form::Origin { path }),
        Some(b'#') => Err(FRAGMENT),
        Some(_) => Err(INVALID),
    }
}

/// The bytes of a path, those that RFC 3986 has percent-encoded but clients send as they are included: `{`, `}`,
/// `"`, `|` and UTF-8. `httparse` has seen to it that a target is UTF-8.
const PATH: [bool; 256] = table(b"!\"$%&'()*+,-./:;=@[\\]^_{|}~");

/// The bytes of a query.
const QUERY: [bool; 256] = table(b"!$%&'()*+,-./:;=?@[\\]^_`{|}~");

const fn table(others: &[u8]) -> [bool; 256] {
    let mut known = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        known[byte] = (byte as u8).is_ascii_alphanumeric() || byte >= 0x80;
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        known[others[index] as usize] = true;
        index += 1;
    }
    known
}

#[cold]
fn check_other(method: &Method, target: &str, host: Option<&[u8]>) -> Result<Form, Refusal> {
    if target.contains('#') {
        return Err(FRAGMENT);
    }
    let uri: Uri = target.parse().map_err(|_| INVALID)?;
    match (uri.scheme_str(), uri.authority()) {
        (None, None) if target == "*" && method == Method::OPTIONS => Ok(Form::Other(uri)),
        (Some(scheme @ ("http" | "https")), Some(authority)) => {
            check_authority(authority, host, scheme)?;
            Ok(Form::Other(uri))
        }
        _ => Err(INVALID),
    }
}

/// RFC 9112 section 3.2.2: the target's authority is the one that counts, and `host` has to say the same.
fn check_authority(
    authority: &Authority,
    host: Option<&[u8]>,
    scheme: &str,
) -> Result<(), Refusal> {
    let authority = authority.as_str().as_bytes();
    if !host::is_valid(authority) {
        return Err(Refusal::bad("the authority is invalid\n"));
    }
    if host.is_some_and(|host| !host::is_same(host, authority, Some(scheme))) {
        return Err(Refusal::bad(
            "the host header differs from the request target\n",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{Method, Uri};

    use super::{Form, check};

    /// Heads make an URI of their target when somebody asks, and it must be one then.
    #[test]
    fn what_is_accepted_is_what_the_http_crate_accepts() {
        for place in ["/a{}b", "/a?b{}c"] {
            for code in 0..=0xff_u32 {
                let Some(character) = char::from_u32(code) else {
                    continue;
                };
                if character == '#' {
                    continue;
                }
                let target = place.replace("{}", &character.to_string());
                let ours = check(&Method::GET, &target, Some(b"a")).is_ok();
                let theirs = target.parse::<Uri>().is_ok();
                assert_eq!(ours, theirs, "{target:?}");
            }
        }
    }

    #[test]
    fn paths_end_at_the_query() {
        for (target, length) in [("/", 1), ("/a/b", 4), ("/a?", 2), ("/a?b?c", 2), ("/?", 1)] {
            let Ok(Form::Origin { path }) = check(&Method::GET, target, None) else {
                panic!("{target:?}");
            };
            assert_eq!(path, length, "{target:?}");
        }
    }

    #[test]
    fn the_longest_target_is_one_of_the_http_crate() {
        for (length, fine) in [(65533, true), (65534, true), (65535, false)] {
            let target = format!("/{}", "a".repeat(length - 1));
            assert_eq!(check(&Method::GET, &target, None).is_ok(), fine);
            assert_eq!(target.parse::<Uri>().is_ok(), fine);
        }
    }
}
