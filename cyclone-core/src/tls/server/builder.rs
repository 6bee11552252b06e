//! Settings of TLS for servers.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::ServerTls;
#[cfg(feature = "acme")]
use crate::tls::acme::Acme;
use crate::tls::client_auth::ClientAuth;
use crate::tls::error::TlsError;
use crate::tls::files;
use crate::tls::identity::Identity;
use crate::tls::info::{TlsVersion, check_protocols};
use crate::tls::provider::Provider;
use crate::tls::resolver::SniPolicy;

/// How long a handshake may take unless said otherwise, from the first byte to the last: 10 s.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes of a server that may be under way at once unless said otherwise.
pub const DEFAULT_MAX_HANDSHAKES: usize = 1024;

/// Sessions that a server keeps for clients that come back, unless said otherwise.
pub const DEFAULT_TLS_SESSIONS: usize = 1024;

/// Session tickets that a client gets with each full handshake of TLS 1.3, to come back with.
pub const TICKETS_PER_HANDSHAKE: usize = 2;

/// How often the files of certificates are looked at unless said otherwise: 10 s.
pub const DEFAULT_RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// How long before a certificate expires its server is degraded, unless said otherwise: 14 days, or the last third
/// of its life if that is shorter.
pub const DEFAULT_EXPIRY_WARNING: Duration = Duration::from_secs(14 * 86_400);

/// The shortest interval at which files are looked at; a shorter one is raised to it.
const SHORTEST_RELOAD_INTERVAL: Duration = Duration::from_millis(10);

/// Settings of a [`ServerTls`].
///
/// Only a certificate has to be given. Without more: TLS 1.2 and 1.3, no certificates of clients, sessions resumed
/// with tickets, no application protocol unless the listener's protocol names some.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "it does nothing until it is built"]
pub struct ServerTlsBuilder {
    pub(super) identities: Vec<IdentitySource>,
    pub(super) sni: SniPolicy,
    pub(super) versions: Vec<TlsVersion>,
    pub(super) alpn: Option<Vec<Vec<u8>>>,
    pub(super) client_auth: Option<ClientAuth>,
    pub(super) sessions: usize,
    pub(super) tickets: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) max_handshakes: usize,
    pub(super) reload_interval: Duration,
    pub(super) expiry_warning: Duration,
    pub(super) provider: Option<Provider>,
    #[cfg(feature = "acme")]
    pub(super) acme: Vec<Acme>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum IdentitySource {
    One(Identity),
    Folder(PathBuf),
}

impl ServerTlsBuilder {
    pub(super) fn new() -> Self {
        Self {
            identities: Vec::new(),
            sni: SniPolicy::default(),
            versions: vec![TlsVersion::V1_2, TlsVersion::V1_3],
            alpn: None,
            client_auth: None,
            sessions: DEFAULT_TLS_SESSIONS,
            tickets: true,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            max_handshakes: DEFAULT_MAX_HANDSHAKES,
            reload_interval: DEFAULT_RELOAD_INTERVAL,
            expiry_warning: DEFAULT_EXPIRY_WARNING,
            provider: None,
            #[cfg(feature = "acme")]
            acme: Vec::new(),
        }
    }

