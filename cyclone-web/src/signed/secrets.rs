//! The secrets that values are signed with.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{SIGNED_VALUE_AGE, SignedValue, SignedVersion, format};

/// A secret shorter than this many bytes is reported in the log: it may be guessed.
const SHORT_SECRET: usize = 16;

/// The secrets that values are signed with, and private cookies encrypted: one, or several with versions to change them
/// by, as Tornado's `cookie_secret` and `key_version`.
///
/// The formats are Tornado's, byte for byte. To change a secret, add the next version and sign with it; values that
/// were signed with an old one stay genuine until it is removed.
///
/// ```
/// use cyclone_web::CookieSecrets;
///
/// let before = CookieSecrets::with_versions([(1, "the first secret, 32 random bytes")], 1)?;
/// let text = before.sign("user", b"ada");
/// let after = CookieSecrets::with_versions(
///     [(1, "the first secret, 32 random bytes"), (2, "the second secret, 32 random ones")],
///     2,
/// )?;
/// let signed = after.verify("user", &text).ok_or("not genuine")?;
/// assert_eq!((signed.value(), signed.key_version()), (&b"ada"[..], Some(1)));
/// assert!(after.verify("admin", &text).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CookieSecrets {
    keys: Keys,
    min_version: SignedVersion,
}

#[derive(Clone)]
enum Keys {
    /// It has no version of its own, and checks what was signed with any.
    One(Arc<[u8]>),
    Several {
        secrets: Arc<[(u32, Box<[u8]>)]>,
        current: usize,
    },
}

