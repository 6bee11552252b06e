//! What a running service knows of its server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::DEFAULT_SERVICE_TIMEOUT;
use crate::resources::{Context, Resources};

/// What a running service knows of its server.
#[derive(Clone, Debug)]
pub struct ServiceContext {
    resources: Resources,
    stopping: CancellationToken,
    place: Arc<Place>,
}

/// Where a service stands in the tree of its server.
#[derive(Debug)]
struct Place {
    /// The names from the top of the tree to the service; empty for the whole tree.
    path: String,
    /// For each start and each stop.
    timeout: Duration,
    /// Ends the service and all in it at once, in no order: its start was given up.
    abandoned: CancellationToken,
    /// Rung when the state of any service of the tree has changed.
    changes: watch::Sender<()>,
    is_ready: watch::Sender<bool>,
}

impl ServiceContext {
    /// A context of one's own, for tests of services and for other supervisors; `stopping` ends the service.
    #[must_use]
    pub fn new(resources: Resources, stopping: CancellationToken) -> Self {
        Self::root(
            resources,
            stopping,
            DEFAULT_SERVICE_TIMEOUT,
            watch::Sender::new(()),
        )
    }

    /// The context of the whole tree of a server.
    pub(crate) fn root(
        resources: Resources,
        stopping: CancellationToken,
        timeout: Duration,
        changes: watch::Sender<()>,
    ) -> Self {
        Self {
            resources,
            stopping,
            place: Arc::new(Place {
                path: String::new(),
                timeout,
                abandoned: CancellationToken::new(),
                changes,
                is_ready: watch::Sender::new(false),
            }),
        }
    }

    /// The context of a service inside this one, with a signal of its own: a group stops its services one after the
    /// other.
    pub(super) fn child(&self, name: &str, timeout: Option<Duration>) -> Self {
        let place = &self.place;
        let abandoned = place.abandoned.child_token();
        Self {
            resources: self.resources.clone(),
            stopping: abandoned.child_token(),
            place: Arc::new(Place {
                path: join(&place.path, name),
                timeout: timeout.unwrap_or(place.timeout),
                abandoned,
                changes: place.changes.clone(),
                is_ready: watch::Sender::new(false),
            }),
        }
    }

    /// Waits until the service has to end.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; once resolved it resolves at once for ever.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Whether [`stopping`](Self::stopping) has resolved.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// The path of the service: its name behind those of the groups that it is in, with slashes between.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.place.path
    }

    /// Says that the service is ready; for services that [say so themselves](crate::Service::reports_ready).
    ///
    /// It holds until the service is run again.
    pub fn ready(&self) {
        self.place.is_ready.send_replace(true);
    }

    /// Whether the service [has said](Self::ready) that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.place.is_ready.borrow()
    }

    pub(super) fn not_ready(&self) {
        self.place.is_ready.send_replace(false);
    }

    pub(super) async fn wait_ready(&self) {
        let mut is_ready = self.place.is_ready.subscribe();
        // The sender is ours.
        let _ = is_ready.wait_for(|is_ready| *is_ready).await;
    }

    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    pub(super) fn timeout(&self) -> Duration {
        self.place.timeout
    }

    pub(super) fn abandoned(&self) -> &CancellationToken {
        &self.place.abandoned
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.place.changes.subscribe()
    }

    pub(super) fn changed(&self) {
        self.place.changes.send_replace(());
    }
}

impl Context for ServiceContext {
    fn resources(&self) -> &Resources {
        &self.resources
    }
}

/// The path of `name` below `path`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}
