//! Mutual TLS: which certificates of clients are taken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::parse_x509_crl;

use super::certificate;
use super::error::{Place, TlsError, TlsErrorKind};
use super::pem::{self, Source};
use super::provider::Provider;

/// Mutual TLS: clients show a certificate too, signed by an authority that is named here.
///
/// What the client showed is in [`TlsInfo::peer_certificate`](super::TlsInfo::peer_certificate). A certificate
/// that is not signed by the authorities, is expired or revoked, or is not meant for clients is refused, whether it
/// is required or optional. A resumed session is checked again, so revocation and expiry hold for it as well; when it
/// is refused all sessions are forgotten, so that a client with a new certificate can show it.
///
/// ```
/// use cyclone_core::tls::ClientAuth;
///
/// let members_only = ClientAuth::required("client-ca.pem").revocation_list("client-ca.crl");
/// # let _ = members_only;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAuth {
    required: bool,
    authorities: Vec<Source>,
    revocation_lists: Vec<Source>,
    unlisted_authorities: bool,
}

impl ClientAuth {
    /// Every client has to show a certificate that an authority in the file (PEM) signed.
    pub fn required(authorities: impl Into<PathBuf>) -> Self {
        Self::with(Source::File(authorities.into()), true)
    }

    /// Clients may show a certificate that an authority in the file (PEM) signed.
    pub fn optional(authorities: impl Into<PathBuf>) -> Self {
        Self::with(Source::File(authorities.into()), false)
    }

    /// As [`required`](Self::required), with PEM that the program has.
    pub fn required_pem(authorities: impl Into<Vec<u8>>) -> Self {
        Self::with(Source::bytes(authorities), true)
    }

    /// As [`optional`](Self::optional), with PEM that the program has.
    pub fn optional_pem(authorities: impl Into<Vec<u8>>) -> Self {
        Self::with(Source::bytes(authorities), false)
    }

    fn with(source: Source, required: bool) -> Self {
        Self {
            required,
            authorities: vec![source],
            revocation_lists: Vec::new(),
            unlisted_authorities: false,
        }
    }

    /// Adds a file (PEM) of authorities.
    #[must_use]
    pub fn authorities(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorities.push(Source::File(file.into()));
        self
    }

    /// Adds a file (PEM) of revocation lists (RFC 5280, section 5).
    ///
    /// As soon as there is one, every authority that signed something in a client's chain needs one, and none may
    /// be out of date: what cannot be checked is refused. [`unlisted_authorities`](Self::unlisted_authorities)
    /// makes an exception of authorities without a list.
    #[must_use]
    pub fn revocation_list(mut self, file: impl Into<PathBuf>) -> Self {
        self.revocation_lists.push(Source::File(file.into()));
        self
    }

    /// Adds revocation lists as PEM that the program has.
    #[must_use]
    pub fn revocation_list_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.revocation_lists.push(Source::bytes(pem));
        self
    }

    /// Takes certificates of authorities that have no revocation list although others do; no unless called.
    #[must_use]
    pub fn unlisted_authorities(mut self, yes: bool) -> Self {
        self.unlisted_authorities = yes;
        self
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let sources = self.authorities.iter().chain(&self.revocation_lists);
        sources.filter_map(Source::path)
    }

    pub(crate) fn load(&self, provider: &Provider) -> Result<LoadedAuth, TlsError> {
        let mut roots = RootCertStore::empty();
        add_roots(&mut roots, &self.authorities)?;
        let mut lists = Vec::new();
        let mut updates = Vec::new();
        for source in &self.revocation_lists {
            for (list, line) in pem::revocation_lists(source)? {
                let place = source.place().at(line);
                match parse_x509_crl(&list) {
                    Ok((_, list)) => {
                        let update = list.next_update().map(certificate::time);
                        updates.extend(update.map(|update| (update, place)));
                    }
                    Err(error) => {
                        return Err(TlsError::new(
                            TlsErrorKind::Authority,
                            "is no revocation list",
                        )
                        .at(place)
                        .because(error.to_string()));
                    }
                }
                lists.push(list);
            }
        }
        let has_lists = !lists.is_empty();
        let mut builder = WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(provider.crypto()),
        )
        .with_crls(lists);
        if has_lists {
            builder = builder.enforce_revocation_expiration();
            if self.unlisted_authorities {
                builder = builder.allow_unknown_revocation_status();
            }
        }
        if !self.required {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| {
            let place = self.revocation_lists.first().or(self.authorities.first());
            let error = TlsError::new(TlsErrorKind::Authority, "cannot be used").because(error);
            match place {
                Some(source) => error.at(source.place()),
                None => error,
            }
        })?;
        Ok(LoadedAuth {
            verifier,
            updates,
            needs_lists: self.required && !self.unlisted_authorities,
        })
    }
}

/// A [`ClientAuth`] whose files were read.
pub(crate) struct LoadedAuth {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// When each of the revocation lists is out of date, and where it came from.
    pub(crate) updates: Vec<(SystemTime, Place)>,
    /// Whether nobody is served without one that is up to date.
    pub(crate) needs_lists: bool,
}

/// Adds the certificates of authorities.
pub(crate) fn add_roots(roots: &mut RootCertStore, sources: &[Source]) -> Result<(), TlsError> {
    for source in sources {
        for (der, line) in pem::certificates(source)? {
            roots.add(der).map_err(|error| {
                TlsError::new(TlsErrorKind::Authority, "cannot be an authority")
                    .at(source.place().at(line))
                    .because(error)
            })?;
        }
    }
    Ok(())
}
