//! The states of a breaker, without a clock and without chance: both are passed in.

use tokio::time::Instant;

use super::{BreakerOpen, BreakerPolicy, BreakerState};
use crate::{
    backoff::{Backoff, later},
    connector::ConnectionError,
};

#[derive(Debug)]
pub(super) struct Machine {
    policy: BreakerPolicy,
    phase: Phase,
    pause: Backoff,
    /// Raised with every change of phase: what began in an earlier one counts no longer.
    version: u64,
    openings: u64,
    refused: u64,
}

#[derive(Debug)]
enum Phase {
    Closed {
        /// In a row.
        failures: u32,
    },
    Open {
        until: Instant,
        error: ConnectionError,
    },
    HalfOpen {
        /// Under way.
        probes: u32,
        /// When the newest of them was let through.
        probed_at: Instant,
        successes: u32,
        error: ConnectionError,
    },
}

/// Remembers in which phase an operation was let through.
#[derive(Debug)]
pub(super) struct Ticket {
    version: u64,
}

impl Machine {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self {
            pause: Backoff::new(policy.pause),
            policy,
            phase: Phase::Closed { failures: 0 },
            version: 0,
            openings: 0,
            refused: 0,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn openings(&self) -> u64 {
        self.openings
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn permit(&mut self, now: Instant) -> Result<Ticket, BreakerOpen> {
        self.tick(now);
        let (retry_at, error) = match &mut self.phase {
            Phase::HalfOpen {
                probes, probed_at, ..
            } if *probes < self.policy.probes
                || now >= later(*probed_at, self.policy.probe_timeout) =>
            {
                *probes = probes.saturating_add(1);
                *probed_at = now;
                return Ok(self.ticket());
            }
            Phase::Closed { .. } => return Ok(self.ticket()),
            Phase::HalfOpen { error, .. } => (now, error.clone()),
            Phase::Open { until, error } => (*until, error.clone()),
        };
        self.refused += 1;
        Err(BreakerOpen { retry_at, error })
    }

    fn ticket(&self) -> Ticket {
        Ticket {
            version: self.version,
        }
    }

    /// Lets a ticket of another phase in again, if operations go through.
    pub(super) fn confirm(&mut self, ticket: &mut Ticket, now: Instant) -> Result<(), BreakerOpen> {
        self.tick(now);
        if ticket.version != self.version {
            *ticket = self.permit(now)?;
        }
        Ok(())
    }

    pub(super) fn succeeded(&mut self, ticket: &Ticket, now: Instant) {
        if ticket.version != self.version {
            return;
        }
        match &mut self.phase {
            Phase::Closed { failures } => *failures = 0,
            Phase::Open { .. } => {}
            Phase::HalfOpen {
                probes, successes, ..
            } => {
                *probes = probes.saturating_sub(1);
                *successes += 1;
                if *successes >= self.policy.successes {
                    self.pause.succeeded(now);
                    self.turn(Phase::Closed { failures: 0 });
                }
            }
        }
    }

    pub(super) fn failed(
        &mut self,
        ticket: &Ticket,
        error: ConnectionError,
        now: Instant,
        random: f64,
    ) {
        if ticket.version != self.version {
            return;
        }
        match &mut self.phase {
            Phase::Open { .. } => return,
            Phase::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < self.policy.failures || self.policy.failures == u32::MAX {
                    return;
                }
            }
            Phase::HalfOpen { .. } => {}
        }
        let until = later(now, self.pause.failed(now, random));
        self.openings += 1;
        self.turn(Phase::Open { until, error });
    }

    pub(super) fn given_up(&mut self, ticket: &Ticket) {
        if let Phase::HalfOpen { probes, .. } = &mut self.phase
            && ticket.version == self.version
        {
            *probes = probes.saturating_sub(1);
        }
    }

    pub(super) fn state(&mut self, now: Instant) -> BreakerState {
        self.tick(now);
        self.shown()
    }

    /// The state as of the last look at the clock.
    pub(super) fn shown(&self) -> BreakerState {
        match &self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { until, error } => BreakerState::Open {
                until: *until,
                error: error.clone(),
            },
            Phase::HalfOpen { error, .. } => BreakerState::HalfOpen {
                error: error.clone(),
            },
        }
    }

    /// Ends the pause when it is over.
    fn tick(&mut self, now: Instant) {
        if let Phase::Open { until, error } = &self.phase
            && now >= *until
        {
            let error = error.clone();
            self.turn(Phase::HalfOpen {
                probes: 0,
                probed_at: now,
                successes: 0,
                error,
            });
        }
    }

    fn turn(&mut self, phase: Phase) {
        self.version += 1;
        self.phase = phase;
    }
}
