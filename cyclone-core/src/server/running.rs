//! A server that accepts connections, and how it ends.

use std::pin::pin;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::signal;
use crate::peer::Address;
use crate::registry::Registry;
use crate::resources::{Context, Resources};
use crate::shutdown::{ServerHandle, ShutdownReport};

/// How long the tasks of connections that were cut may take to go away before the shutdown goes on.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// A server that accepts connections.
///
/// Dropping it without [`wait`](Self::wait) cuts every connection and stops the services.
#[derive(Debug)]
#[must_use = "dropping a running server cuts its connections"]
pub struct RunningServer {
    addresses: Vec<Address>,
    resources: Resources,
    max_connections: usize,
    handle: ServerHandle,
    ended: JoinHandle<ShutdownReport>,
}

impl RunningServer {
    pub(super) fn new(
        addresses: Vec<Address>,
        resources: Resources,
        max_connections: usize,
        handle: ServerHandle,
        accepting: JoinSet<()>,
        shutdown_deadline: Duration,
    ) -> Self {
        let ended = tokio::spawn(end(handle.clone(), accepting, shutdown_deadline));
        Self {
            addresses,
            resources,
            max_connections,
            handle,
            ended,
        }
    }

    /// The address of every listener in the order in which they were added, with the port that the kernel
    /// picked where 0 was asked for.
    #[must_use]
    pub fn local_addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The connections of the server.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.handle.registry()
    }

    /// How many connections may be open at once.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// The handle that ends the server from anywhere.
    #[must_use]
    pub fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Begins the shutdown; [`wait`](Self::wait) tells how it went.
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }

    pub(super) async fn until(self, signals: signal::Signals) -> ShutdownReport {
        let handle = self.handle.clone();
        let mut ended = pin!(self.wait());
        tokio::select! {
            report = &mut ended => report,
            () = signals.shut_down(handle) => ended.await,
        }
    }

    /// Waits until the server has ended.
    ///
    /// # Cancel safety
    /// Dropping the future drops the server: every connection is cut.
    ///
    /// # Panics
    /// Only when the task of the shutdown panicked, which is a mistake in this crate.
    pub async fn wait(mut self) -> ShutdownReport {
        (&mut self.ended).await.unwrap_or_else(resume)
    }
}

fn resume(error: JoinError) -> ShutdownReport {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime of the server is gone, and everything of the server with it.
        Err(_cancelled) => ShutdownReport {
            drained: 0,
            cut: Vec::new(),
            failed_services: vec![("server".into(), "its runtime was shut down".into())],
            cause: None,
            elapsed: Duration::ZERO,
        },
    }
}

impl Context for RunningServer {
    fn resources(&self) -> &Resources {
        &self.resources
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if !self.ended.is_finished() {
            self.handle.shutdown_now();
        }
    }
}

/// Waits for the beginning of the shutdown and carries out its phases.
async fn end(
    handle: ServerHandle,
    mut accepting: JoinSet<()>,
    deadline: Duration,
) -> ShutdownReport {
    let registry = &handle.registry;
    handle.draining.cancelled().await;
    let begun = Instant::now();
    // The sessions hear of `draining` by themselves; here the listeners close.
    while accepting.join_next().await.is_some() {}
    tracing::info!(
        open = registry.len(),
        deadline_s = deadline.as_secs_f64(),
        "draining"
    );
    tokio::select! {
        () = registry.wait_empty() => {}
        () = handle.cut.cancelled() => {}
        () = sleep(deadline) => {}
    }
    handle.shutdown_now();
    if timeout(CUT_TIMEOUT, registry.wait_empty()).await.is_err() {
        tracing::error!(open = registry.len(), "connections hold on after being cut");
    }
    let (drained, cut) = registry.outcome();
    let failed_services = handle.services.stop_root().await;
    ShutdownReport {
        drained,
        cut,
        failed_services,
        cause: handle.observed.cause(),
        elapsed: begun.elapsed(),
    }
}
