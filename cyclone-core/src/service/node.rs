//! One service under supervision: started, run again when it fails, stopped.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, error::Elapsed, sleep, timeout};

use super::change::StopFailures;
use super::context::join;
use super::row::Row;
use super::{
    AnyService, FailureKind, GiveUp, Restart, ServiceContext, ServiceError, ServiceFailure,
    ServiceGroup, ServiceInfo, ServiceOptions, ServiceState, StopServer,
};
use crate::health::Health;
use crate::lock::lock;
use crate::resources::Context;

/// How long a service that did not end in time may take to go away once it is dropped; one that blocks its
/// thread never does.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// A service in its group.
pub(super) struct Node {
    service: AnyService,
    options: ServiceOptions,
    /// Unique in the group.
    name: String,
    status: Mutex<Status>,
    /// There from the start to the stop.
    run: Mutex<Option<Run>>,
}

struct Status {
    state: ServiceState,
    since: Instant,
    was_ready: bool,
    restarts: u64,
    failures: u64,
    failure: Option<ServiceFailure>,
}

struct Run {
    cx: ServiceContext,
    task: JoinHandle<Result<(), ServiceError>>,
}

/// How a run failed.
type Failed = (FailureKind, ServiceError);

impl Node {
    pub(super) fn new(name: String, service: AnyService, options: ServiceOptions) -> Self {
        Self {
            service,
            options,
            name,
            status: Mutex::new(Status {
                state: ServiceState::New,
                since: Instant::now(),
                was_ready: false,
                restarts: 0,
                failures: 0,
                failure: None,
            }),
            run: Mutex::new(None),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn parts(&self) -> Option<&ServiceGroup> {
        self.service.parts()
    }

    pub(super) fn needs(&self) -> &[String] {
        &self.options.needs
    }

    pub(super) fn is_started(&self) -> bool {
        lock(&self.run).is_some()
    }

    /// Starts the service, and has it run in a task.
    ///
    /// # Cancel safety
    /// When the future is dropped the service was not started, whatever its `start` has done so far; those in it that
    /// were are told to end.
    pub(super) async fn start(
        self: &Arc<Self>,
        group: &ServiceGroup,
        parent: &ServiceContext,
    ) -> Result<(), ServiceError> {
        let cx = parent.child(&self.name, self.options.timeout);
        lock(&self.status).was_ready = false;
        self.set(&cx, ServiceState::Starting);
        let limit = self.start_budget(parent.timeout());
        let unfinished = cx.abandoned().clone().drop_guard();
        let started = guarded(timeout(limit, async { self.service.start(&cx).await })).await;
        if let Err(error) = flatten(started) {
            if let Some(parts) = self.parts() {
                // Those that it has started by then.
                parts.rest().await;
            }
            self.set(&cx, ServiceState::New);
            return Err(error);
        }
        unfinished.disarm();
        tracing::debug!(service = cx.path(), "service started");
        self.begins(&cx);
        let task = tokio::spawn(Arc::clone(self).supervise(group.clone(), cx.clone()));
        *lock(&self.run) = Some(Run { cx, task });
        Ok(())
    }

    /// Keeps nothing of its run, which ends by itself.
    pub(super) fn let_go(&self) {
        let run = lock(&self.run).take();
        drop(run);
    }

    /// Runs the service until it is done, given up or stopped; an error is one that stopping met.
    async fn supervise(
        self: Arc<Self>,
        group: ServiceGroup,
        cx: ServiceContext,
    ) -> Result<(), ServiceError> {
        let mut row = Row::new(&self.options);
        loop {
            row.begins();
            let ended = self.run_once(&cx).await;
            let is_stopping = cx.is_stopping();
            let (kind, error) = match ended {
                Ok(()) if is_stopping => return Ok(()),
                Err((_, error)) if is_stopping => return Err(error),
                Ok(()) if self.options.restart != Restart::Always => {
                    self.set(&cx, ServiceState::Finished);
                    return Ok(());
                }
                Ok(()) => (FailureKind::Ended, "it ended".into()),
                Err(failed) => failed,
            };
            cx.not_ready();
            let (failure, wait) = row.fails(cx.path(), kind, &error);
            self.note(&cx, failure.clone());
            let Some(wait) = wait else {
                self.give_up(&group, &cx, failure);
                return Ok(());
            };
            let wait_ms = wait.as_millis();
            tracing::error!(service = cx.path(), %error, wait_ms, "service failed");
            tokio::select! {
                () = sleep(wait) => {}
                () = cx.stopping() => return Ok(()),
            }
            lock(&self.status).restarts += 1;
            self.begins(&cx);
        }
    }

    async fn run_once(&self, cx: &ServiceContext) -> Result<(), Failed> {
        let run = guarded(async { self.service.run(cx).await });
        let mut run = std::pin::pin!(run);
        let ended = if self.service.reports_ready() {
            tokio::select! {
                biased;
                ended = &mut run => ended,
                () = cx.wait_ready() => {
                    self.is_ready(cx);
                    run.await
                }
                () = self.wait_ready_timeout() => {
                    let limit = self.options.ready_timeout.as_secs_f64();
                    let error = format!("it was not ready within {limit} s");
                    return Err((FailureKind::NotReady, error.into()));
                }
            }
        } else {
            run.await
        };
        match ended {
            Ok(ended) => ended.map_err(|error| (FailureKind::Error, error)),
            Err(panicked) => Err((FailureKind::Panicked, panicked)),
        }
    }

    async fn wait_ready_timeout(&self) {
        if self.parts().is_some() {
            // The services of a group have limits of their own.
            std::future::pending::<()>().await;
        } else {
            sleep(self.options.ready_timeout).await;
        }
    }

    fn give_up(&self, group: &ServiceGroup, cx: &ServiceContext, failure: ServiceFailure) {
        let (path, error) = (cx.path(), &failure.error);
        tracing::error!(service = path, %error, "service failed and is given up");
        match self.options.give_up {
            GiveUp::Report => {}
            GiveUp::FailGroup if !group.is_root() => group.fail(failure),
            GiveUp::FailGroup | GiveUp::StopServer => {
                match cx.resources().get::<StopServer>() {
                    Ok(server) => (server.0)(failure),
                    // A group that somebody runs without a server of ours.
                    Err(_) => group.fail(failure),
                }
            }
        }
    }

    /// Tells the service to end, waits for it, and ends it.
    pub(super) async fn stop(&self) -> Result<(), ServiceError> {
        let Some(Run { cx, mut task }) = lock(&self.run).take() else {
            return Ok(());
        };
        self.set(&cx, ServiceState::Stopping);
        cx.stop();
        let limit = cx.timeout();
        let mut problems = Vec::new();
        match timeout(limit, &mut task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => problems.push(error),
            Ok(Err(error)) => problems.push(error.into()),
            Err(_elapsed) => {
                task.abort();
                // What it owns has to be gone before its `stop` runs.
                let gone = timeout(DROP_TIMEOUT, task).await.is_ok();
                let how = if gone { "was dropped" } else { "still does" };
                let seconds = limit.as_secs_f64();
                problems.push(format!("it ran on for {seconds} s and {how}").into());
            }
        }
        let limit = limit.saturating_add(self.parts_stop_budget(limit));
        let stopped = guarded(timeout(limit, async { self.service.stop().await })).await;
        problems.extend(flatten(stopped).err());
        self.set(&cx, ServiceState::Stopped);
        match problems.pop() {
            None => Ok(()),
            Some(only) if problems.is_empty() => Err(only),
            Some(last) => {
                let text: Vec<_> = problems.iter().map(ToString::to_string).collect();
                Err(format!("{}; {last}", text.join("; ")).into())
            }
        }
    }

    /// How long starting may take; `inherited` is the limit of the group.
    pub(super) fn start_budget(&self, inherited: Duration) -> Duration {
        let own = self.options.timeout.unwrap_or(inherited);
        let parts = self.parts().map(|group| group.start_budget(own));
        own.saturating_add(parts.unwrap_or_default())
    }

    /// How long somebody waits who needs it.
    pub(super) fn ready_timeout(&self) -> Duration {
        self.options.ready_timeout
    }

    pub(super) fn stop_budget(&self, inherited: Duration) -> Duration {
        let own = self.options.timeout.unwrap_or(inherited);
        let halves = own.saturating_mul(2).saturating_add(DROP_TIMEOUT);
        halves.saturating_add(self.parts_stop_budget(own))
    }

    fn parts_stop_budget(&self, limit: Duration) -> Duration {
        let group = self.parts();
        group.map_or(Duration::ZERO, |group| group.stop_budget(limit))
    }

    /// Whether it is ready, or why it will not be; `None` while that is open.
    pub(super) fn readiness(&self) -> Option<Result<(), &'static str>> {
        let status = lock(&self.status);
        match status.state {
            _ if status.was_ready => Some(Ok(())),
            ServiceState::New => Some(Err("is not started")),
            ServiceState::Finished => Some(Err("ended before it was ready")),
            ServiceState::Failed => Some(Err("failed")),
            ServiceState::Stopping | ServiceState::Stopped => Some(Err("is stopped")),
            ServiceState::Starting | ServiceState::Running | ServiceState::Waiting => None,
        }
    }

    /// Whether it can be used by who needs it, or why it cannot; `None` while that is open. One that has done its work
    /// and ended can be.
    pub(super) fn is_met(&self) -> Option<Result<(), &'static str>> {
        let state = lock(&self.status).state;
        match state {
            ServiceState::Starting | ServiceState::Waiting => None,
            ServiceState::Failed => Some(Err("failed")),
            ServiceState::Stopping | ServiceState::Stopped => Some(Err("is stopped")),
            ServiceState::New | ServiceState::Running | ServiceState::Finished => self.readiness(),
        }
    }

