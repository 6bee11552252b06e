//! Keys of a provider (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::error::OAuthError;
use super::jws::Signed;

/// More keys of a provider are not looked at.
const MAX_KEYS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

/// A public key, in the bytes that X.509 has for it.
pub(super) enum Key {
    Rsa(Vec<u8>),
    Ec(Curve, Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Rsa(bytes) | Self::Ec(_, bytes) | Self::Ed25519(bytes) => bytes,
        }
    }
}

pub(super) struct Jwk {
    id: Option<String>,
    algorithm: Option<String>,
    pub(super) key: Key,
}

pub(super) struct JwkSet {
    keys: Vec<Jwk>,
}

impl JwkSet {
    /// Keys of other kinds, or for other uses, are left out (RFC 7517, 5).
    pub(super) fn read(answer: &Value) -> Result<Self, OAuthError> {
        let keys = answer.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| OAuthError::provider("the provider has no set of keys"))?;
        let keys = keys.iter().take(MAX_KEYS).filter_map(Jwk::read).collect();
        Ok(Self { keys })
    }

    /// The key that a token names; where it names none, the only one of its kind.
    pub(super) fn find(&self, signed: &Signed<'_>) -> Option<&Jwk> {
        let fits = |key: &&Jwk| {
            let named = key.algorithm.as_ref();
            signed.algorithm.fits(&key.key)
                && named.is_none_or(|name| *name == signed.algorithm_name)
        };
        let mut fitting = self.keys.iter().filter(fits);
        match &signed.key_id {
            Some(id) => fitting.find(|key| key.id.as_ref() == Some(id)),
            None => {
                let only = fitting.next();
                only.filter(|_| fitting.next().is_none())
            }
        }
    }
}

impl Jwk {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let key = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let numbers = [integer(&bytes("n")?), integer(&bytes("e")?)].concat();
                Key::Rsa(sequence(&numbers))
            }
            ("EC", Some("P-256")) => Key::Ec(Curve::P256, point(&bytes("x")?, &bytes("y")?, 32)?),
            ("EC", Some("P-384")) => Key::Ec(Curve::P384, point(&bytes("x")?, &bytes("y")?, 48)?),
            ("OKP", Some("Ed25519")) => Key::Ed25519(bytes("x")?),
            _ => return None,
        };
        Some(Self {
            id: text("kid").map(str::to_owned),
            algorithm: text("alg").map(str::to_owned),
            key,
        })
    }
}

/// An uncompressed point.
fn point(x: &[u8], y: &[u8], size: usize) -> Option<Vec<u8>> {
    let fits = x.len() == size && y.len() == size;
    fits.then(|| [&[4], x, y].concat())
}

/// A positive INTEGER of DER.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0);
    let bytes = start.map_or(&[0][..], |start| &bytes[start..]);
    let is_high = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let content = if is_high {
        [&[0], bytes].concat()
    } else {
        bytes.to_vec()
    };
    element(2, &content)
}

/// A SEQUENCE of DER.
pub(super) fn sequence(content: &[u8]) -> Vec<u8> {
    element(0x30, content)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let short = u8::try_from(content.len())
        .ok()
        .filter(|length| *length < 128);
    let head = match short {
        Some(length) => vec![tag, length],
        None => {
            let start = length.iter().position(|byte| *byte != 0).unwrap_or(0);
            let length = &length[start..];
            // At most 8 bytes.
            let count = 0x80 | u8::try_from(length.len()).unwrap_or(8);
            [&[tag, count], length].concat()
        }
    };
    [head, content.to_vec()].concat()
}
