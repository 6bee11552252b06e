//! Arguments of a query string or of a form, as an ordered multi-map.

mod decode;
mod deserialize;
#[cfg(test)]
mod tests;

use std::fmt;

use http::StatusCode;
use serde::Deserialize;
use smallvec::SmallVec;

use self::decode::decode_component;
pub use self::deserialize::{DeserializeError, from_pairs};

/// Default of the number of arguments one query or one form may have.
///
/// Tornado 6.6 and PHP have the same limit. What is over it is refused whole, never cut.
pub const MAX_ARGUMENTS: usize = 1000;

/// Longest piece of a client's text, in characters, that an error message of this module repeats.
pub(crate) const MAX_ECHO: usize = 64;

/// The decoded arguments of one query or one form, in the order they were sent.
///
/// Made by [`Arguments::parse`] from `application/x-www-form-urlencoded` text (WHATWG URL 5.1):
/// pairs are separated by `&` alone, `+` is a space, and a name without `=` has an empty value.
/// Blank values are kept, in the query and in the form. Unlike browsers and Tornado, which guess,
/// a `%` that is not followed by two hex digits and bytes that are not UTF-8 are errors.
///
/// Values are cleaned as Tornado does: the control characters 0x00–0x08 and 0x0E–0x1F become
/// spaces. [`get`](Self::get) and [`get_all`](Self::get_all) also strip white space at both ends;
/// the `_unstripped` twins do not.
///
/// Parsing is linear. A look-up walks the list, which the limit keeps short.
///
/// ```
/// use cyclone_web::Arguments;
///
/// let arguments = Arguments::parse("tag=a&name=+Ada+&tag=b")?;
/// assert_eq!(arguments.get("name"), Some("Ada"));
/// assert_eq!(arguments.get("tag"), Some("b"));
/// assert_eq!(arguments.get_all("tag").collect::<Vec<_>>(), ["a", "b"]);
/// # Ok::<(), cyclone_web::ArgumentsError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Every name and value, one after the other.
    text: String,
    spans: SmallVec<[Span; INLINE_SPANS]>,
}

/// Arguments whose places are kept without an allocation.
const INLINE_SPANS: usize = 2;

/// Where one pair lies in the text: `name..value` is the name, `value..end` the value.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    name: usize,
    value: usize,
    end: usize,
}

impl Span {
    fn is_between_characters(self, text: &str) -> bool {
        text.is_char_boundary(self.value) && text.is_char_boundary(self.end)
    }
}

/// One pair as it was sent.
#[derive(Clone, Copy)]
struct Component<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// Where the name begins in the whole.
    at: usize,
}

impl Component<'_> {
    /// Where the value begins in the whole; for a name without `=`, where the name ends.
    fn value_at(&self) -> usize {
        self.at + self.name.len() + usize::from(!self.value.is_empty())
    }
}

/// The pairs of an encoded text; there are none between two `&`.
fn components(encoded: &[u8]) -> impl Iterator<Item = Component<'_>> {
    let mut next = 0;
    let pairs = encoded.split(|byte| *byte == b'&').map(move |pair| {
        let at = next;
        next += pair.len() + 1;
        let equals = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        (pair.is_empty(), Component { name, value, at })
    });
    pairs.filter_map(|(is_empty, component)| (!is_empty).then_some(component))
}

/// Finds the first name or value that is not UTF-8.
#[cold]
fn not_utf8(encoded: &[u8], decoded: &[u8], spans: &[Span]) -> ArgumentsError {
    let is_invalid = |from, to| std::str::from_utf8(&decoded[from..to]).is_err();
    let position = components(encoded)
        .zip(spans)
        .find_map(|(component, span)| {
            if is_invalid(span.name, span.value) {
                Some(component.at)
            } else {
                is_invalid(span.value, span.end).then(|| component.value_at())
            }
        });
    ArgumentsError::NotUtf8 {
        position: position.unwrap_or_default(),
    }
}

impl Arguments {
    /// Makes an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses a query (without its `?`) or the body of a form, of at most [`MAX_ARGUMENTS`].
    ///
    /// # Errors
    /// [`ArgumentsError`], always the client's fault: too many arguments, an invalid `%` escape, or
    /// bytes that are not UTF-8.
    pub fn parse(encoded: impl AsRef<[u8]>) -> Result<Self, ArgumentsError> {
        Self::parse_with_limit(encoded, MAX_ARGUMENTS)
    }

