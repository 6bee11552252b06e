//! What a server uses at a time: one set of files, read and checked.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::builder::ServerTlsBuilder;
use crate::tls::certificate::Certificate;
use crate::tls::error::{Place, TlsError, TlsErrorKind};
use crate::tls::provider::Provider;
use crate::tls::resolver::Resolver;

/// One generation of certificates. It is never changed, only replaced as a whole.
pub(super) struct Active {
    pub(super) generation: u64,
    /// Without what belongs to the listener.
    pub(super) config: ServerConfig,
    pub(super) resolver: Arc<Resolver>,
    /// There when clients are asked for certificates.
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) certificates: Vec<Certificate>,
    /// Where each of `certificates` came from.
    pub(super) places: Vec<Place>,
    /// When each of the revocation lists is out of date, and where it came from.
    pub(super) updates: Vec<(SystemTime, Place)>,
    /// Whether nobody is served without one that is up to date.
    pub(super) needs_lists: bool,
}

impl Active {
    pub(super) fn load(
        settings: &ServerTlsBuilder,
        provider: &Provider,
        generation: u64,
    ) -> Result<Self, TlsError> {
        let identities = settings.all_identities()?;
        let loaded = identities.iter().map(|identity| identity.load(provider));
        let loaded = loaded.collect::<Result<Vec<_>, _>>()?;
        if let Some(one) = loaded.iter().skip(1).find(|one| one.names.is_empty()) {
            let message = "has no DNS name, so that no client would see it";
            return Err(TlsError::new(TlsErrorKind::Certificate, message)
                .at(one.place.clone())
                .fix("give its names with `Identity::names`, or put it first"));
        }
        let clients = settings.client_auth.as_ref();
        let clients = clients.map(|auth| auth.load(provider)).transpose()?;
        let (clients, updates, needs_lists) = match clients {
            Some(loaded) => (Some(loaded.verifier), loaded.updates, loaded.needs_lists),
            None => (None, Vec::new(), false),
        };
        let resolver = Arc::new(Resolver::new(
            &loaded,
            settings.sni,
            #[cfg(feature = "acme")]
            &settings.acme,
        ));
        let versions: Vec<_> = settings.versions.iter().map(|one| one.rustls()).collect();
        let verifier = clients.clone();
        let config = ServerConfig::builder_with_provider(Arc::clone(provider.crypto()))
            .with_protocol_versions(&versions)
            .map_err(|error| {
                TlsError::settings("these versions of TLS do not work").because(error)
            })?
            .with_client_cert_verifier(
                verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth),
            )
            .with_cert_resolver(Arc::clone(&resolver) as _);
        let (certificates, places) = loaded
            .into_iter()
            .map(|one| (one.certificate, one.place))
            .unzip();
        Ok(Self {
            generation,
            config,
            resolver,
            clients,
            certificates,
            places,
            updates,
            needs_lists,
        })
    }

    /// When the first certificate expires, if there is one.
    pub(super) fn expires(&self) -> Option<SystemTime> {
        self.certificates.iter().map(Certificate::expires).min()
    }

    /// They are used all the same: what clients make of them is their business.
    pub(super) fn warn_of_expired(&self, now: SystemTime) {
        for (certificate, place) in self.certificates.iter().zip(&self.places) {
            if certificate.expires() <= now {
                tracing::warn!(certificate = %place, "the certificate has expired");
            } else if certificate.valid_from() > now {
                tracing::warn!(certificate = %place, "the certificate is not valid yet");
            }
        }
    }
}
