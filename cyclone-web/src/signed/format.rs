//! The two formats, as Tornado writes and reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{SignedValue, SignedVersion};
use crate::hex;

/// How far in the future a value of the first format may have been signed. What it signs has no boundaries, so digits
/// could move from the value into the time.
const MOST_IN_FUTURE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The largest number that stands for a format; a larger one is base64 of the first, whose length is a multiple of 4.
const LAST_VERSION: u32 = 999;

/// The number before the first `|`; 1 when there is none.
pub(super) fn version_of(text: &str) -> u32 {
    let number = text.split_once('|').map_or("", |(number, _)| number);
    match digits(number) {
        Some(version @ 1..=LAST_VERSION) if !number.starts_with('0') => version,
        _ => 1,
    }
}

pub(super) fn sign_v1(secret: &[u8], name: &str, value: &[u8], time: SystemTime) -> String {
    let (value, time) = (STANDARD.encode(value), seconds(time));
    let signature = signature_v1(secret, name, &value, &time.to_string());
    format!("{value}|{time}|{signature}")
}

pub(super) fn sign_v2(
    secret: &[u8],
    key_version: u32,
    name: &str,
    value: &[u8],
    time: SystemTime,
) -> String {
    let mut text = String::from("2|");
    for field in [
        &*key_version.to_string(),
        &*seconds(time).to_string(),
        name,
        &*STANDARD.encode(value),
    ] {
        text.push_str(&field.len().to_string());
        text.push(':');
        text.push_str(field);
        text.push('|');
    }
    let signature = signature_v2(secret, &text);
    text.push_str(&signature);
    text
}

pub(super) fn verify_v1(
    secret: &[u8],
    name: &str,
    text: &str,
    max_age: Duration,
    now: SystemTime,
) -> Option<SignedValue> {
    let mut parts = text.split('|');
    let (value, time, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let expected = signature_v1(secret, name, value, time);
    if parts.next().is_some() || !is_same(signature, &expected) || time.starts_with('0') {
        return None;
    }
    let signed_at = not_older(time, max_age, now)?;
    if signed_at > now.checked_add(MOST_IN_FUTURE)? {
        return None;
    }
    Some(SignedValue {
        value: STANDARD.decode(value).ok()?,
        version: SignedVersion::V1,
        key_version: None,
        signed_at,
    })
}

pub(super) fn verify_v2<'k>(
    key: impl FnOnce(u32) -> Option<&'k [u8]>,
    name: &str,
    text: &str,
    max_age: Duration,
    now: SystemTime,
) -> Option<SignedValue> {
    let rest = text.strip_prefix("2|")?;
    let (key_version, rest) = field(rest)?;
    let (time, rest) = field(rest)?;
    let (signed_name, rest) = field(rest)?;
    let (value, signature) = field(rest)?;
    let signed = text.get(..text.len() - signature.len())?;
    let key_version = digits(key_version)?;
    let expected = signature_v2(key(key_version)?, signed);
    if !is_same(signature, &expected) || signed_name != name {
        return None;
    }
    Some(SignedValue {
        signed_at: not_older(time, max_age, now)?,
        value: STANDARD.decode(value).ok()?,
        version: SignedVersion::V2,
        key_version: Some(key_version),
    })
}

/// Takes `length:text|` off the front.
fn field(rest: &str) -> Option<(&str, &str)> {
    let (length, rest) = rest.split_once(':')?;
    let (text, rest) = rest.split_at_checked(digits(length)?)?;
    Some((text, rest.strip_prefix('|')?))
}

/// A number of decimal digits and nothing else.
fn digits<N: std::str::FromStr>(text: &str) -> Option<N> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if only_digits { text.parse().ok() } else { None }
}

fn not_older(time: &str, max_age: Duration, now: SystemTime) -> Option<SystemTime> {
    let signed_at = UNIX_EPOCH.checked_add(Duration::from_secs(digits(time)?))?;
    // A value from the future has no age.
    let age = now.duration_since(signed_at).unwrap_or_default();
    (age <= max_age).then_some(signed_at)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn is_same(signature: &str, expected: &str) -> bool {
    signature.as_bytes().ct_eq(expected.as_bytes()).into()
}

fn signature_v1(secret: &[u8], name: &str, value: &str, time: &str) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else {
        return String::new();
    };
    for part in [name, value, time] {
        mac.update(part.as_bytes());
    }
    hex::encode(&mac.finalize().into_bytes())
}

fn signature_v2(secret: &[u8], text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex::encode(&mac.finalize().into_bytes())
}
