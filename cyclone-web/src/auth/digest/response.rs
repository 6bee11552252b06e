//! The response of a client to a challenge, and what it has to be.

use std::fmt;

use http::Uri;
use md5::Md5;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::super::Credentials;
use crate::hex;

/// What the scheme Digest hashes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for clients that know nothing else: it is weak.
    Md5,
}

impl DigestAlgorithm {
    /// Its name in challenges.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Sha256 => hex::encode(&Sha256::digest(text.as_bytes())),
            Self::Md5 => hex::encode(&Md5::digest(text.as_bytes())),
        }
    }
}

/// What the server knows of a user's password.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestSecret {
    kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Password(String),
    Hash(DigestAlgorithm, String),
}

impl DigestSecret {
    /// The password itself.
    #[must_use]
    pub fn password(password: impl Into<String>) -> Self {
        Self {
            kind: Kind::Password(password.into()),
        }
    }

    /// The hash of `name:realm:password`, as [`hash`](Self::hash) makes it and files of `htdigest` have it. Users of
    /// another algorithm are refused.
    #[must_use]
    pub fn hashed(algorithm: DigestAlgorithm, hash: impl Into<String>) -> Self {
        Self {
            kind: Kind::Hash(algorithm, hash.into().to_ascii_lowercase()),
        }
    }

    /// What to keep in the place of a password: whoever has it can log in to this realm, but does not know the password.
    #[must_use]
    pub fn hash(algorithm: DigestAlgorithm, user: &str, realm: &str, password: &str) -> String {
        algorithm.hash(&[user, realm, password])
    }

    /// The hash for the algorithm of a response.
    pub(super) fn of(self, response: &DigestResponse, realm: &str) -> Option<String> {
        match self.kind {
            Kind::Password(password) => {
                let user = &response.user;
                Some(Self::hash(response.algorithm, user, realm, &password))
            }
            Kind::Hash(algorithm, hash) => (algorithm == response.algorithm).then_some(hash),
        }
    }
}

/// Shows nothing of it.
impl fmt::Debug for DigestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestSecret").finish_non_exhaustive()
    }
}

/// The fields of the credentials.
pub(super) struct DigestResponse {
    pub(super) user: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) algorithm: DigestAlgorithm,
    pub(super) count: u32,
    count_text: String,
    client_nonce: String,
    uri: String,
    response: String,
}

impl DigestResponse {
    /// `None` when a field is missing or malformed.
    pub(super) fn read(credentials: &Credentials) -> Option<Self> {
        let field = |name: &str| credentials.parameter(name).map(str::to_owned);
        if field("qop")? != "auth" || field("userhash").is_some_and(|hashed| hashed != "false") {
            return None;
        }
        let algorithm = match field("algorithm") {
            None => DigestAlgorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("MD5") => DigestAlgorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => DigestAlgorithm::Sha256,
            Some(_) => return None,
        };
        let user = match (field("username"), field("username*")) {
            (Some(user), None) => user,
            (None, Some(extended)) => extended_value(&extended)?,
            _ => return None,
        };
        let count_text = field("nc").filter(|count| count.len() == 8)?;
        let hexadecimal = count_text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count = hexadecimal.then(|| u32::from_str_radix(&count_text, 16).ok())??;
        Some(Self {
            user,
            realm: field("realm")?,
            nonce: field("nonce")?,
            algorithm,
            count: (count > 0).then_some(count)?,
            count_text,
            client_nonce: field("cnonce").filter(|nonce| !nonce.is_empty())?,
            uri: field("uri")?,
            response: field("response")?,
        })
    }

    /// Whether the target that was signed is that of the request: a proxy may have made one of the two absolute.
    pub(super) fn is_for(&self, uri: &Uri) -> bool {
        let target = |uri: &Uri| {
            uri.path_and_query()
                .map(|target| target.as_str().to_owned())
        };
        if self.uri == "*" {
            return uri.path() == "*";
        }
        match self.uri.parse::<Uri>() {
            Ok(signed) => target(&signed).is_some() && target(&signed) == target(uri),
            Err(_malformed) => false,
        }
    }

    /// Whether it is the response of somebody who knows the secret. (RFC 7616, 3.4.1)
    pub(super) fn is_right(&self, method: &str, secret: &str) -> bool {
        let expected = self.expected(method, secret);
        let response = self.response.to_ascii_lowercase();
        expected.as_bytes().ct_eq(response.as_bytes()).into()
    }

    /// What proves to the client that the server knows the secret too. (RFC 7616, 3.5)
    pub(super) fn authentication_info(&self, secret: &str) -> String {
        let proof = self.expected("", secret);
        let client_nonce = self.client_nonce.replace('\\', "\\\\").replace('"', "\\\"");
        let count = &self.count_text;
        format!("qop=auth, rspauth=\"{proof}\", cnonce=\"{client_nonce}\", nc={count}")
    }

    fn expected(&self, method: &str, secret: &str) -> String {
        let request = self.algorithm.hash(&[method, &self.uri]);
        let (count, client_nonce) = (&self.count_text, &self.client_nonce);
        self.algorithm
            .hash(&[secret, &self.nonce, count, client_nonce, "auth", &request])
    }
}

/// `UTF-8''J%C3%A4s` (RFC 8187).
fn extended_value(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '\'');
    let (charset, _language, value) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let value = percent_decode_str(value).decode_utf8().ok()?;
    Some(value.into_owned())
}
