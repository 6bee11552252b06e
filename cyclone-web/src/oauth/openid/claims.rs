//! What an id token says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use super::super::error::OAuthError;
use super::OPENID_SKEW;
use super::jws::Signed;

/// A longer subject is refused (Core, 2).
const MAX_SUBJECT: usize = 255;

/// Who a user is, signed by the provider and checked.
#[derive(Clone, PartialEq, Eq)]
pub struct IdToken {
    claims: Value,
    subject: String,
    hash_bits: u16,
}

impl IdToken {
    pub(super) fn read(signed: &Signed<'_>) -> Result<Self, OAuthError> {
        let claims: Value = serde_json::from_slice(&signed.payload)
            .map_err(|_json| OAuthError::token("the id token is malformed"))?;
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if subject.is_empty() || subject.len() > MAX_SUBJECT {
            return Err(OAuthError::token("the id token has no subject"));
        }
        Ok(Self {
            subject: subject.to_owned(),
            claims,
            hash_bits: signed.algorithm.bits(),
        })
    }

    /// The provider's name for the user, which never changes: the key for a database, together with the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// His address, where the provider says that it was verified.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        let is_verified = match self.claims.get("email_verified")? {
            Value::Bool(yes) => *yes,
            Value::String(text) => text == "true",
            _ => false,
        };
        is_verified.then(|| self.text("email"))?
    }

    /// All that the token says.
    #[must_use]
    pub fn claims(&self) -> &Value {
        &self.claims
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A time, in seconds from 1970.
    fn time(&self, name: &str) -> Option<SystemTime> {
        let seconds = Duration::try_from_secs_f64(self.claims.get(name)?.as_f64()?).ok()?;
        UNIX_EPOCH.checked_add(seconds)
    }

    /// Core, 3.1.3.7.
    pub(super) fn check(
        &self,
        issuer: &str,
        client: &str,
        nonce: Option<&str>,
        now: SystemTime,
    ) -> Result<(), OAuthError> {
        let refuse = |what| Err(OAuthError::token(what));
        if self.text("iss") != Some(issuer) {
            return refuse("the id token is of another issuer");
        }
        let (is_for_us, several) = match self.claims.get("aud") {
            Some(Value::String(one)) => (one == client, false),
            Some(Value::Array(all)) => {
                let ours = all.iter().any(|one| one.as_str() == Some(client));
                (ours, all.len() > 1)
            }
            _ => (false, false),
        };
        if !is_for_us {
            return refuse("the id token is for another client");
        }
        match self.claims.get("azp") {
            Some(party) if party.as_str() != Some(client) => {
                return refuse("the id token was given to another client");
            }
            None if several => return refuse("the id token does not say whom it was given to"),
            _ => {}
        }
        let Some(end) = self.time("exp") else {
            return refuse("the id token does not say its end");
        };
        if now
            .duration_since(end)
            .is_ok_and(|past| past >= OPENID_SKEW)
        {
            return refuse("the id token has expired");
        }
        let Some(issued) = self.time("iat") else {
            return refuse("the id token does not say its time");
        };
        if [Some(issued), self.time("nbf")]
            .iter()
            .flatten()
            .any(|time| {
                time.duration_since(now)
                    .is_ok_and(|ahead| ahead > OPENID_SKEW)
            })
        {
            return refuse("the id token is of the future");
        }
        let is_same = |expected: &str| {
            let said = self.text("nonce").unwrap_or_default();
            bool::from(said.as_bytes().ct_eq(expected.as_bytes()))
        };
        match nonce {
            Some(nonce) if nonce.is_empty() || !is_same(nonce) => {
                refuse("the id token is of another login")
            }
            _ => Ok(()),
        }
    }

    /// The hash of the access token, where there is one (Core, 3.1.3.6).
    pub(super) fn check_access_token(&self, token: &str) -> Result<(), OAuthError> {
        let Some(said) = self.text("at_hash") else {
            return Ok(());
        };
        let hash = match self.hash_bits {
            256 => Sha256::digest(token).to_vec(),
            384 => Sha384::digest(token).to_vec(),
            _ => Sha512::digest(token).to_vec(),
        };
        let left = hash.get(..hash.len() / 2).unwrap_or_default();
        match said == URL_SAFE_NO_PAD.encode(left) {
            true => Ok(()),
            false => Err(OAuthError::token(
                "the access token is not that of the id token",
            )),
        }
    }
}

/// Shows the subject alone: the rest is private.
impl std::fmt::Debug for IdToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdToken")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}
