//! Starts services in order, runs them again when they fail, stops them in reverse order.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{AnyService, ServiceContext, ServiceError, ServiceInfo};
use crate::backoff::{Backoff, BackoffPolicy};
use crate::health::Health;
use crate::lock::lock;
use crate::resources::Resources;
use crate::server::ServerError;

/// How long a service that did not end in time may take to go away once it is dropped; one that blocks its
/// thread never does.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// The services of one server; clones are handles.
#[derive(Clone)]
pub(crate) struct Supervisor {
    running: Arc<Mutex<Vec<Arc<Supervised>>>>,
    /// For each start and each stop.
    limit: Duration,
    /// The parent of every service's own signal.
    stopping: CancellationToken,
}

/// A service that was started.
pub(crate) struct Supervised {
    service: AnyService,
    stopping: CancellationToken,
    restarts: AtomicU64,
    /// Why it is not running just now, while it waits to be run again.
    waiting: Mutex<Option<String>>,
    task: Mutex<Option<JoinHandle<Result<(), ServiceError>>>>,
}

impl Supervisor {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            running: Arc::default(),
            limit,
            stopping: CancellationToken::new(),
        }
    }

    /// Starts the services one after the other; when one fails, those before it are stopped.
    ///
    /// # Cancel safety
    /// Dropping the future tells the services that were started to end.
    pub(crate) async fn start(
        &self,
        services: Vec<AnyService>,
        resources: &Resources,
    ) -> Result<(), ServerError> {
        let unfinished = self.stopping.clone().drop_guard();
        for service in services {
            let stopping = self.stopping.child_token();
            let cx = ServiceContext::new(resources.clone(), stopping.clone());
            let started = guarded(timeout(self.limit, async { service.start(&cx).await })).await;
            if let Err(error) = flatten(started) {
                let failed = ServerError::service(service.name(), error);
                self.stop().await;
                return Err(failed);
            }
            tracing::debug!(service = service.name(), "service started");
            let supervised = Arc::new(Supervised {
                service,
                stopping,
                restarts: AtomicU64::new(0),
                waiting: Mutex::new(None),
                task: Mutex::new(None),
            });
            let task = tokio::spawn(Arc::clone(&supervised).keep_running(cx));
            *lock(&supervised.task) = Some(task);
            lock(&self.running).push(supervised);
        }
        unfinished.disarm();
        Ok(())
    }

    /// Stops the services in reverse order; returns those that failed to, with the reason.
    pub(crate) async fn stop(&self) -> Vec<(String, String)> {
        let mut failed = Vec::new();
        loop {
            let Some(supervised) = lock(&self.running).pop() else {
                return failed;
            };
            let name = supervised.service.name().to_owned();
            if let Err(error) = supervised.stop(self.limit).await {
                tracing::error!(service = name, error, "service did not stop well");
                failed.push((name, error));
            }
        }
    }

    pub(crate) fn services(&self) -> Vec<ServiceInfo> {
        lock(&self.running).iter().map(|one| one.info()).collect()
    }
}

impl Supervised {
    /// Runs the service until it is done or stopped; an error is one that stopping met.
    async fn keep_running(self: Arc<Self>, cx: ServiceContext) -> Result<(), ServiceError> {
        let mut backoff = Backoff::new(BackoffPolicy::default());
        loop {
            backoff.succeeded(Instant::now());
            let ended = guarded(async { self.service.run(&cx).await }).await;
            let Err(error) = ended.and_then(|ended| ended) else {
                return Ok(());
            };
            if cx.is_stopping() {
                return Err(error);
            }
            let wait = backoff.failed(Instant::now(), fastrand::f64());
            let name = self.service.name();
            tracing::error!(service = name, %error, wait_ms = wait.as_millis(), "service failed");
            *lock(&self.waiting) = Some(error.to_string());
            tokio::select! {
                () = sleep(wait) => {}
                () = cx.stopping() => return Ok(()),
            }
            *lock(&self.waiting) = None;
            self.restarts.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn stop(&self, limit: Duration) -> Result<(), String> {
        self.stopping.cancel();
        let mut problems = Vec::new();
        let task = lock(&self.task).take();
        if let Some(mut task) = task {
            match timeout(limit, &mut task).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => problems.push(error.to_string()),
                Ok(Err(error)) => problems.push(error.to_string()),
                Err(_elapsed) => {
                    task.abort();
                    // What it owns has to be gone before its `stop` runs.
                    let gone = timeout(DROP_TIMEOUT, task).await.is_ok();
                    let how = if gone { "was dropped" } else { "still does" };
                    problems.push(format!("it ran on for {} s and {how}", limit.as_secs_f64()));
                }
            }
        }
        let stopped = guarded(timeout(limit, async { self.service.stop().await })).await;
        problems.extend(flatten(stopped).err().map(|error| error.to_string()));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("; "))
        }
    }

    fn info(&self) -> ServiceInfo {
        let waiting = lock(&self.waiting).clone();
        ServiceInfo {
            name: self.service.name().to_owned(),
            restarts: self.restarts.load(Ordering::Relaxed),
            health: waiting.map_or_else(|| self.service.health(), Health::Down),
        }
    }
}

/// Turns a panic into an error; its message goes to the panic hook as always.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, ServiceError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_panic| "it panicked".into())
}

type Timed = Result<Result<(), ServiceError>, tokio::time::error::Elapsed>;

fn flatten(outcome: Result<Timed, ServiceError>) -> Result<(), ServiceError> {
    outcome?.map_err(|_elapsed| ServiceError::from("it took too long"))?
}
