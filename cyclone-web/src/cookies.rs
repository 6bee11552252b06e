//! Cookies: those of a request, and `Set-Cookie` for a response.

mod set_cookie;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, header::COOKIE};

pub use self::set_cookie::{
    CookieError, MAX_CLEARED_COOKIES, MAX_COOKIE_ATTRIBUTE, MAX_COOKIE_SIZE, SameSite, SetCookie,
};

/// The cookies of a request, read straight from its headers.
///
/// The header is split as browsers write it, not by the grammar of RFC 6265: `;` alone separates
/// pairs, everything else is data, and a pair without `=` is a value without a name. A pair that is
/// not UTF-8 is left out and hides no other. A value in double quotes loses them, and the backslash
/// escapes inside (`\"`, `\\`, `\073`) are undone, as Tornado and Python do; a quote anywhere else is
/// data. Header lines are read in order (HTTP/2 may split the header, RFC 9113 8.2.3).
///
/// When a name occurs twice, [`get`](Self::get) returns the first: browsers put the cookie with the
/// longer path first (RFC 6265 5.4). Tornado returns the last. Never rely on the order for
/// security, a sibling domain can plant either: use [`get_all`](Self::get_all) and take the
/// one whose signature is valid.
///
/// Nothing is copied or kept: a look-up is one pass over the header.
///
/// ```
/// use cyclone_web::Cookies;
/// use http::{HeaderMap, HeaderValue, header::COOKIE};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(COOKIE, HeaderValue::from_static("theme=dark; name=\"a\\073b\""));
/// let cookies = Cookies::new(&headers);
/// assert_eq!(cookies.get("theme").as_deref(), Some("dark"));
/// assert_eq!(cookies.get("name").as_deref(), Some("a;b"));
/// ```
#[derive(Clone, Copy)]
pub struct Cookies<'a> {
    headers: &'a HeaderMap,
}

impl<'a> Cookies<'a> {
    /// Looks at the `Cookie` headers of a request.
    #[must_use]
    pub fn new(headers: &'a HeaderMap) -> Self {
        Self { headers }
    }

    /// Returns the value of the first cookie of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get_all(name).next()
    }

    /// Returns the values of every cookie of that name, in the order sent.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = Cow<'a, str>> + use<'a, 'n> {
        self.raw()
            .filter(move |(key, _)| *key == name.as_bytes())
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .map(unquote)
    }

    /// Returns every cookie, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        self.raw().filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            let value = std::str::from_utf8(value).ok()?;
            Some((name, unquote(value)))
        })
    }

    fn raw(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let headers = self.headers.get_all(COOKIE).iter();
        headers
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
            .map(|pair| {
                let equals = pair.iter().position(|byte| *byte == b'=');
                match equals {
                    Some(at) => (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()),
                    None => (&pair[..0], pair.trim_ascii()),
                }
            })
            .filter(|(name, value)| !(name.is_empty() && value.is_empty()))
    }
}

/// Shows names only: values are secrets as often as not.
impl fmt::Debug for Cookies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Undoes the quoting of Python's `http.cookies`, in one pass.
fn unquote(value: &str) -> Cow<'_, str> {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return Cow::Borrowed(value);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        if let Some(byte) = octal(after.as_bytes()) {
            // A byte is a Latin-1 character, as in Python.
            text.push(char::from(byte));
            rest = &after[3..];
        } else if let Some(escaped) = after.chars().next() {
            text.push(escaped);
            rest = &after[escaped.len_utf8()..];
        } else {
            text.push('\\');
            rest = after;
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Reads `000` to `377` at the start.
fn octal(digits: &[u8]) -> Option<u8> {
    let &[
        high @ b'0'..=b'3',
        middle @ b'0'..=b'7',
        low @ b'0'..=b'7',
        ..,
    ] = digits
    else {
        return None;
    };
    Some((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'))
}
