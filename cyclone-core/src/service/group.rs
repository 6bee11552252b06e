//! Several services as one.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::change::StopFailures;
use super::node::Node;
use super::{
    AnyService, OnStop, Service, ServiceChangeError, ServiceContext, ServiceError, ServiceFailure,
    ServiceInfo, ServiceOptions, ServicesWatch,
};
use crate::health::Health;
use crate::lock::lock;

mod lifecycle;

/// Several services as one, as Twisted's `MultiService`: started in order, stopped in reverse, with a name before
/// theirs. Clones are handles of the same group.
///
/// A group is a service itself, so groups can be in groups. It is [ready](ServiceContext::ready) once all in it are.
/// Services can be [added](Self::add) to a group that runs, and [removed](Self::remove).
///
/// When a service in it is given up [with the group](crate::GiveUp::FailGroup), all in it are stopped in reverse order
/// and the group has failed; as any service it is then run again after a pause, unless its options say otherwise, which
/// starts all of them anew.
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::{LoopingCall, Server, ServiceGroup};
///
/// let poll = LoopingCall::new("poll", Duration::from_secs(1), |_tick| async { Ok(()) });
/// let sweep = LoopingCall::new("sweep", Duration::from_secs(60), |_tick| async { Ok(()) });
/// let jobs = ServiceGroup::new("jobs").service(poll).service(sweep);
/// let server = Server::new().service(jobs); // `jobs/poll` and `jobs/sweep`
/// # let _ = server;
/// ```
#[derive(Clone)]
pub struct ServiceGroup {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    /// It is all services of a server, and no service itself.
    is_root: bool,
    /// Rung for the whole tree; only that of the root is used.
    changes: watch::Sender<()>,
    /// One change at a time: start, stop, add, remove.
    changing: AsyncMutex<()>,
    state: Mutex<State>,
    failed: watch::Sender<Option<ServiceFailure>>,
}

struct State {
    phase: Phase,
    nodes: Vec<Arc<Node>>,
}

enum Phase {
    /// Services are added and wait for the start of the group.
    Resting,
    Running(ServiceContext),
    Closed,
}

impl ServiceGroup {
    /// A group without services.
    pub fn new(name: impl Into<String>) -> Self {
        Self::make(name.into(), false)
    }

    pub(crate) fn root() -> Self {
        Self::make(String::new(), true)
    }

    fn make(name: String, is_root: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                is_root,
                changes: watch::Sender::new(()),
                changing: AsyncMutex::new(()),
                state: Mutex::new(State {
                    phase: Phase::Resting,
                    nodes: Vec::new(),
                }),
                failed: watch::Sender::new(None),
            }),
        }
    }

    /// Adds a service before the group is started; services start in this order and stop in reverse.
    #[must_use]
    pub fn service(self, service: impl Service) -> Self {
        self.service_with(service, ServiceOptions::new())
    }

    /// Adds a service with options of its own.
    #[must_use]
    pub fn service_with(self, service: impl Service, options: ServiceOptions) -> Self {
        self.push(Arc::new(service), options);
        self
    }

    /// Adds an action for the end, in the order of the services: closing a pool, for instance.
    #[must_use]
    pub fn on_stop<F, Fut>(self, name: impl Into<String>, stop: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let name = name.into();
        self.service(OnStop { name, stop })
    }

    /// The services of the group and how they are, in the order of their start.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceInfo> {
        let path = match &lock(&self.inner.state).phase {
            Phase::Running(cx) => cx.path().to_owned(),
            _ => self.inner.name.clone(),
        };
        self.infos(&path)
    }

    /// The service of this name, or at this path below the group, as Twisted's `getServiceNamed`.
    #[must_use]
    pub fn service_named(&self, path: &str) -> Option<ServiceInfo> {
        self.services().into_iter().find_map(|info| {
            let rest = path.strip_prefix(info.name.as_str())?;
            find_in(info, rest)
        })
    }

    /// Adds a service and, when the group runs, starts it; as Twisted's `setServiceParent`.
    ///
    /// Changes of a group are made one after the other: a service must not wait for this in its own
    /// [`start`](Service::start).
    ///
    /// # Errors
    /// [`ServiceChangeError`] when the service does not start, or when the group is being stopped. The service was not
    /// added then.
    ///
    /// # Cancel safety
    /// When the future is dropped the service was not added, whatever its `start` has done so far.
    pub async fn add(
        &self,
        service: impl Service,
        options: ServiceOptions,
    ) -> Result<(), ServiceChangeError> {
        let _changing = self.inner.changing.lock().await;
        let service: AnyService = Arc::new(service);
        let phase = match &lock(&self.inner.state).phase {
            Phase::Resting => None,
            Phase::Running(cx) => Some(cx.clone()),
            Phase::Closed => return Err(ServiceChangeError::stopping(service.name())),
        };
        let Some(cx) = phase else {
            self.push(service, options);
            return Ok(());
        };
        let node = Arc::new(Node::new(self.free_name(service.name()), service, options));
        tokio::select! {
            started = self.start_one(&node, &cx) => started?,
            () = cx.stopping() => return Err(ServiceChangeError::stopping(node.name())),
        }
        lock(&self.inner.state).nodes.push(node);
        cx.changed();
        Ok(())
    }

    /// Takes the service of this name, or at this path below the group, away and stops it, as Twisted's
    /// `disownServiceParent`.
    ///
    /// A service that wants to go by itself returns `Ok` from its `run` instead.
    ///
    /// # Errors
    /// [`ServiceChangeError`] when there is none, or when it did not stop well; it is removed all the same then.
    ///
    /// # Cancel safety
    /// The service is removed and stopped all the same when the future is dropped after it was polled.
    pub async fn remove(&self, path: &str) -> Result<(), ServiceChangeError> {
        let (group, name) = self.locate(path)?;
        let asked = path.to_owned();
        let removing = tokio::spawn(async move {
            let _changing = group.inner.changing.lock().await;
            let Some(node) = group.take(&name) else {
                return Err(ServiceChangeError::missing(&asked));
            };
            let stopped = node.stop().await;
            if let Phase::Running(cx) = &lock(&group.inner.state).phase {
                cx.changed();
            }
            stopped.map_err(|error| ServiceChangeError::stop(&asked, error.to_string()))
        });
        match removing.await {
            Ok(removed) => removed,
            // The runtime is gone.
            Err(_) => Err(ServiceChangeError::stopping(path)),
        }
    }

    /// The group that the service at `path` is in, and its name there.
    fn locate(&self, path: &str) -> Result<(Self, String), ServiceChangeError> {
        for node in self.nodes() {
            let Some(rest) = path.strip_prefix(node.name()) else {
                continue;
            };
            if rest.is_empty() {
                return Ok((self.clone(), node.name().to_owned()));
            }
            if let (Some(rest), Some(group)) = (rest.strip_prefix('/'), node.parts())
                && let Ok(found) = group.locate(rest)
            {
                return Ok(found);
            }
        }
        Err(ServiceChangeError::missing(path))
    }

    fn take(&self, name: &str) -> Option<Arc<Node>> {
        let mut state = lock(&self.inner.state);
        let at = state.nodes.iter().position(|node| node.name() == name)?;
        Some(state.nodes.remove(at))
    }

    pub(crate) fn push(&self, service: AnyService, options: ServiceOptions) {
        let name = self.free_name(service.name());
        let node = Arc::new(Node::new(name, service, options));
        lock(&self.inner.state).nodes.push(node);
    }

    /// `name`, with a number behind it where there is one of that name.
    fn free_name(&self, name: &str) -> String {
        let nodes = self.nodes();
        let is_taken = |name: &str| nodes.iter().any(|node| node.name() == name);
        if !is_taken(name) {
            return name.to_owned();
        }
        let mut number = 2_u32;
        loop {
            let numbered = format!("{name}#{number}");
            if !is_taken(&numbered) {
                return numbered;
            }
            number += 1;
        }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        lock(&self.inner.state).nodes.clone()
    }

    pub(super) fn infos(&self, path: &str) -> Vec<ServiceInfo> {
        self.nodes().iter().map(|node| node.info(path)).collect()
    }

    /// Adds the paths of the services that have not been ready.
    pub(crate) fn unready(&self, path: &str, paths: &mut Vec<String>) {
        for node in self.nodes() {
            node.unready(path, paths);
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.inner.is_root
    }

    pub(crate) fn watch(&self) -> ServicesWatch {
        ServicesWatch::new(self.clone(), self.inner.changes.subscribe())
    }

    /// Has [`run`](Service::run) of the group fail.
    pub(super) fn fail(&self, failure: ServiceFailure) {
        self.inner.failed.send_replace(Some(failure));
    }
}

