//! What a server asks for: the value of `WWW-Authenticate`.

use std::borrow::Cow;
use std::fmt;

use http::HeaderValue;

use super::is_token;

/// A challenge of any scheme with any parameters (RFC 9110, 11.6.1): what cyclone's `HTTPAuthenticationRequired` was
/// made with.
///
/// Values are quoted and escaped, unless they were added as [tokens](Self::token).
///
/// ```
/// use cyclone_web::{Challenge, Error};
///
/// let challenge = Challenge::new("Basic").realm("the \"vault\"").parameter("charset", "UTF-8");
/// assert_eq!(challenge.to_string(), r#"Basic realm="the \"vault\"", charset="UTF-8""#);
/// let error = Error::authentication_required(challenge);
/// assert_eq!(error.status(), 401);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: Cow<'static, str>,
    parameters: Vec<(Cow<'static, str>, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Quoted(String),
    Token(String),
}

impl Challenge {
    /// A challenge of this scheme, without parameters.
    #[must_use]
    pub fn new(scheme: impl Into<Cow<'static, str>>) -> Self {
        Self {
            scheme: scheme.into(),
            parameters: Vec::new(),
        }
    }

    /// Adds the realm: what the user is asked for a name and a password of.
    #[must_use]
    pub fn realm(self, realm: impl Into<String>) -> Self {
        self.parameter("realm", realm)
    }

    /// Adds a parameter whose value is quoted.
    #[must_use]
    pub fn parameter(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        let value = Value::Quoted(value.into());
        self.parameters.push((name.into(), value));
        self
    }

    /// Adds a parameter whose value is not quoted, as `stale` and `algorithm` of Digest.
    #[must_use]
    pub fn token(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        let value = Value::Token(value.into());
        self.parameters.push((name.into(), value));
        self
    }

    fn is_valid(&self) -> bool {
        let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
        token(&self.scheme)
            && self.parameters.iter().all(|(name, value)| {
                token(name)
                    && match value {
                        Value::Quoted(text) => !text.chars().any(|c| c.is_control() && c != '\t'),
                        Value::Token(text) => token(text),
                    }
            })
    }
}

/// The challenge as the header has it.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        let mut before = " ";
        for (name, value) in &self.parameters {
            match value {
                Value::Quoted(text) => {
                    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                    write!(f, "{before}{name}=\"{text}\"")?;
                }
                Value::Token(text) => write!(f, "{before}{name}={text}")?,
            }
            before = ", ";
        }
        Ok(())
    }
}

impl TryFrom<Challenge> for HeaderValue {
    type Error = InvalidChallenge;

    fn try_from(challenge: Challenge) -> Result<Self, InvalidChallenge> {
        if !challenge.is_valid() {
            return Err(InvalidChallenge(()));
        }
        Self::from_bytes(challenge.to_string().as_bytes()).map_err(|_bad| InvalidChallenge(()))
    }
}

/// A challenge that is no header value: its scheme, or the name of a parameter, is no token, or a value has control
/// characters. A mistake in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidChallenge(());

impl fmt::Display for InvalidChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the challenge is no header value")
    }
}

impl std::error::Error for InvalidChallenge {}
