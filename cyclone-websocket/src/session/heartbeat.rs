//! When to ping, and when a silent peer counts as lost. Without a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;

/// The heartbeat of one connection.
///
/// A ping is due every interval; when one is not answered, no other is sent. Any byte that arrives after
/// the ping is an answer, not the pong alone: a peer in the middle of a long frame cannot put a pong into
/// it. So is the peer's system taking bytes again after it had taken none: a peer that only reads, slowly,
/// lives as well.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// Shared with all sessions that have the same: the interval and the timeout.
    config: Arc<Config>,
    next_ping: Option<Instant>,
    /// Stands still, at `None`, while nothing is read.
    pong_deadline: Option<Instant>,
    /// A ping was written and nothing has arrived since.
    waiting: bool,
    reading: bool,
    stopped: bool,
}

/// What [`Heartbeat::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    PingDue,
    Lost,
}

impl Heartbeat {
    pub(super) fn new(config: Arc<Config>, now: Instant) -> Self {
        Self {
            next_ping: after(now, config.ping_interval),
            config,
            pong_deadline: None,
            waiting: false,
            reading: true,
            stopped: false,
        }
    }

    /// A ping was written.
    pub(super) fn ping_written(&mut self, now: Instant) {
        self.waiting = true;
        self.set_deadline(now);
    }

    /// The peer gave a sign of life.
    pub(super) fn alive(&mut self) {
        self.waiting = false;
        self.pong_deadline = None;
    }

    /// Reading was stopped or goes on; what is not read cannot be missed.
    pub(super) fn set_reading(&mut self, reading: bool, now: impl FnOnce() -> Instant) {
        if self.reading == reading {
            return;
        }
        self.reading = reading;
        self.pong_deadline = None;
        if self.waiting {
            self.set_deadline(now());
        }
    }

    fn set_deadline(&mut self, now: Instant) {
        if self.reading && !self.stopped {
            self.pong_deadline = after(now, self.config.pong_timeout);
        }
    }

    /// When to [`check`](Self::check) next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.next_ping, self.pong_deadline) {
            (Some(ping), Some(pong)) => Some(ping.min(pong)),
            (ping, pong) => ping.or(pong),
        }
    }

    pub(super) fn check(&mut self, now: Instant) -> Beat {
        if self.pong_deadline.is_some_and(|deadline| deadline <= now) {
            return Beat::Lost;
        }
        if self.next_ping.is_some_and(|next| next <= now) {
            self.next_ping = after(now, self.config.ping_interval);
            if !self.waiting {
                return Beat::PingDue;
            }
        }
        Beat::Nothing
    }

    /// No more pings: the session is closing or over.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.next_ping = None;
        self.pong_deadline = None;
    }
}

/// A time that far in the future; `None` when it is too far to be told.
fn after(now: Instant, time: Option<Duration>) -> Option<Instant> {
    now.checked_add(time?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Beat, Heartbeat};
    use crate::config::Config;

    const INTERVAL: Duration = Duration::from_secs(30);
    const TIMEOUT: Duration = Duration::from_secs(20);
    const MS: Duration = Duration::from_millis(1);

    fn new() -> (Heartbeat, Instant) {
        with(Some(INTERVAL), Some(TIMEOUT))
    }

    fn with(interval: Option<Duration>, timeout: Option<Duration>) -> (Heartbeat, Instant) {
        let config = Config::new().ping_interval(interval).pong_timeout(timeout);
        let now = Instant::now();
        (Heartbeat::new(Arc::new(config), now), now)
    }

    #[test]
    fn a_ping_is_due_at_the_interval_and_not_before() {
        let (mut heartbeat, start) = new();
        assert_eq!(heartbeat.check(start + INTERVAL - MS), Beat::Nothing);
        assert_eq!(heartbeat.deadline(), Some(start + INTERVAL));
        assert_eq!(heartbeat.check(start + INTERVAL), Beat::PingDue);
        assert_eq!(heartbeat.deadline(), Some(start + INTERVAL * 2));
    }

    #[test]
    fn silence_after_a_ping_is_loss_at_the_timeout_and_not_before() {
        let (mut heartbeat, start) = new();
        let sent = start + INTERVAL;
        assert_eq!(heartbeat.check(sent), Beat::PingDue);
        heartbeat.ping_written(sent);
        assert_eq!(heartbeat.check(sent + TIMEOUT - MS), Beat::Nothing);
        assert_eq!(heartbeat.check(sent + TIMEOUT), Beat::Lost);
    }

    #[test]
    fn a_sign_of_life_is_an_answer() {
        let (mut heartbeat, start) = new();
        heartbeat.ping_written(start);
        heartbeat.alive();
        assert_eq!(heartbeat.check(start + TIMEOUT), Beat::Nothing);
        assert_eq!(heartbeat.check(start + INTERVAL), Beat::PingDue);
    }

    #[test]
    fn no_second_ping_while_one_waits() {
        let (mut heartbeat, now) = with(Some(INTERVAL), None);
        heartbeat.ping_written(now);
        assert_eq!(heartbeat.check(now + INTERVAL), Beat::Nothing);
        heartbeat.alive();
        assert_eq!(heartbeat.check(now + INTERVAL * 2), Beat::PingDue);
    }

    #[test]
    fn the_timeout_stands_still_while_nothing_is_read() {
        let (mut heartbeat, start) = new();
        heartbeat.set_reading(false, || start);
        heartbeat.ping_written(start);
        assert_eq!(heartbeat.check(start + TIMEOUT), Beat::Nothing);
        let resumed = start + TIMEOUT;
        heartbeat.set_reading(true, || resumed);
        assert_eq!(heartbeat.check(resumed + TIMEOUT - MS), Beat::Nothing);
        assert_eq!(heartbeat.check(resumed + TIMEOUT), Beat::Lost);
    }

    #[test]
    fn off_is_off() {
        assert_eq!(with(None, None).0.deadline(), None);
        let (mut heartbeat, now) = new();
        heartbeat.ping_written(now);
        heartbeat.stop();
        assert_eq!(heartbeat.deadline(), None);
    }
}
