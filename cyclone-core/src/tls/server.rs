//! TLS of a server: its certificates, how they are replaced, and handshakes.

use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use tokio::sync::{Semaphore, watch};

#[cfg(feature = "acme")]
use super::acme::Acme;
use super::certificate::Certificate;
use super::error::{TlsError, TlsErrorKind};
use super::files::Fingerprint;
use super::identity::Identity;
use super::provider::Provider;
use crate::health::Health;
use crate::lock::lock;

use active::Active;
pub use builder::{
    DEFAULT_EXPIRY_WARNING, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_HANDSHAKES,
    DEFAULT_RELOAD_INTERVAL, DEFAULT_TLS_SESSIONS, ServerTlsBuilder, TICKETS_PER_HANDSHAKE,
};
use resumption::Resumption;

mod accept;
mod active;
mod builder;
mod health;
mod resumption;

/// TLS of a server: certificates by name, versions, mutual TLS, and the limits of handshakes.
///
/// Clones are handles of the same thing, so that several listeners can share certificates, sessions and limits. An
/// [`Endpoint`](crate::Endpoint) takes one; [`accept`](Self::accept) is for servers of one's own.
///
/// ```no_run
/// use cyclone_core::tls::{Identity, ServerTls, SniPolicy};
///
/// # fn example() -> Result<(), cyclone_core::tls::TlsError> {
/// let tls = ServerTls::builder()
///     .identity(Identity::files("example.org.crt", "example.org.key"))
///     .identity(Identity::files("example.com.crt", "example.com.key"))
///     .sni(SniPolicy::Known)
///     .build()?;
/// # let _ = tls;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
    listener: Arc<Listener>,
}

struct Shared {
    settings: ServerTlsBuilder,
    provider: Provider,
    /// Outlives the certificates: a resumed session shows none.
    resumption: Mutex<Arc<Resumption>>,
    active: Mutex<Arc<Active>>,
    /// What the files looked like when they were read last, well or not. Held while they are read.
    seen: Mutex<Fingerprint>,
    state: watch::Sender<TlsState>,
    handshakes: Semaphore,
}

/// What is different from listener to listener.
#[derive(Default)]
struct Listener {
    /// In order of preference; what the settings say comes first.
    alpn: Vec<Vec<u8>>,
    /// What new connections used last.
    config: Mutex<Option<Current>>,
}

/// What new connections use.
#[derive(Clone)]
struct Current {
    active: Arc<Active>,
    resumption: Arc<Resumption>,
    /// Made of the two.
    config: Arc<ServerConfig>,
}

/// How the certificates of a [`ServerTls`] are, and how reading them anew went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsState {
    /// How often the certificates were read without an error; 1 at first.
    pub generation: u64,
    /// Why the certificates were not replaced at the last attempt; `None` when they were.
    pub failure: Option<TlsError>,
    /// When the first of the certificates that were read expires; `None` when authorities give them all.
    pub expires: Option<SystemTime>,
}

