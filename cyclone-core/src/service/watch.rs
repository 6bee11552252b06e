//! Waiting for services to change.

use tokio::sync::watch;

use super::{ServiceGroup, ServiceInfo};

/// Tells when a service of a tree changes its state: starts, is ready, fails, is run again, ends.
///
/// Only the newest state is shown; [`ServiceInfo::failures`] and [`ServiceInfo::restarts`] count what came in
/// between. What [`Service::health`](crate::Service::health) says is read and does not wake anybody.
#[derive(Clone, Debug)]
pub struct ServicesWatch {
    group: ServiceGroup,
    changes: watch::Receiver<()>,
}

impl ServicesWatch {
    pub(super) fn new(group: ServiceGroup, changes: watch::Receiver<()>) -> Self {
        Self { group, changes }
    }

    /// The services now, in the order of their start.
    #[must_use]
    pub fn current(&self) -> Vec<ServiceInfo> {
        self.group.services()
    }

    /// Waits for a change that this watch has not seen, and shows the services after it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: the change is still unseen.
    pub async fn changed(&mut self) -> Vec<ServiceInfo> {
        // The group, which we hold, has the sender.
        let _ = self.changes.changed().await;
        self.current()
    }

    /// Waits until the service at `path` is as `wanted` says; `None` stands for one that is not there.
    ///
    /// # Cancel safety
    /// It only looks.
    pub async fn wait_for(
        &mut self,
        path: &str,
        mut wanted: impl FnMut(Option<&ServiceInfo>) -> bool,
    ) -> Option<ServiceInfo> {
        loop {
            self.changes.borrow_and_update();
            let info = self.group.service_named(path);
            if wanted(info.as_ref()) {
                return info;
            }
            let _ = self.changes.changed().await;
        }
    }
}
