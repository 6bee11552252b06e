//! The token: raw bytes, and the text of it in cookies and forms.

use std::time::{SystemTime, UNIX_EPOCH};

use subtle::ConstantTimeEq as _;

use super::{XSRF_TOKEN_BYTES, XsrfVersion};
use crate::error::Result;
use crate::hex;
use crate::random::random;

/// Bytes of a mask.
const MASK_BYTES: usize = 4;

/// A token without its mask.
#[derive(Clone)]
pub(crate) struct Raw {
    bytes: Vec<u8>,
    /// Unix time of its making, in seconds.
    made: u64,
}

/// The token of one request.
#[derive(Clone)]
pub(crate) struct Ticket {
    raw: Raw,
    /// Masked for this response.
    text: String,
    /// The browser has it in no cookie yet.
    is_new: bool,
}

impl Raw {
    /// A token of [`XSRF_TOKEN_BYTES`] random bytes.
    fn new() -> Result<Self> {
        Ok(Self {
            bytes: random::<XSRF_TOKEN_BYTES>()?.to_vec(),
            made: now(),
        })
    }

    /// Reads a cookie or an argument of either version. What is malformed, too short, or of a version to come, is as
    /// absent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let raw = match version(text) {
            None => Self {
                // cyclone and old Tornados took whatever is no hex as it is.
                bytes: hex::decode(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec()),
                made: now(),
            },
            Some("2") => Self::parse_masked(text)?,
            Some(_) => return None,
        };
        (raw.bytes.len() >= XSRF_TOKEN_BYTES).then_some(raw)
    }

    fn parse_masked(text: &str) -> Option<Self> {
        let mut fields = text.split('|').skip(1);
        let (mask, token, made) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() || !made.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mask: [u8; MASK_BYTES] = hex::decode(mask.as_bytes())?.try_into().ok()?;
        let mut bytes = hex::decode(token.as_bytes())?;
        apply(mask, &mut bytes);
        Some(Self {
            bytes,
            made: made.parse().ok()?,
        })
    }

    /// Compares without telling by the time it takes where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }

    /// Writes the token as cookie or argument, with a new mask.
    pub(crate) fn text(&self, version: XsrfVersion) -> Result<String> {
        match version {
            XsrfVersion::V1 => Ok(hex::encode(&self.bytes)),
            XsrfVersion::V2 => Ok(self.masked(random()?)),
        }
    }

    pub(super) fn masked(&self, mask: [u8; MASK_BYTES]) -> String {
        let mut bytes = self.bytes.clone();
        apply(mask, &mut bytes);
        let (mask, token) = (hex::encode(&mask), hex::encode(&bytes));
        format!("2|{mask}|{token}|{}", self.made)
    }
}

impl Ticket {
    /// The token of the cookie, or a new one.
    pub(crate) fn new(cookie: Option<Raw>, version: XsrfVersion) -> Result<Self> {
        let is_new = cookie.is_none();
        let raw = match cookie {
            Some(raw) => raw,
            None => Raw::new()?,
        };
        Ok(Self {
            text: raw.text(version)?,
            raw,
            is_new,
        })
    }

    /// What a page sends back: visible ASCII without a character that HTML has to have escaped.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// What the cookie holds; its mask is another than that of the page.
    pub(crate) fn cookie(&self, version: XsrfVersion) -> Result<String> {
        self.raw.text(version)
    }
}

/// The number before the first `|`, if the text begins with one: a version that came after the first.
fn version(text: &str) -> Option<&str> {
    let (version, _) = text.split_once('|')?;
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && version.starts_with(|first| ('1'..='9').contains(&first))).then_some(version)
}

/// Puts a mask on, or takes it off.
fn apply(mask: [u8; MASK_BYTES], bytes: &mut [u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
