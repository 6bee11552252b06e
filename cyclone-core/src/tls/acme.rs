//! Certificates from an authority that speaks ACME (RFC 8555), Let's Encrypt for instance.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::client::ClientTls;
use super::error::{TlsError, TlsErrorKind};
use super::files::write_private;
use super::identity::Identity;
use super::provider::Provider;
use super::resolver;
use crate::health::{Health, HealthReporter};
use crate::lock::lock;

pub use renewal::{ACME_ATTEMPT_TIMEOUT, ACME_RETRY_AFTER, ACME_RETRY_MAX, AcmeRenewal};

mod kept;
mod renewal;

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The directory of Let's Encrypt for tests: its limits are wide, and nobody trusts its certificates.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The most names of a certificate from an authority, as Let's Encrypt has it.
pub const MAX_ACME_NAMES: usize = 100;

/// The protocol by which an authority asks whether a name is ours (RFC 8737).
const CHALLENGE_ALPN: &[u8] = b"acme-tls/1";

/// Certificates from an authority that speaks ACME (RFC 8555): ordered when there is none, and renewed in the last
/// third of their life.
///
/// The authority asks at port 443 of each name whether that is us, over TLS itself (TLS-ALPN-01, RFC 8737): a
/// [`ServerTls`](super::ServerTls) with this has to answer there. Certificates and the key of the account are kept in
/// a folder that only the owner may read. The work is that of a service, [`AcmeRenewal`]; a
/// [`Server`](crate::Server) runs it for the endpoints that need it. Clones are handles of the same thing.
///
/// The answer is known in this process only: where several processes share a port (`--worker-mode processes` of the
/// runner) the authority comes to any of them, and orders fail. Workers in threads share one order.
///
/// Using it means to agree to the terms of the authority.
///
/// ```no_run
/// use cyclone_core::Endpoint;
/// use cyclone_core::tls::{Acme, ServerTls};
///
/// # fn main() -> Result<(), cyclone_core::tls::TlsError> {
/// let acme = Acme::builder(["example.org", "www.example.org"], "/var/lib/app/acme")
///     .contact("admin@example.org")
///     .build()?;
/// let endpoint = Endpoint::tcp(443).tls(ServerTls::builder().acme(acme).build()?);
/// # let _ = endpoint;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Acme {
    shared: Arc<Shared>,
}

struct Shared {
    names: Vec<String>,
    contact: Vec<String>,
    directory: String,
    folder: PathBuf,
    provider: Provider,
    client: ClientTls,
    current: Mutex<Option<Current>>,
    /// What answers the authority, while an order is under way.
    challenge: Mutex<Option<Arc<ServerConfig>>>,
    health: HealthReporter,
    /// One service at a time does the work.
    working: tokio::sync::Mutex<()>,
}

/// The certificate in use.
#[derive(Clone)]
struct Current {
    key: Arc<CertifiedKey>,
    certificate: Certificate,
    /// With the key.
    pem: Arc<[u8]>,
    /// It is in the folder.
    is_kept: bool,
}

impl Acme {
    /// Settings for certificates with these names, kept in this folder. The [service](AcmeRenewal) makes it when it is
    /// not there, as the user that the process has by then: where privileges are dropped, make it before and give it to
    /// that user.
    pub fn builder(
        names: impl IntoIterator<Item = impl Into<String>>,
        folder: impl Into<PathBuf>,
    ) -> AcmeBuilder {
        AcmeBuilder {
            names: names.into_iter().map(Into::into).collect(),
            folder: folder.into(),
            contact: Vec::new(),
            directory: LETS_ENCRYPT.to_owned(),
            roots: None,
            provider: None,
        }
    }

