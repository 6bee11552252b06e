//! Failures in a row: when a service is run again, and when no more.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{FailureKind, Restart, ServiceError, ServiceFailure, ServiceOptions};
use crate::backoff::Backoff;

/// The failures of one service in a row, and its restarts within the period that counts.
pub(super) struct Row {
    restart: Restart,
    backoff: Backoff,
    max_restarts: Option<(u32, Duration)>,
    restarted: VecDeque<Instant>,
    since: Instant,
}

impl Row {
    pub(super) fn new(options: &ServiceOptions) -> Self {
        Self {
            restart: options.restart,
            backoff: Backoff::new(options.backoff),
            max_restarts: options.max_restarts,
            restarted: VecDeque::new(),
            since: Instant::now(),
        }
    }

    /// A run begins.
    pub(super) fn begins(&mut self) {
        self.backoff.succeeded(Instant::now());
    }

    /// The failure as a value, and how long to wait; without a pause it is given up.
    pub(super) fn fails(
        &mut self,
        path: &str,
        kind: FailureKind,
        error: &ServiceError,
    ) -> (ServiceFailure, Option<Duration>) {
        let now = Instant::now();
        let wait = self.backoff.failed(now, fastrand::f64());
        if self.backoff.failures() == 1 {
            self.since = now;
        }
        let wait = self.may_restart(now + wait).then_some(wait);
        let failure = ServiceFailure {
            path: path.to_owned(),
            kind,
            error: error.to_string(),
            in_a_row: self.backoff.failures(),
            since: self.since,
            at: now,
            retry_at: wait.map(|wait| now + wait),
        };
        (failure, wait)
    }

    /// Whether it may be run again at `at`, and counts that.
    fn may_restart(&mut self, at: Instant) -> bool {
        if self.restart == Restart::Never {
            return false;
        }
        let Some((most, period)) = self.max_restarts else {
            return true;
        };
        while let Some(first) = self.restarted.front()
            && at.saturating_duration_since(*first) >= period
        {
            self.restarted.pop_front();
        }
        if self.restarted.len() >= most as usize {
            return false;
        }
        self.restarted.push_back(at);
        true
    }
}
