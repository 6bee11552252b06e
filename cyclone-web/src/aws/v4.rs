//! Signature Version 4.

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::AwsSignatureError as Error;
use super::{AWS_MAX_EXPIRES, AwsSignatures, Claim, Kind, Request, canonical, time};
use crate::auth::Credentials;
use crate::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

pub(super) struct Signed {
    /// `20130524T000000Z`.
    time: String,
    day: String,
    region: String,
    /// In lower case, in their order.
    headers: Vec<String>,
    signature: String,
    in_query: bool,
}

/// What a request claims; `None` when it has no such signature.
pub(super) fn read(
    settings: &AwsSignatures,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<Option<Claim>, Error> {
    let field = |name: &str| canonical::single(request.query, name).map_err(|()| Error::Malformed);
    let algorithm = field("X-Amz-Algorithm")?;
    let credentials = request.headers.get(http::header::AUTHORIZATION);
    let in_header = credentials.is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"));
    let (credential, headers, signature, expires) = match (algorithm, in_header) {
        (None, false) => return Ok(None),
        (Some(_), true) => return Err(Error::Malformed),
        (Some(algorithm), false) => {
            if algorithm != ALGORITHM {
                return Err(Error::Malformed);
            }
            let must = |name: &str| field(name)?.ok_or(Error::Malformed);
            let expires = must("X-Amz-Expires")?;
            (
                must("X-Amz-Credential")?,
                must("X-Amz-SignedHeaders")?,
                must("X-Amz-Signature")?,
                Some(expires.parse::<u32>().map_err(|_number| Error::Malformed)?),
            )
        }
        (None, true) => {
            let credentials = Credentials::of(request.headers).ok().flatten();
            let credentials = credentials.filter(|found| found.scheme() == ALGORITHM);
            let credentials = credentials.ok_or(Error::Malformed)?;
            let must = |name: &str| {
                let value = credentials.parameter(name).map(str::to_owned);
                value.ok_or(Error::Malformed)
            };
            (
                must("Credential")?,
                must("SignedHeaders")?,
                must("Signature")?,
                None,
            )
        }
    };
    let in_query = expires.is_some();
    let time_text = match in_query {
        true => field("X-Amz-Date")?,
        false => canonical::header(request.headers, "x-amz-date"),
    };
    let time_text = time_text.ok_or(Error::Malformed)?;
    let time = time::parse(&time_text).ok_or(Error::Malformed)?;
    check_time(settings, time, expires, now)?;
    // The key may have slashes, the rest has none.
    let mut scope = credential.rsplitn(5, '/');
    let (Some("aws4_request"), Some(service), Some(region), Some(day), Some(access_key)) = (
        scope.next(),
        scope.next(),
        scope.next(),
        scope.next(),
        scope.next(),
    ) else {
        return Err(Error::Malformed);
    };
    let other_region = settings
        .region
        .as_deref()
        .is_some_and(|wanted| wanted != region);
    if service != settings.service || other_region || !time_text.starts_with(day) || day.len() != 8
    {
        return Err(Error::OtherScope);
    }
    let headers: Vec<String> = headers.split(';').map(str::to_owned).collect();
    check_headers(request, &headers)?;
    let payload = match in_query {
        true => field("X-Amz-Content-Sha256")?,
        false => canonical::header(request.headers, "x-amz-content-sha256"),
    };
    let payload = payload.or_else(|| (in_query && service == "s3").then(|| UNSIGNED.to_owned()));
    if let Some(payload) = &payload {
        check_payload(settings, payload, in_query)?;
    }
    Ok(Some(Claim {
        access_key: access_key.to_owned(),
        payload,
        kind: Kind::V4(Signed {
            day: day.to_owned(),
            region: region.to_owned(),
            time: time_text,
            headers,
            signature,
            in_query,
        }),
    }))
}

fn check_time(
    settings: &AwsSignatures,
    time: SystemTime,
    expires: Option<u32>,
    now: SystemTime,
) -> Result<(), Error> {
    let Some(expires) = expires else {
        return match time::apart(time, now) <= settings.max_skew {
            true => Ok(()),
            false => Err(Error::Skewed),
        };
    };
    let expires = Duration::from_secs(expires.into());
    if expires.is_zero() || expires > AWS_MAX_EXPIRES {
        return Err(Error::Malformed);
    }
    match now.duration_since(time) {
        Ok(age) if age > expires => Err(Error::Expired),
        Err(ahead) if ahead.duration() > settings.max_skew => Err(Error::Skewed),
        _ => Ok(()),
    }
}

/// `host`, and all that change what the service does, have to be signed.
fn check_headers(request: &Request<'_>, signed: &[String]) -> Result<(), Error> {
    let sorted = signed.windows(2).all(|pair| pair[0] < pair[1]);
    let lower = signed
        .iter()
        .all(|name| !name.bytes().any(|byte| byte.is_ascii_uppercase()));
    if !sorted || !lower {
        return Err(Error::Malformed);
    }
    let is_signed = |name: &str| signed.iter().any(|other| other == name);
    let mut names = request.headers.keys().map(http::HeaderName::as_str);
    let all = names.all(|name| !name.starts_with("x-amz-") || is_signed(name));
    match is_signed("host") && all {
        true => Ok(()),
        false => Err(Error::UnsignedHeader),
    }
}

fn check_payload(settings: &AwsSignatures, payload: &str, in_query: bool) -> Result<(), Error> {
    let is_hash = payload.len() == 64
        && payload
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_unsigned = payload == UNSIGNED && (in_query || settings.unsigned_payload);
    match is_hash || is_unsigned {
        true => Ok(()),
        false => Err(Error::UnsignedPayload),
    }
}

pub(super) fn verify(
    settings: &AwsSignatures,
    request: &Request<'_>,
    signed: &Signed,
    payload: &str,
    secret: &str,
) -> Result<(), Error> {
    let expected = expected(settings, request, signed, payload, secret)?;
    match bool::from(expected.as_bytes().ct_eq(signed.signature.as_bytes())) {
        true => Ok(()),
        false => Err(Error::Mismatch),
    }
}

fn expected(
    settings: &AwsSignatures,
    request: &Request<'_>,
    signed: &Signed,
    payload: &str,
    secret: &str,
) -> Result<String, Error> {
    let path = match &*settings.service {
        "s3" => canonical::object_path(request.path),
        _ => canonical::path(request.path),
    };
    let query = canonical::query(
        request.query,
        if signed.in_query {
            "X-Amz-Signature"
        } else {
            ""
        },
    );
    let mut text = format!("{}\n{path}\n{query}\n", request.method);
    for name in &signed.headers {
        let value = match &**name {
            "host" => request.host.map(str::to_owned),
            name => canonical::header(request.headers, name),
        };
        let value = value.ok_or(Error::Mismatch)?;
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("\n{}\n{payload}", signed.headers.join(";")));
    let hash = hex::encode(&Sha256::digest(text.as_bytes()));
    let (day, region, service) = (&signed.day, &signed.region, &settings.service);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("{ALGORITHM}\n{}\n{scope}\n{hash}", signed.time);
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [day, region, &**service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    Ok(hex::encode(&hmac(&key, text.as_bytes())))
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of any length is taken.
    let mac = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    });
    mac.unwrap_or_default()
}
