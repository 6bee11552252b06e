//! The scheme Digest.

mod nonce;
mod response;
#[cfg(test)]
mod tests;
mod uses;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cyclone_core::SharedStore;
use http::HeaderValue;
use http::header::{HeaderName, WWW_AUTHENTICATE};

use self::nonce::{Nonces, Verdict};
use self::response::DigestResponse;
use self::uses::Uses;
use super::{Challenge, Credentials};
use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::random::random;

pub use self::response::{DigestAlgorithm, DigestSecret};

/// How old a nonce may be unless told otherwise: 5 minutes. A client gets a new one then without asking its user.
pub const DIGEST_NONCE_AGE: Duration = Duration::from_secs(5 * 60);

/// How many nonces one process remembers the uses of: 10,000. Beyond them the oldest is forgotten, and all that were made
/// before it are stale from then on.
pub const MAX_DIGEST_NONCES: usize = 10_000;

const AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("authentication-info");

/// Asks for a password by the scheme Digest (RFC 7616), which never sends it: with SHA-256, or MD5 for old clients.
///
/// Nonces are signed, so that those nobody answers cost no memory; each is good for a time, and for each count once, so
/// that a request that was overheard cannot be sent again. The quality of protection is `auth`.
///
/// Keep one value for all requests: clones share their nonces.
///
/// ```
/// use cyclone_web::{Digest, DigestSecret, RequestContext, RequestHandler, Result};
///
/// struct Vault { digest: Digest }
///
/// impl RequestHandler for Vault {
///     async fn get(&self, cx: &mut RequestContext) -> Result {
///         let user = self.digest.authenticate(cx, async |name: &str| {
///             Ok((name == "ada").then(|| DigestSecret::password("lovelace")))
///         }).await?;
///         cx.text(format!("welcome, {}", user.name()))
///     }
/// }
///
/// let vault = Vault { digest: Digest::new("the vault")? };
/// # let _ = vault;
/// # Ok::<(), cyclone_web::Error>(())
/// ```
#[derive(Clone)]
pub struct Digest {
    realm: Arc<str>,
    algorithms: Arc<[DigestAlgorithm]>,
    nonces: Nonces,
    uses: Uses,
}

impl Digest {
    /// Asks with this realm, by SHA-256, with a key for its nonces that only this process knows.
    ///
    /// # Errors
    /// A 500 when the system has no random bytes.
    pub fn new(realm: impl AsRef<str>) -> Result<Self> {
        Ok(Self {
            realm: realm.as_ref().into(),
            algorithms: [DigestAlgorithm::Sha256].into(),
            nonces: Nonces::new(random::<32>()?, DIGEST_NONCE_AGE),
            uses: Uses::local(MAX_DIGEST_NONCES),
        })
    }

    /// Sets the algorithms that are offered and taken, the best first; SHA-256 alone unless set.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = DigestAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets how old a nonce may be; [5 minutes](DIGEST_NONCE_AGE) unless set.
    #[must_use]
    pub fn nonce_age(mut self, age: Duration) -> Self {
        self.nonces.age = age;
        self
    }

    /// Sets how many nonces are remembered; [10,000](MAX_DIGEST_NONCES) unless set, at least one.
    #[must_use]
    pub fn max_nonces(mut self, count: usize) -> Self {
        self.uses = Uses::local(count.max(1));
        self
    }

    /// Shares nonces among processes: all sign them with `key`, 32 random bytes, and keep their uses in `store`, one entry
    /// for each request until its nonce is too old.
    #[must_use]
    pub fn shared(mut self, key: [u8; 32], store: SharedStore) -> Self {
        self.nonces = Nonces::new(key, self.nonces.age);
        self.uses = Uses::shared(store);
        self
    }

    /// Checks the credentials of a request; `lookup` knows the secret of a name, or that there is no such user. The
    /// response gets an `Authentication-Info` that proves the server to the client.
    ///
    /// # Errors
    /// A 401 that asks anew, with `stale=true` where only the nonce was too old or used up; a 400 for credentials
    /// that are malformed, or of another target than the request's; the error of `lookup`; a 503 when the store is away.
    pub async fn authenticate(
        &self,
        cx: &mut RequestContext,
        lookup: impl AsyncFnOnce(&str) -> Result<Option<DigestSecret>>,
    ) -> Result<DigestUser> {
        let now = SystemTime::now();
        let Some(credentials) = Credentials::of(cx.headers())? else {
            return Err(self.refusal());
        };
        if !credentials.is("digest") {
            return Err(self.refusal());
        }
        let Some(response) = DigestResponse::read(&credentials) else {
            return Err(Error::bad_request("malformed Digest credentials"));
        };
        if !response.is_for(cx.uri()) {
            return Err(Error::bad_request("Digest credentials of another target"));
        }
        if response.realm != *self.realm || !self.algorithms.contains(&response.algorithm) {
            return Err(self.refusal());
        }
        let made = match self.nonces.check(&response.nonce, now) {
            Verdict::Good(made) => Some(made),
            Verdict::Old => None,
            Verdict::Forged => return Err(self.refusal()),
        };
        let secret = lookup(&response.user).await?;
        let Some(secret) = secret.and_then(|secret| secret.of(&response, &self.realm)) else {
            return Err(self.refusal());
        };
        if !response.is_right(cx.method().as_str(), &secret) {
            return Err(self.refusal());
        }
        // Whoever knows the password is told that only the nonce is to blame. (RFC 7616, 3.3)
        let Some(made) = made else {
            return Err(self.refusal_with(true));
        };
        let until = self.nonces.left(made, now);
        if !self.uses.take(&response, made, until).await? {
            return Err(self.refusal_with(true));
        }
        let info = response.authentication_info(&secret);
        cx.set_header(AUTHENTICATION_INFO, info)?;
        Ok(DigestUser {
            name: response.user,
            algorithm: response.algorithm,
        })
    }

    /// The 401 that asks for credentials, with a challenge for each algorithm and a new nonce.
    #[must_use]
    pub fn refusal(&self) -> Error {
        self.refusal_with(false)
    }

    fn refusal_with(&self, stale: bool) -> Error {
        let nonce = match self.nonces.make(SystemTime::now()) {
            Ok(nonce) => nonce,
            Err(error) => return error,
        };
        let mut error = Error::new(http::StatusCode::UNAUTHORIZED);
        for algorithm in &*self.algorithms {
            let mut challenge = Challenge::new("Digest")
                .realm(&*self.realm)
                .parameter("qop", "auth")
                .token("algorithm", algorithm.name())
                .parameter("nonce", &nonce)
                .parameter("charset", "UTF-8");
            if stale {
                challenge = challenge.token("stale", "true");
            }
            match HeaderValue::try_from(challenge) {
                Ok(challenge) => error = error.header(WWW_AUTHENTICATE, challenge),
                Err(invalid) => return Error::internal(invalid.to_string()),
            }
        }
        error
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest")
            .field("realm", &self.realm)
            .field("algorithms", &self.algorithms)
            .field("nonce_age", &self.nonces.age)
            .finish_non_exhaustive()
    }
}

/// A user who has proved that he knows his password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestUser {
    name: String,
    algorithm: DigestAlgorithm,
}

impl DigestUser {
    /// His name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What he has proved it with.
    #[must_use]
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }
}
