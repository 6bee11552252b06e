//! The background task of a link.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{Handle, LinkContext, LinkState, builder::Settings, statistics::Counts};
use crate::{
    backoff::{AttemptLimiter, Backoff, later},
    breaker::{Breaker, BreakerState},
    connector::{self, ConnectionError, Connector},
    health::{Health, HealthReporter},
    state_watch::StateWatch,
};

/// Whether the link tries to connect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trying {
    on: bool,
    /// Raised to start over: now, and with the first delay.
    round: u64,
}

impl Default for Trying {
    fn default() -> Self {
        Self { on: true, round: 0 }
    }
}

impl Trying {
    pub(super) fn stop(&mut self) {
        self.on = false;
    }

    pub(super) fn start_over(&mut self) {
        self.on = true;
        self.round += 1;
    }

    /// Whether it was told to start over since `round`.
    pub(super) fn is_on_since(self, round: u64) -> bool {
        self.on && self.round != round
    }
}

/// What the handles tell the task.
pub(super) struct Orders {
    pub(super) closing: watch::Receiver<bool>,
    pub(super) trying: watch::Receiver<Trying>,
}

/// Connects, runs the session, waits, and again.
pub(super) struct Keeper<C> {
    connector: Arc<C>,
    settings: Settings,
    orders: Orders,
    states: watch::Sender<LinkState>,
    /// The health of the connection, without the breaker.
    health: Health,
    reporter: HealthReporter,
    breaker: Breaker,
    breaker_states: StateWatch<BreakerState>,
    counts: Arc<Counts>,
    backoff: Backoff,
    limiter: AttemptLimiter,
    generation: u64,
    stopped_in: Arc<AtomicU64>,
}

/// How a phase ended.
enum End {
    /// The link has to close.
    Closing,
    /// The link has to stop trying.
    Stopped,
    /// Lost, or not connected: try again.
    Failed(ConnectionError),
}

/// What the handles want while a link waits for its next attempt.
enum Wish {
    Stop,
    StartOver,
}

impl<C: Connector> Keeper<C> {
    pub(super) fn new(
        handle: &Handle<C>,
        settings: Settings,
        orders: Orders,
        states: watch::Sender<LinkState>,
        reporter: HealthReporter,
    ) -> Self {
        Self {
            backoff: Backoff::new(settings.backoff),
            connector: Arc::clone(&handle.connector),
            settings,
            orders,
            states,
            health: Health::Starting,
            reporter,
            breaker: handle.breaker.clone(),
            breaker_states: handle.breaker.on_state(),
            counts: Arc::clone(&handle.counts),
            limiter: AttemptLimiter::default(),
            generation: 0,
            stopped_in: Arc::clone(&handle.stopped_in),
        }
    }

    /// `reason` makes one error of those that sessions return.
    pub(super) async fn run<F, S, E>(mut self, mut session: F, reason: fn(E) -> ConnectionError)
    where
        F: FnMut(C::Connection, LinkContext) -> S + Send,
        S: Future<Output = Result<(), E>> + Send,
        E: Send,
    {
        let mut attempt = 1;
        loop {
            let end = match self.connect(attempt).await {
                Ok(connection) => {
                    attempt = 0;
                    self.hold(connection, &mut session, reason).await
                }
                Err(end) => end,
            };
            let next = match end {
                End::Closing => break,
                End::Stopped => self.stop(self.counts.last_error(), None).await,
                End::Failed(error) => self.pause(error, attempt).await,
            };
            attempt = match next {
                Ok(next) => next,
                Err(_) => break,
            };
        }
    }

    /// Makes a connection, not before the limit of attempts allows it.
    async fn connect(&mut self, attempt: u32) -> Result<C::Connection, End> {
        while let Err(at) = self.limiter.try_start(Instant::now()) {
            self.unless_stopped(sleep_until(at)).await?;
        }
        self.states.send_replace(LinkState::Connecting { attempt });
        self.counts.attempt();
        let connector = Arc::clone(&self.connector);
        let limit = self.settings.connect_timeout;
        self.unless_stopped(connector::connect(&*connector, limit))
            .await?
            .map_err(End::Failed)
    }

