//! The scheme Basic.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;

use super::{Challenge, Credentials};
use crate::context::RequestContext;
use crate::error::{Error, Result};

/// Asks for a name and a password by the scheme Basic (RFC 7617), in UTF-8.
///
/// The password goes over the wire as good as in the clear: use it behind TLS only.
///
/// ```
/// use cyclone_web::{Basic, RequestContext, Result};
///
/// async fn vault(cx: &mut RequestContext) -> Result {
///     let basic = Basic::new("the vault");
///     let login = basic.credentials(cx)?; // asks for them with a 401
///     if !login.is("ada", "lovelace") {
///         return Err(basic.refusal());
///     }
///     cx.text("welcome")
/// }
/// # let _ = vault;
/// ```
#[derive(Clone, Debug)]
pub struct Basic {
    challenge: Challenge,
}

impl Basic {
    /// Asks for them with this realm.
    #[must_use]
    pub fn new(realm: impl Into<String>) -> Self {
        let challenge = Challenge::new("Basic").realm(realm);
        Self {
            challenge: challenge.parameter("charset", "UTF-8"),
        }
    }

    /// The name and the password of a request. Nothing has checked them.
    ///
    /// # Errors
    /// [`refusal`](Self::refusal) when there are none, they are of another scheme, or malformed.
    pub fn credentials(&self, cx: &RequestContext) -> Result<BasicCredentials> {
        let credentials = Credentials::of(cx.headers()).ok().flatten();
        let credentials = credentials.filter(|credentials| credentials.is("basic"));
        let basic = credentials.and_then(|found| BasicCredentials::decode(found.token68()?));
        basic.ok_or_else(|| self.refusal())
    }

    /// The 401 that asks again: for a wrong password.
    #[must_use]
    pub fn refusal(&self) -> Error {
        Error::authentication_required(self.challenge.clone())
    }
}

/// A name and a password that a client has sent.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    text: String,
    colon: usize,
}

impl BasicCredentials {
    /// Reads what stands behind `Basic`; `None` when it is no base64 of UTF-8 with a colon, or has control characters.
    #[must_use]
    pub fn decode(token: &str) -> Option<Self> {
        let bytes = STANDARD
            .decode(token)
            .or_else(|_padding| STANDARD_NO_PAD.decode(token));
        let text = String::from_utf8(bytes.ok()?).ok()?;
        let colon = text.find(':')?;
        let fine = !text.chars().any(char::is_control);
        fine.then_some(Self { text, colon })
    }

    /// The name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The password; it may have colons.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// Whether they are these, compared in a time that does not tell where they differ. Passwords of many users belong
    /// into a database as hashes.
    #[must_use]
    pub fn is(&self, user: &str, password: &str) -> bool {
        let user = self.user().as_bytes().ct_eq(user.as_bytes());
        let password = self.password().as_bytes().ct_eq(password.as_bytes());
        (user & password).into()
    }
}

/// Leaves the password out.
impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicCredentials")
            .field("user", &self.user())
            .finish_non_exhaustive()
    }
}
