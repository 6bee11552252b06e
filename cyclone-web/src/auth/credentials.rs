//! What a client answers: the value of `Authorization`.

use std::fmt;

use http::{HeaderMap, StatusCode, header::AUTHORIZATION};

use super::is_token;
use crate::context::RequestContext;

/// How many parameters credentials may have; more are refused.
pub const MAX_AUTH_PARAMETERS: usize = 64;

/// The credentials of a request, of any scheme (RFC 9110, 11.6.2).
///
/// ```
/// use cyclone_web::Credentials;
///
/// let credentials = Credentials::parse(r#"Fancy user="a\"da", nonce=17"#)?;
/// assert!(credentials.is("fancy"));
/// assert_eq!(credentials.parameter("user").as_deref(), Some("a\"da"));
/// let bearer = Credentials::parse("Bearer abc.def==")?;
/// assert_eq!(bearer.token68(), Some("abc.def=="));
/// # Ok::<(), cyclone_web::AuthorizationError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    scheme: String,
    rest: Rest,
}

#[derive(Clone, PartialEq, Eq)]
enum Rest {
    Token(String),
    Parameters(Vec<(String, String)>),
}

impl Credentials {
    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// [`AuthorizationError`] when it is not of the form that RFC 9110 gives, a parameter occurs twice, or there are more
    /// than [64](MAX_AUTH_PARAMETERS).
    pub fn parse(value: &str) -> Result<Self, AuthorizationError> {
        let value = value.trim_matches([' ', '\t']);
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.is_empty() || !scheme.bytes().all(is_token) {
            return Err(AuthorizationError::Malformed);
        }
        let rest = rest.trim_start_matches(' ');
        let rest = if is_token68(rest) {
            Rest::Token(rest.to_owned())
        } else {
            Rest::Parameters(parameters(rest)?)
        };
        Ok(Self {
            scheme: scheme.to_owned(),
            rest,
        })
    }

    /// The credentials among the headers of a request; `None` when there are none.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and when there are several `Authorization` headers.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, AuthorizationError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(AuthorizationError::Several);
        }
        let value = std::str::from_utf8(value.as_bytes());
        Self::parse(value.map_err(|_utf8| AuthorizationError::Malformed)?).map(Some)
    }

    /// The scheme as it was sent; [`is`](Self::is) compares it.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether they are of this scheme; case does not matter.
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// What stands behind the scheme where it is one piece, as with Basic and Bearer.
    #[must_use]
    pub fn token68(&self) -> Option<&str> {
        match &self.rest {
            Rest::Token(token) => Some(token),
            Rest::Parameters(_) => None,
        }
    }

    /// A parameter, unquoted; case does not matter in its name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters();
        all.find_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }

    /// All parameters, unquoted, in their order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let all: &[(String, String)] = match &self.rest {
            Rest::Token(_) => &[],
            Rest::Parameters(parameters) => parameters,
        };
        all.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// Shows the scheme and the names of parameters: the rest is secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters().map(|(name, _)| name).collect();
        f.debug_struct("Credentials")
            .field("scheme", &self.scheme)
            .field("parameters", &names)
            .finish_non_exhaustive()
    }
}

impl RequestContext {
    /// The credentials of the request, of any scheme; `None` when there are none.
    ///
    /// # Errors
    /// A 400 when they are malformed, or there are several.
    pub fn credentials(&self) -> crate::Result<Option<Credentials>> {
        Ok(Credentials::of(self.headers())?)
    }
}

/// One piece of base64 and its like, and nothing else. (RFC 9110, 11.2)
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(allowed)
}

fn parameters(mut rest: &str) -> Result<Vec<(String, String)>, AuthorizationError> {
    let mut all: Vec<(String, String)> = Vec::new();
    loop {
        // A list may have empty elements. (RFC 9110, 5.6.1)
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Ok(all);
        }
        let (name, after) = rest.split_once('=').ok_or(AuthorizationError::Malformed)?;
        let name = name.trim_end_matches([' ', '\t']);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(AuthorizationError::Malformed);
        }
        let (value, after) = value(after.trim_start_matches([' ', '\t']))?;
        if all
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return Err(AuthorizationError::Twice);
        }
        if all.len() == MAX_AUTH_PARAMETERS {
            return Err(AuthorizationError::TooMany);
        }
        all.push((name.to_owned(), value));
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return Err(AuthorizationError::Malformed);
        }
    }
}

/// A token or a quoted string off the front.
fn value(text: &str) -> Result<(String, &str), AuthorizationError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        // More than a token: `/` and `=` occur in what real clients leave unquoted.
        let fine = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        return match fine {
            true => Ok((token.to_owned(), rest)),
            false => Err(AuthorizationError::Malformed),
        };
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => match characters.next() {
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err(AuthorizationError::Malformed)
}

/// Why credentials cannot be read; the fault of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// They are not of the form that RFC 9110 gives.
    Malformed,
    /// A parameter occurs twice.
    Twice,
    /// There are more parameters than [`MAX_AUTH_PARAMETERS`].
    TooMany,
    /// There are several `Authorization` headers.
    Several,
}

impl AuthorizationError {
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the credentials are malformed",
            Self::Twice => "a parameter of the credentials occurs twice",
            Self::TooMany => "the credentials have too many parameters",
            Self::Several => "there are several Authorization headers",
        })
    }
}

impl std::error::Error for AuthorizationError {}
