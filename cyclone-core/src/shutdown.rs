//! The handle that ends a server and the report of how it ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::observed::Observed;
use crate::registry::{ConnectionInfo, Registry};
use crate::service::{
    Service, ServiceChangeError, ServiceFailure, ServiceGroup, ServiceInfo, ServiceOptions,
    ServicesWatch,
};

/// Lets any part of a process look into a running server and end it; clones are handles of the same server.
///
/// It is among the server's [`Resources`](crate::Resources).
#[derive(Clone)]
pub struct ServerHandle {
    pub(crate) registry: Registry,
    pub(crate) services: ServiceGroup,
    pub(crate) draining: CancellationToken,
    pub(crate) cut: CancellationToken,
    pub(crate) observed: Arc<Observed>,
}

impl ServerHandle {
    /// Begins the shutdown: listeners close, peers are told, connections drain until the deadline.
    ///
    /// Calling it again changes nothing.
    pub fn shutdown(&self) {
        self.registry.begin_draining();
        self.draining.cancel();
    }

    /// Begins the shutdown if need be and cuts what is still open, without waiting for the deadline.
    pub fn shutdown_now(&self) {
        self.registry.begin_cutting();
        self.draining.cancel();
        self.cut.cancel();
    }

    /// Whether the other is a handle of the same server.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.observed, &other.observed)
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// The connections of the server.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The services of the server and how they are, in the order of their start.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceInfo> {
        self.services.services()
    }

    /// The service at this path: its name, or those of the groups that it is in and its name, with slashes between.
    #[must_use]
    pub fn service_named(&self, path: &str) -> Option<ServiceInfo> {
        self.services.service_named(path)
    }

    /// A watch of all services, which has seen the current state.
    #[must_use]
    pub fn watch_services(&self) -> ServicesWatch {
        self.services.watch()
    }

    /// Adds a service to the running server and starts it, behind those that are there; it is stopped before them.
    ///
    /// # Errors
    /// As [`ServiceGroup::add`].
    ///
    /// # Cancel safety
    /// As [`ServiceGroup::add`].
    pub async fn add_service(
        &self,
        service: impl Service,
        options: ServiceOptions,
    ) -> Result<(), ServiceChangeError> {
        self.services.add(service, options).await
    }

    /// Stops the service at this path and takes it away.
    ///
    /// # Errors
    /// As [`ServiceGroup::remove`].
    ///
    /// # Cancel safety
    /// As [`ServiceGroup::remove`].
    pub async fn remove_service(&self, path: &str) -> Result<(), ServiceChangeError> {
        self.services.remove(path).await
    }

    /// Shuts down because of a service.
    pub(crate) fn fail(&self, failure: ServiceFailure) {
        tracing::error!(%failure, "shutting down because a service is given up");
        self.observed.failed(failure);
        self.shutdown();
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("registry", &self.registry)
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

/// How a server ended.
///
/// Its text form is a line for the whole, then one for every connection that was cut and every service that
/// did not stop well.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that ended between the beginning of the shutdown and the deadline.
    pub drained: usize,
    /// Connections that were still open at the deadline, or when the rest was cut before it, oldest first.
    pub cut: Vec<ConnectionInfo>,
    /// Services that failed to stop, or not in time, with the reason.
    pub failed_services: Vec<(String, String)>,
    /// The service that was given up and took the server along, if that is
    /// [why](crate::GiveUp::StopServer) it ended.
    pub cause: Option<ServiceFailure>,
    /// From the beginning of the shutdown to its end.
    pub elapsed: Duration,
}

impl ShutdownReport {
    /// Whether nothing was cut, every service stopped well, and none was the cause.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cut.is_empty() && self.failed_services.is_empty() && self.cause.is_none()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "shutdown took {:.3} s: {} connections drained, {} cut",
            self.elapsed.as_secs_f64(),
            self.drained,
            self.cut.len()
        )?;
        if let Some(cause) = &self.cause {
            write!(f, "\nbecause {cause}")?;
        }
        for connection in &self.cut {
            write!(f, "\ncut {connection}")?;
        }
        for (name, reason) in &self.failed_services {
            write!(f, "\nservice {name} did not stop: {reason}")?;
        }
        Ok(())
    }
}