    /// Adds the paths of this service and those in it that have not been ready.
    pub(super) fn unready(&self, group: &str, paths: &mut Vec<String>) {
        let path = join(group, &self.name);
        if let Some(parts) = self.parts() {
            return parts.unready(&path, paths);
        }
        let status = lock(&self.status);
        if !status.was_ready && status.state != ServiceState::Finished {
            paths.push(path);
        }
    }

    pub(super) fn info(&self, group: &str) -> ServiceInfo {
        let path = join(group, &self.name);
        let parts = self.parts().map(|group| group.infos(&path));
        let status = lock(&self.status);
        let (state, failure) = (status.state, status.failure.clone());
        let mut info = ServiceInfo {
            name: self.name.clone(),
            path,
            state,
            since: status.since,
            restarts: status.restarts,
            failures: status.failures,
            failure,
            health: Health::Starting,
            was_ready: status.was_ready,
            parts: parts.unwrap_or_default(),
        };
        drop(status);
        info.health = self.health(&info);
        info
    }

    fn health(&self, info: &ServiceInfo) -> Health {
        match info.state {
            ServiceState::New | ServiceState::Starting => Health::Starting,
            ServiceState::Waiting | ServiceState::Failed => {
                let failure = info.failure.as_ref();
                Health::Down(failure.map_or_else(String::new, |failure| failure.error.clone()))
            }
            ServiceState::Stopped => Health::Down("it is stopped".to_owned()),
            ServiceState::Running | ServiceState::Finished | ServiceState::Stopping => {
                // What the service says is foreign code.
                let health = std::panic::catch_unwind(AssertUnwindSafe(|| self.service.health()));
                health.unwrap_or_else(|_| Health::Down("its health panicked".to_owned()))
            }
        }
    }

