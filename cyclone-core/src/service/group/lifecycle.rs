//! Starting and stopping the services of a group.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Phase, ServiceGroup};
use crate::lock::lock;
use crate::resources::Resources;
use crate::service::context::join;
use crate::service::node::{Node, stop_failures};
use crate::service::{ServiceChangeError, ServiceContext};

/// The start of a server that may be dropped.
///
/// What runs then holds the resources, among them the handle of the server, and so the services and what runs: nothing
/// of it would ever be freed.
struct Unfinished<'a> {
    group: Option<&'a ServiceGroup>,
    cx: &'a ServiceContext,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            self.cx.abandoned().cancel();
            group.let_go();
        }
    }
}

impl ServiceGroup {
    /// Starts all services of a server.
    ///
    /// # Cancel safety
    /// Dropping the future tells the services that were started to end.
    pub(crate) async fn start_root(
        &self,
        limit: Duration,
        resources: &Resources,
    ) -> Result<(), ServiceChangeError> {
        let (stopping, changes) = (CancellationToken::new(), self.inner.changes.clone());
        let cx = ServiceContext::root(resources.clone(), stopping, limit, changes);
        let mut unfinished = Unfinished {
            group: Some(self),
            cx: &cx,
        };
        let started = self.start_all(&cx).await;
        unfinished.group = None;
        started
    }

    /// Keeps nothing of the runs of the services, which were told to end.
    fn let_go(&self) {
        let before = std::mem::replace(&mut lock(&self.inner.state).phase, Phase::Closed);
        drop(before);
        for node in self.nodes() {
            node.let_go();
            if let Some(group) = node.parts() {
                group.let_go();
            }
        }
    }

    /// Stops all services of a server; returns those that failed to, with the reason.
    pub(crate) async fn stop_root(&self) -> Vec<(String, String)> {
        self.close();
        let _changing = self.inner.changing.lock().await;
        self.stop_now().await
    }

    /// Starts the services one after the other; when one fails, those before it are stopped.
    pub(super) async fn start_all(&self, cx: &ServiceContext) -> Result<(), ServiceChangeError> {
        let _changing = self.inner.changing.lock().await;
        if let Phase::Running(_) = &lock(&self.inner.state).phase {
            let error = "the group is started already".into();
            return Err(ServiceChangeError::start(cx.path(), error));
        }
        // One that is started may fail while the others are.
        self.inner.failed.send_replace(None);
        for node in self.nodes() {
            if let Err(error) = self.start_one(&node, cx).await {
                self.stop_started(cx.path()).await;
                return Err(error);
            }
        }
        lock(&self.inner.state).phase = Phase::Running(cx.clone());
        Ok(())
    }

    pub(super) async fn start_one(
        &self,
        node: &Arc<Node>,
        cx: &ServiceContext,
    ) -> Result<(), ServiceChangeError> {
        let path = join(cx.path(), node.name());
        for need in node.needs() {
            self.wait_for(need, cx)
                .await
                .map_err(|why| ServiceChangeError::needs(&path, why))?;
        }
        let started = node.start(self, cx).await;
        started.map_err(|error| ServiceChangeError::start(&path, error))
    }

    /// Waits until the service at `path` is ready.
    async fn wait_for(&self, path: &str, cx: &ServiceContext) -> Result<(), String> {
        let found = self.locate(path).ok().and_then(|(group, name)| {
            let nodes = group.nodes();
            nodes.into_iter().find(|node| node.name() == name)
        });
        let Some(node) = found.filter(|node| node.is_started()) else {
            return Err(format!("it needs `{path}`, which is not before it"));
        };
        let mut changes = cx.changes();
        let ready = async {
            loop {
                changes.borrow_and_update();
                if let Some(is_met) = node.is_met() {
                    return is_met;
                }
                // The sender is the tree's, which outlives this.
                let _ = changes.changed().await;
            }
        };
        let limit = node.ready_timeout();
        match timeout(limit, ready).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(format!("it needs `{path}`, which {why}")),
            Err(_elapsed) => {
                let seconds = limit.as_secs_f64();
                Err(format!(
                    "it needs `{path}`, which was not ready within {seconds} s"
                ))
            }
        }
    }

    /// From now on nothing is added.
    pub(super) fn close(&self) {
        let before = {
            let mut state = lock(&self.inner.state);
            std::mem::replace(&mut state.phase, Phase::Closed)
        };
        if let (Phase::Running(cx), true) = (before, self.inner.is_root) {
            // Who adds a service just now has to make way.
            cx.stop();
        }
    }

    /// Stops the services, those too that were added just now, and has nothing added afterwards.
    pub(super) async fn stop_and_close(&self) -> Vec<(String, String)> {
        let _changing = self.inner.changing.lock().await;
        let failed = self.stop_now().await;
        self.close();
        failed
    }

    /// Stops the services, and lets the group be started again.
    pub(in crate::service) async fn rest(&self) {
        let _changing = self.inner.changing.lock().await;
        self.stop_now().await;
        let mut state = lock(&self.inner.state);
        if let Phase::Running(_) = state.phase {
            state.phase = Phase::Resting;
        }
    }

    /// Stops the services in reverse order; returns those that failed to, with the reason.
    async fn stop_now(&self) -> Vec<(String, String)> {
        let path = match &lock(&self.inner.state).phase {
            Phase::Running(cx) => cx.path().to_owned(),
            _ => self.inner.name.clone(),
        };
        self.stop_started(&path).await
    }

    async fn stop_started(&self, path: &str) -> Vec<(String, String)> {
        let mut failed = Vec::new();
        for node in self.nodes().iter().rev() {
            if let Err(error) = node.stop().await {
                let path = join(path, node.name());
                for (path, error) in stop_failures(path, error) {
                    tracing::error!(service = path, error, "service did not stop well");
                    failed.push((path, error));
                }
            }
        }
        failed
    }

    /// The longest that starting all can take.
    pub(in crate::service) fn start_budget(&self, limit: Duration) -> Duration {
        let nodes = self.nodes();
        let slowest = nodes.iter().map(|node| node.ready_timeout()).max();
        let slowest = slowest.unwrap_or_default();
        nodes.iter().fold(Duration::ZERO, |sum, node| {
            let needs = u32::try_from(node.needs().len()).unwrap_or(u32::MAX);
            sum.saturating_add(node.start_budget(limit))
                .saturating_add(slowest.saturating_mul(needs))
        })
    }

    /// The longest that stopping all can take.
    pub(in crate::service) fn stop_budget(&self, limit: Duration) -> Duration {
        self.nodes().iter().fold(Duration::ZERO, |sum, node| {
            sum.saturating_add(node.stop_budget(limit))
        })
    }

    /// Waits until all services in the group are ready, or will never be.
    pub(super) async fn all_ready(&self, cx: &ServiceContext) {
        let mut changes = cx.changes();
        loop {
            changes.borrow_and_update();
            let nodes = self.nodes();
            if nodes.iter().all(|node| node.readiness() == Some(Ok(()))) {
                return;
            }
            let _ = changes.changed().await;
        }
    }
}
