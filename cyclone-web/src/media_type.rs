//! Media types: what a `Content-Type` header says.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use crate::parameters::{MAX_PARAMETERS, Parameters, ParametersError, skip_ows, token_end};

/// Longest boundary of a multipart body, in bytes (RFC 2046 5.1.1).
pub const MAX_BOUNDARY: usize = 70;

/// A media type with its parameters (RFC 9110 8.3.1), such as `text/html; charset=utf-8`.
///
/// At most 16 parameters, each name once; parsing is one pass over the text.
///
/// ```
/// use cyclone_web::MediaType;
///
/// let media_type: MediaType = "Text/HTML; Charset=\"UTF-8\"".parse()?;
/// assert_eq!(media_type.essence(), "text/html");
/// assert_eq!(media_type.charset(), Some("UTF-8"));
/// # Ok::<(), cyclone_web::MediaTypeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    slash: usize,
    parameters: Parameters,
}

impl MediaType {
    /// Reads the `Content-Type` of a request or a response; `None` when there is none.
    ///
    /// # Errors
    /// [`MediaTypeError`] when it is malformed or was sent twice.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, MediaTypeError> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(MediaTypeError::Repeated);
        }
        let malformed = |_| MediaTypeError::Malformed { position: 0 };
        let text = std::str::from_utf8(value.as_bytes()).map_err(malformed)?;
        text.parse().map(Some)
    }

    /// Returns type and subtype in lower case, without parameters: `text/html`.
    #[must_use]
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Returns the type alone: `text`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.essence[..self.slash]
    }

    /// Returns the subtype alone: `html`.
    #[must_use]
    pub fn subtype(&self) -> &str {
        &self.essence[self.slash + 1..]
    }

    /// Returns the value of a parameter, unquoted; the name is given in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)
    }

    /// Returns every parameter in the order sent, names in lower case.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter()
    }

    /// Returns the `charset` parameter as it was sent.
    #[must_use]
    pub fn charset(&self) -> Option<&str> {
        self.parameter("charset")
    }

    /// Tells whether text is to be read as UTF-8: no charset, `utf-8`, `utf8` or `us-ascii`.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.charset().is_none_or(|charset| {
            let known = ["utf-8", "utf8", "us-ascii"];
            known.iter().any(|name| charset.eq_ignore_ascii_case(name))
        })
    }

    /// Returns the boundary of a multipart body.
    ///
    /// # Errors
    /// [`MediaTypeError::Boundary`] when there is none, it is longer than [`MAX_BOUNDARY`], or it has
    /// a character that RFC 2046 does not allow.
    pub fn boundary(&self) -> Result<&str, MediaTypeError> {
        let boundary = self.parameter("boundary").unwrap_or_default();
        if is_boundary(boundary) {
            Ok(boundary)
        } else {
            Err(MediaTypeError::Boundary)
        }
    }

    /// Tells whether this is JSON: `application/json`, `text/json` or any `…+json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        matches!(self.essence(), "application/json" | "text/json")
            || self.essence.ends_with("+json")
    }

    /// Tells whether this is `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn is_form(&self) -> bool {
        self.essence == "application/x-www-form-urlencoded"
    }

    /// Tells whether this is `multipart/form-data`.
    #[must_use]
    pub fn is_multipart_form(&self) -> bool {
        self.essence == "multipart/form-data"
    }
}

/// Tells whether a text may be a boundary (RFC 2046 5.1.1).
pub(crate) fn is_boundary(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=MAX_BOUNDARY).contains(&text.len()) && text.bytes().all(allowed) && !text.ends_with(' ')
}

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let start = skip_ows(bytes, 0);
        let slash = token_end(bytes, start);
        if slash == start || bytes.get(slash) != Some(&b'/') {
            return Err(MediaTypeError::Malformed { position: slash });
        }
        let end = token_end(bytes, slash + 1);
        if end == slash + 1 {
            return Err(MediaTypeError::Malformed { position: end });
        }
        let parameters = Parameters::parse(&text[end..]).map_err(|error| match error {
            ParametersError::TooMany => MediaTypeError::TooManyParameters,
            ParametersError::Repeated => MediaTypeError::Repeated,
            ParametersError::Malformed(position) => MediaTypeError::Malformed {
                position: end + position,
            },
        })?;
        Ok(Self {
            essence: text[start..end].to_ascii_lowercase(),
            slash: slash - start,
            parameters,
        })
    }
}

/// Why a `Content-Type` was refused; the sender's fault, a 400.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaTypeError {
    /// It does not follow the grammar.
    Malformed {
        /// Byte offset of the first offence.
        position: usize,
    },
    /// It has more than 16 parameters.
    TooManyParameters,
    /// A parameter, or the header itself, was sent twice.
    Repeated,
    /// The boundary of a multipart body is missing or not allowed.
    Boundary,
}

impl MediaTypeError {
    /// Returns the status for the client: 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for MediaTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { position } => {
                write!(f, "malformed media type at byte {position}")
            }
            Self::TooManyParameters => {
                write!(f, "more than {MAX_PARAMETERS} parameters in the media type")
            }
            Self::Repeated => f.write_str("media type or one of its parameters sent twice"),
            Self::Boundary => f.write_str("missing or invalid multipart boundary"),
        }
    }
}

impl std::error::Error for MediaTypeError {}
