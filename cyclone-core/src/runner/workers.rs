//! All workers of a program, in threads of this process or in processes of their own.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::exit::{EXIT_SOFTWARE, Exit};
use super::process::{ASK_QUEUE, Ask};
use super::report::Report;
use super::sets;
use super::worker::{Event, Order, Set, Teller};
use crate::backoff::{Backoff, BackoffPolicy};

#[cfg(test)]
mod tests;

/// Events of workers that nobody has looked at yet, at most; a worker waits for room.
const EVENT_QUEUE: usize = 64;

/// How long workers may take to end when the start failed.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(5);

/// From this many failures in a row on, a worker that waits for its restart has no sockets of its own, so that the
/// kernel gives its share of the connections to the others.
const FAILURES_WITHOUT_SOCKETS: u32 = 2;

/// How long a worker that is started again may take until it serves. Connections wait in its sockets meanwhile.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts a worker with what it listens on; where its events go says its number.
pub(crate) type Launch = Box<dyn FnMut(Set, Teller) -> Result<mpsc::Sender<Order>, Exit>>;

/// The workers of a program.
pub(crate) struct Workers {
    slots: Vec<Slot>,
    launch: Launch,
    /// Whether a worker that ends by itself is started again.
    restart: bool,
    teller: mpsc::Sender<(usize, Event)>,
    events: mpsc::Receiver<(usize, Event)>,
    /// Whether they were told to accept; those that are started again then do so by themselves.
    accepting: bool,
    draining: bool,
    /// What has failed so far of the reload that is going on, if one is.
    reloading: Option<Vec<String>>,
    /// What was asked for before all served.
    early: VecDeque<Ask>,
    report: Report,
}

struct Slot {
    orders: Option<mpsc::Sender<Order>>,
    state: State,
    /// Duplicates of what it listens on: for its successor, and for workers like it.
    set: Option<Set>,
    backoff: Backoff,
    answered: bool,
    reloading: bool,
    /// Whether it may have read the configuration before the last reload.
    is_behind: bool,
    /// Until when it has to serve, if it was started again.
    limit: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It was not started, or has ended for good.
    Down,
    Starting,
    Bound,
    Ready,
    /// It failed and will be started again.
    Waiting(Instant),
}

/// What the workers have to say to the one who leads them.
#[derive(Debug)]
pub(crate) enum News {
    /// Another number of workers serves than before.
    Changed,
    /// A reload is done everywhere; this failed.
    Reloaded(Vec<String>),
    /// Something is asked of the whole program.
    Asked(Ask),
    /// A worker that is not started again has ended, and the rest has to follow.
    Lost(Option<Exit>),
    /// All have ended.
    Ended,
}

impl Workers {
    pub(crate) fn new(count: usize, restart: bool, policy: BackoffPolicy, launch: Launch) -> Self {
        let (teller, events) = mpsc::channel(EVENT_QUEUE);
        let slots = (0..count).map(|_| Slot {
            orders: None,
            state: State::Down,
            set: None,
            backoff: Backoff::new(policy),
            answered: true,
            reloading: false,
            is_behind: false,
            limit: None,
        });
        Self {
            slots: slots.collect(),
            launch,
            restart,
            teller,
            events,
            accepting: false,
            draining: false,
            reloading: None,
            early: VecDeque::new(),
            report: Report::default(),
        }
    }

    /// Starts all workers and waits until they listen, but accept nobody.
    ///
    /// # Cancel safety
    /// What was started stays; [`abandon`](Self::abandon) ends it.
    pub(crate) async fn bind(&mut self, inherited: Vec<Set>) -> Result<(), Exit> {
        let count = self.slots.len();
        let mut sets = sets::distribute(inherited, count).into_iter();
        // The first one binds what was not inherited, and the others get the like of it.
        self.start(0, sets.next().unwrap_or_default())?;
        self.until(State::Bound, 0..1).await?;
        for number in 1..count {
            let set = match sets.next() {
                Some(set) if !set.is_empty() => set,
                // It had none. Should it want some now, they are the very ones of another: connections that the
                // kernel gave to sockets of its own would be lost if it does not.
                Some(_) => self.with(sets::duplicate)?,
                None => self.with(sets::another)?,
            };
            self.start(number, set)?;
        }
        self.until(State::Bound, 1..count).await
    }

    /// Lets all workers accept, and waits until they do.
    ///
    /// # Cancel safety
    /// As [`bind`](Self::bind).
    pub(crate) async fn accept(&mut self) -> Result<(), Exit> {
        self.order(Order::Go);
        self.until(State::Ready, 0..self.slots.len()).await?;
        self.accepting = true;
        Ok(())
    }

