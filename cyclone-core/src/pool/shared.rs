//! What the handles of a pool, the connections that are out, and the keeper share.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
};

use deadpool::managed::{self, Object};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};

use super::{
    PoolError, PoolState,
    builder::Settings,
    entry::Entry,
    manager::Manager,
    slow::SlowLog,
    statistics::Counts,
    waiter::{Delivery, Waiter},
};
use crate::{
    breaker::Breaker,
    connector::{self, ConnectionError, Connector},
    health::HealthReporter,
    lock::lock,
};

pub(super) struct Shared<C: Connector> {
    pub(super) connector: C,
    pub(super) settings: Settings,
    pub(super) counts: Arc<Counts>,
    pub(super) health: HealthReporter,
    pub(super) states: watch::Sender<PoolState>,
    pub(super) breaker: Breaker,
    /// Whether connections are tried.
    trying: AtomicBool,
    /// Whether trying starts over, with its first delay, now.
    starting_over: AtomicBool,
    pub(super) slow: SlowLog,
    /// Rung for whoever warms the pool up, after every connection attempt.
    pub(super) attempted: Notify,
    /// How many connections were still in use when the pool had closed.
    pub(super) drained: watch::Sender<Option<usize>>,
    /// Whether the keeper runs.
    pub(super) running: AtomicBool,
    /// Raised when a connection was found dead: those seen alive in an earlier epoch only are suspect.
    pub(super) epoch: AtomicU64,
    state: Mutex<State<C>>,
}

/// Everything here is moved under the lock and dropped outside of it: dropping a connection is the driver's code.
struct State<C: Connector> {
    /// Idle connections that deadpool does not know of: new, or checked in the background. Empty while callers
    /// wait.
    ready: VecDeque<Entry<C>>,
    /// Callers that have a slot of deadpool and wait for a connection, in their order.
    waiters: VecDeque<oneshot::Sender<Delivery<C>>>,
    /// Connections on which a user left something that the keeper has to end.
    soiled: Vec<Entry<C>>,
    /// Connections that the keeper has to close.
    retired: Vec<Entry<C>>,
    /// When the keeper has to look at the idle connections.
    sweep_at: Instant,
    /// Why the last attempt to connect failed; `None` after a success.
    error: Option<ConnectionError>,
    /// What callers are told while there is no connection and none can be made.
    outage: Option<PoolError>,
}

impl<C: Connector> Shared<C> {
    pub(super) fn new(connector: C, settings: Settings) -> Self {
        Self {
            connector,
            breaker: Breaker::new(settings.breaker),
            settings,
            counts: Arc::default(),
            health: HealthReporter::default(),
            states: watch::Sender::default(),
            trying: AtomicBool::new(true),
            starting_over: AtomicBool::new(false),
            slow: SlowLog::default(),
            attempted: Notify::new(),
            drained: watch::Sender::new(None),
            running: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            state: Mutex::new(State {
                ready: VecDeque::new(),
                waiters: VecDeque::new(),
                soiled: Vec::new(),
                retired: Vec::new(),
                sweep_at: Instant::now(),
                error: None,
                outage: None,
            }),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.counts.closed.load(SeqCst)
    }

    /// Waits for a connection from the keeper, for a caller that has a slot and found no idle one.
    ///
    /// Cancel safe: a connection that was given to a caller who is gone is offered to the next.
    pub(super) async fn connection(&self) -> Delivery<C> {
        loop {
            let mut entry = match self.take_or_join()? {
                Ok(entry) => entry,
                Err(waiter) => waiter.delivery().await?,
            };
            if self.is_usable(&mut entry).await {
                return Ok(entry);
            }
        }
    }

    /// Takes a ready connection, or else joins the queue for the next.
    fn take_or_join(&self) -> Result<Result<Entry<C>, Waiter<'_, C>>, PoolError> {
        let receiver = {
            let mut state = lock(&self.state);
            if self.is_closed() {
                return Err(PoolError::Closed);
            }
            if let Some(entry) = state.ready.pop_back() {
                return Ok(Ok(entry));
            }
            if let Some(error) = &state.outage {
                return Err(error.clone());
            }
            let (sender, receiver) = oneshot::channel();
            state.waiters.push_back(sender);
            receiver
        };
        self.counts.bell.notify_one();
        Ok(Err(Waiter::new(self, receiver)))
    }

    /// Gives a connection to the longest waiting caller, or keeps it ready.
    pub(super) fn offer(&self, entry: Entry<C>) {
        let mut state = lock(&self.state);
        if self.is_closed() {
            drop(state);
            self.retire(entry);
            return;
        }
        let mut delivery = Ok(entry);
        while let Some(waiter) = state.waiters.pop_front() {
            match waiter.send(delivery) {
                Ok(()) => return,
                Err(back) => delivery = back,
            }
        }
        if let Ok(entry) = delivery {
            state.ready.push_back(entry);
        }
    }

    /// Takes a connection back from its user.
    pub(super) fn release(&self, mut object: Object<Manager<C>>, finished: bool) {
        if !finished {
            self.counts.discarded.fetch_add(1, Relaxed);
            drop(Object::take(object));
            return;
        }
        if connector::is_broken(&self.connector, &object.connection) {
            self.found_dead(object.epoch);
            drop(Object::take(object));
            return;
        }
        let now = Instant::now();
        object.last_used = now;
        let expired = object.is_expired(now);
        if expired || self.is_closed() {
            if expired {
                self.counts.reaped.fetch_add(1, Relaxed);
            }
            self.retire(Object::take(object));
        } else if connector::needs_reset(&self.connector, &object.connection) {
            self.leave_for_reset(Object::take(object));
        } else if self.waiters() > 0 {
            // Straight to the caller who waits longest: otherwise a newcomer would be faster.
            self.offer(Object::take(object));
        } else {
            let due = object.due(&self.settings);
            drop(object);
            self.sweep_by(due);
            if self.waiters() > 0 || self.is_closed() {
                self.counts.bell.notify_one();
            }
        }
    }

