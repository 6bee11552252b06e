//! Who a request is from: Basic, Digest, Bearer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use url::{Origin, Url};

use super::digest::{self, Challenge};
use super::error::ClientError;

/// Who a request is from, for its `Authorization`. Clones of a Digest share what the server has said, so that the
/// next request needs no second attempt.
///
/// They are sent to the origin of the request's URL only, never where a redirect leads elsewhere.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
enum Kind {
    Fixed(HeaderValue),
    Digest(Arc<Digest>),
}

struct Digest {
    user: String,
    password: String,
    /// The last challenge, with whose it was and how often it was used.
    known: Mutex<Option<(Origin, Challenge, u32)>>,
}

impl Credentials {
    /// User and password as they are (RFC 7617): only for `https`, and for trusted networks.
    pub fn basic(user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        Self(Kind::Fixed(basic(user.as_ref(), password.as_ref())))
    }

    /// User and password by proof (RFC 7616), with SHA-256 or, where the server knows no better, MD5; `qop` is `auth` or none.
    ///
    /// The first request is answered 401 and sent again; one whose body is a stream cannot be.
    pub fn digest(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Kind::Digest(Arc::new(Digest {
            user: user.into(),
            password: password.into(),
            known: Mutex::new(None),
        })))
    }

    /// A token (RFC 6750).
    ///
    /// # Errors
    /// When the token cannot be in a header.
    pub fn bearer(token: impl AsRef<str>) -> Result<Self, ClientError> {
        let value = HeaderValue::try_from(format!("Bearer {}", token.as_ref()));
        let mut value =
            value.map_err(|_| ClientError::request("the token has control characters"))?;
        value.set_sensitive(true);
        Ok(Self(Kind::Fixed(value)))
    }

    /// What the request says at first, if anything is known to say.
    pub(crate) fn first(
        &self,
        method: &Method,
        url: &Url,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let digest = match &self.0 {
            Kind::Fixed(value) => return Ok(Some(value.clone())),
            Kind::Digest(digest) => digest,
        };
        digest.answer(method, url)
    }

    /// What the request says to a 401 with these headers; `None` when there is nothing better to say.
    pub(crate) fn again(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        said_before: bool,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let Kind::Digest(digest) = &self.0 else {
            return Ok(None);
        };
        let Some(challenge) = digest::choose(headers) else {
            return Ok(None);
        };
        // Refused, unless it was only that the nonce is too old (RFC 7616 section 3.3, "stale").
        if said_before && !challenge.is_stale() {
            return Ok(None);
        }
        digest.learn(url, challenge);
        digest.answer(method, url)
    }
}

impl Digest {
    fn learn(&self, url: &Url, challenge: Challenge) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((url.origin(), challenge, 0));
    }

    fn answer(&self, method: &Method, url: &Url) -> Result<Option<HeaderValue>, ClientError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((origin, challenge, count)) = known.as_mut() else {
            return Ok(None);
        };
        if *origin != url.origin() {
            return Ok(None);
        }
        *count = count.wrapping_add(1);
        let (challenge, count) = (challenge.clone(), *count);
        drop(known);
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| ClientError::request(format!("no random bytes: {error}")))?;
        let nonce = crate::hex::encode(&random);
        let target = target(url);
        challenge
            .answer((&self.user, &self.password), method, target, &nonce, count)
            .map(Some)
    }
}

/// Path and query as they stand in a request.
pub(crate) fn target(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

/// The value of `Authorization`, or of its like for proxies.
pub(crate) fn basic(user: &str, password: &str) -> HeaderValue {
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    // Base64 always is a value.
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// User and password of a URL.
pub(crate) fn of_url(url: &Url) -> Option<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = url.password().unwrap_or_default();
    (!url.username().is_empty() || url.password().is_some())
        .then(|| (decode(url.username()), decode(password)))
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Fixed(_) => "Credentials(fixed)",
            Kind::Digest(_) => "Credentials(digest)",
        })
    }
}