    /// Runs a session over `connection`.
    async fn hold<F, S, E>(
        &mut self,
        connection: C::Connection,
        session: &mut F,
        reason: fn(E) -> ConnectionError,
    ) -> End
    where
        F: FnMut(C::Connection, LinkContext) -> S + Send,
        S: Future<Output = Result<(), E>> + Send,
        E: Send,
    {
        self.generation += 1;
        let generation = self.generation;
        let since = Instant::now();
        self.backoff.succeeded(since);
        self.counts.came_up(since);
        self.report(Health::Up);
        self.states
            .send_replace(LinkState::Up { since, generation });
        tracing::info!(link = %self.settings.name, generation, "link up");

        let context = LinkContext {
            generation,
            closing: self.orders.closing.clone(),
        };
        // The call itself is inside, as a plain function may panic before it returns a future.
        let mut running = pin!(connector::session(
            async { session(connection, context).await },
            reason
        ));
        let ended = match self.unless_closing(&mut running).await {
            Ok(ended) => ended,
            Err(end) => {
                let limit = self.settings.close_timeout;
                match timeout(limit, running).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::debug!(link = %self.settings.name, %error, "link lost while closing");
                    }
                    Err(_) => {
                        tracing::warn!(link = %self.settings.name, ?limit, "link session did not end in time");
                    }
                }
                self.counts.ended(Instant::now());
                return end;
            }
        };
        End::Failed(ended.err().unwrap_or_else(ConnectionError::ended))
    }

    /// Says what went wrong, when that is news, and waits before the next attempt, whose number it returns.
    /// `failures` is how many have failed since the link was up, 0 when it just was.
    async fn pause(&mut self, error: ConnectionError, failures: u32) -> Result<u32, End> {
        let now = Instant::now();
        self.counts.went_down(now, &error);
        let news = self.report(Health::Down(error.to_string()));
        let name = &self.settings.name;
        if failures == 0 {
            tracing::warn!(link = %name, %error, generation = self.generation, "link lost");
        } else if news {
            tracing::warn!(link = %name, %error, failures, "link cannot connect");
        } else {
            tracing::debug!(link = %name, %error, failures, "link still cannot connect");
        }
        let delay = self.backoff.failed(now, fastrand::f64());
        let mut trying = self.orders.trying.clone();
        let round = trying.borrow_and_update().round;
        if failures >= self.settings.max_attempts {
            return self.stop(Some(error), Some(round)).await;
        }
        let retry_at = later(now, delay);
        self.states.send_replace(LinkState::Down {
            error: error.clone(),
            retry_at,
        });
        let wish = async {
            select! {
                biased;
                wish = wish(&mut trying, round) => Some(wish),
                () = sleep_until(retry_at) => None,
            }
        };
        match self.unless_closing(wish).await? {
            None => Ok(failures.saturating_add(1)),
            Some(Wish::StartOver) => Ok(self.start_over()),
            Some(Wish::Stop) => self.stop(Some(error), None).await,
        }
    }

    /// Waits until it shall try again; returns the number of the next attempt. `given_up_in` is the round in which it
    /// gave up by itself.
    async fn stop(
        &mut self,
        error: Option<ConnectionError>,
        given_up_in: Option<u64>,
    ) -> Result<u32, End> {
        tracing::warn!(link = %self.settings.name, "link stops connecting");
        let mut trying = self.orders.trying.clone();
        let round = given_up_in.unwrap_or(trying.borrow_and_update().round);
        self.stopped_in.store(round, SeqCst);
        self.report(Health::Down(match &error {
            Some(error) => format!("stopped: {error}"),
            None => "stopped".to_owned(),
        }));
        self.states.send_replace(LinkState::Stopped { error });
        let resumed = async {
            let resumed = trying
                .wait_for(|trying| trying.on && given_up_in != Some(trying.round))
                .await
                .is_ok();
            if !resumed {
                // All handles are gone: closing.
                pending::<()>().await;
            }
        };
        self.unless_closing(resumed).await?;
        Ok(self.start_over())
    }

    fn start_over(&mut self) -> u32 {
        self.backoff = Backoff::new(self.settings.backoff);
        1
    }

    /// Awaits `work` unless the link has to stop trying, or to close, first.
    async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut trying = self.orders.trying.clone();
        let work = async {
            select! {
                biased;
                Ok(_) = trying.wait_for(|trying| !trying.on) => Err(End::Stopped),
                done = work => Ok(done),
            }
        };
        self.unless_closing(work).await?
    }

    /// Awaits `work` unless the link has to close first; watches the breaker meanwhile.
    async fn unless_closing<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            let half_open_at = match self.breaker.state() {
                BreakerState::Open { until, .. } => Some(until),
                BreakerState::Closed | BreakerState::HalfOpen { .. } => None,
            };
            select! {
                biased;
                // An error means that all handles are gone.
                _ = self.orders.closing.wait_for(|closing| *closing) => return Err(End::Closing),
                done = &mut work => return Ok(done),
                _ = self.breaker_states.changed() => {}
                () = sleep_until(half_open_at.unwrap_or_else(Instant::now)), if half_open_at.is_some() => {}
            }
            self.report(self.health.clone());
        }
    }

    /// Says how the link is, together with its breaker; returns whether that is news.
    fn report(&mut self, health: Health) -> bool {
        self.health = health;
        let broken = self.breaker.state().health();
        self.reporter.set(match broken {
            Some(broken) if !self.health.is_down() => broken,
            _ => self.health.clone(),
        })
    }
}

/// Waits until the handles want something else than the link did in `round`.
async fn wish(trying: &mut watch::Receiver<Trying>, round: u64) -> Wish {
    let told = trying
        .wait_for(|trying| !trying.on || trying.round != round)
        .await
        .map(|trying| *trying);
    match told {
        Ok(Trying { on: true, .. }) => Wish::StartOver,
        Ok(Trying { on: false, .. }) => Wish::Stop,
        // All handles are gone: closing.
        Err(_) => pending().await,
    }
}

impl<C> Drop for Keeper<C> {
    /// Also when the runtime ends first.
    fn drop(&mut self) {
        self.counts.ended(Instant::now());
        self.reporter.set(Health::Down("closed".to_owned()));
        self.states.send_replace(LinkState::Closed);
    }
}
