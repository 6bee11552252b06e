//! Signed values: what a client keeps for the server and cannot change.

mod format;
mod secrets;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

pub use self::secrets::{CookieSecretError, CookieSecrets};

/// How long a browser keeps a signed or private cookie unless told otherwise: 30 days, as with Tornado.
pub const SIGNED_COOKIE_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How old a signed or private value may be unless told otherwise: 31 days, as with Tornado.
pub const SIGNED_VALUE_AGE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The format of a signed value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignedVersion {
    /// `value|time|HMAC-SHA1`, of cyclone and of Tornado before 3.2.1. What it signs has no boundaries between its
    /// fields, and it has no version of the key.
    V1,
    /// `2|1:0|10:1300000000|3:key|8:dmFsdWU=|HMAC-SHA256`: every field with its length, the version of the key and the
    /// name among them.
    #[default]
    V2,
}

/// A signed value that is genuine and not too old.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedValue {
    pub(crate) value: Vec<u8>,
    pub(crate) version: SignedVersion,
    pub(crate) key_version: Option<u32>,
    pub(crate) signed_at: SystemTime,
}

impl SignedValue {
    /// What was signed.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// What was signed, to keep.
    #[must_use]
    pub fn into_value(self) -> Vec<u8> {
        self.value
    }

    /// The format it came in.
    #[must_use]
    pub fn version(&self) -> SignedVersion {
        self.version
    }

    /// The version of the key it was signed with; `None` in the first format. 0 where there was a single secret.
    #[must_use]
    pub fn key_version(&self) -> Option<u32> {
        self.key_version
    }

    /// When it was signed, in whole seconds.
    #[must_use]
    pub fn signed_at(&self) -> SystemTime {
        self.signed_at
    }
}

/// Leaves the value out.
impl std::fmt::Debug for SignedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedValue")
            .field("value_bytes", &self.value.len())
            .field("version", &self.version)
            .field("key_version", &self.key_version)
            .field("signed_at", &self.signed_at)
            .finish()
    }
}
