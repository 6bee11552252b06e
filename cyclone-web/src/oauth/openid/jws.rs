//! A signed token (RFC 7515, compact).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{AlgorithmIdentifier, alg_id};
use serde::Deserialize;

use super::super::error::OAuthError;
use super::jwk::{Curve, Jwk, Key, integer, sequence};

/// A longer token is refused.
const MAX_TOKEN: usize = 64 * 1024;

/// What a token is signed with; others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA with PKCS #1 and the SHA of so many bits.
    Rs(u16),
    /// RSA with PSS.
    Ps(u16),
    Es256,
    Es384,
    Ed25519,
}

impl Algorithm {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs(256),
            "RS384" => Self::Rs(384),
            "RS512" => Self::Rs(512),
            "PS256" => Self::Ps(256),
            "PS384" => Self::Ps(384),
            "PS512" => Self::Ps(512),
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::Ed25519,
            _ => return None,
        })
    }

    /// The bits of its hash.
    pub(super) fn bits(self) -> u16 {
        match self {
            Self::Rs(bits) | Self::Ps(bits) => bits,
            Self::Es256 => 256,
            Self::Es384 => 384,
            Self::Ed25519 => 512,
        }
    }

    /// Of the key, and of the signature.
    fn ids(self) -> Option<(AlgorithmIdentifier, AlgorithmIdentifier)> {
        Some(match self {
            Self::Rs(256) => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256),
            Self::Rs(384) => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA384),
            Self::Rs(512) => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA512),
            Self::Ps(256) => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA256),
            Self::Ps(384) => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384),
            Self::Ps(512) => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA512),
            Self::Es256 => (alg_id::ECDSA_P256, alg_id::ECDSA_SHA256),
            Self::Es384 => (alg_id::ECDSA_P384, alg_id::ECDSA_SHA384),
            Self::Ed25519 => (alg_id::ED25519, alg_id::ED25519),
            Self::Rs(_) | Self::Ps(_) => return None,
        })
    }

    /// Whether a key is of its kind.
    pub(super) fn fits(self, key: &Key) -> bool {
        matches!(
            (self, key),
            (Self::Rs(_) | Self::Ps(_), Key::Rsa(_))
                | (Self::Es256, Key::Ec(Curve::P256, _))
                | (Self::Es384, Key::Ec(Curve::P384, _))
                | (Self::Ed25519, Key::Ed25519(_))
        )
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    #[serde(default)]
    crit: Vec<String>,
}

pub(super) struct Signed<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) algorithm_name: String,
    pub(super) key_id: Option<String>,
    pub(super) payload: Vec<u8>,
    /// Header and payload as they came.
    text: &'t str,
    signature: Vec<u8>,
}

impl<'t> Signed<'t> {
    /// Takes a token apart; nothing is checked but its form.
    pub(super) fn read(token: &'t str) -> Result<Self, OAuthError> {
        let malformed = || OAuthError::token("the id token is malformed");
        if token.len() > MAX_TOKEN {
            return Err(malformed());
        }
        let (text, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = text.split_once('.').ok_or_else(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_bad| malformed());
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_json| malformed())?;
        if !header.crit.is_empty() {
            return Err(OAuthError::token(
                "the id token has extensions that nobody knows",
            ));
        }
        let algorithm = Algorithm::of(&header.alg).ok_or_else(|| {
            OAuthError::token("the id token is signed in a way that is not taken")
        })?;
        Ok(Self {
            algorithm,
            algorithm_name: header.alg,
            key_id: header.kid,
            payload: decode(payload)?,
            text,
            signature: decode(signature)?,
        })
    }

    pub(super) fn verify(&self, key: &Jwk) -> Result<(), OAuthError> {
        let missing = || OAuthError::settings("no cryptography for id tokens is built in");
        let wrong = || OAuthError::token("the signature of the id token is wrong");
        let (key_id, signature_id) = self.algorithm.ids().ok_or_else(missing)?;
        let all = algorithms().ok_or_else(missing)?.all;
        let found = all.iter().find(|one| {
            one.public_key_alg_id() == key_id && one.signature_alg_id() == signature_id
        });
        let signature = match self.algorithm {
            Algorithm::Es256 => der_signature(&self.signature, 32).ok_or_else(wrong)?,
            Algorithm::Es384 => der_signature(&self.signature, 48).ok_or_else(wrong)?,
            _ => self.signature.clone(),
        };
        found
            .ok_or_else(missing)?
            .verify_signature(key.key.bytes(), self.text.as_bytes(), &signature)
            .map_err(|_invalid| wrong())
    }
}

/// Two numbers side by side (RFC 7518, 3.4) as X.509 has them.
fn der_signature(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    if signature.len() != 2 * size {
        return None;
    }
    let (r, s) = signature.split_at(size);
    Some(sequence(&[integer(r), integer(s)].concat()))
}

/// Those of the cryptography that is built in; the default of the process is not asked.
fn algorithms() -> Option<WebPkiSupportedAlgorithms> {
    #[cfg(feature = "aws-lc-rs")]
    return Some(rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms);
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Some(rustls::crypto::ring::default_provider().signature_verification_algorithms);
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    return None;
}