    /// Has the keeper end what a user left on a connection.
    fn leave_for_reset(&self, entry: Entry<C>) {
        let mut state = lock(&self.state);
        if self.is_closed() {
            drop(state);
            self.retire(entry);
            return;
        }
        state.soiled.push(entry);
        drop(state);
        self.counts.bell.notify_one();
    }

    /// Has the keeper close a connection politely; drops it when the keeper has ended.
    fn retire(&self, mut entry: Entry<C>) {
        {
            let mut state = lock(&self.state);
            // The keeper takes them for the last time after it has said that it ends.
            if self.drained.borrow().is_none() {
                entry.slot.close();
                state.retired.push(entry);
                drop(state);
                self.counts.bell.notify_one();
                return;
            }
        }
        drop(entry);
    }

    /// Has the keeper look at the idle connections at `at`, or earlier.
    pub(super) fn sweep_by(&self, at: Instant) {
        let mut state = lock(&self.state);
        if at < state.sweep_at {
            state.sweep_at = at;
            drop(state);
            self.counts.bell.notify_one();
        }
    }

    /// Has the keeper look at the idle connections.
    pub(super) fn sweep_now(&self) {
        lock(&self.state).sweep_at = Instant::now();
        self.counts.bell.notify_one();
    }

    pub(super) fn sweep_at(&self) -> Instant {
        lock(&self.state).sweep_at
    }

    /// Takes the ready connections for a look at all idle ones, the next look being at `next` so far.
    pub(super) fn begin_sweep(&self, next: Instant) -> VecDeque<Entry<C>> {
        let mut state = lock(&self.state);
        state.sweep_at = next;
        std::mem::take(&mut state.ready)
    }

    pub(super) fn take_retired(&self) -> Vec<Entry<C>> {
        let mut state = lock(&self.state);
        let mut retired = std::mem::take(&mut state.retired);
        if self.is_closed() {
            retired.extend(state.ready.drain(..));
            retired.append(&mut state.soiled);
        }
        retired
    }

    pub(super) fn take_soiled(&self) -> Vec<Entry<C>> {
        std::mem::take(&mut lock(&self.state).soiled)
    }

    /// Strikes callers that are gone off the queue.
    pub(super) fn forget_waiters(&self) {
        lock(&self.state)
            .waiters
            .retain(|waiter| !waiter.is_closed());
    }

    /// How many callers wait for a connection.
    pub(super) fn waiters(&self) -> usize {
        lock(&self.state).waiters.len()
    }

    /// Why connections cannot be made, while they cannot.
    pub(super) fn error(&self) -> Option<ConnectionError> {
        lock(&self.state).error.clone()
    }

    /// Notes how the last attempt ended; returns how the one before had.
    pub(super) fn set_error(&self, error: Option<ConnectionError>) -> Option<ConnectionError> {
        std::mem::replace(&mut lock(&self.state).error, error)
    }

    /// Turns callers away while there is no connection and none can be made.
    pub(super) fn set_outage(&self, outage: Option<PoolError>) {
        let mut state = lock(&self.state);
        if let Some(error) = &outage {
            Self::fail_waiters(&mut state, error);
        }
        state.outage = outage;
    }

    /// Shows watchers how the pool is.
    pub(super) fn set_state(&self, state: PoolState) {
        self.states.send_if_modified(|shown| {
            let differs = !shown.is_same(&state);
            if differs {
                *shown = state;
            }
            differs
        });
    }

    pub(super) fn is_trying(&self) -> bool {
        self.trying.load(SeqCst)
    }

    /// Has the keeper try no more.
    pub(super) fn give_up(&self) {
        self.trying.store(false, SeqCst);
        self.counts.bell.notify_one();
    }

    /// Has the keeper try again, now and with its first delay; callers wait for what comes of it.
    pub(super) fn try_again(&self) {
        {
            let mut state = lock(&self.state);
            state.error = None;
            state.outage = None;
        }
        self.starting_over.store(true, SeqCst);
        self.trying.store(true, SeqCst);
        self.counts.bell.notify_one();
    }

    /// Whether trying starts over: true once for each time it should.
    pub(super) fn start_over(&self) -> bool {
        self.starting_over.swap(false, SeqCst)
    }

    /// Closes the pool: waiting callers are told, idle connections go to the keeper.
    pub(super) fn begin_close(&self, pool: &managed::Pool<Manager<C>>) {
        {
            let mut state = lock(&self.state);
            self.counts.closed.store(true, SeqCst);
            Self::fail_waiters(&mut state, &PoolError::Closed);
        }
        self.set_state(PoolState::Closed);
        let idle = pool.retain(|_, _| false).removed;
        // Wakes those who wait for a slot.
        pool.close();
        for entry in idle {
            self.retire(entry);
        }
        self.counts.bell.notify_one();
        self.attempted.notify_waiters();
    }

    /// Notes that nobody closes connections politely any more; returns how many are still in use.
    pub(super) fn end(&self) -> usize {
        let left = self.counts.in_use.load(SeqCst);
        self.drained.send_replace(Some(left));
        drop(self.take_retired());
        left
    }

    fn fail_waiters(state: &mut State<C>, error: &PoolError) {
        for waiter in state.waiters.drain(..) {
            // A caller that is gone needs no answer.
            let _ = waiter.send(Err(error.clone()));
        }
    }
}
