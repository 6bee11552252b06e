//! A function called at intervals, as Twisted's `LoopingCall`.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::service::{Service, ServiceContext, ServiceError};

/// The shortest interval; a shorter one is raised to it.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// The longest interval, 30 years; clocks cannot count much further.
const LONGEST_INTERVAL: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Calls an async function at a fixed interval, one call at a time.
///
/// The calls stay on the grid of the first one: the call after a slow one does not come late by as much, and
/// ticks that passed during it are skipped, never made up for; so is one that falls on its very end. An error or
/// a panic of the function ends the run; the supervisor starts it anew, with a new grid, after a pause.
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::{LoopingCall, Server};
///
/// let heartbeat = LoopingCall::new("heartbeat", Duration::from_secs(1), |tick| async move {
///     println!("still here, {} ticks skipped", tick.skipped);
///     Ok(())
/// });
/// let server = Server::new().service(heartbeat);
/// # let _ = server;
/// ```
pub struct LoopingCall<F> {
    name: String,
    interval: Duration,
    now: bool,
    call: F,
}

/// What a call of a [`LoopingCall`] is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tick {
    /// Ticks that passed unused since the call before.
    pub skipped: u64,
    /// The resources of the server and the signal that it stops.
    pub context: ServiceContext,
}

impl<F, Fut> LoopingCall<F>
where
    F: Fn(Tick) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
{
    /// Calls `call` every `interval` (at least [`SHORTEST_INTERVAL`]), the first time one interval after the
    /// start of the server.
    pub fn new(name: impl Into<String>, interval: Duration, call: F) -> Self {
        Self {
            name: name.into(),
            interval: interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL),
            now: false,
            call,
        }
    }

    /// Makes the first call at once, also after a restart.
    #[must_use]
    pub fn now(mut self) -> Self {
        self.now = true;
        self
    }
}

impl<F, Fut> Service for LoopingCall<F>
where
    F: Fn(Tick) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    /// Calls until the server stops; a call that is under way is finished first.
    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let mut due = Instant::now();
        if !self.now {
            due += self.interval;
        }
        let mut skipped = 0;
        loop {
            tokio::select! {
                biased;
                () = cx.stopping() => return Ok(()),
                () = sleep_until(due) => {}
            }
            let context = cx.clone();
            (self.call)(Tick { skipped, context }).await?;
            (skipped, due) = next(due, Instant::now(), self.interval);
        }
    }
}

/// The ticks after `due` that have passed at `now`, and the first that has not.
fn next(due: Instant, now: Instant, interval: Duration) -> (u64, Instant) {
    let late = now.saturating_duration_since(due).as_nanos();
    let passed = late / interval.as_nanos();
    let rest = u64::try_from(late % interval.as_nanos()).unwrap_or(u64::MAX);
    let until = interval.saturating_sub(Duration::from_nanos(rest));
    (u64::try_from(passed).unwrap_or(u64::MAX), now + until)
}

impl<F> fmt::Debug for LoopingCall<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopingCall")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
