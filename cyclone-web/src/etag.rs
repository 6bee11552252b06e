//! Entity tags (RFC 9110 8.8.3) and the lists of them that requests send.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;

/// Longest text of an entity tag that we make, in bytes.
pub const MAX_ETAG: usize = 256;

/// An entity tag: names one version of a representation.
///
/// ```
/// use cyclone_web::ETag;
///
/// let etag = ETag::strong("v1")?;
/// assert_eq!(etag.to_string(), "\"v1\"");
/// assert!(etag.weak_eq(&"W/\"v1\"".parse()?));
/// assert!(!etag.strong_eq(&"W/\"v1\"".parse()?));
/// # Ok::<(), cyclone_web::InvalidETag>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag {
    /// As it is sent, quotes and `W/` included.
    text: Box<str>,
}

impl ETag {
    /// Makes a tag for a representation that is the same byte for byte.
    ///
    /// # Errors
    /// [`InvalidETag`] when the text has a quote, white space, a control character or something that
    /// is not ASCII, or more than [`MAX_ETAG`] bytes.
    pub fn strong(tag: &str) -> Result<Self, InvalidETag> {
        Self::new("\"", tag)
    }

    /// Makes a tag for representations that mean the same, such as a page with another date in it.
    ///
    /// # Errors
    /// As [`strong`](Self::strong).
    pub fn weak(tag: &str) -> Result<Self, InvalidETag> {
        Self::new("W/\"", tag)
    }

    /// A strong tag of a body: SHA-256, cut to 128 bits.
    pub(crate) fn of(body: &[u8]) -> Self {
        use sha2::Digest as _;
        let mut text = String::with_capacity(34);
        text.push('"');
        for byte in sha2::Sha256::digest(body).iter().take(16) {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
            }
        }
        text.push('"');
        Self { text: text.into() }
    }

    fn new(open: &str, tag: &str) -> Result<Self, InvalidETag> {
        if tag.len() > MAX_ETAG || !tag.is_ascii() || !tag.bytes().all(is_etag_byte) {
            return Err(InvalidETag(()));
        }
        let text = format!("{open}{tag}\"").into_boxed_str();
        Ok(Self { text })
    }

    /// Tells whether this is a weak tag.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.text.starts_with('W')
    }

    /// Returns the text between the quotes.
    #[must_use]
    pub fn tag(&self) -> &str {
        let quoted = self.text.strip_prefix("W/").unwrap_or(&self.text);
        &quoted[1..quoted.len() - 1]
    }

    /// Compares strongly: both are strong and the same (RFC 9110 8.8.3.2).
    #[must_use]
    pub fn strong_eq(&self, other: &Self) -> bool {
        !self.is_weak() && self.text == other.text
    }

    /// Compares weakly: the same, whether weak or not.
    #[must_use]
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.tag() == other.tag()
    }

    /// Returns the value of an `ETag` header.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        // Every constructor leaves visible ASCII only.
        HeaderValue::from_str(&self.text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }

    pub(crate) fn as_sent(&self) -> SentTag<'_> {
        SentTag {
            weak: self.is_weak(),
            tag: self.tag().as_bytes(),
        }
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ETag {
    type Err = InvalidETag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (open, rest) = match text.strip_prefix("W/") {
            Some(rest) => ("W/\"", rest),
            None => ("\"", text),
        };
        let inner = rest
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        Self::new(open, inner.ok_or(InvalidETag(()))?)
    }
}

/// The text is no entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidETag(());

impl fmt::Display for InvalidETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid entity tag")
    }
}

impl std::error::Error for InvalidETag {}

/// `etagc` of RFC 9110: visible ASCII but the quote, and bytes over 0x7F.
fn is_etag_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'~' | 0x80..)
}

/// A tag as it stands in a header of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentTag<'a> {
    weak: bool,
    tag: &'a [u8],
}

impl SentTag<'_> {
    pub(crate) fn strong_eq(self, other: Self) -> bool {
        !self.weak && !other.weak && self.tag == other.tag
    }

    pub(crate) fn weak_eq(self, other: Self) -> bool {
        self.tag == other.tag
    }
}

/// An element of `If-Match` or `If-None-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candidate<'a> {
    /// `*`, alone in its header.
    Any,
    Tag(SentTag<'a>),
}

/// Reads a list of tags in one pass, without allocating; stops at the first malformed element.
///
/// What comes before it counts: a tag that does not match costs a full answer or a 412, never a
/// wrong one.
#[derive(Clone, Debug)]
pub(crate) struct Candidates<'a> {
    rest: &'a [u8],
    first: bool,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(header: &'a [u8]) -> Self {
        Self {
            rest: header,
            first: true,
        }
    }
}

impl<'a> Iterator for Candidates<'a> {
    type Item = Candidate<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty elements are allowed (RFC 9110 5.6.1.2).
        let separator = |byte: &u8| matches!(byte, b' ' | b'\t' | b',');
        let start = self.rest.iter().position(|byte| !separator(byte));
        let list = &self.rest[start.unwrap_or(self.rest.len())..];
        self.rest = &[];
        if std::mem::take(&mut self.first) && list.trim_ascii_end() == b"*" {
            return Some(Candidate::Any);
        }
        let (tag, after) = split_tag(list)?;
        match after.trim_ascii_start() {
            [] => {}
            [b',', rest @ ..] => self.rest = rest,
            // Something is glued to the tag: neither it nor what follows is to be trusted.
            _ => return None,
        }
        Some(Candidate::Tag(tag))
    }
}

/// Parses the tag at the start; returns it and what follows.
fn split_tag(text: &[u8]) -> Option<(SentTag<'_>, &[u8])> {
    let (weak, text) = match text.strip_prefix(b"W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let text = text.strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| !is_etag_byte(*byte))?;
    let (tag, after) = text.split_at(end);
    Some((SentTag { weak, tag }, after.strip_prefix(b"\"")?))
}

/// Parses a header that is exactly one tag, as `If-Range` may be.
pub(crate) fn single_tag(header: &[u8]) -> Option<SentTag<'_>> {
    let (tag, after) = split_tag(header.trim_ascii())?;
    after.is_empty().then_some(tag)
}
