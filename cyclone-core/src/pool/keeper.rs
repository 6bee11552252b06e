//! The background task of a pool: the only one that connects, checks idle connections and closes old ones.

use std::{
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use deadpool::managed;
use tokio::{
    select,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    PoolError, PoolState,
    dialer::{Attempt, Dialer},
    entry::{Entry, Verdict},
    manager::Manager,
    shared::Shared,
};
use crate::{
    backoff::later,
    breaker::BreakerState,
    connector::{self, Connector},
    state_watch::StateWatch,
};

/// Keeps a pool as it should be.
///
/// It alone makes connections, so the limit of attempts and the backoff hold whatever the callers do, and a caller
/// who goes away interrupts nothing.
pub(super) struct Keeper<C: Connector> {
    shared: Arc<Shared<C>>,
    pool: managed::Pool<Manager<C>>,
    dialer: Dialer<C>,
    /// Checks, resets and goodbyes; the first two give the connection back when it is alive.
    chores: JoinSet<Option<Entry<C>>>,
    breaker: StateWatch<BreakerState>,
    connected: bool,
    random: fastrand::Rng,
}

impl<C: Connector> Keeper<C> {
    /// Starts the keeper of a pool unless it runs; `false` outside of a tokio runtime.
    pub(super) fn ensure(shared: &Arc<Shared<C>>, pool: &managed::Pool<Manager<C>>) -> bool {
        if shared.running.load(Relaxed) {
            return true;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return false;
        };
        if !shared.running.swap(true, SeqCst) {
            let keeper = Self {
                shared: Arc::clone(shared),
                pool: pool.clone(),
                dialer: Dialer::new(shared),
                chores: JoinSet::new(),
                breaker: shared.breaker.on_state(),
                connected: false,
                random: fastrand::Rng::new(),
            };
            runtime.spawn(keeper.run());
        }
        true
    }

    async fn run(mut self) {
        while !self.shared.is_closed() {
            let wake_at = self.pass(Instant::now());
            select! {
                Some(attempt) = self.dialer.next() => self.attempted(attempt, Instant::now()),
                Some(chore) = self.chores.join_next() => self.checked(chore.ok().flatten()),
                () = self.shared.counts.bell.notified() => {}
                _ = self.breaker.changed() => {}
                () = sleep_until(wake_at) => {}
            }
        }
        self.drain().await;
    }

    /// Does what is to be done now; returns when to look again.
    fn pass(&mut self, now: Instant) -> Instant {
        if now >= self.shared.sweep_at() {
            self.sweep(now);
        }
        for entry in self.shared.take_retired() {
            self.say_goodbye(entry);
        }
        for entry in self.shared.take_soiled() {
            self.reset(entry);
        }
        self.serve_from_idle();
        let dial_at = self.dialer.dial(now);
        let breaker = self.publish(now);
        let half_open_at = match breaker {
            BreakerState::Open { until, .. } => Some(until),
            _ => None,
        };
        let sweep_at = self.shared.sweep_at();
        [dial_at, half_open_at]
            .into_iter()
            .flatten()
            .fold(sweep_at, Instant::min)
    }

    /// Looks at every idle connection.
    fn sweep(&mut self, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let mut next = later(now, Duration::MAX);
        let ready = shared.begin_sweep(next);
        let epoch = shared.epoch();
        let mut spare = shared.counts.idle().saturating_sub(settings.min_idle);
        let mut verdicts = Vec::new();
        let mut stays = |entry: &Entry<C>| match entry.judge(
            &shared.connector,
            settings,
            epoch,
            now,
            &mut spare,
        ) {
            Verdict::Keep(until) => {
                next = next.min(until);
                true
            }
            verdict => {
                verdicts.push(verdict);
                false
            }
        };
        let mut removed = self.pool.retain(|entry, _| stays(entry)).removed;
        for entry in ready {
            if stays(&entry) {
                shared.offer(entry);
            } else {
                removed.push(entry);
            }
        }
        shared.sweep_by(next);
        for (entry, verdict) in removed.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Check => self.check(entry),
                Verdict::Retire => {
                    shared.counts.reaped.fetch_add(1, Relaxed);
                    self.say_goodbye(entry);
                }
                Verdict::Keep(_) | Verdict::Broken => shared.found_dead(entry.epoch),
            }
        }
    }

    fn check(&mut self, mut entry: Entry<C>) {
        let shared = Arc::clone(&self.shared);
        self.chores
            .spawn(async move { shared.check(&mut entry).await.then_some(entry) });
    }

    fn reset(&mut self, mut entry: Entry<C>) {
        let shared = Arc::clone(&self.shared);
        self.chores
            .spawn(async move { shared.reset(&mut entry).await.then_some(entry) });
    }

    fn say_goodbye(&mut self, mut entry: Entry<C>) {
        entry.slot.close();
        let shared = Arc::clone(&self.shared);
        self.chores.spawn(async move {
            // The slot is free when the other side has let go, so that it never sees more than the maximum.
            let Entry {
                connection, slot, ..
            } = entry;
            connector::close(&shared.connector, connection, shared.settings.close_timeout).await;
            drop(slot);
            None
        });
    }

    /// Gives a connection that passed its check back.
    fn checked(&mut self, entry: Option<Entry<C>>) {
        if let Some(entry) = entry {
            let due = entry.due(&self.shared.settings);
            self.shared.offer(entry);
            self.shared.sweep_by(due);
        }
    }

    /// Moves idle connections to callers who wait: they came back between a caller's look and its waiting.
    fn serve_from_idle(&mut self) {
        let mut wanted = self.shared.waiters();
        if wanted == 0 {
            return;
        }
        let idle = self.pool.retain(|_, _| {
            let taken = wanted > 0;
            wanted = wanted.saturating_sub(1);
            !taken
        });
        for entry in idle.removed {
            self.shared.offer(entry);
        }
    }

    fn attempted(&mut self, attempt: Attempt<C>, now: Instant) {
        let shared = &self.shared;
        let name = &shared.settings.name;
        let round = attempt.round();
        let mut slot = attempt.slot;
        match attempt.result {
            Ok(connection) => {
                slot.open();
                shared.counts.created.fetch_add(1, Relaxed);
                let failures = self.dialer.succeeded(now);
                self.connected = true;
                if shared.set_error(None).is_some() {
                    tracing::info!(pool = %name, failures, "pool connects again");
                }
                let entry = Entry::new(
                    connection,
                    slot,
                    shared.epoch(),
                    now,
                    shared.settings.max_lifetime,
                    self.random.f64(),
                );
                let due = entry.due(&shared.settings);
                shared.offer(entry);
                shared.sweep_by(due);
            }
            Err(error) => {
                drop(slot);
                shared.counts.failed.fetch_add(1, Relaxed);
                let failures = self.dialer.failed(round, now);
                if shared.set_error(Some(error.clone())).is_none() {
                    tracing::warn!(pool = %name, %error, "pool cannot connect");
                } else {
                    tracing::debug!(pool = %name, %error, failures, "pool still cannot connect");
                }
            }
        }
        self.publish(now);
        self.shared.attempted.notify_waiters();
    }

    /// Says how the pool is, and turns callers away or lets them wait accordingly; returns how the breaker is.
    fn publish(&self, now: Instant) -> BreakerState {
        let shared = &self.shared;
        let open = shared.counts.open();
        let retry_at = self.dialer.retry_at().unwrap_or(now);
        let (state, outage) = match shared.error() {
            error if open == 0 && !shared.is_trying() => (
                PoolState::Stopped {
                    error: error.clone(),
                },
                Some(PoolError::Stopped(error)),
            ),
            Some(error) if open == 0 => (
                PoolState::Down {
                    error: error.clone(),
                    retry_at,
                },
                Some(PoolError::Connect(error)),
            ),
            Some(error) => (PoolState::Degraded { error, retry_at }, None),
            None if self.connected && (open > 0 || self.dialer.retry_at().is_none()) => {
                (PoolState::Up, None)
            }
            None => (PoolState::Starting, None),
        };
        shared.set_outage(outage);
        let breaker = shared.breaker.state();
        let health = state.health(open);
        shared.health.set(match breaker.health() {
            Some(broken) if !health.is_down() => broken,
            _ => health,
        });
        shared.set_state(state);
        breaker
    }

    /// Closes everything: waits for connections in use, but not beyond the time limit.
    async fn drain(mut self) {
        let shared = Arc::clone(&self.shared);
        shared.health.set(PoolState::Closed.health(0));
        self.dialer.abort();
        let deadline = later(Instant::now(), shared.settings.close_timeout);
        loop {
            // Looked at first: what is in use no longer has been retired.
            let in_use = shared.counts.in_use.load(SeqCst);
            for entry in shared.take_retired() {
                self.say_goodbye(entry);
            }
            if in_use == 0 && self.chores.is_empty() {
                break;
            }
            select! {
                Some(chore) = self.chores.join_next() => {
                    if let Some(entry) = chore.ok().flatten() {
                        self.say_goodbye(entry);
                    }
                }
                () = shared.counts.bell.notified() => {}
                () = sleep_until(deadline) => break,
            }
        }
        let left = shared.end();
        if left > 0 {
            tracing::warn!(pool = %shared.settings.name, left, "pool closed while connections are in use");
        }
    }
}

impl<C: Connector> Drop for Keeper<C> {
    /// Its runtime may end before the pool: another runtime starts another keeper.
    fn drop(&mut self) {
        if self.shared.drained.borrow().is_none() {
            self.shared.running.store(false, SeqCst);
            if self.shared.is_closed() {
                // Whoever waits for the end of the pool has waited long enough.
                self.shared.end();
            }
        }
    }
}
