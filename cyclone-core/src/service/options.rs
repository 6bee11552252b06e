//! How a service is supervised.

use std::time::Duration;

use crate::backoff::BackoffPolicy;

/// How long a service that [says itself when it is ready](crate::Service::reports_ready) may take until then
/// unless [`ServiceOptions::ready_timeout`] says otherwise.
pub const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long each service may take to start or to stop unless [`Server::service_timeout`](crate::Server::service_timeout)
/// says otherwise.
pub const DEFAULT_SERVICE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most restarts that [`ServiceOptions::max_restarts`] can allow in its period.
pub const MAX_COUNTED_RESTARTS: u32 = 1_000;

/// When a service whose `run` has ended is run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restart {
    /// Whatever ended it: `Ok` counts as a failure too.
    Always,
    /// After an error or a panic; after `Ok` it is finished.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// What follows when a failed service is not run again: because of [`Restart::Never`], or because it failed more
/// often than [`ServiceOptions::max_restarts`] allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUp {
    /// It is down from then on, and is only reported as such.
    #[default]
    Report,
    /// The [`ServiceGroup`](crate::ServiceGroup) that it is in fails: the services in there are stopped in reverse
    /// order, and the options of the group say what comes next. In no group it is as [`StopServer`](Self::StopServer).
    FailGroup,
    /// The server shuts down as by [`ServerHandle::shutdown`](crate::ServerHandle::shutdown), and its
    /// [report](crate::ShutdownReport::cause) tells why.
    StopServer,
}

/// How one service is supervised: when it is run again, how often, and what it waits for.
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::{GiveUp, LoopingCall, Server, ServiceOptions};
///
/// let poll = LoopingCall::new("poll", Duration::from_secs(1), |_tick| async { Ok(()) });
/// let options = ServiceOptions::new()
///     .max_restarts(5, Duration::from_secs(60))
///     .give_up(GiveUp::StopServer);
/// let server = Server::new().service_with(poll, options);
/// # let _ = server;
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a service is added with them"]
pub struct ServiceOptions {
    pub(super) restart: Restart,
    pub(super) backoff: BackoffPolicy,
    /// At most so many restarts in any period of that length.
    pub(super) max_restarts: Option<(u32, Duration)>,
    pub(super) give_up: GiveUp,
    pub(super) needs: Vec<String>,
    pub(super) ready_timeout: Duration,
    pub(super) timeout: Option<Duration>,
}

impl ServiceOptions {
    /// The defaults: run again after a failure, for ever, after 50 ms to 30 s.
    pub fn new() -> Self {
        Self {
            restart: Restart::default(),
            backoff: BackoffPolicy::default(),
            max_restarts: None,
            give_up: GiveUp::default(),
            needs: Vec::new(),
            ready_timeout: DEFAULT_READY_TIMEOUT,
            timeout: None,
        }
    }

    /// Says when it is run again; [`Restart::OnFailure`] unless called.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets the pauses before it is run again; [`BackoffPolicy::default`] unless called.
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.backoff = policy;
        self
    }

    /// Gives up when it would be run again for more than `restarts` times within `period`; without a limit unless
    /// called. At most [`MAX_COUNTED_RESTARTS`] (1,000) can be set.
    ///
    /// The pauses count: with the default backoff seven restarts take four seconds or more.
    pub fn max_restarts(mut self, restarts: u32, period: Duration) -> Self {
        self.max_restarts = Some((restarts.min(MAX_COUNTED_RESTARTS), period));
        self
    }

    /// Says what follows when it is not run again after a failure; [`GiveUp::Report`] unless called.
    pub fn give_up(mut self, give_up: GiveUp) -> Self {
        self.give_up = give_up;
        self
    }

    /// Starts it only once the service called `name` is ready: one that is before it in the same group, or the path
    /// of one inside of that. Can be called several times.
    ///
    /// A need that is not met keeps the service from starting: there is no such service, it is not ready (or not ready
    /// again, when it is between two runs) within its [`ready_timeout`](Self::ready_timeout), it has failed for good, or
    /// it ended before it was ready. One that was ready and ended without an error has done its work.
    pub fn needs(mut self, name: impl Into<String>) -> Self {
        self.needs.push(name.into());
        self
    }

    /// Sets how long it may take until it is [ready](crate::ServiceContext::ready), each time that it is run;
    /// [`DEFAULT_READY_TIMEOUT`] (30 s) unless called. Then it has failed, and is dropped.
    pub fn ready_timeout(mut self, limit: Duration) -> Self {
        self.ready_timeout = limit;
        self
    }

    /// Sets how long it may take to start and to stop, in the place of
    /// [`Server::service_timeout`](crate::Server::service_timeout); for a group, each service in it.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self::new()
    }
}
