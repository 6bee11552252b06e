//! What a server is told about itself before it starts, for whoever looks at it later.

use std::sync::Arc;

use super::Server;
use crate::inspect::{Inspect, MAX_SOURCES, Sources};
use crate::observed::Observed;
use crate::service::{Service, ServiceOptions};

/// What the builder collects.
#[derive(Default)]
pub(super) struct Observing {
    version: Option<String>,
    required: Vec<String>,
    sources: Sources,
}

impl Observing {
    /// The server starts now.
    pub(super) fn begin(self, max_connections: usize) -> Arc<Observed> {
        let Self {
            version,
            required,
            sources,
        } = self;
        Arc::new(Observed::new(max_connections, version, required, sources))
    }
}

impl Server {
    /// Adds a service with options of its own: when it is run again, what it needs, how long it may take.
    pub fn service_with(self, service: impl Service, options: ServiceOptions) -> Self {
        self.services.push(Arc::new(service), options);
        self
    }

    /// Shows something in [snapshots](crate::ServerHandle::snapshot) and metrics under a name: a pool, a link, a bus,
    /// a log, a store, a queue of yours.
    ///
    /// What has the same kind and name as another takes its place. Beyond [`MAX_SOURCES`] (1,024) it is logged and not
    /// shown.
    pub fn inspect(self, name: impl AsRef<str>, source: impl Inspect) -> Self {
        let name = name.as_ref();
        if !self.observing.sources.insert(name, Arc::new(source)) {
            tracing::warn!(name, max = MAX_SOURCES, "too many sources to inspect");
        }
        self
    }

    /// Has the server be [ready](crate::ServerHandle::readiness) only while the service at this path, or what is
    /// [inspected](Self::inspect) under this name, works.
    ///
    /// Nothing is required unless said so, because a balancer takes a server that is not ready out of its service: when
    /// what many servers share is down, none of them may be left.
    pub fn ready_requires(mut self, name: impl Into<String>) -> Self {
        self.observing.required.push(name.into());
        self
    }

    /// Says which version of the program this is, for snapshots and metrics.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.observing.version = Some(version.into());
        self
    }
}
