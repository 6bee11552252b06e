//! The handle that ends a server and the report of how it ended.

use std::fmt;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::registry::{ConnectionInfo, Registry};
use crate::service::{ServiceInfo, Supervisor};

/// Lets any part of a process look into a running server and end it; clones are handles of the same server.
///
/// It is among the server's [`Resources`](crate::Resources).
#[derive(Clone)]
pub struct ServerHandle {
    pub(crate) registry: Registry,
    pub(crate) supervisor: Supervisor,
    pub(crate) draining: CancellationToken,
    pub(crate) cut: CancellationToken,
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
        self.supervisor.services()
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
    /// From the beginning of the shutdown to its end.
    pub elapsed: Duration,
}

impl ShutdownReport {
    /// Whether nothing was cut and every service stopped well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cut.is_empty() && self.failed_services.is_empty()
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
        for connection in &self.cut {
            write!(f, "\ncut {connection}")?;
        }
        for (name, reason) in &self.failed_services {
            write!(f, "\nservice {name} did not stop: {reason}")?;
        }
        Ok(())
    }
}
