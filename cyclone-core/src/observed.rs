//! What a server knows of itself beside its connections and services.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::service::ServiceFailure;

/// Shared by all handles of a server.
pub(crate) struct Observed {
    pub(crate) max_connections: usize,
    /// The services without which it is not ready.
    pub(crate) required: Vec<String>,
    /// It accepts connections, or did.
    is_serving: AtomicBool,
    /// The service that made it shut down.
    cause: OnceLock<ServiceFailure>,
}

impl Observed {
    pub(crate) fn new(max_connections: usize, required: Vec<String>) -> Self {
        Self {
            max_connections,
            required,
            is_serving: AtomicBool::new(false),
            cause: OnceLock::new(),
        }
    }

    /// The server accepts connections from now on.
    pub(crate) fn serves(&self) {
        self.is_serving.store(true, Ordering::Release);
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
}
