//! Requests signed as those of Amazon's services: Signature Version 4, and the older one of S3.

mod canonical;
mod error;
#[cfg(test)]
mod tests;
mod time;
mod v2;
mod v4;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::context::RequestContext;
use crate::error::Result;
use crate::hex;

pub use self::error::AwsSignatureError;

/// How far the clock of a client may be off unless told otherwise: 15 minutes, as with Amazon.
pub const AWS_MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// How long an URL may be good that was signed in advance: 7 days, as with Amazon.
pub const AWS_MAX_EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Checks requests that were signed with AWS Signature Version 4, in headers or in an URL signed in advance, and with the
/// older HMAC-SHA1 of S3 where that is wanted: for a service that the tools of S3 speak to.
///
/// The signature covers method, path, query, the headers it names (`host` and all `x-amz-` ones have to be among them) and
/// the hash of the body. The same request can be sent again while its time is good; Amazon allows that too.
///
/// A body that is signed in chunks (`STREAMING-…`) is refused.
///
/// ```
/// use cyclone_web::{AwsSignatures, RequestContext, RequestHandler, Result};
///
/// struct Objects { signatures: AwsSignatures }
///
/// impl RequestHandler for Objects {
///     async fn put(&self, cx: &mut RequestContext) -> Result {
///         let signer = self.signatures.authenticate(cx, async |key: &str| {
///             Ok((key == "AKIDEXAMPLE").then(|| "the secret of that key".to_owned()))
///         }).await?;
///         let bytes = cx.body().await?; // it has the hash that was signed
///         cx.text(format!("{} bytes of {}", bytes.len(), signer.access_key()))
///     }
/// }
/// let objects = Objects { signatures: AwsSignatures::new("s3").region("eu-central-1") };
/// # let _ = objects;
/// ```
#[derive(Clone, Debug)]
pub struct AwsSignatures {
    service: Cow<'static, str>,
    region: Option<Cow<'static, str>>,
    max_skew: Duration,
    unsigned_payload: bool,
    version2: bool,
    hosts_below: Option<Cow<'static, str>>,
}

impl AwsSignatures {
    /// Takes signatures for this service, `s3` for instance, of any region.
    pub fn new(service: impl Into<Cow<'static, str>>) -> Self {
        Self {
            service: service.into(),
            region: None,
            max_skew: AWS_MAX_SKEW,
            unsigned_payload: false,
            version2: false,
            hosts_below: None,
        }
    }