    /// The names of the certificate.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.shared.names
    }

    /// The certificate in use; none before the first one has come.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        let current = lock(&self.shared.current);
        current.as_ref().map(|current| current.certificate.clone())
    }

    /// How it goes: [`Health::Starting`] until the first certificate is there, degraded while renewing it fails, down
    /// when there is none that is valid.
    #[must_use]
    pub fn health(&self) -> Health {
        let said = self.shared.health.current();
        match self.certificate() {
            Some(one) if one.expires() <= SystemTime::now() => {
                let reason = said.reason().unwrap_or("it was not renewed");
                Health::Down(format!("the certificate has expired: {reason}"))
            }
            Some(_) => said,
            None => match said {
                Health::Degraded(reason) => Health::Down(reason),
                said => said,
            },
        }
    }

    /// The service that orders and renews the certificate.
    #[must_use]
    pub fn renewal(&self) -> AcmeRenewal {
        AcmeRenewal::new(self)
    }

    pub(crate) fn current_key(&self) -> Option<Arc<CertifiedKey>> {
        let current = lock(&self.shared.current);
        current.as_ref().map(|current| Arc::clone(&current.key))
    }

    /// What answers a client that turns out to be the authority and asks whether a name is ours; `None` for all
    /// others, and when nothing was ordered.
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        // RFC 8737, section 3: this protocol and no other.
        let is_challenge = hello.alpn().into_iter().flatten().eq([CHALLENGE_ALPN]);
        is_challenge.then(|| lock(&self.shared.challenge).clone())?
    }

    /// Uses a certificate and its key (PEM).
    fn adopt(&self, pem: &[u8], is_kept: bool) -> Result<(), TlsError> {
        let loaded = Identity::pem(pem, pem).load(&self.shared.provider)?;
        *lock(&self.shared.current) = Some(Current {
            key: loaded.key,
            certificate: loaded.certificate,
            pem: pem.into(),
            is_kept,
        });
        Ok(())
    }
}

impl PartialEq for Acme {
    /// Whether both are handles of the same thing.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Acme {}

impl Hash for Acme {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.shared).hash(state);
    }
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme")
            .field("names", &self.shared.names)
            .field("directory", &self.shared.directory)
            .field("certificate", &self.certificate())
            .finish_non_exhaustive()
    }
}

/// Settings of [`Acme`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "it does nothing until it is built"]
pub struct AcmeBuilder {
    names: Vec<String>,
    folder: PathBuf,
    contact: Vec<String>,
    directory: String,
    roots: Option<PathBuf>,
    provider: Option<Provider>,
}

impl AcmeBuilder {
    /// Adds an address of electronic mail where the authority reaches whoever is responsible; none unless called.
    pub fn contact(mut self, email: impl Into<String>) -> Self {
        let email = email.into();
        self.contact.push(match email.starts_with("mailto:") {
            true => email,
            false => format!("mailto:{email}"),
        });
        self
    }

    /// Sets the directory of the authority (RFC 8555, 7.1.1), [`LETS_ENCRYPT`] unless called.
    pub fn directory(mut self, url: impl Into<String>) -> Self {
        self.directory = url.into();
        self
    }

