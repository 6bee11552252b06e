//! A certificate with its private key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys};

use super::certificate::{Certificate, SubjectName};
use super::error::{Place, TlsError, TlsErrorKind};
use super::pem::{self, Source};
use super::provider::Provider;
use super::resolver;

/// A certificate, the certificates between it and its authority, and its private key: who a server or client is.
///
/// The key may have any of the three forms PKCS #8, PKCS #1 and SEC 1, without a password. The certificate of the
/// server itself comes first, then each one that signed the one before; the authority's own may be left out.
///
/// ```
/// use cyclone_core::tls::Identity;
///
/// let named = Identity::files("example.crt", "example.key");
/// let both_in_one = Identity::file("example.pem").names(["example.org", "*.example.org"]);
/// # let _ = (named, both_in_one);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    chain: Vec<Source>,
    key: Source,
    names: Option<Vec<String>>,
}

impl Identity {
    /// A file of certificates (PEM) and one with the key. They are read when the configuration is built, and at
    /// each reload.
    pub fn files(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            chain: vec![Source::File(certificates.into())],
            key: Source::File(key.into()),
            names: None,
        }
    }

    /// One file (PEM) with certificates and key.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::files(path.clone(), path)
    }

    /// Certificates and key as PEM that the program has.
    pub fn pem(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            chain: vec![Source::bytes(certificates)],
            key: Source::bytes(key),
            names: None,
        }
    }

    /// Adds a file (PEM) of certificates that stand between the first one and its authority, as Twisted's
    /// `extraCertChain`.
    #[must_use]
    pub fn chain_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.chain.push(Source::File(path.into()));
        self
    }

    /// Sets the names for which a server shows this certificate, `example.org` or `*.example.org`. Unless called
    /// they are the DNS names in the certificate.
    #[must_use]
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The files that are read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let sources = self.chain.iter().chain([&self.key]);
        sources.filter_map(Source::path)
    }

    /// Reads the files and checks that all belongs together.
    pub(crate) fn load(&self, provider: &Provider) -> Result<Loaded, TlsError> {
        let mut chain = Vec::new();
        for source in &self.chain {
            for (der, line) in pem::certificates(source)? {
                chain.push((Certificate::new(der), source.place().at(line)));
            }
        }
        let place = self.place();
        for (certificate, place) in &chain {
            if !certificate.is_readable() {
                return Err(
                    TlsError::new(TlsErrorKind::Certificate, "is no certificate")
                        .at(place.clone())
                        .fix("get the file anew"),
                );
            }
        }
        let key = self.signing_key(provider)?;
        let ders = chain
            .iter()
            .map(|(certificate, _)| certificate.der().to_vec().into());
        let certified = CertifiedKey::new(ders.collect(), key);
        self.check_match(&certified, &chain)?;
        let Some((certificate, _)) = chain.into_iter().next() else {
            return Err(TlsError::new(TlsErrorKind::Certificate, "has no certificate").at(place));
        };
        let names = self.dns_names(&certificate)?;
        Ok(Loaded {
            key: Arc::new(certified),
            certificate,
            names,
            place,
        })
    }

    /// The file of the first certificate.
    fn place(&self) -> Place {
        self.chain.first().unwrap_or(&self.key).place()
    }

    fn signing_key(
        &self,
        provider: &Provider,
    ) -> Result<Arc<dyn rustls::sign::SigningKey>, TlsError> {
        let (key, line) = pem::private_key(&self.key)?;
        let loaded = provider.crypto().key_provider.load_private_key(key);
        loaded.map_err(|error| {
            let message = format!("{} cannot use the private key", provider.name());
            TlsError::new(TlsErrorKind::Key, message)
                .at(self.key.place().at(line))
                .because(error)
                .fix("use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits and more")
        })
    }

    fn check_match(
        &self,
        certified: &CertifiedKey,
        chain: &[(Certificate, Place)],
    ) -> Result<(), TlsError> {
        let error = match certified.keys_match() {
            // Not every kind of key tells its public half.
            Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => return Ok(()),
            Err(RustlsError::InconsistentKeys(_)) => {
                let message = format!("does not belong to the private key in {}", self.key.place());
                TlsError::new(TlsErrorKind::Mismatch, message)
            }
            Err(error) => TlsError::new(TlsErrorKind::Certificate, "cannot be used")
                .because(error)
                .fix("it has to be an X.509 certificate of version 3"),
        };
        let error = match chain.first() {
            Some((_, place)) => error.at(place.clone()),
            None => error.at(self.place()),
        };
        if error.kind() != TlsErrorKind::Mismatch {
            return Err(error);
        }
        let belongs = chain.iter().skip(1).find(|(certificate, _)| {
            let alone = vec![certificate.der().to_vec().into()];
            CertifiedKey::new(alone, Arc::clone(&certified.key))
                .keys_match()
                .is_ok()
        });
        Err(match belongs {
            Some((_, place)) => error.fix(format!("the one in {place} does: put it first")),
            None => error.fix("give the key that the certificate was requested with"),
        })
    }

    /// The names to show it for: those given, or those in it that a client can send.
    fn dns_names(&self, certificate: &Certificate) -> Result<Vec<String>, TlsError> {
        let Some(given) = &self.names else {
            let names = certificate.names().iter().filter_map(|name| match name {
                SubjectName::Dns(name) => resolver::normal(name),
                _ => None,
            });
            return Ok(names.collect());
        };
        let names = given.iter().map(|name| {
            resolver::normal(name).ok_or_else(|| {
                TlsError::settings(format!("`{name}` is no name of a server"))
                    .at(self.place())
                    .fix("give names like `example.org` or `*.example.org`, and no addresses")
            })
        });
        names.collect()
    }
}

/// An [`Identity`] that was read and checked.
pub(crate) struct Loaded {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) certificate: Certificate,
    /// In the form of [`resolver::normal`].
    pub(crate) names: Vec<String>,
    pub(crate) place: Place,
}
