//! Certificates made here, for development.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::certificate::Certificate;
use super::error::{Place, TlsError, TlsErrorKind};
use super::files;
use super::identity::Identity;
use super::pem::{self, Source};

/// How long a [`SelfSigned`] certificate is valid: 365 days.
pub const SELF_SIGNED_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// A kept certificate that is valid for less than this is replaced: 30 days.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// What is the owner of these certificates, and who signed them.
const COMMON_NAME: &str = "cyclone development certificate";

/// A certificate that nobody signed but itself, made on the spot: for development and tests.
///
/// Browsers warn of it. Clients accept it when they are given [`certificate_pem`](Self::certificate_pem) as an
/// authority. It is valid for [`SELF_SIGNED_LIFE`].
///
/// ```
/// use cyclone_core::tls::{SelfSigned, ServerTls};
///
/// # fn main() -> Result<(), cyclone_core::tls::TlsError> {
/// # if cyclone_core::tls::Provider::built_in().is_none() { return Ok(()); }
/// let made = SelfSigned::new(["localhost", "127.0.0.1"])?;
/// let tls = ServerTls::builder().identity(made.identity()).build()?;
/// # let _ = tls;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SelfSigned {
    certificate: String,
    key: String,
    path: Option<PathBuf>,
}

impl SelfSigned {
    /// Makes a certificate for the names, hosts or IP addresses, and a key of its own (ECDSA P-256).
    ///
    /// # Errors
    /// When there is no name or a name is none of a host, and when neither of the features `ring` and `aws-lc-rs` is
    /// on.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, TlsError> {
        Self::make(names.into_iter().map(Into::into).collect())
    }

    /// The certificate for these names that is in the file; makes one and puts it there if there is none, or if it
    /// has other names or is about to expire. So browsers have to be told once only.
    ///
    /// Certificate and key are in the same file, which only its owner may read (mode 0600).
    ///
    /// # Errors
    /// As [`new`](Self::new), when the file cannot be read or written, and when something else is in it: that is
    /// never overwritten.
    pub fn kept_in(
        path: impl Into<PathBuf>,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, TlsError> {
        let path = path.into();
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if let Some(kept) = Self::kept(&path, &names, SystemTime::now())? {
            return Ok(kept);
        }
        let mut made = Self::make(names)?;
        let pem = format!("{}{}", made.certificate, made.key);
        files::write_private(&path, pem.as_bytes())?;
        tracing::info!(path = %path.display(), "made a self-signed certificate");
        made.path = Some(path);
        Ok(made)
    }

    /// What the file has, if it is still good.
    fn kept(path: &Path, names: &[String], now: SystemTime) -> Result<Option<Self>, TlsError> {
        if !path.try_exists().unwrap_or(true) {
            return Ok(None);
        }
        let source = Source::File(path.to_owned());
        let foreign = |error: Option<TlsError>| {
            let message = "has something else than a certificate that was made here";
            let foreign = TlsError::new(TlsErrorKind::File, message)
                .at(Place::file(path))
                .fix("give another path, or remove the file");
            match error {
                Some(error) => foreign.because(error),
                None => foreign,
            }
        };
        let found = pem::certificates(&source);
        let found = found.map_err(|error| match error.kind() {
            TlsErrorKind::File => error,
            _ => foreign(Some(error)),
        })?;
        let (der, _) = found.into_iter().next().ok_or_else(|| foreign(None))?;
        let certificate = Certificate::new(der);
        if certificate.common_name() != Some(COMMON_NAME) {
            return Err(foreign(None));
        }
        let kept: BTreeSet<String> = certificate
            .names()
            .iter()
            .map(ToString::to_string)
            .collect();
        let asked: BTreeSet<String> = names.iter().map(|name| written(name)).collect();
        if kept != asked || certificate.expires() < now + RENEW_BEFORE {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            TlsError::new(TlsErrorKind::File, "cannot be read")
                .at(Place::file(path))
                .because(error)
        })?;
        // The certificate comes first, as it is written above.
        const END: &str = "-----END CERTIFICATE-----";
        let at = text.find(END).map_or(text.len(), |at| at + END.len());
        let (certificate, key) = text.split_at(at);
        Ok(Some(Self {
            certificate: format!("{certificate}\n"),
            key: key.trim_start().to_owned(),
            path: Some(path.to_owned()),
        }))
    }

    /// Certificate and key, for a server or a client.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match &self.path {
            Some(path) => Identity::file(path),
            None => Identity::pem(self.certificate.as_str(), self.key.as_str()),
        }
    }

    /// The certificate (PEM), without the key: what clients have to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    fn make(names: Vec<String>) -> Result<Self, TlsError> {
        use rcgen::{
            CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
        };

        if names.is_empty() {
            return Err(TlsError::settings("a certificate needs a name")
                .fix("give the names of the server, `localhost` for instance"));
        }
        let failed = |error: rcgen::Error| {
            TlsError::settings("no certificate can be made for these names").because(error)
        };
        let mut params = CertificateParams::new(names).map_err(failed)?;
        let now = SystemTime::now();
        // Clocks of other machines may be behind.
        params.not_before = (now - Duration::from_secs(86_400)).into();
        params.not_after = (now + SELF_SIGNED_LIFE).into();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, COMMON_NAME);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            path: None,
        })
    }

    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    fn make(_names: Vec<String>) -> Result<Self, TlsError> {
        super::provider::Provider::or_built_in(None)
            .and_then(|_| Err(TlsError::settings("no cryptography is built in")))
    }
}

/// A name as it stands in certificates: one address has many texts.
fn written(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

impl fmt::Debug for SelfSigned {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSigned")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