fn find_in(info: ServiceInfo, rest: &str) -> Option<ServiceInfo> {
    if rest.is_empty() {
        return Some(info);
    }
    let path = rest.strip_prefix('/')?;
    info.parts.into_iter().find_map(|part| {
        let rest = path.strip_prefix(part.name.as_str())?;
        find_in(part, rest)
    })
}

impl Service for ServiceGroup {
    fn name(&self) -> &str {
        &self.inner.name
    }

    async fn start(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        Ok(self.start_all(cx).await?)
    }

    /// Waits for the end, or until a service in the group is given up with it.
    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let is_running = matches!(lock(&self.inner.state).phase, Phase::Running(_));
        if !is_running {
            // It failed before and is run again.
            self.start_all(cx).await?;
        }
        let mut failed = self.inner.failed.subscribe();
        let watching = async {
            self.all_ready(cx).await;
            cx.ready();
            std::future::pending::<()>().await;
        };
        let failure = tokio::select! {
            () = cx.stopping() => return Ok(()),
            () = watching => return Ok(()),
            failed = failed.wait_for(Option::is_some) => failed.ok().and_then(|found| found.clone()),
        };
        let group = self.clone();
        // To the end, also when this is dropped meanwhile.
        let stopped = tokio::spawn(async move { group.rest().await });
        let _ = stopped.await;
        Err(failure
            .map_or_else(String::new, |failure| failure.to_string())
            .into())
    }

    async fn stop(&self) -> Result<(), ServiceError> {
        let failed = self.stop_and_close().await;
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Box::new(StopFailures(failed)))
        }
    }

    /// Down when all in it are, starting while one in it is, degraded when one in it is not well.
    fn health(&self) -> Health {
        let all = self.services();
        let unwell = all.iter().find(|info| info.health.is_down());
        let unwell = unwell.or_else(|| all.iter().find(|info| info.health.reason().is_some()));
        if let Some(info) = unwell {
            let reason = format!("{} {}", info.name, info.health);
            return if all.iter().all(|info| info.health.is_down()) {
                Health::Down(reason)
            } else {
                Health::Degraded(reason)
            };
        }
        if all.iter().any(|info| info.health == Health::Starting) {
            return Health::Starting;
        }
        Health::Up
    }

    fn reports_ready(&self) -> bool {
        true
    }

    fn parts(&self) -> Option<&ServiceGroup> {
        Some(self)
    }
}

impl fmt::Debug for ServiceGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes();
        let names: Vec<_> = nodes.iter().map(|node| node.name()).collect();
        f.debug_struct("ServiceGroup")
            .field("name", &self.inner.name)
            .field("services", &names)
            .finish_non_exhaustive()
    }
}
