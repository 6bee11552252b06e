//! Private values: what a client keeps for the server and can neither change nor read.
//!
//! The text is base64url, without padding, of: the format (1), the version of the key (4 bytes), the time in seconds
//! (8 bytes), a salt (16 bytes), a nonce (12 bytes), and AES-256-GCM of the value with its tag (16 bytes). The key is
//! HMAC-SHA256 by the secret of a label and the salt, so that no two values have the same; all before the salt, and the
//! name, is authenticated too.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::random::random;
use crate::signed::{CookieSecrets, SIGNED_VALUE_AGE};

const FORMAT: u8 = 1;
/// Format, version of the key, time.
const HEAD_BYTES: usize = 1 + 4 + 8;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;

/// What keys are derived for; signed values never begin so.
const KEY_LABEL: &[u8] = b"cyclone private value key 1\0";

/// A private value that is genuine and not too old.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateValue {
    value: Vec<u8>,
    key_version: u32,
    encrypted_at: SystemTime,
}

impl PrivateValue {
    /// What was encrypted.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// What was encrypted, to keep.
    #[must_use]
    pub fn into_value(self) -> Vec<u8> {
        self.value
    }

    /// The version of the key it was encrypted with; 0 where there was a single secret.
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.key_version
    }

    /// When it was encrypted, in whole seconds.
    #[must_use]
    pub fn encrypted_at(&self) -> SystemTime {
        self.encrypted_at
    }
}

/// Leaves the value out.
impl fmt::Debug for PrivateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateValue")
            .field("value_bytes", &self.value.len())
            .field("key_version", &self.key_version)
            .field("encrypted_at", &self.encrypted_at)
            .finish()
    }
}

/// Encryption (feature `private-cookies`).
impl CookieSecrets {
    /// Encrypts a value with AES-256-GCM, now. The name goes with it, and a value of one name does not pass for that of
    /// another. The text has 76 characters more than 4/3 of the value's bytes; it tells how long the value is.
    ///
    /// # Errors
    /// A 500 when the system has no random bytes.
    pub fn encrypt(&self, name: &str, value: &[u8]) -> Result<String> {
        self.encrypt_at(name, value, SystemTime::now())
    }

    /// [Encrypts](Self::encrypt) a value as of `time`, in whole seconds from 1970.
    ///
    /// # Errors
    /// A 500 when the system has no random bytes.
    pub fn encrypt_at(&self, name: &str, value: &[u8], time: SystemTime) -> Result<String> {
        let (version, secret) = self.current();
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&since.as_secs().to_be_bytes());
        let associated = associated(&bytes, name);
        let (salt, nonce) = (random::<SALT_BYTES>()?, random::<NONCE_BYTES>()?);
        let sealed = cipher(secret, &salt).and_then(|cipher| {
            let payload = Payload {
                msg: value,
                aad: &associated,
            };
            cipher.encrypt(&Nonce::from(nonce), payload).ok()
        });
        let Some(sealed) = sealed else {
            return Err(Error::internal("a value was not encrypted"));
        };
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Decrypts a value that is at most [31 days](SIGNED_VALUE_AGE) old; `None` when it is not genuine.
    #[must_use]
    pub fn decrypt(&self, name: &str, text: &str) -> Option<PrivateValue> {
        self.decrypt_at(name, text, SIGNED_VALUE_AGE, SystemTime::now())
    }

    /// Decrypts a value that is at most `max_age` old at `now`; `None` when it was changed or has another name, is too
    /// old, or there is no such version of the key.
    #[must_use]
    pub fn decrypt_at(
        &self,
        name: &str,
        text: &str,
        max_age: Duration,
        now: SystemTime,
    ) -> Option<PrivateValue> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let &[FORMAT, v0, v1, v2, v3, ref seconds @ ..] = head else {
            return None;
        };
        let key_version = u32::from_be_bytes([v0, v1, v2, v3]);
        let payload = Payload {
            msg: sealed,
            aad: &associated(head, name),
        };
        let cipher = cipher(self.key(key_version)?, salt)?;
        let value = cipher.decrypt(&Nonce::from(*nonce), payload).ok()?;
        let seconds = Duration::from_secs(u64::from_be_bytes(*seconds));
        let encrypted_at = UNIX_EPOCH.checked_add(seconds)?;
        // A value from the future has no age.
        let age = now.duration_since(encrypted_at).unwrap_or_default();
        (age <= max_age).then_some(PrivateValue {
            value,
            key_version,
            encrypted_at,
        })
    }
}

/// What is authenticated beside the value; the head has always the same length.
fn associated(head: &[u8], name: &str) -> Vec<u8> {
    [head, name.as_bytes()].concat()
}

fn cipher(secret: &[u8], salt: &[u8]) -> Option<Aes256Gcm> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(KEY_LABEL);
    mac.update(salt);
    Aes256Gcm::new_from_slice(&mac.finalize().into_bytes()).ok()
}
