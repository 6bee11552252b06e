//! How a service is, as a value.

use std::fmt;

use tokio::time::Instant;

use crate::health::Health;

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceState {
    /// It is added and not started.
    New,
    /// It starts, or runs and is not ready yet.
    Starting,
    /// It runs and is ready.
    Running,
    /// It failed and waits to be run again.
    Waiting,
    /// It ended by itself without an error, and is not run again.
    Finished,
    /// It failed and is not run again.
    Failed,
    /// It was told to stop and has not ended yet.
    Stopping,
    /// It was stopped.
    Stopped,
}

impl ServiceState {
    /// The name of the state in lower case, as in logs and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In which way a service failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// `run` returned an error.
    Error,
    /// `run` panicked.
    Panicked,
    /// `run` returned `Ok`, and the service was to run [always](crate::Restart::Always).
    Ended,
    /// It was not [ready](crate::ServiceContext::ready) in time.
    NotReady,
}

/// A failure of a service: who, how, how often, since when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceFailure {
    /// The path of the service.
    pub path: String,
    /// In which way it failed.
    pub kind: FailureKind,
    /// The error as a text.
    pub error: String,
    /// Failures in a row: since the service last ran for 10 s, or what its
    /// [backoff](crate::BackoffPolicy::reset_after) says.
    pub in_a_row: u32,
    /// When the first failure of this row was.
    pub since: Instant,
    /// When this failure was.
    pub at: Instant,
    /// When it is run again; `None` if it is not.
    pub retry_at: Option<Instant>,
}

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {} failed: {}", self.path, self.error)?;
        match self.in_a_row {
            0 | 1 => Ok(()),
            times => write!(f, " ({times} times in a row)"),
        }
    }
}

/// A service as its server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The name of the service: that of its own, with `#2` and so on behind it where the group has another of that
    /// name before it.
    pub name: String,
    /// The name behind those of the groups that it is in, with slashes between.
    pub path: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// Since when it has been there.
    pub since: Instant,
    /// How often it was run again.
    pub restarts: u64,
    /// How often it failed.
    pub failures: u64,
    /// The last failure, also when it is over.
    pub failure: Option<ServiceFailure>,
    /// How it is: what the service says while it runs, or else what its state says.
    pub health: Health,
    /// Whether it has been ready once.
    pub was_ready: bool,
    /// The services in it, in the order of their start.
    pub parts: Vec<ServiceInfo>,
}

impl ServiceInfo {
    /// Calls `visit` with this service and all in it, each before those in it.
    pub fn visit(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        for part in &self.parts {
            part.visit(visit);
        }
    }
}

impl fmt::Display for ServiceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.health)?;
        match self.restarts {
            0 => Ok(()),
            restarts => write!(f, " ({restarts} restarts)"),
        }
    }
}
