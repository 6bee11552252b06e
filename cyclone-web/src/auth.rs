//! Authentication of HTTP (RFC 9110, 11): challenges, credentials, and the schemes Basic and Digest.

#[cfg(feature = "auth")]
mod basic;
mod challenge;
mod credentials;
#[cfg(feature = "auth")]
mod digest;
#[cfg(test)]
mod tests;

#[cfg(feature = "auth")]
pub use self::basic::{Basic, BasicCredentials};
pub use self::challenge::{Challenge, InvalidChallenge};
pub use self::credentials::{AuthorizationError, Credentials, MAX_AUTH_PARAMETERS};
#[cfg(feature = "auth")]
pub use self::digest::{
    DIGEST_NONCE_AGE, Digest, DigestAlgorithm, DigestSecret, DigestUser, MAX_DIGEST_NONCES,
};

/// Whether a byte may stand in a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
