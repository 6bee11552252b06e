//! What the application wants done at a reload.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::BuildError;
use crate::lock::lock;
use crate::runner::options::Settings;

/// How long each part of a reload may take.
pub const DEFAULT_RELOAD_TIMEOUT: Duration = Duration::from_secs(30);

type Run<A> =
    Arc<dyn Fn(Arc<Settings<A>>) -> BoxFuture<'static, Result<(), BuildError>> + Send + Sync>;

type Named<A> = Vec<(String, Run<A>)>;

/// The hooks of the workers of one process; clones are handles.
pub(crate) struct Hooks<A> {
    inner: Arc<Inner<A>>,
}

struct Inner<A> {
    /// What the program was told last.
    settings: Mutex<Arc<Settings<A>>>,
    /// Hooks with their names, by the number of their worker.
    hooks: Mutex<BTreeMap<usize, Named<A>>>,
}

impl<A> Hooks<A> {
    pub(crate) fn new(settings: Arc<Settings<A>>) -> Self {
        let settings = Mutex::new(settings);
        let hooks = Mutex::default();
        Self {
            inner: Arc::new(Inner { settings, hooks }),
        }
    }

    /// The settings as they are now.
    pub(crate) fn settings(&self) -> Arc<Settings<A>> {
        Arc::clone(&lock(&self.inner.settings))
    }

    pub(crate) fn set_settings(&self, settings: Settings<A>) {
        *lock(&self.inner.settings) = Arc::new(settings);
    }

    /// The hooks of one worker.
    pub(crate) fn of(&self, worker: usize) -> WorkerHooks<A> {
        WorkerHooks {
            inner: Arc::clone(&self.inner),
            worker,
        }
    }
}

/// The hooks of one worker; clones are handles.
pub(crate) struct WorkerHooks<A> {
    inner: Arc<Inner<A>>,
    worker: usize,
}

impl<A> WorkerHooks<A> {
    pub(crate) fn add<F, Fut>(&self, name: String, reload: F)
    where
        F: Fn(Arc<Settings<A>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BuildError>> + Send + 'static,
    {
        let run: Run<A> = Arc::new(move |settings| reload(settings).boxed());
        let mut hooks = lock(&self.inner.hooks);
        hooks.entry(self.worker).or_default().push((name, run));
    }

    /// Runs the hooks one after the other; returns what failed, with the reason.
    pub(crate) async fn run(&self) -> Vec<String> {
        let hooks = lock(&self.inner.hooks).get(&self.worker).cloned();
        let settings = Arc::clone(&lock(&self.inner.settings));
        let mut failed = Vec::new();
        for (name, run) in hooks.unwrap_or_default() {
            // It may also panic before it gives a future.
            let settings = Arc::clone(&settings);
            let work = AssertUnwindSafe(async { run(settings).await }).catch_unwind();
            let reason = match timeout(DEFAULT_RELOAD_TIMEOUT, work).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(error))) => crate::runner::exit::chain(error.as_ref()),
                Ok(Err(_panic)) => "it panicked".to_owned(),
                Err(_elapsed) => "it took too long".to_owned(),
            };
            failed.push(format!("{name}: {reason}"));
        }
        failed
    }
}

impl<A> Clone for Hooks<A> {
    fn clone(&self) -> Self {
        let inner = Arc::clone(&self.inner);
        Self { inner }
    }
}
