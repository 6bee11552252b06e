//! The bounded queue of jobs in front of one kind of worker.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::job::{Envelope, Ticket};
use crate::lock::lock;

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
    /// No worker has a connection.
    Unavailable,
}

/// What a worker found.
#[derive(Debug)]
pub(crate) enum Popped {
    Job(Envelope),
    /// The time given has passed.
    Nothing,
    /// Closed and drained.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    /// Signalled when the queue is closed, for workers that do not wait for jobs.
    closing: Condvar,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Envelope>,
    closed: bool,
    /// Workers asleep, so that a busy worker is not signalled in vain.
    asleep: usize,
    /// Workers with a connection.
    live: usize,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            closing: Condvar::new(),
            limit: limit.max(1),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.state).jobs.len()
    }

    /// Adds a job at the end, or gives it back.
    pub(crate) fn push(&self, envelope: Envelope) -> Result<(), (Box<Envelope>, Refused)> {
        let mut state = lock(&self.state);
        let refused = if state.closed {
            Refused::Closed
        } else if state.live == 0 {
            Refused::Unavailable
        } else if state.jobs.len() >= self.limit {
            Refused::Full
        } else {
            state.jobs.push_back(envelope);
            let wake = state.asleep > 0;
            drop(state);
            if wake {
                self.arrived.notify_one();
            }
            return Ok(());
        };
        Err((Box::new(envelope), refused))
    }

    /// Takes the first job, waiting for one until `until`.
    pub(crate) fn pop(&self, until: Option<Instant>) -> Popped {
        let mut state = lock(&self.state);
        loop {
            if let Some(envelope) = state.jobs.pop_front() {
                return Popped::Job(envelope);
            }
            if state.closed {
                return Popped::Closed;
            }
            state.asleep += 1;
            let (mut woken, timed_out) = match until {
                None => (
                    self.arrived
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner),
                    false,
                ),
                Some(until) => {
                    let (state, result) = self
                        .arrived
                        .wait_timeout(state, until.saturating_duration_since(Instant::now()))
                        .unwrap_or_else(PoisonError::into_inner);
                    (state, result.timed_out())
                }
            };
            woken.asleep -= 1;
            state = woken;
            if timed_out && state.jobs.is_empty() && !state.closed {
                return Popped::Nothing;
            }
        }
    }

    /// Takes the first job if it is there and `wanted`.
    pub(crate) fn pop_if(&self, wanted: impl FnOnce(&Envelope) -> bool) -> Option<Envelope> {
        let mut state = lock(&self.state);
        if state.jobs.front().is_some_and(wanted) {
            state.jobs.pop_front()
        } else {
            None
        }
    }

    /// Sleeps until `until` or until the queue is closed, leaving the jobs to others; true when it was closed.
    pub(crate) fn sleep(&self, until: Instant) -> bool {
        let mut state = lock(&self.state);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return state.closed;
            }
            state = self
                .closing
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Takes a cancelled job out, so that it neither holds memory nor a place.
    pub(crate) fn remove(&self, ticket: &Arc<Ticket>) {
        let mut state = lock(&self.state);
        let position = state
            .jobs
            .iter()
            .position(|envelope| Arc::ptr_eq(&envelope.ticket, ticket));
        let removed = position.and_then(|position| state.jobs.remove(position));
        drop(state);
        // The closure is dropped outside the lock.
        drop(removed);
    }

    /// Counts a worker that has a connection now.
    pub(crate) fn worker_up(&self) {
        lock(&self.state).live += 1;
    }

    /// Counts a worker that has lost its connection; gives back the jobs that nobody can run now.
    pub(crate) fn worker_down(&self) -> VecDeque<Envelope> {
        let mut state = lock(&self.state);
        state.live = state.live.saturating_sub(1);
        if state.live == 0 {
            std::mem::take(&mut state.jobs)
        } else {
            VecDeque::new()
        }
    }

    /// Takes no more jobs; those that wait are still given out.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.arrived.notify_all();
        self.closing.notify_all();
    }
}