    /// A run begins.
    fn begins(&self, cx: &ServiceContext) {
        if self.service.reports_ready() && !cx.is_ready() {
            self.set(cx, ServiceState::Starting);
        } else {
            self.is_ready(cx);
        }
    }

    fn is_ready(&self, cx: &ServiceContext) {
        lock(&self.status).was_ready = true;
        self.set(cx, ServiceState::Running);
    }

    fn note(&self, cx: &ServiceContext, failure: ServiceFailure) {
        let mut status = lock(&self.status);
        status.failures += 1;
        let state = match failure.retry_at {
            Some(_) => ServiceState::Waiting,
            None => ServiceState::Failed,
        };
        status.failure = Some(failure);
        drop(status);
        self.set(cx, state);
    }

    fn set(&self, cx: &ServiceContext, state: ServiceState) {
        let mut status = lock(&self.status);
        // A service that is told to stop does not come back from there by itself.
        let is_late = status.state == ServiceState::Stopping && state != ServiceState::Stopped;
        if !is_late && status.state != state {
            status.state = state;
            status.since = Instant::now();
        }
        drop(status);
        cx.changed();
    }
}

/// Turns a panic into an error; its message goes to the panic hook as always.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, ServiceError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_panic| "it panicked".into())
}

fn flatten(
    outcome: Result<Result<Result<(), ServiceError>, Elapsed>, ServiceError>,
) -> Result<(), ServiceError> {
    outcome?.map_err(|_elapsed| ServiceError::from("it took too long"))?
}

/// What went wrong when a service was stopped, with the paths of those inside a group.
pub(super) fn stop_failures(path: String, error: ServiceError) -> Vec<(String, String)> {
    match error.downcast::<StopFailures>() {
        Ok(inside) => inside.0,
        Err(error) => vec![(path, error.to_string())],
    }
}
