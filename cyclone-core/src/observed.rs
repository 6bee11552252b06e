//! What a server knows of itself beside its connections and services.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::event_loop_delay::EventLoopDelay;
use crate::health::Health;
use crate::inspect::{Inspect, Inspection, MAX_SOURCES, Source, Sources};
use crate::lock::lock;
#[cfg(feature = "metrics")]
use crate::metrics::Published;
use crate::peer::Address;
use crate::resources::Resources;
use crate::service::ServiceFailure;
use crate::shutdown::ServerHandle;
use crate::snapshot::{ListenerInfo, SourceSnapshot};

/// Shared by all handles of a server.
pub(crate) struct Observed {
    pub(crate) started: Instant,
    pub(crate) runtime: Handle,
    pub(crate) version: Option<String>,
    pub(crate) max_connections: usize,
    /// The services and sources without which it is not ready.
    pub(crate) required: Vec<String>,
    sources: Sources,
    listeners: Mutex<Vec<ListenerInfo>>,
    /// It accepts connections, or did.
    is_serving: AtomicBool,
    /// The service that made it shut down.
    cause: OnceLock<ServiceFailure>,
    #[cfg(feature = "metrics")]
    pub(crate) published: Published,
}

impl Observed {
    /// For a server that starts now, in this runtime.
    pub(crate) fn new(
        max_connections: usize,
        version: Option<String>,
        required: Vec<String>,
        sources: Sources,
    ) -> Self {
        Self {
            started: Instant::now(),
            runtime: Handle::current(),
            version,
            max_connections,
            required,
            sources,
            listeners: Mutex::default(),
            is_serving: AtomicBool::new(false),
            cause: OnceLock::new(),
            #[cfg(feature = "metrics")]
            published: Published::default(),
        }
    }

    /// The server listens at `address`.
    pub(crate) fn listens(&self, endpoint: &Endpoint, address: &Address, protocol: &'static str) {
        lock(&self.listeners).push(ListenerInfo {
            endpoint: endpoint.to_string(),
            address: address.clone(),
            protocol,
        });
    }

    pub(crate) fn listeners(&self) -> Vec<ListenerInfo> {
        lock(&self.listeners).clone()
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.is_serving.load(Ordering::Acquire)
    }

    /// Takes note of the first service that made the server shut down.
    pub(crate) fn failed(&self, failure: ServiceFailure) {
        self.cause.get_or_init(|| failure);
    }

    pub(crate) fn cause(&self) -> Option<ServiceFailure> {
        self.cause.get().cloned()
    }

    pub(crate) fn inspect_all(&self) -> Vec<SourceSnapshot> {
        let sources = self.sources.all();
        let looked_at = sources.into_iter().map(|Source { name, inspect }| {
            let Inspection { health, metrics } = look_at(&*inspect);
            SourceSnapshot {
                name: name.to_string(),
                kind: inspect.kind(),
                health,
                metrics,
            }
        });
        looked_at.collect()
    }

    /// The health of the sources of a name: the worst if there are several.
    pub(crate) fn source_health(&self, name: &str) -> Option<Health> {
        let sources = self.sources.all();
        let named = sources.iter().filter(|source| *source.name == *name);
        let healths = named.map(|source| look_at(&*source.inspect).health.unwrap_or(Health::Up));
        healths.max_by_key(|health| match health {
            Health::Up => 0,
            Health::Degraded(_) => 1,
            Health::Starting => 2,
            Health::Down(_) => 3,
        })
    }
}

/// What a source says; it is foreign code.
fn look_at(source: &dyn Inspect) -> Inspection {
    let looked = catch_unwind(AssertUnwindSafe(|| source.inspect()));
    looked.unwrap_or_else(|_| {
        let health = Health::Down("it panicked when it was inspected".to_owned());
        Inspection::new().health(health)
    })
}

impl ServerHandle {
    /// The server accepts connections from now on.
    pub(crate) fn serves(&self) {
        self.observed.is_serving.store(true, Ordering::Release);
        #[cfg(feature = "metrics")]
        tokio::spawn(self.clone().publish_until_end());
    }

    /// Inspects what is among the resources and has no name.
    pub(crate) fn inspect_resources(&self, resources: &Resources) {
        if let Ok(delay) = resources.get::<EventLoopDelay>() {
            let delay = Arc::new(delay.clone());
            self.observed.sources.insert("event_loop", delay);
        }
    }

    /// Inspects something from now on under `name`, as [`Server::inspect`](crate::Server::inspect) does from the start,
    /// in the place of what was inspected under that name and is of the same kind. The server holds it until it is
    /// [forgotten](Self::forget).
    ///
    /// Returns `false`, and does not inspect it, when there are [`MAX_SOURCES`] (1,024) already.
    #[must_use = "false says that it is not inspected"]
    pub fn inspect(&self, name: &str, source: impl Inspect) -> bool {
        let is_in = self.observed.sources.insert(name, Arc::new(source));
        if !is_in {
            tracing::warn!(name, max = MAX_SOURCES, "too many sources to inspect");
        }
        is_in
    }

    /// Inspects what has this name no more; `false` when there was nothing.
    #[expect(clippy::must_use_candidate, reason = "often nobody cares")]
    pub fn forget(&self, name: &str) -> bool {
        self.observed.sources.remove(name)
    }

    /// What is inspected under this name and has this type, made now when there is nothing: how a protocol counts for
    /// all its connections in a server.
    #[must_use]
    pub fn inspected<T: Inspect + Default>(&self, name: &str) -> Arc<T> {
        self.observed.sources.shared(name)
    }
}