    /// Ends workers that do not all serve yet.
    pub(crate) async fn abandon(&mut self) {
        self.drain();
        let ended = async { while !matches!(self.next().await, News::Ended) {} };
        if timeout(ABANDON_TIMEOUT, ended).await.is_err() {
            tracing::warn!("workers did not end in time");
        }
    }

    /// Duplicates of what each worker listens on.
    pub(crate) fn hand_over(&self) -> io::Result<Vec<Set>> {
        self.sets().map(sets::duplicate).collect()
    }

    /// What each worker listens on.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &Set> {
        self.slots.iter().filter_map(|slot| slot.set.as_ref())
    }

    pub(crate) fn order(&self, order: Order) {
        for slot in &self.slots {
            slot.order(order);
        }
    }

    /// Lets the connections end.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for slot in &mut self.slots {
            // Without the duplicates the sockets close when their servers close them.
            slot.set = None;
            if matches!(slot.state, State::Waiting(_)) {
                slot.state = State::Down;
            }
            slot.order(Order::Drain);
        }
    }

    /// Tells every worker to reload; false when a reload is still going on.
    pub(crate) fn reload(&mut self) -> bool {
        if self.reloading.is_some() {
            return false;
        }
        self.reloading = Some(Vec::new());
        for slot in &mut self.slots {
            match slot.state {
                State::Ready => {
                    slot.reloading = true;
                    slot.order(Order::Reload);
                }
                State::Starting | State::Bound => slot.is_behind = true,
                // Who is started later reads the configuration then.
                State::Down | State::Waiting(_) => {}
            }
        }
        true
    }

    /// Whether every worker that serves has answered since the last time; asks those that have once more.
    pub(crate) fn are_alive(&mut self) -> bool {
        let mut alive = true;
        for slot in &mut self.slots {
            if slot.state != State::Ready {
                continue;
            }
            alive &= slot.answered;
            if slot.answered {
                slot.answered = false;
                slot.order(Order::Ping);
            }
        }
        alive
    }

    /// How many serve, of how many.
    pub(crate) fn serving(&self) -> (usize, usize) {
        let ready = self.slots.iter().filter(|slot| slot.state == State::Ready);
        (ready.count(), self.slots.len())
    }

    /// The reports of all workers that have ended.
    pub(crate) fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// What happens next. Workers that failed are started again meanwhile.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> News {
        loop {
            if self.draining && self.slots.iter().all(|slot| slot.state == State::Down) {
                return News::Ended;
            }
            if let Some(ask) = self.early.pop_front() {
                return News::Asked(ask);
            }
            if self.slots.iter().all(|slot| !slot.reloading)
                && let Some(failed) = self.reloading.take()
            {
                return News::Reloaded(failed);
            }
            let due = self.slots.iter().zip(0..);
            let due = due.filter_map(|(slot, number)| match slot.state {
                State::Waiting(due) => Some((due, number)),
                _ => Some((slot.limit?, number)),
            });
            let next = due.min();
            let (at, number) = next.unwrap_or_else(|| (Instant::now(), 0));
            let news = tokio::select! {
                event = self.events.recv() => match event {
                    Some((number, event)) => self.note(number, event),
                    // Impossible: a sender is here.
                    None => Some(News::Ended),
                },
                () = sleep_until(at), if next.is_some() => self.due(number),
            };
            if let Some(news) = news {
                return news;
            }
        }
    }

    /// Waits until these workers have come so far.
    async fn until(&mut self, state: State, numbers: Range<usize>) -> Result<(), Exit> {
        loop {
            let slots = self.slots.get(numbers.clone()).unwrap_or_default();
            if slots.iter().all(|slot| slot.state == state) {
                return Ok(());
            }
            let Some((number, event)) = self.events.recv().await else {
                return Err(Exit::new(EXIT_SOFTWARE, "the workers are gone"));
            };
            if let Event::Ended(ended) = event {
                self.slot(number, Slot::end);
                let silent = || Exit::new(EXIT_SOFTWARE, format!("worker {number} ended at once"));
                return Err(ended.err().unwrap_or_else(silent));
            }
            if let Some(News::Asked(ask)) = self.note(number, event) {
                if self.early.len() < ASK_QUEUE {
                    self.early.push_back(ask);
                } else {
                    tracing::warn!(ask = ask.word(), "too much is asked of the process at once");
                }
            }
        }
    }

    fn note(&mut self, number: usize, event: Event) -> Option<News> {
        match event {
            Event::Bound(set) => {
                let (accepting, draining) = (self.accepting, self.draining);
                self.slot(number, |slot| {
                    slot.state = State::Bound;
                    slot.set = (!draining).then_some(set);
                    if accepting {
                        slot.order(Order::Go);
                    }
                });
                None
            }
            Event::Ready => {
                self.slot(number, |slot| {
                    slot.state = State::Ready;
                    slot.answered = true;
                    slot.limit = None;
                    if std::mem::take(&mut slot.is_behind) {
                        slot.order(Order::Reload);
                    }
                    slot.backoff.succeeded(Instant::now());
                });
                Some(News::Changed)
            }
            Event::Pong => {
                self.slot(number, |slot| slot.answered = true);
                None
            }
            Event::Reloaded(failed) => {
                self.slot(number, |slot| slot.reloading = false);
                self.reloading.get_or_insert_default().extend(failed);
                None
            }
            Event::Asked(ask) => Some(News::Asked(ask)),
            Event::Ended(ended) => self.ended(number, ended),
        }
    }

    fn ended(&mut self, number: usize, ended: Result<Report, Exit>) -> Option<News> {
        self.slot(number, Slot::end);
        if self.draining || !self.restart {
            let exit = ended.as_ref().err().cloned();
            let report = ended.unwrap_or_else(|exit| Report::lost(exit.reason().to_owned()));
            self.report.add(report);
            return (!self.draining).then_some(News::Lost(exit));
        }
        let reason = match &ended {
            Ok(_report) => "it has ended",
            Err(exit) => exit.reason(),
        };
        self.failed(number, reason);
        Some(News::Changed)
    }

    /// Notes that a worker is to be started again, after a while.
    fn failed(&mut self, number: usize, reason: &str) {
        let others = self.serving().0 > 0;
        self.slot(number, |slot| {
            let now = Instant::now();
            let wait = slot.backoff.failed(now, fastrand::f64());
            let failures = slot.backoff.failures();
            slot.state = State::Waiting(now + wait);
            if others && failures >= FAILURES_WITHOUT_SOCKETS {
                slot.set = None;
            }
            let wait_ms = wait.as_millis();
            tracing::error!(
                worker = number,
                reason,
                failures,
                wait_ms,
                "worker is started again"
            );
        });
    }

    /// Starts a worker that has waited for it, or gives up one that has not served in time.
    fn due(&mut self, number: usize) -> Option<News> {
        let slot = self.slots.get_mut(number)?;
        if let State::Waiting(_) = slot.state {
            return self.start_again(number);
        }
        tracing::error!(worker = number, "worker does not serve in time");
        // It ends when nobody leads it.
        (slot.orders, slot.limit) = (None, None);
        None
    }

    fn start_again(&mut self, number: usize) -> Option<News> {
        let own = self.slots.get(number).and_then(|slot| slot.set.as_ref());
        let set = match own.map(sets::duplicate) {
            Some(Ok(set)) => Ok(set),
            Some(Err(error)) => Err(Exit::os("cannot duplicate the listening sockets", &error)),
            None => self.with(sets::another),
        };
        if let Err(exit) = set.and_then(|set| self.start(number, set)) {
            self.failed(number, exit.reason());
            return Some(News::Changed);
        }
        self.slot(number, |slot| {
            slot.limit = Some(Instant::now() + RESTART_TIMEOUT);
        });
        None
    }

    fn start(&mut self, number: usize, set: Set) -> Result<(), Exit> {
        let events = self.teller.clone();
        let orders = (self.launch)(set, Teller { number, events })?;
        self.slot(number, |slot| {
            slot.orders = Some(orders);
            slot.state = State::Starting;
        });
        Ok(())
    }

    /// Sockets for a worker that has none, made from those of one that has.
    fn with(&self, made: fn(&Set) -> io::Result<Set>) -> Result<Set, Exit> {
        let set = self.sets().next();
        let set = set.map_or_else(|| Ok(Set::new()), made);
        set.map_err(|error| Exit::os("cannot listen for one more worker", &error))
    }

    fn slot(&mut self, number: usize, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(number) {
            change(slot);
        }
    }
}

impl Slot {
    fn order(&self, order: Order) {
        let Some(orders) = &self.orders else {
            return;
        };
        // There is room for one of each kind; a worker that is gone says so by itself.
        if let Err(mpsc::error::TrySendError::Full(order)) = orders.try_send(order) {
            tracing::warn!(?order, "a worker does not take orders");
        }
    }

    fn end(&mut self) {
        self.orders = None;
        self.state = State::Down;
        self.reloading = false;
        self.is_behind = false;
        self.limit = None;
        self.answered = true;
    }
}
