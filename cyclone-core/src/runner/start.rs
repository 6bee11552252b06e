//! What the application gets to build a server from.

use std::fmt;
use std::sync::Arc;

use super::options::Settings;
use super::process::Process;
use crate::endpoint::Endpoint;

pub use hooks::DEFAULT_RELOAD_TIMEOUT;
pub(crate) use hooks::{Hooks, WorkerHooks};

mod hooks;

/// Why the application could not build its server: any error of its own.
pub type BuildError = Box<dyn std::error::Error + Send + Sync>;

/// What the application builds a server from: the command line, and its place among the workers.
///
/// The function that gets it is called once for each worker, before anything is bound and with the privileges of the
/// start: what it opens, it opens as that user.
pub struct Start<A = ()> {
    pub(super) settings: Arc<Settings<A>>,
    pub(super) process: Process,
    pub(super) hooks: WorkerHooks<A>,
    pub(super) worker: usize,
    pub(super) workers: usize,
}

impl<A> Start<A> {
    /// Where to listen: `--port`, `--listen`, `--unix` and `--endpoint`.
    ///
    /// With several workers each one listens with a socket of its own (`SO_REUSEPORT`), where the endpoint allows
    /// that.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.spread(&self.settings.endpoints)
    }

    /// Where to listen over TLS: `--ssl-port` and its neighbours, and `--tls-endpoint`; otherwise as
    /// [`endpoints`](Self::endpoints).
    #[must_use]
    pub fn tls_endpoints(&self) -> Vec<Endpoint> {
        self.spread(&self.settings.tls_endpoints)
    }

    /// The application's own options.
    #[must_use]
    pub fn args(&self) -> &A {
        &self.settings.args
    }

    /// The one text for the application: `--app-opts`.
    #[must_use]
    pub fn app_opts(&self) -> Option<&str> {
        self.settings.app_opts.as_deref()
    }

    /// The one text for the application over TLS: `--ssl-app-opts`.
    #[must_use]
    pub fn ssl_app_opts(&self) -> Option<&str> {
        self.settings.ssl_app_opts.as_deref()
    }

    /// Everything that the program was told.
    #[must_use]
    pub fn settings(&self) -> &Settings<A> {
        &self.settings
    }

    /// The number of the worker, from 0.
    #[must_use]
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The process: what ends, reloads or replaces it. It is among the resources of the server too.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Adds something to do at a reload, on SIGHUP; `reload` gets the settings as they are then.
    ///
    /// It runs in the runtime of this worker, after what was added before. An error is logged, and the rest goes on.
    /// It may take [`DEFAULT_RELOAD_TIMEOUT`](super::DEFAULT_RELOAD_TIMEOUT).
    pub fn on_reload<F, Fut>(&self, name: impl Into<String>, reload: F)
    where
        F: Fn(Arc<Settings<A>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BuildError>> + Send + 'static,
    {
        self.hooks.add(name.into(), reload);
    }

    fn spread(&self, endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let endpoints = endpoints.iter().cloned();
        endpoints
            .map(|endpoint| match self.workers {
                0 | 1 => endpoint,
                _ => endpoint.reuse_port(true),
            })
            .collect()
    }
}

impl<A> fmt::Debug for Start<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("worker", &self.worker)
            .field("workers", &self.workers)
            .field("endpoints", &self.settings.endpoints)
            .field("tls_endpoints", &self.settings.tls_endpoints)
            .finish_non_exhaustive()
    }
}
