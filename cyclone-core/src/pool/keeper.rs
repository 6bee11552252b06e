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
    entry::{Entry, Verdict},
    manager::Manager,
    shared::Shared,
    statistics::Slot,
};
use crate::{
    backoff::{AttemptLimiter, Backoff, later},
    connector::{self, ConnectionError, Connector},
    health::Health,
};

/// How one connection attempt ended.
struct Attempt<C: Connector> {
    /// The round in which it was started.
    round: u64,
    /// It counts as connecting until the keeper has dealt with the result: in between there is no new attempt.
    slot: Slot,
    result: Result<C::Connection, ConnectionError>,
}

/// Keeps a pool as it should be.
///
/// It alone makes connections, so the limit of attempts and the backoff hold whatever the callers do, and a caller
/// who goes away interrupts nothing.
pub(super) struct Keeper<C: Connector> {
    shared: Arc<Shared<C>>,
    pool: managed::Pool<Manager<C>>,
    attempts: JoinSet<Attempt<C>>,
    /// Checks and goodbyes; a check gives the connection back when it is alive.
    chores: JoinSet<Option<Entry<C>>>,
    backoff: Backoff,
    limiter: AttemptLimiter,
    /// Attempts that were under way together fail together: only the first of a round lengthens the backoff.
    round: u64,
    /// When to try again, while connections cannot be made.
    retry_at: Option<Instant>,
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
                backoff: Backoff::new(shared.settings.backoff),
                shared: Arc::clone(shared),
                pool: pool.clone(),
                attempts: JoinSet::new(),
                chores: JoinSet::new(),
                limiter: AttemptLimiter::default(),
                round: 0,
                retry_at: None,
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
                Some(attempt) = self.attempts.join_next() => {
                    if let Ok(attempt) = attempt {
                        self.attempted(attempt, Instant::now());
                    }
                }
                Some(chore) = self.chores.join_next() => self.checked(chore.ok().flatten()),
                () = self.shared.counts.bell.notified() => {}
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
        self.serve_from_idle();
        let dial_at = self.dial(now);
        self.publish();
        let sweep_at = self.shared.sweep_at();
        dial_at.map_or(sweep_at, |at| at.min(sweep_at))
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

    /// Starts the connection attempts that are wanted and allowed; returns when more are allowed.
    fn dial(&mut self, now: Instant) -> Option<Instant> {
        let shared = Arc::clone(&self.shared);
        let counts = &shared.counts;
        let connecting = counts.connecting.load(Relaxed);
        let wanted = match self.retry_at {
            Some(_) if connecting > 0 => 0,
            Some(at) if now < at => return Some(at),
            Some(_) => 1,
            None => {
                let missing = shared.settings.min_idle.saturating_sub(counts.idle());
                (shared.waiters() + missing).saturating_sub(connecting)
            }
        };
        for _ in 0..wanted {
            if counts.slots.load(Relaxed) >= shared.settings.max_size {
                break;
            }
            if let Err(at) = self.limiter.try_start(now) {
                return Some(at);
            }
            let slot = Slot::connecting(counts);
            let (shared, round) = (Arc::clone(&shared), self.round);
            self.attempts.spawn(async move {
                let limit = shared.settings.connect_timeout;
                let result = connector::connect(&shared.connector, limit).await;
                Attempt {
                    round,
                    slot,
                    result,
                }
            });
        }
        None
    }

    fn attempted(&mut self, attempt: Attempt<C>, now: Instant) {
        let shared = &self.shared;
        let name = &shared.settings.name;
        let mut slot = attempt.slot;
        match attempt.result {
            Ok(connection) => {
                slot.open();
                shared.counts.created.fetch_add(1, Relaxed);
                let failures = self.backoff.failures();
                self.backoff.succeeded(now);
                self.connected = true;
                self.retry_at = None;
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
                if attempt.round == self.round || self.retry_at.is_none() {
                    self.round += 1;
                    let delay = self.backoff.failed(now, self.random.f64());
                    self.retry_at = Some(later(now, delay));
                }
                let failures = self.backoff.failures();
                if shared.set_error(Some(error.clone())).is_none() {
                    tracing::warn!(pool = %name, %error, "pool cannot connect");
                } else {
                    tracing::debug!(pool = %name, %error, failures, "pool still cannot connect");
                }
            }
        }
        self.publish();
        self.shared.attempted.notify_waiters();
    }

    /// Says how the pool is, and turns callers away or lets them wait accordingly.
    fn publish(&self) {
        let open = self.shared.counts.open();
        let error = self.shared.error();
        self.shared.set_outage(error.is_some() && open == 0);
        self.shared.health.set(match error {
            Some(error) if open == 0 => Health::Down(error.to_string()),
            Some(error) => Health::Degraded(format!(
                "{open} connections open, no more can be made: {error}"
            )),
            None if self.connected => Health::Up,
            None => Health::Starting,
        });
    }

    /// Closes everything: waits for connections in use, but not beyond the time limit.
    async fn drain(mut self) {
        let shared = Arc::clone(&self.shared);
        shared.health.set(Health::Down("closed".to_owned()));
        self.attempts.abort_all();
        let deadline = later(Instant::now(), shared.settings.close_timeout);
        loop {
            for entry in shared.take_retired() {
                self.say_goodbye(entry);
            }
            if shared.counts.in_use.load(SeqCst) == 0 && self.chores.is_empty() {
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
        let left = shared.counts.in_use.load(SeqCst);
        shared.drained.send_replace(Some(left));
        if left > 0 {
            tracing::warn!(pool = %shared.settings.name, left, "pool closed while connections are in use");
        }
        drop(shared.take_retired());
    }
}

impl<C: Connector> Drop for Keeper<C> {
    /// Its runtime may end before the pool: another runtime starts another keeper.
    fn drop(&mut self) {
        if self.shared.drained.borrow().is_none() {
            self.shared.running.store(false, SeqCst);
        }
    }
}
