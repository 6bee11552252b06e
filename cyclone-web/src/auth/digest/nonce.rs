//! Nonces: the time they were made, random bytes, and a signature of both.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::error::Result;
use crate::random::random;

const TIME_BYTES: usize = 8;
const RANDOM_BYTES: usize = 12;
const SIGNATURE_BYTES: usize = 16;

/// When a nonce was made, in microseconds from 1970.
pub(super) type Made = u64;

#[derive(Clone)]
pub(super) struct Nonces {
    key: [u8; 32],
    pub(super) age: Duration,
}

pub(super) enum Verdict {
    Good(Made),
    /// Ours, and too old.
    Old,
    /// Not ours, or of the future.
    Forged,
}

impl Nonces {
    pub(super) fn new(key: [u8; 32], age: Duration) -> Self {
        Self { key, age }
    }

    pub(super) fn make(&self, now: SystemTime) -> Result<String> {
        let mut bytes = Vec::with_capacity(TIME_BYTES + RANDOM_BYTES + SIGNATURE_BYTES);
        bytes.extend_from_slice(&micros(now).to_be_bytes());
        bytes.extend_from_slice(&random::<RANDOM_BYTES>()?);
        let signature = self.signature(&bytes);
        bytes.extend_from_slice(&signature);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn check(&self, nonce: &str, now: SystemTime) -> Verdict {
        match self.genuine(nonce) {
            None => Verdict::Forged,
            Some(made) if self.left(made, now).is_zero() => Verdict::Old,
            Some(made) => Verdict::Good(made),
        }
    }

    /// How long a nonce is still good.
    pub(super) fn left(&self, made: Made, now: SystemTime) -> Duration {
        let age = micros(now).saturating_sub(made);
        self.age.saturating_sub(Duration::from_micros(age))
    }

    fn genuine(&self, nonce: &str) -> Option<Made> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (signed, signature) = bytes.split_at_checked(TIME_BYTES + RANDOM_BYTES)?;
        if !bool::from(signature.ct_eq(&self.signature(signed))) {
            return None;
        }
        Some(u64::from_be_bytes(*signed.first_chunk()?))
    }

    fn signature(&self, signed: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        // A key of any length is taken.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(b"cyclone digest nonce 1\0");
            mac.update(signed);
            let whole = mac.finalize().into_bytes();
            signature.copy_from_slice(&whole[..SIGNATURE_BYTES]);
        }
        signature
    }
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
