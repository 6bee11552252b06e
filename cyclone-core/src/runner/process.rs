//! The process as its parts see it: who serves in it, and what can be asked of the whole program.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::lock::lock;
use crate::shutdown::ServerHandle;

/// What parts of the program asked for and nobody has looked at yet, at most; more is dropped and logged.
pub(crate) const ASK_QUEUE: usize = 16;

/// Something that is asked of the whole program, as a signal would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Shutdown,
    ShutdownNow,
    Reload,
    ReopenLogs,
    Upgrade,
}

impl Ask {
    const ALL: [Self; 5] = [
        Self::Shutdown,
        Self::ShutdownNow,
        Self::Reload,
        Self::ReopenLogs,
        Self::Upgrade,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::ShutdownNow => "shutdown-now",
            Self::Reload => "reload",
            Self::ReopenLogs => "reopen-logs",
            Self::Upgrade => "upgrade",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ask| ask.word() == word)
    }
}

/// The running program, for its own parts; clones are handles.
///
/// It is among the [`Resources`](crate::Resources) of every server that [`main`](super::main()) runs, so that an
/// operator's console reaches it. What is asked of it is done for all workers, those in other processes too; how that
/// went is in the log.
///
/// ```
/// use cyclone_core::runner::Process;
/// use cyclone_core::{Context, MissingResource};
///
/// fn open_connections(cx: &impl Context) -> Result<usize, MissingResource> {
///     let process: &Process = cx.resources().get()?;
///     Ok(process.servers().iter().map(|server| server.registry().len()).sum())
/// }
/// ```
#[derive(Clone)]
pub struct Process {
    inner: Arc<Inner>,
}

struct Inner {
    /// By the number of their worker.
    servers: Mutex<BTreeMap<usize, ServerHandle>>,
    asks: mpsc::Sender<Ask>,
    started: Instant,
}

impl Process {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASK_QUEUE);
        let inner = Inner {
            servers: Mutex::default(),
            asks,
            started: Instant::now(),
        };
        let inner = Arc::new(inner);
        (Self { inner }, asked)
    }

    /// The servers that run in this process, one for each worker, in the order of the workers.
    ///
    /// With `--worker-mode processes` it is the one of this worker.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerHandle> {
        lock(&self.inner.servers).values().cloned().collect()
    }

    /// How long the process has been running.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }

    /// Ends the program as SIGTERM does: connections drain until the deadline.
    pub fn shutdown(&self) {
        self.ask(Ask::Shutdown);
    }

    /// Ends the program as a second SIGTERM does: what is open is cut.
    pub fn shutdown_now(&self) {
        self.ask(Ask::ShutdownNow);
    }

    /// Reloads certificates and configuration as SIGHUP does.
    pub fn reload(&self) {
        self.ask(Ask::Reload);
    }

    /// Opens the log files again as SIGUSR1 does.
    pub fn reopen_logs(&self) {
        self.ask(Ask::ReopenLogs);
    }

    /// Lets the program that is now at this one's path take over, as SIGUSR2 does.
    pub fn upgrade(&self) {
        self.ask(Ask::Upgrade);
    }

    pub(crate) fn ask(&self, ask: Ask) {
        if self.inner.asks.try_send(ask).is_err() {
            tracing::warn!(ask = ask.word(), "too much is asked of the process at once");
        }
    }

    pub(crate) fn joined(&self, worker: usize, server: ServerHandle) {
        lock(&self.inner.servers).insert(worker, server);
    }

    pub(crate) fn left(&self, worker: usize) {
        lock(&self.inner.servers).remove(&worker);
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("servers", &self.servers())
            .field("uptime", &self.uptime())
            .finish_non_exhaustive()
    }
}