impl ServerTls {
    /// Settings to begin with.
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::new()
    }

    /// One certificate and its key from files (PEM), and everything else by default.
    ///
    /// # Errors
    /// As [`ServerTlsBuilder::build`].
    pub fn from_files(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        let identity = Identity::files(certificate, key);
        Self::builder().identity(identity).build()
    }

    pub(crate) fn build(settings: ServerTlsBuilder) -> Result<Self, TlsError> {
        settings.check()?;
        let provider = Provider::or_built_in(settings.provider.clone())?;
        let resumption = Resumption::new(&settings, &provider)?;
        // Looked at before they are read: a change in between is seen at the next look.
        let seen = Fingerprint::of(&settings.paths());
        let active = Active::load(&settings, &provider, 1)?;
        active.warn_of_expired(SystemTime::now());
        let state = TlsState {
            generation: active.generation,
            failure: None,
            expires: active.expires(),
        };
        let listener = Listener {
            alpn: settings.alpn.clone().unwrap_or_default(),
            config: Mutex::new(None),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                handshakes: Semaphore::new(settings.max_handshakes),
                settings,
                provider,
                resumption: Mutex::new(Arc::new(resumption)),
                active: Mutex::new(Arc::new(active)),
                seen: Mutex::new(seen),
                state: watch::Sender::new(state),
            }),
            listener: Arc::new(listener),
        })
    }

    /// The same TLS for a listener whose protocols have these names (ALPN), in order of preference; no change when
    /// [`ServerTlsBuilder::alpn`] was called.
    #[must_use]
    pub fn with_default_alpn(&self, protocols: &[&str]) -> Self {
        if self.shared.settings.alpn.is_some() {
            return self.clone();
        }
        let alpn = protocols.iter().map(|name| name.as_bytes().to_vec());
        Self {
            shared: Arc::clone(&self.shared),
            listener: Arc::new(Listener {
                alpn: alpn.collect(),
                config: Mutex::new(None),
            }),
        }
    }

    /// Reads every file anew and uses what is in them for new connections; those that are open go on as they are.
    ///
    /// All or nothing: a certificate without its key, or one file of many that cannot be read, and everything stays
    /// as it was. It blocks on files, for milliseconds; [`TlsReload`](super::TlsReload) does it beside the runtime.
    ///
    /// # Errors
    /// What is wrong with the new files; [`state`](Self::state) tells it too.
    pub fn reload(&self) -> Result<(), TlsError> {
        let mut seen = lock(&self.shared.seen);
        *seen = Fingerprint::of(&self.shared.settings.paths());
        self.replace(false)
    }

    /// As [`reload`](Self::reload), if a file has changed since it was read last, or could not be read then; `None`
    /// when there is nothing to do.
    pub(crate) fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let mut seen = lock(&self.shared.seen);
        let now = Fingerprint::of(&self.shared.settings.paths());
        let is_same = *seen == now;
        if is_same && !self.can_be_read_now() {
            return None;
        }
        *seen = now;
        Some(self.replace(is_same))
    }

    /// Whether a file that could not be read at the last attempt can be now. It may look the same: its rights have
    /// changed, or the process had too many files open.
    fn can_be_read_now(&self) -> bool {
        let failure = self.state().failure;
        let failure = failure.filter(|failure| failure.kind() == TlsErrorKind::File);
        let path = failure.as_ref().and_then(TlsError::path);
        path.is_some_and(|path| File::open(path).is_ok())
    }

    /// `is_retry`: nothing has changed, so that the same failure is no news.
    fn replace(&self, is_retry: bool) -> Result<(), TlsError> {
        let shared = &self.shared;
        let generation = self.active().generation + 1;
        let loaded = Active::load(&shared.settings, &shared.provider, generation);
        match loaded {
            Ok(active) => {
                active.warn_of_expired(SystemTime::now());
                let expires = active.expires();
                *lock(&shared.active) = Arc::new(active);
                tracing::info!(generation, "TLS certificates replaced");
                shared.state.send_modify(|state| {
                    state.generation = generation;
                    state.failure = None;
                    state.expires = expires;
                });
                Ok(())
            }
            Err(error) => {
                let known = shared.state.borrow().failure.clone();
                let is_known = known.is_some_and(|known| known.to_string() == error.to_string());
                if !(is_retry && is_known) {
                    tracing::error!(%error, "TLS certificates not replaced, the old ones stay in use");
                    let failure = Some(error.clone());
                    shared.state.send_modify(|state| state.failure = failure);
                }
                Err(error)
            }
        }
    }

    /// How the certificates are, and how reading them anew went last.
    #[must_use]
    pub fn state(&self) -> TlsState {
        self.shared.state.borrow().clone()
    }

    /// A watch of [`state`](Self::state): every reload is a change, also one that failed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<TlsState> {
        self.shared.state.subscribe()
    }

    /// The certificates in use, one for each identity, in the order in which they were given, then those that
    /// authorities gave.
    #[must_use]
    pub fn certificates(&self) -> Vec<Certificate> {
        #[cfg_attr(not(feature = "acme"), expect(unused_mut, reason = "ACME adds some"))]
        let mut certificates = self.active().certificates.clone();
        #[cfg(feature = "acme")]
        certificates.extend(self.acme().iter().filter_map(Acme::certificate));
        certificates
    }

    /// When the first of the certificates in use expires; `None` while there is none, before an authority has given the
    /// first.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        let expiries = self.certificates().into_iter().map(|one| one.expires());
        expiries.min()
    }

    /// [`Health::Up`], or what an operator has to do: certificates that expire within the
    /// [warning](ServerTlsBuilder::expiry_warning), are not valid yet or could not be replaced degrade it; it is down
    /// when none is valid, or no client can be checked any more.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health_at(SystemTime::now())
    }

    /// How many handshakes may still begin at once.
    #[must_use]
    pub fn available_handshakes(&self) -> usize {
        self.shared.handshakes.available_permits()
    }

    /// How often files are looked at.
    pub(crate) fn reload_interval(&self) -> Duration {
        self.shared.settings.reload_interval
    }

    /// The certificates that authorities give.
    #[cfg(feature = "acme")]
    pub(crate) fn acme(&self) -> &[Acme] {
        &self.shared.settings.acme
    }

    /// How long a handshake may take.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.shared.settings.handshake_timeout
    }

    /// Whether there is any file to look at.
    pub(crate) fn has_files(&self) -> bool {
        !self.shared.settings.paths().is_empty()
    }

    fn active(&self) -> Arc<Active> {
        Arc::clone(&lock(&self.shared.active))
    }

    /// What new connections use: made once for each listener and generation.
    fn current(&self) -> Current {
        let active = self.active();
        let resumption = Arc::clone(&lock(&self.shared.resumption));
        let mut cached = lock(&self.listener.config);
        if let Some(current) = &*cached
            && Arc::ptr_eq(&current.active, &active)
            && Arc::ptr_eq(&current.resumption, &resumption)
        {
            return current.clone();
        }
        let mut config = active.config.clone();
        config.alpn_protocols.clone_from(&self.listener.alpn);
        resumption.put_into(&mut config);
        let current = Current {
            active,
            resumption,
            config: Arc::new(config),
        };
        *cached = Some(current.clone());
        current
    }

    /// Has nobody come back to these sessions: who tries has to do a full handshake, and shows the certificate that it
    /// has now.
    fn forget(&self, sessions: &Arc<Resumption>) {
        let mut resumption = lock(&self.shared.resumption);
        // Of several who find out at once the first one does it.
        if !Arc::ptr_eq(&resumption, sessions) {
            return;
        }
        match Resumption::new(&self.shared.settings, &self.shared.provider) {
            Ok(new) => *resumption = Arc::new(new),
            // They stay refused one by one.
            Err(error) => tracing::error!(%error, "TLS sessions not forgotten"),
        }
    }
}

impl PartialEq for ServerTls {
    /// Whether both are handles of the same thing.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.listener.alpn == other.listener.alpn
    }
}

impl Eq for ServerTls {}

impl Hash for ServerTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.shared).hash(state);
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("settings", &self.shared.settings)
            .field("state", &*self.shared.state.borrow())
            .finish_non_exhaustive()
    }
}
