//! The time limits of an HTTP/1 connection.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::wire::{Answer, Upload, Wire};
use crate::limits::Limits;

/// The idle time after which a connection gives its buffers back.
pub(crate) const REST_AFTER: Duration = Duration::from_secs(1);

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Situation {
    /// Waiting for a request of which nothing has come.
    Idle,
    /// Reading a request head.
    Head,
    /// A handler waits for the client to send more of the body.
    Body,
    /// The rest of an unwanted body is being read.
    Drain,
    /// A handler works, or its response is on its way.
    Work,
    /// The response is sent and somebody still holds the request body.
    Held,
}

impl Situation {
    fn of(wire: &Wire) -> Self {
        let upload = wire.upload();
        if upload == Upload::Open && wire.body_wanted.is_set() {
            return Self::Body;
        }
        if wire.answer() != Answer::None {
            return Self::Work;
        }
        match upload {
            Upload::Open => Self::Held,
            Upload::Draining => Self::Drain,
            Upload::None | Upload::Abandoned if wire.receiving.is_set() => Self::Head,
            Upload::None | Upload::Abandoned => Self::Idle,
        }
    }
}

/// What has to be done because its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The head took too long: 408.
    Head,
    /// The connection has been idle for a while: give its buffers back.
    Rest,
    /// Nothing more is expected of the client: close.
    Close,
    /// The client takes no bytes, or is gone: drop everything.
    Drop,
    /// The body takes too long: tell its reader.
    Body,
    /// The unwanted body takes too long: give up on it.
    Drain,
    /// The connection is old: the next response is its last.
    Age,
}

/// Knows since when the connection has been doing what it does.
#[derive(Debug)]
pub(crate) struct Clock {
    situation: Situation,
    since: Instant,
    /// The values of the counters when they were last looked at.
    progress: u32,
    requests: u32,
    closing: bool,
    blocked: bool,
    written: u64,
    /// When bytes were last written, or the socket began to take none.
    wrote: Instant,
    /// When the client closed its side.
    eof: Option<Instant>,
    /// Bytes of the body, and how long their reader has waited for them.
    body_bytes: u64,
    body_waited: Duration,
    /// When the connection began to close.
    closing_since: Option<Instant>,
    old_at: Instant,
}

impl Clock {
    /// The clock of a connection that has read (a part of) a request head since `head_since`.
    pub(crate) fn new(wire: &Wire, head_since: Instant, old_at: Instant) -> Self {
        Self {
            situation: Situation::Head,
            since: head_since,
            progress: wire.progress.get().wrapping_sub(1),
            requests: wire.requests.get(),
            closing: false,
            blocked: false,
            written: wire.written.load(Ordering::Relaxed),
            wrote: head_since,
            eof: None,
            body_bytes: 0,
            body_waited: Duration::ZERO,
            closing_since: None,
            old_at,
        }
    }

    /// Since when the connection has been idle, if it is.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Whether there was a request, and all that comes of it is over.
    pub(crate) fn has_served(&self) -> bool {
        self.situation == Situation::Idle
    }

    /// Whether anything has happened since the last [`tick`](Self::tick).
    pub(crate) fn has_news(&self, wire: &Wire) -> bool {
        self.progress != wire.progress.get()
            || self.requests != wire.requests.get()
            || self.closing != wire.closing.is_set()
            || self.blocked != wire.write_blocked.is_set()
            || self.situation != Situation::of(wire)
    }

    /// Takes note of what has happened by `now`.
    pub(crate) fn tick(&mut self, wire: &Wire, now: Instant) {
        let situation = Situation::of(wire);
        let body_bytes = wire.body_bytes.load(Ordering::Relaxed);
        let is_new = self.requests != wire.requests.get();
        let has_moved = situation == Situation::Body && body_bytes != self.body_bytes;
        if is_new || has_moved || situation != self.situation {
            self.enter(situation, now);
        }
        if is_new {
            self.requests = wire.requests.get();
            self.body_waited = Duration::ZERO;
        }
        self.body_bytes = body_bytes;

        self.progress = wire.progress.get();
        let written = wire.written.load(Ordering::Relaxed);
        let blocked = wire.write_blocked.is_set();
        if written != self.written || (blocked && !self.blocked) {
            self.written = written;
            self.wrote = now;
        }
        self.blocked = blocked;
        if self.eof.is_none() && wire.eof.is_set() {
            self.eof = Some(now);
        }
        self.closing = wire.closing.is_set();
        if self.closing {
            self.closing_since.get_or_insert(now);
        }
    }

    /// Begins to wait anew for whatever the connection is doing.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.enter(self.situation, now);
    }

    fn enter(&mut self, situation: Situation, now: Instant) {
        if self.situation == Situation::Body {
            self.body_waited += now.saturating_duration_since(self.since);
        }
        self.situation = situation;
        self.since = now;
    }

    /// What is due next, and when.
    pub(crate) fn due(&self, wire: &Wire, limits: &Limits) -> (Instant, Due) {
        let since = self.since;
        let mut next = match self.situation {
            Situation::Head => (after(since, limits.header_timeout), Due::Head),
            Situation::Idle => self.idle(limits),
            Situation::Held => (after(since, limits.keep_alive), Due::Close),
            Situation::Drain => (after(since, limits.drain_time), Due::Drain),
            Situation::Body if wire.body_late.is_set() => {
                (after(since, limits.half_close_grace), Due::Drop)
            }
            Situation::Body => (after(since, self.body_patience(limits)), Due::Body),
            Situation::Work => (after(since, FAR), Due::Age),
        };
        let mut consider = |at: Instant, due: Due| {
            if at < next.0 {
                next = (at, due);
            }
        };
        if self.blocked {
            consider(after(self.wrote, limits.write_stall), Due::Drop);
        }
        if let Some(eof) = self.eof {
            consider(
                after(eof.max(self.wrote), limits.half_close_grace),
                Due::Drop,
            );
        }
        if !self.closing {
            consider(self.old_at, Due::Age);
        }
        next
    }

    /// How long the reader of the body goes on waiting.
    fn body_patience(&self, limits: &Limits) -> Duration {
        limits
            .body_allowance(self.body_bytes)
            .saturating_sub(self.body_waited)
            .min(limits.body_timeout)
    }

    fn idle(&self, limits: &Limits) -> (Instant, Due) {
        if self.eof.is_some() {
            return (self.since, Due::Close);
        }
        if let Some(closing) = self.closing_since {
            return (
                after(closing.max(self.since), limits.shutdown_grace),
                Due::Close,
            );
        }
        if limits.keep_alive <= REST_AFTER {
            (after(self.since, limits.keep_alive), Due::Close)
        } else {
            (after(self.since, REST_AFTER), Due::Rest)
        }
    }
}

/// As good as never, and small enough to be added to any instant.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// `wait` after `since`; endless waits become very long ones.
pub(crate) fn after(since: Instant, wait: Duration) -> Instant {
    since + wait.min(FAR)
}