    /// Parses like [`parse`](Self::parse), with another limit.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_with_limit(
        encoded: impl AsRef<[u8]>,
        max_arguments: usize,
    ) -> Result<Self, ArgumentsError> {
        let encoded = encoded.as_ref();
        if encoded.is_empty() {
            return Ok(Self::new());
        }
        // Decoding never makes text longer.
        let mut text = Vec::with_capacity(encoded.len());
        let mut spans = SmallVec::<[Span; INLINE_SPANS]>::new();
        for component in components(encoded) {
            if spans.len() == max_arguments {
                return Err(ArgumentsError::TooMany {
                    limit: max_arguments,
                });
            }
            let Component { name, value, at } = component;
            let start = text.len();
            decode_component(name, at, false, &mut text)?;
            let middle = text.len();
            decode_component(value, component.value_at(), true, &mut text)?;
            spans.push(Span {
                name: start,
                value: middle,
                end: text.len(),
            });
        }
        match String::from_utf8(text) {
            // A character must not be cut in two by the end of a name or a value either.
            Ok(text) if spans.iter().all(|span| span.is_between_characters(&text)) => {
                Ok(Self { text, spans })
            }
            Ok(text) => Err(not_utf8(encoded, text.as_bytes(), &spans)),
            Err(error) => Err(not_utf8(encoded, error.as_bytes(), &spans)),
        }
    }

    /// Adds one pair at the end; control characters of the value become spaces.
    ///
    /// For the text fields of a multipart form and for tests. The text is taken as it is, nothing is
    /// decoded.
    ///
    /// # Errors
    /// [`ArgumentsError::TooMany`] when there are [`MAX_ARGUMENTS`] already; nothing was added.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), ArgumentsError> {
        if self.spans.len() >= MAX_ARGUMENTS {
            return Err(ArgumentsError::TooMany {
                limit: MAX_ARGUMENTS,
            });
        }
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.text.extend(value.chars().map(|character| {
            let cleaned = u8::try_from(character).is_ok_and(decode::is_cleaned);
            if cleaned { ' ' } else { character }
        }));
        self.spans.push(Span {
            name: start,
            value: middle,
            end: self.text.len(),
        });
        Ok(())
    }

    /// Returns the last value of that name, stripped.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_unstripped(name).map(str::trim)
    }

    /// Returns the last value of that name with its white space.
    #[must_use]
    pub fn get_unstripped(&self, name: &str) -> Option<&str> {
        self.get_all_unstripped(name).next_back()
    }

    /// Returns the last value of that name, stripped, or the error a client understands.
    ///
    /// # Errors
    /// [`ArgumentsError::Missing`], which is a 400.
    pub fn require(&self, name: &str) -> Result<&str, ArgumentsError> {
        self.get(name).ok_or_else(|| ArgumentsError::Missing {
            name: name.to_owned(),
        })
    }

    /// Returns every value of that name, stripped, in the order sent.
    pub fn get_all<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.get_all_unstripped(name).map(str::trim)
    }

    /// Returns every value of that name with its white space, in the order sent.
    pub fn get_all_unstripped<'a>(
        &'a self,
        name: &str,
    ) -> impl DoubleEndedIterator<Item = &'a str> {
        self.iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Tells whether the name was sent, with a value or without.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get_unstripped(name).is_some()
    }

    /// Returns every pair in the order sent; values are not stripped.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> + ExactSizeIterator {
        self.spans.iter().map(|span| {
            (
                &self.text[span.name..span.value],
                &self.text[span.value..span.end],
            )
        })
    }

    /// Returns the number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Tells whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Turns the arguments into a type of yours.
    ///
    /// A name that was sent several times gives its last value to a plain field and all of them to a
    /// `Vec`. Numbers and booleans are stripped first; a boolean is `true`, `on`, `yes`, `1` or
    /// their opposites; text keeps its white space and may be borrowed (`&str`).
    ///
    /// ```
    /// use cyclone_web::Arguments;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Search {
    ///     q: String,
    ///     page: Option<u32>,
    ///     #[serde(default)]
    ///     tag: Vec<String>,
    /// }
    ///
    /// let arguments = Arguments::parse("q=rust&tag=a&tag=b").unwrap();
    /// let search: Search = arguments.deserialize().unwrap();
    /// assert_eq!((search.q.as_str(), search.page, search.tag.len()), ("rust", None, 2));
    ///
    /// let error = Arguments::parse("q=a&page=two").unwrap().deserialize::<Search>().err().unwrap();
    /// assert_eq!(error.to_string(), r#"argument "page": "two" is not a valid u32"#);
    /// ```
    ///
    /// # Errors
    /// [`DeserializeError`], which names the argument.
    pub fn deserialize<'de, T: Deserialize<'de>>(&'de self) -> Result<T, DeserializeError> {
        from_pairs(self.iter())
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Why arguments were refused; always the client's fault, a 400.
///
/// Nothing was kept of the refused text; sending it again unchanged fails again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// More pairs than the limit.
    TooMany {
        /// The limit that was passed.
        limit: usize,
    },
    /// A `%` without two hex digits after it.
    InvalidEscape {
        /// Byte offset of the `%` in the encoded text.
        position: usize,
    },
    /// A name or a value that is not UTF-8 once decoded.
    NotUtf8 {
        /// Byte offset of that name or value in the encoded text.
        position: usize,
    },
    /// An argument that the handler needs was not sent.
    Missing {
        /// Its name.
        name: String,
    },
}

impl ArgumentsError {
    /// Returns the status for the client: 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for ArgumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { limit } => write!(f, "more than {limit} arguments"),
            Self::InvalidEscape { position } => {
                write!(
                    f,
                    "invalid percent escape in the arguments at byte {position}"
                )
            }
            Self::NotUtf8 { position } => {
                write!(f, "the argument at byte {position} is not utf-8")
            }
            // The words of Tornado and cyclone.
            Self::Missing { name } => write!(f, "Missing argument {name}"),
        }
    }
}

impl std::error::Error for ArgumentsError {}