impl CookieSecrets {
    /// One secret: 32 random bytes, or text made of them.
    ///
    /// Values have key version 0, and any version passes when they are checked, as with Tornado.
    ///
    /// # Errors
    /// [`CookieSecretError::Empty`]. A secret of less than 16 bytes is taken, with a warning in the log.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, CookieSecretError> {
        let secret = check(secret.as_ref())?;
        Ok(Self::of(Keys::One(secret.into())))
    }

    /// Several secrets with their versions; new values are signed with that of `key_version`.
    ///
    /// Values of the first format have no version of a key: they are refused, and cannot be made.
    ///
    /// # Errors
    /// [`CookieSecretError`] when a secret is empty, a version occurs twice, or that of `key_version` is missing.
    pub fn with_versions<S: AsRef<[u8]>>(
        secrets: impl IntoIterator<Item = (u32, S)>,
        key_version: u32,
    ) -> Result<Self, CookieSecretError> {
        let mut all: Vec<(u32, Box<[u8]>)> = Vec::new();
        for (version, secret) in secrets {
            if all.iter().any(|(other, _)| *other == version) {
                return Err(CookieSecretError::Twice(version));
            }
            all.push((version, check(secret.as_ref())?.into()));
        }
        let current = all.iter().position(|(version, _)| *version == key_version);
        let current = current.ok_or(CookieSecretError::Missing(key_version))?;
        Ok(Self::of(Keys::Several {
            secrets: all.into(),
            current,
        }))
    }

    fn of(keys: Keys) -> Self {
        Self {
            keys,
            min_version: SignedVersion::V1,
        }
    }

    /// Refuses values of formats before this one: Tornado's `min_version`. All are taken unless set.
    #[must_use]
    pub fn min_version(mut self, version: SignedVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Signs a value, now, in the second format: Tornado's `create_signed_value`. The name goes with it, and a value of
    /// one name does not pass for that of another.
    #[must_use]
    pub fn sign(&self, name: &str, value: &[u8]) -> String {
        self.sign_at(name, value, SystemTime::now())
    }

    /// [Signs](Self::sign) a value as of `time`, in whole seconds from 1970.
    #[must_use]
    pub fn sign_at(&self, name: &str, value: &[u8], time: SystemTime) -> String {
        let (version, secret) = self.current();
        format::sign_v2(secret, version, name, value, time)
    }

    /// Signs a value in the first format, for sites that still run cyclone.
    ///
    /// # Errors
    /// [`CookieSecretError::NoVersions`] when there are several secrets: that format does not say which was used.
    pub fn sign_v1_at(
        &self,
        name: &str,
        value: &[u8],
        time: SystemTime,
    ) -> Result<String, CookieSecretError> {
        match &self.keys {
            Keys::One(secret) => Ok(format::sign_v1(secret, name, value, time)),
            Keys::Several { .. } => Err(CookieSecretError::NoVersions),
        }
    }

    /// Checks a signed value that is at most [31 days](SIGNED_VALUE_AGE) old; `None` when it is not genuine.
    #[must_use]
    pub fn verify(&self, name: &str, text: &str) -> Option<SignedValue> {
        self.verify_at(name, text, SIGNED_VALUE_AGE, SystemTime::now())
    }

    /// Checks a signed value of either format that is at most `max_age` old at `now`: Tornado's `decode_signed_value`.
    ///
    /// `None` when the signature, the name or the age do not fit, the format is unknown or refused
    /// ([`min_version`](Self::min_version)), or there is no such version of the key. Comparisons of secrets take the
    /// same time wherever they differ.
    #[must_use]
    pub fn verify_at(
        &self,
        name: &str,
        text: &str,
        max_age: Duration,
        now: SystemTime,
    ) -> Option<SignedValue> {
        let version = match format::version_of(text) {
            1 => SignedVersion::V1,
            2 => SignedVersion::V2,
            _ => return None,
        };
        if version < self.min_version {
            return None;
        }
        match (version, &self.keys) {
            (SignedVersion::V1, Keys::One(secret)) => {
                format::verify_v1(secret, name, text, max_age, now)
            }
            (SignedVersion::V1, Keys::Several { .. }) => None,
            (SignedVersion::V2, _) => {
                format::verify_v2(|version| self.key(version), name, text, max_age, now)
            }
        }
    }

    /// What new values are signed with, and its version.
    pub(crate) fn current(&self) -> (u32, &[u8]) {
        match &self.keys {
            Keys::One(secret) => (0, secret),
            Keys::Several { secrets, current } => match secrets.get(*current) {
                Some((version, secret)) => (*version, secret),
                None => (0, &[]),
            },
        }
    }

    /// What values of a version were signed with.
    pub(crate) fn key(&self, version: u32) -> Option<&[u8]> {
        match &self.keys {
            Keys::One(secret) => Some(secret),
            Keys::Several { secrets, .. } => {
                let mut secrets = secrets.iter();
                secrets.find_map(|(other, secret)| (*other == version).then_some(&**secret))
            }
        }
    }
}

fn check(secret: &[u8]) -> Result<&[u8], CookieSecretError> {
    if secret.is_empty() {
        return Err(CookieSecretError::Empty);
    }
    if secret.len() < SHORT_SECRET {
        let bytes = secret.len();
        tracing::warn!(bytes, "cookie secret is short");
    }
    Ok(secret)
}

/// Shows versions only.
impl fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CookieSecrets");
        if let Keys::Several { secrets, .. } = &self.keys {
            let versions: Vec<u32> = secrets.iter().map(|(version, _)| *version).collect();
            shown.field("versions", &versions);
        }
        shown
            .field("key_version", &self.current().0)
            .field("min_version", &self.min_version)
            .finish_non_exhaustive()
    }
}

/// Why secrets cannot be used; a mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieSecretError {
    /// A secret is empty.
    Empty,
    /// Two secrets have this version.
    Twice(u32),
    /// There is no secret of the version that values are to be signed with.
    Missing(u32),
    /// The first format of signed values has no versions of keys.
    NoVersions,
}

impl fmt::Display for CookieSecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a cookie secret is empty"),
            Self::Twice(version) => write!(f, "two cookie secrets have version {version}"),
            Self::Missing(version) => write!(f, "there is no cookie secret of version {version}"),
            Self::NoVersions => {
                f.write_str("signed values of version 1 need a single secret without a version")
            }
        }
    }
}

impl std::error::Error for CookieSecretError {}
