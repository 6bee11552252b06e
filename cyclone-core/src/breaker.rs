//! A circuit breaker: operations that fail again and again are refused for a while instead of being sent.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex},
};

use tokio::{sync::watch, time::Instant};

pub use policy::{
    BreakerPolicy, DEFAULT_BREAKER_FAILURES, DEFAULT_BREAKER_PROBE_TIMEOUT, DEFAULT_BREAKER_PROBES,
    DEFAULT_BREAKER_SUCCESSES,
};

use crate::{connector::ConnectionError, health::Health, lock::lock, state_watch::StateWatch};
use machine::{Machine, Ticket};

mod machine;
mod policy;

/// A circuit breaker; clones are handles of the same one.
///
/// *Closed*, it lets operations through and counts those that fail one after the other. At
/// [`failures`](BreakerPolicy::failures) (5) it *opens*: operations are refused at once, without being sent, for a
/// jittered pause that grows from one opening to the next. Then it is *half open*: it lets
/// [`probes`](BreakerPolicy::probes) (1) operations through at a time, and
/// [`successes`](BreakerPolicy::successes) (1) of them close it, one failure opens it again. One that has not ended after
/// [`probe_timeout`](BreakerPolicy::probe_timeout) (1 s) makes room for another.
///
/// A failure is a lost connection or an answer that did not come in time, never an error that the other side
/// answered. An operation that its caller gave up counts for nothing.
///
/// [`Pool::run`](crate::Pool::run) and [`CallLink::call`](crate::CallLink::call) have one each; a driver with a pool
/// of its own uses it directly:
///
/// ```
/// use cyclone_core::{Breaker, BreakerPolicy, ConnectionError};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let breaker = Breaker::new(BreakerPolicy::default().failures(2));
/// for _ in 0..2 {
///     let permit = breaker.permit().expect("it is closed");
///     let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
///     permit.failed(ConnectionError::new(error));
/// }
/// let refused = breaker.permit().expect_err("it is open");
/// tokio::time::sleep_until(refused.retry_at).await;
/// breaker.permit().expect("a probe").succeeded();
/// assert!(breaker.state().is_closed());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Breaker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    machine: Mutex<Machine>,
    states: watch::Sender<BreakerState>,
}

/// How a [`Breaker`] is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum BreakerState {
    /// Operations go through.
    #[default]
    Closed,
    /// Operations are refused.
    Open {
        /// When the next may be tried.
        until: Instant,
        /// Why the last one failed.
        error: ConnectionError,
    },
    /// Few operations go through, to see how they end.
    HalfOpen {
        /// Why the last one failed.
        error: ConnectionError,
    },
}

impl BreakerState {
    /// Whether operations go through.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Whether operations are refused.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether operations are let through to see how they end.
    #[must_use]
    pub fn is_half_open(&self) -> bool {
        matches!(self, Self::HalfOpen { .. })
    }

    /// What it means for the health of what is behind it; `None` when closed.
    pub(crate) fn health(&self) -> Option<Health> {
        match self {
            Self::Closed => None,
            Self::Open { error, .. } => Some(Health::Down(format!("breaker open: {error}"))),
            Self::HalfOpen { error } => {
                Some(Health::Degraded(format!("breaker half open: {error}")))
            }
        }
    }
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            shared: Arc::new(Shared {
                machine: Mutex::new(Machine::new(policy)),
                states: watch::Sender::new(BreakerState::Closed),
            }),
        }
    }

    /// Asks for leave to run one operation, whose end is told to the permit.
    ///
    /// # Errors
    ///
    /// [`BreakerOpen`]: nothing may be sent.
    pub fn permit(&self) -> Result<BreakerPermit, BreakerOpen> {
        let ticket = self
            .shared
            .change(|machine| machine.permit(Instant::now()))?;
        Ok(BreakerPermit {
            shared: Arc::clone(&self.shared),
            ticket: Some(ticket),
        })
    }

    /// How it is now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.shared.change(|machine| machine.state(Instant::now()))
    }

    /// Watches it. That the pause is over shows when somebody asks for the [state](Self::state) or a permit.
    #[must_use]
    pub fn on_state(&self) -> StateWatch<BreakerState> {
        StateWatch::new(self.shared.states.subscribe())
    }

    /// How often it opened.
    #[must_use]
    pub fn openings(&self) -> u64 {
        lock(&self.shared.machine).openings()
    }

    /// How many operations it refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        lock(&self.shared.machine).refused()
    }
}

impl Default for Breaker {
    /// A breaker with the default policy.
    fn default() -> Self {
        Self::new(BreakerPolicy::default())
    }
}

impl Shared {
    /// Lets `work` at the machine, and shows watchers what became of it.
    fn change<T>(&self, work: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = lock(&self.machine);
        let before = machine.version();
        let result = work(&mut machine);
        if machine.version() != before {
            self.states.send_replace(machine.shown());
        }
        result
    }
}

/// Leave to run one operation; dropped without a word, the operation counts for nothing.
#[derive(Debug)]
#[must_use]
pub struct BreakerPermit {
    shared: Arc<Shared>,
    /// `None` once the end was told.
    ticket: Option<Ticket>,
}

impl BreakerPermit {
    /// Whether the operation may still be sent: asked again after a wait, as the breaker may have opened meanwhile.
    ///
    /// # Errors
    ///
    /// [`BreakerOpen`]: nothing may be sent.
    pub fn confirm(&mut self) -> Result<(), BreakerOpen> {
        match &mut self.ticket {
            Some(ticket) => self
                .shared
                .change(|machine| machine.confirm(ticket, Instant::now())),
            None => Ok(()),
        }
    }

    /// The other side answered, be it with an error.
    pub fn succeeded(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared
                .change(|machine| machine.succeeded(&ticket, Instant::now()));
        }
    }

    /// There was no answer: the connection was lost, or it took too long.
    pub fn failed(mut self, error: ConnectionError) {
        if let Some(ticket) = self.ticket.take() {
            let random = fastrand::f64();
            self.shared
                .change(|machine| machine.failed(&ticket, error, Instant::now(), random));
        }
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.change(|machine| machine.given_up(&ticket));
        }
    }
}

/// An operation was refused, as those before it failed; nothing was sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BreakerOpen {
    /// When it is worth to try again. Now, while the end of a probe is awaited.
    pub retry_at: Instant,
    /// Why the last operation failed.
    pub error: ConnectionError,
}

impl fmt::Display for BreakerOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the breaker is open: {}", self.error)
    }
}

impl Error for BreakerOpen {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The text of the error itself is part of ours.
        self.error.source()
    }
}

#[cfg(test)]
mod tests;