    /// Adds a certificate and its key. The first one is the default certificate; which of them a client is shown
    /// depends on the name that it asks for. Several for the same name may have different kinds of key: the client
    /// is shown the first that it can check.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identities.push(IdentitySource::One(identity));
        self
    }

    /// Adds every certificate in a folder, in the order of the file names: `NAME.pem` with certificates and key,
    /// or `NAME.crt` beside `NAME.key`, as Twisted's txsni has them. A reload finds new files.
    pub fn identities_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.identities.push(IdentitySource::Folder(folder.into()));
        self
    }

    /// Adds a certificate that an authority gives, and answers the authority. A server whose endpoint this is orders
    /// and renews it; others have to run [`Acme::renewal`].
    #[cfg(feature = "acme")]
    #[cfg_attr(docsrs, doc(cfg(feature = "acme")))]
    pub fn acme(mut self, acme: Acme) -> Self {
        self.acme.push(acme);
        self
    }

    /// Sets what becomes of clients that ask for an unknown name or none, [`SniPolicy::Any`] unless called.
    pub fn sni(mut self, policy: SniPolicy) -> Self {
        self.sni = policy;
        self
    }

    /// Sets the versions of TLS, both unless called.
    pub fn versions(mut self, versions: impl IntoIterator<Item = TlsVersion>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// Sets the names of the application protocols (ALPN, RFC 7301) in order of preference. Unless called they are
    /// those of the protocol that the listener serves.
    ///
    /// A client that offers some, and none of these, is refused; one that offers none is served.
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.alpn = Some(protocols.into_iter().map(Into::into).collect());
        self
    }

    /// Asks clients for certificates (mutual TLS).
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = Some(client_auth);
        self
    }

    /// Sets how many sessions are kept in memory for clients that come back, [`DEFAULT_TLS_SESSIONS`] unless called.
    /// The oldest go first. With [tickets](Self::session_tickets) only few clients need one.
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// Lets clients keep their session themselves, encrypted (RFC 5077, RFC 8446, 4.6.1); yes unless called. The
    /// key is replaced every six hours and never leaves the process: another process does a full handshake.
    pub fn session_tickets(mut self, yes: bool) -> Self {
        self.tickets = yes;
        self
    }

    /// Sets how long a handshake may take, [`DEFAULT_HANDSHAKE_TIMEOUT`] unless called; waiting for a turn counts.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Sets how many handshakes may be under way at once, at least one, [`DEFAULT_MAX_HANDSHAKES`] unless called.
    ///
    /// A handshake begins with the client's first message: a connection that is silent takes no turn. Further
    /// clients wait, within their time limit.
    pub fn max_handshakes(mut self, handshakes: usize) -> Self {
        self.max_handshakes = handshakes.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how often the files are looked at for changes, [`DEFAULT_RELOAD_INTERVAL`] unless called. Where there is
    /// a [`TlsReload`](crate::tls::TlsReload) that does so.
    pub fn reload_interval(mut self, interval: Duration) -> Self {
        self.reload_interval = interval.max(SHORTEST_RELOAD_INTERVAL);
        self
    }

    /// Sets how long before a certificate expires the [health](ServerTls::health) is degraded,
    /// [`DEFAULT_EXPIRY_WARNING`] unless called; in the last third of its life at the earliest.
    pub fn expiry_warning(mut self, before: Duration) -> Self {
        self.expiry_warning = before;
        self
    }

    /// Sets the implementation of the cryptography, [`Provider::built_in`] unless called.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Reads the files and checks that all fits together. It blocks on files, for milliseconds.
    ///
    /// # Errors
    /// [`TlsError`] with the file, the line and what to do.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        ServerTls::build(self)
    }

    /// What can be said without reading a file.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        #[cfg(feature = "acme")]
        let has_acme = !self.acme.is_empty();
        #[cfg(not(feature = "acme"))]
        let has_acme = false;
        if self.identities.is_empty() && !has_acme {
            return Err(TlsError::settings("a server needs a certificate")
                .fix("give one with `identity` or `identities_in`"));
        }
        if self.versions.is_empty() {
            return Err(TlsError::settings("no version of TLS is allowed"));
        }
        check_protocols(self.alpn.as_deref().unwrap_or_default())?;
        Ok(())
    }

    /// Every identity, those of folders too.
    pub(super) fn all_identities(&self) -> Result<Vec<Identity>, TlsError> {
        let mut identities = Vec::new();
        for source in &self.identities {
            match source {
                IdentitySource::One(identity) => identities.push(identity.clone()),
                IdentitySource::Folder(folder) => identities.extend(files::identities_in(folder)?),
            }
        }
        Ok(identities)
    }

    /// Every file and folder that is read.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for source in &self.identities {
            match source {
                IdentitySource::One(identity) => {
                    paths.extend(identity.paths().map(ToOwned::to_owned));
                }
                IdentitySource::Folder(folder) => {
                    paths.push(folder.clone());
                    let found = files::identities_in(folder).unwrap_or_default();
                    let found = found.iter().flat_map(Identity::paths);
                    paths.extend(found.map(ToOwned::to_owned));
                }
            }
        }
        let of_clients = self.client_auth.iter().flat_map(ClientAuth::paths);
        paths.extend(of_clients.map(ToOwned::to_owned));
        paths
    }
}
