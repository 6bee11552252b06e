//! The older signature of S3: HMAC-SHA1.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use super::error::AwsSignatureError as Error;
use super::{AwsSignatures, Claim, Kind, Request, canonical, time};

/// The arguments of a query that are signed.
const SUBRESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

pub(super) struct Signed {
    signature: Vec<u8>,
    /// The time in the query; else it is in a header.
    expires: Option<String>,
}

/// What a request claims; `None` when it has no such signature.
pub(super) fn read(
    settings: &AwsSignatures,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<Option<Claim>, Error> {
    let field = |name: &str| canonical::single(request.query, name).map_err(|()| Error::Malformed);
    let mut headers = request.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().and_then(|value| value.to_str().ok());
    let in_header = header.and_then(|value| value.strip_prefix("AWS "));
    let (access_key, signature, expires) = match (in_header, field("AWSAccessKeyId")?) {
        (None, None) => return Ok(None),
        (Some(header), None) if headers.next().is_none() => {
            check_date(settings, request, now)?;
            let (key, signature) = header.trim().rsplit_once(':').ok_or(Error::Malformed)?;
            (key.to_owned(), signature.to_owned(), None)
        }
        (None, Some(access_key)) => {
            let (signature, expires) = (field("Signature")?, field("Expires")?);
            let expires = expires.ok_or(Error::Malformed)?;
            check_expires(&expires, now)?;
            (
                access_key,
                signature.ok_or(Error::Malformed)?,
                Some(expires),
            )
        }
        _ => return Err(Error::Malformed),
    };
    let signature = STANDARD
        .decode(signature)
        .map_err(|_base64| Error::Malformed)?;
    Ok(Some(Claim {
        access_key,
        payload: Some(String::new()),
        kind: Kind::V2(Signed { signature, expires }),
    }))
}

fn check_date(
    settings: &AwsSignatures,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<(), Error> {
    let date = request
        .headers
        .get("x-amz-date")
        .or_else(|| request.headers.get(DATE));
    let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    match time::apart(date.ok_or(Error::Malformed)?, now) <= settings.max_skew {
        true => Ok(()),
        false => Err(Error::Skewed),
    }
}

fn check_expires(expires: &str, now: SystemTime) -> Result<(), Error> {
    let seconds: u32 = expires.parse().map_err(|_number| Error::Malformed)?;
    match UNIX_EPOCH + Duration::from_secs(seconds.into()) >= now {
        true => Ok(()),
        false => Err(Error::Expired),
    }
}

pub(super) fn verify(
    settings: &AwsSignatures,
    request: &Request<'_>,
    signed: &Signed,
    secret: &str,
) -> Result<(), Error> {
    let is_right = |path: &str| {
        let text = text(settings, request, path, signed.expires.as_deref());
        let mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).map(|mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes()
        });
        mac.is_ok_and(|expected| expected[..].ct_eq(&signed.signature).into())
    };
    // Some clients name a bucket with the slash that it has as a folder, and send it without.
    let is_bucket = request.path.rfind('/') == Some(0) && request.path.len() > 1;
    if is_right(request.path) || is_bucket && is_right(&format!("{}/", request.path)) {
        Ok(())
    } else {
        Err(Error::Mismatch)
    }
}

fn text(
    settings: &AwsSignatures,
    request: &Request<'_>,
    path: &str,
    expires: Option<&str>,
) -> String {
    let headers = request.headers;
    let header = |name: &str| canonical::trimmed(headers, name).unwrap_or_default();
    let date = match expires {
        Some(expires) => expires.to_owned(),
        None if headers.contains_key("x-amz-date") => String::new(),
        None => header(DATE.as_str()),
    };
    let (md5, media) = (header("content-md5"), header(CONTENT_TYPE.as_str()));
    let mut text = format!("{}\n{md5}\n{media}\n{date}\n", request.method);
    let names = headers.keys().map(http::HeaderName::as_str);
    let own: BTreeMap<&str, String> = names
        .filter(|name| name.starts_with("x-amz-"))
        .map(|name| (name, header(name)))
        .collect();
    for (name, value) in own {
        text.push_str(&format!("{name}:{value}\n"));
    }
    if let Some(bucket) = bucket(settings, request.host) {
        text.push('/');
        text.push_str(bucket);
    }
    text.push_str(path);
    let mut before = '?';
    for (name, value) in subresources(request.query) {
        text.push(before);
        text.push_str(&name);
        if let Some(value) = value {
            text.push('=');
            text.push_str(&value);
        }
        before = '&';
    }
    text
}

/// The bucket that the host names.
fn bucket<'a>(settings: &AwsSignatures, host: Option<&'a str>) -> Option<&'a str> {
    let below = settings.hosts_below.as_deref()?;
    let host = host?;
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    name.strip_suffix(below)?.strip_suffix('.')
}

/// Sorted, with their values decoded.
fn subresources(query: &str) -> Vec<(String, Option<String>)> {
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    });
    let signed = parts.filter(|(name, _)| SUBRESOURCES.contains(name));
    let decoded = signed.map(|(name, value)| {
        let value =
            value.map(|value| String::from_utf8_lossy(&canonical::decode(value)).into_owned());
        (name.to_owned(), value)
    });
    let mut all: Vec<_> = decoded.collect();
    all.sort();
    all
}