    /// Sets who vouches for the authority's own server (PEM), what this machine trusts unless called.
    pub fn roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots = Some(path.into());
        self
    }

    /// Sets the implementation of the cryptography of TLS, [`Provider::built_in`] unless called.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Checks the settings and reads the certificate that was kept, if there is one. While there is an [`Acme`] with the
    /// same settings in this process it gives a handle of that.
    ///
    /// # Errors
    /// [`TlsError`] when a name cannot have a certificate this way (`*.example.org` cannot), when the folder cannot be
    /// read, and when no authorities are known that vouch for the authority's server.
    pub fn build(self) -> Result<Acme, TlsError> {
        // Workers, and endpoints for the same names, all come here: two orders would be one too many, and whoever the
        // authority asks has to know the answer.
        static KNOWN: Mutex<Vec<(AcmeBuilder, Weak<Shared>)>> = Mutex::new(Vec::new());
        let mut known = lock(&KNOWN);
        known.retain(|(_, shared)| shared.strong_count() > 0);
        let same = known.iter().find(|(builder, _)| *builder == self);
        if let Some(shared) = same.and_then(|(_, shared)| shared.upgrade()) {
            return Ok(Acme { shared });
        }
        let acme = self.clone().make()?;
        known.push((self, Arc::downgrade(&acme.shared)));
        Ok(acme)
    }

    fn make(self) -> Result<Acme, TlsError> {
        if self.names.is_empty() || self.names.len() > MAX_ACME_NAMES {
            let message = format!("a certificate has 1 to {MAX_ACME_NAMES} names");
            return Err(TlsError::settings(message));
        }
        let mut names = Vec::new();
        for name in self.names {
            match resolver::normal(&name) {
                Some(normal) if !normal.starts_with("*.") => names.push(normal),
                _ => {
                    let message = format!("`{name}` cannot have a certificate by ACME");
                    return Err(TlsError::settings(message)
                        .fix("give names of hosts, without wildcards and addresses"));
                }
            }
        }
        if !self.directory.starts_with("https://") {
            let message = format!("`{}` is no directory of an authority", self.directory);
            return Err(TlsError::settings(message).fix("give a URL that begins with `https://`"));
        }
        let provider = Provider::or_built_in(self.provider)?;
        let client = ClientTls::builder().provider(provider.clone());
        let client = match self.roots {
            Some(path) => client.roots_file(path),
            None => client.system_roots(),
        };
        let acme = Acme {
            shared: Arc::new(Shared {
                names,
                contact: self.contact,
                directory: self.directory,
                folder: self.folder,
                client: client.build()?,
                provider,
                current: Mutex::new(None),
                challenge: Mutex::new(None),
                health: HealthReporter::new(Health::Starting),
                working: tokio::sync::Mutex::new(()),
            }),
        };
        acme.read_kept()?;
        Ok(acme)
    }
}

impl Acme {
    /// Uses the certificate in the folder, if it is for these names; gives it.
    fn read_kept(&self) -> Result<Option<Vec<u8>>, TlsError> {
        let path = self.certificate_path();
        let Some(pem) = kept::read(&path)? else {
            return Ok(None);
        };
        match self.adopt(&pem, true) {
            Ok(()) => Ok(Some(pem)),
            Err(error) => {
                // It is ours to order anew.
                tracing::warn!(path = %path.display(), %error, "the kept certificate cannot be used");
                Ok(None)
            }
        }
    }

    /// Uses a new certificate, even if it cannot be kept.
    fn take(&self, pem: &[u8]) -> Result<(), TlsError> {
        self.adopt(pem, false)?;
        self.keep()
    }

    /// Puts the certificate in use into the folder, if it is not there.
    fn keep(&self) -> Result<(), TlsError> {
        let current = lock(&self.shared.current).clone();
        let Some(current) = current.filter(|current| !current.is_kept) else {
            return Ok(());
        };
        write_private(&self.certificate_path(), &current.pem)?;
        if let Some(now) = &mut *lock(&self.shared.current)
            && Arc::ptr_eq(&now.pem, &current.pem)
        {
            now.is_kept = true;
        }
        Ok(())
    }

    /// The certificate to go on with, that in the folder. One that could not be put there is put there now, or else
    /// another would be ordered in its place, again and again: authorities give only a few for the same names.
    fn go_on(&self) -> Result<Option<Vec<u8>>, TlsError> {
        self.keep()?;
        self.read_kept()
    }

    /// Its name tells names and authority apart.
    fn certificate_path(&self) -> PathBuf {
        let mark = self.mark(&self.shared.names);
        let first = self.shared.names.first().map_or("", String::as_str);
        self.file(&format!("{first}-{mark}.pem"))
    }

    fn account_path(&self) -> PathBuf {
        let mark = self.mark(&self.shared.contact);
        self.file(&format!("account-{mark}.key"))
    }

    fn mark(&self, words: &[String]) -> String {
        let words = words.iter().map(String::as_str);
        let words: Vec<&str> = words.chain([self.shared.directory.as_str()]).collect();
        kept::mark(&words)
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new(&self.shared.folder).join(name)
    }
}

/// An error of the library that orders certificates, which has no types of ours.
fn failed(message: &str, error: &dyn fmt::Display) -> TlsError {
    TlsError::new(TlsErrorKind::Authority, message).because(error.to_string())
}

#[cfg(test)]
mod tests;