    /// Takes signatures of this region only.
    #[must_use]
    pub fn region(mut self, region: impl Into<Cow<'static, str>>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets how far the clock of a client may be off, either way; [15 minutes](AWS_MAX_SKEW) unless set.
    #[must_use]
    pub fn max_skew(mut self, skew: Duration) -> Self {
        self.max_skew = skew;
        self
    }

    /// Takes requests whose headers say `UNSIGNED-PAYLOAD`: for TLS only, where nobody on the way can change the body.
    /// URLs signed in advance for S3 never sign it.
    #[must_use]
    pub fn allow_unsigned_payload(mut self, yes: bool) -> Self {
        self.unsigned_payload = yes;
        self
    }

    /// Takes the older signature of S3 too, HMAC-SHA1, which does not cover the body unless there is a `Content-MD5`.
    #[must_use]
    pub fn allow_version2(mut self, yes: bool) -> Self {
        self.version2 = yes;
        self
    }

    /// Says that the buckets of S3 are hosts below this one: `bucket.s3.example.org`. Only the older signature wants to
    /// know.
    #[must_use]
    pub fn hosts_below(mut self, host: impl Into<Cow<'static, str>>) -> Self {
        self.hosts_below = Some(host.into());
        self
    }

    /// Checks the signature of a request, and that the body, which is read whole, has the hash that was signed.
    /// `lookup` knows the secret of an access key, or that there is no such key.
    ///
    /// # Errors
    /// [`AwsSignatureError`] (403, 400 when it is malformed), the error of `lookup`, or that of
    /// [`RequestContext::body`].
    pub async fn authenticate(
        &self,
        cx: &mut RequestContext,
        lookup: impl AsyncFnOnce(&str) -> Result<Option<String>>,
    ) -> Result<AwsSigner> {
        let claim = self.read(&Request::of(cx), SystemTime::now())?;
        // Where the hash is not sent it is part of the signature all the same.
        let computed = match claim.payload {
            Some(_) => None,
            None => Some(hex::encode(&Sha256::digest(cx.body().await?))),
        };
        let signer = self.check(cx, claim, computed, lookup).await?;
        if signer.payload != AwsPayload::Unsigned {
            let body = cx.body().await?;
            if !signer.payload.is_of(&body) {
                return Err(AwsSignatureError::OtherPayload.into());
            }
        }
        Ok(signer)
    }

    /// Checks the signature of a request without its body, for a handler that streams it: the body is genuine when it
    /// has the hash of [`AwsSigner::payload`] in the end.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), and a 403 when the request does not say the hash of its body.
    pub async fn authenticate_head(
        &self,
        cx: &RequestContext,
        lookup: impl AsyncFnOnce(&str) -> Result<Option<String>>,
    ) -> Result<AwsSigner> {
        let claim = self.read(&Request::of(cx), SystemTime::now())?;
        if claim.payload.is_none() {
            return Err(AwsSignatureError::UnsignedPayload.into());
        }
        self.check(cx, claim, None, lookup).await
    }

    async fn check(
        &self,
        cx: &RequestContext,
        claim: Claim,
        computed: Option<String>,
        lookup: impl AsyncFnOnce(&str) -> Result<Option<String>>,
    ) -> Result<AwsSigner> {
        let Some(secret) = lookup(&claim.access_key).await? else {
            return Err(AwsSignatureError::UnknownKey.into());
        };
        let payload = self.verify(&Request::of(cx), &claim, computed, &secret)?;
        Ok(AwsSigner {
            access_key: claim.access_key,
            payload,
        })
    }

    /// What a request claims, as far as it can be judged without the secret.
    fn read(&self, request: &Request<'_>, now: SystemTime) -> Judged<Claim> {
        if let Some(claim) = v4::read(self, request, now)? {
            return Ok(claim);
        }
        match self.version2 {
            true => v2::read(self, request, now)?.ok_or(AwsSignatureError::Missing),
            false => Err(AwsSignatureError::Missing),
        }
    }

    fn verify(
        &self,
        request: &Request<'_>,
        claim: &Claim,
        computed: Option<String>,
        secret: &str,
    ) -> Judged<AwsPayload> {
        match &claim.kind {
            Kind::V4(signed) => {
                let hash = claim.payload.clone().or(computed).unwrap_or_default();
                v4::verify(self, request, signed, &hash, secret)?;
                if hash == v4::UNSIGNED {
                    return Ok(AwsPayload::Unsigned);
                }
                let hash = hex::decode(hash.as_bytes()).and_then(|hash| hash.try_into().ok());
                hash.map(AwsPayload::Sha256)
                    .ok_or(AwsSignatureError::UnsignedPayload)
            }
            Kind::V2(signed) => {
                v2::verify(self, request, signed, secret)?;
                let Some(md5) = request.headers.get("content-md5") else {
                    return Ok(AwsPayload::Unsigned);
                };
                let md5 = STANDARD.decode(md5).ok();
                let md5 = md5.and_then(|hash| hash.try_into().ok());
                md5.map(AwsPayload::Md5)
                    .ok_or(AwsSignatureError::OtherPayload)
            }
        }
    }
}

type Judged<T> = std::result::Result<T, AwsSignatureError>;

/// What is signed of a request.
struct Request<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    host: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn of(cx: &'a RequestContext) -> Self {
        Self {
            method: cx.method(),
            path: cx.request_path(),
            query: cx.uri().query().unwrap_or_default(),
            headers: cx.headers(),
            host: cx.host(),
        }
    }
}

/// A signature that nobody has checked.
struct Claim {
    access_key: String,
    /// What the request says of its body.
    payload: Option<String>,
    kind: Kind,
}

enum Kind {
    V4(v4::Signed),
    V2(v2::Signed),
}

/// Who has signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSigner {
    access_key: String,
    payload: AwsPayload,
}

impl AwsSigner {
    /// The access key whose secret it was signed with.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// What was signed of the body.
    #[must_use]
    pub fn payload(&self) -> &AwsPayload {
        &self.payload
    }
}

/// What was signed of a body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsPayload {
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// Its MD5 (`Content-MD5`), with the older signature.
    Md5([u8; 16]),
    /// Nothing.
    Unsigned,
}

impl AwsPayload {
    /// Whether a body has this hash; any has when none was signed.
    #[must_use]
    pub fn is_of(&self, body: &[u8]) -> bool {
        match self {
            Self::Sha256(hash) => Sha256::digest(body)[..] == hash[..],
            Self::Md5(hash) => Md5::digest(body)[..] == hash[..],
            Self::Unsigned => true,
        }
    }
}

impl fmt::Debug for AwsPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(hash) => write!(f, "Sha256({})", hex::encode(hash)),
            Self::Md5(hash) => write!(f, "Md5({})", hex::encode(hash)),
            Self::Unsigned => f.write_str("Unsigned"),
        }
    }
}
