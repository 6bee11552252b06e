//! The background task of a link.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{LinkContext, LinkState, builder::Settings};
use crate::{
    backoff::{AttemptLimiter, Backoff, later},
    connector::{self, ConnectionError, Connector},
    health::{Health, HealthReporter},
};

/// Connects, runs the session, waits, and again.
pub(super) struct Keeper<C> {
    connector: Arc<C>,
    settings: Settings,
    closing: watch::Receiver<bool>,
    states: watch::Sender<LinkState>,
    health: HealthReporter,
    backoff: Backoff,
    limiter: AttemptLimiter,
    generation: u64,
}

/// How a phase ended.
enum End {
    /// The link has to close.
    Closing,
    /// Lost, or not connected: try again.
    Failed(ConnectionError),
}

impl<C: Connector> Keeper<C> {
    pub(super) fn new(
        connector: Arc<C>,
        settings: Settings,
        closing: watch::Receiver<bool>,
        states: watch::Sender<LinkState>,
        health: HealthReporter,
    ) -> Self {
        Self {
            backoff: Backoff::new(settings.backoff),
            connector,
            settings,
            closing,
            states,
            health,
            limiter: AttemptLimiter::default(),
            generation: 0,
        }
    }

    pub(super) async fn run<F, S>(mut self, mut session: F)
    where
        F: FnMut(C::Connection, LinkContext) -> S + Send,
        S: Future<Output = Result<(), C::Error>> + Send,
    {
        let mut attempt = 1;
        loop {
            let end = match self.connect(attempt).await {
                Ok(connection) => {
                    attempt = 0;
                    self.hold(connection, &mut session).await
                }
                Err(end) => end,
            };
            let End::Failed(error) = end else { break };
            if self.pause(error, attempt == 0).await.is_err() {
                break;
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// Makes a connection, not before the limit of attempts allows it.
    async fn connect(&mut self, attempt: u32) -> Result<C::Connection, End> {
        while let Err(at) = self.limiter.try_start(Instant::now()) {
            self.unless_closing(sleep_until(at)).await?;
        }
        self.states.send_replace(LinkState::Connecting { attempt });
        let connector = Arc::clone(&self.connector);
        let limit = self.settings.connect_timeout;
        self.unless_closing(connector::connect(&*connector, limit))
            .await?
            .map_err(End::Failed)
    }

    /// Runs a session over `connection`.
    async fn hold<F, S>(&mut self, connection: C::Connection, session: &mut F) -> End
    where
        F: FnMut(C::Connection, LinkContext) -> S + Send,
        S: Future<Output = Result<(), C::Error>> + Send,
    {
        self.generation += 1;
        let generation = self.generation;
        let since = Instant::now();
        self.backoff.succeeded(since);
        self.health.set(Health::Up);
        self.states
            .send_replace(LinkState::Up { since, generation });
        tracing::info!(link = %self.settings.name, generation, "link up");

        let context = LinkContext {
            generation,
            closing: self.closing.clone(),
        };
        // The call itself is inside, as a plain function may panic before it returns a future.
        let mut running = pin!(connector::session(async {
            session(connection, context).await
        }));
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
                return end;
            }
        };
        End::Failed(ended.err().unwrap_or_else(ConnectionError::ended))
    }

    /// Says what went wrong and waits before the next attempt.
    async fn pause(&mut self, error: ConnectionError, was_up: bool) -> Result<(), End> {
        let now = Instant::now();
        let retry_at = later(now, self.backoff.failed(now, fastrand::f64()));
        let name = &self.settings.name;
        let failures = self.backoff.failures();
        let news = self.health.set(Health::Down(error.to_string()));
        if was_up {
            tracing::warn!(link = %name, %error, generation = self.generation, "link lost");
        } else if news {
            tracing::warn!(link = %name, %error, failures, "link cannot connect");
        } else {
            tracing::debug!(link = %name, %error, failures, "link still cannot connect");
        }
        self.states
            .send_replace(LinkState::Down { error, retry_at });
        self.unless_closing(sleep_until(retry_at)).await
    }

    /// Awaits `work` unless the link has to close first.
    async fn unless_closing<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        select! {
            biased;
            // An error means that all handles are gone.
            _ = self.closing.wait_for(|closing| *closing) => Err(End::Closing),
            done = work => Ok(done),
        }
    }
}

impl<C> Drop for Keeper<C> {
    /// Also when the runtime ends first.
    fn drop(&mut self) {
        self.health.set(Health::Down("closed".to_owned()));
        self.states.send_replace(LinkState::Closed);
    }
}
