//! What a server is told about itself before it starts, for whoever looks at it later.

use std::sync::Arc;

use super::Server;
use crate::observed::Observed;
use crate::service::{Service, ServiceOptions};

/// What the builder collects.
#[derive(Default)]
pub(super) struct Observing {
    required: Vec<String>,
}

impl Observing {
    /// The server starts now.
    pub(super) fn begin(self, max_connections: usize) -> Arc<Observed> {
        Arc::new(Observed::new(max_connections, self.required))
    }
}

impl Server {
    /// Adds a service with options of its own: when it is run again, what it needs, how long it may take.
    pub fn service_with(self, service: impl Service, options: ServiceOptions) -> Self {
        self.services.push(Arc::new(service), options);
        self
    }

    /// Has the server be [ready](crate::ServerHandle::readiness) only while the service at this path works.
    ///
    /// Nothing is required unless said so, because a balancer takes a server that is not ready out of its service: when
    /// what many servers share is down, none of them may be left.
    pub fn ready_requires(mut self, name: impl Into<String>) -> Self {
        self.observing.required.push(name.into());
        self
    }
}
