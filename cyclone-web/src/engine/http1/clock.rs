//! The time limits of an HTTP/1 connection.

use std::time::{Duration, Instant};

use crate::limits::Limits;

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// Waiting for the first byte of all.
    New,
    /// Waiting for another request, of which nothing has come.
    Idle,
    /// Reading a request head. The first one is timed from the beginning of the connection.
    Head,
    /// A handler waits for the client to send more of the body.
    Body,
    /// A handler has been told that the body takes too long, and has not looked.
    Late,
    /// The rest of an unwanted body is being read.
    Drain,
    /// A handler works, or its response is on its way.
    Work,
    /// The response is sent and somebody still holds the request body.
    Held,
}

/// What the clock has to know of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) situation: Situation,
    /// Requests so far.
    pub(crate) requests: u32,
    /// Bytes of the request body so far.
    pub(crate) body_bytes: u64,
    /// Bytes written so far.
    pub(crate) written: u64,
    /// The socket takes nothing.
    pub(crate) blocked: bool,
    /// The client has closed its side.
    pub(crate) eof: bool,
    /// The next response is the last one.
    pub(crate) closing: bool,
}

/// What has to be done because its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The head took too long.
    Head,
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
    seen: Facts,
    since: Instant,
    /// When bytes were last written, or the socket began to take none.
    wrote: Instant,
    /// When the client closed its side.
    eof: Option<Instant>,
    /// How long the reader of the body has waited before its present wait.
    body_waited: Duration,
    /// When the connection began to close.
    closing: Option<Instant>,
    old_at: Instant,
}

impl Clock {
    /// The clock of a connection that has been `facts.situation` since `since`.
    pub(crate) fn new(facts: Facts, since: Instant, old_at: Instant) -> Self {
        Self {
            seen: facts,
            since,
            wrote: since,
            eof: None,
            body_waited: Duration::ZERO,
            closing: None,
            old_at,
        }
    }

    /// Whether something has happened since the last [`note`](Self::note).
    pub(crate) fn is_news(&self, facts: &Facts) -> bool {
        self.seen != *facts
    }

    /// Takes note of requests that were served between two looks, the last at `now`, and left the connection as
    /// idle as before. Whether that was all there is to note: then nothing is due earlier than before.
    pub(crate) fn note_served(&mut self, facts: &Facts, now: Instant) -> bool {
        let before = Facts {
            requests: self.seen.requests,
            written: self.seen.written,
            ..*facts
        };
        if facts.situation != Situation::Idle || self.seen != before {
            return false;
        }
        self.seen = *facts;
        self.since = now;
        self.wrote = now;
        self.body_waited = Duration::ZERO;
        true
    }

    /// Takes note of what has happened by `now`.
    pub(crate) fn note(&mut self, facts: Facts, now: Instant) {
        let seen = std::mem::replace(&mut self.seen, facts);
        let is_new = facts.requests != seen.requests;
        let has_moved = facts.situation == Situation::Body && facts.body_bytes != seen.body_bytes;
        let is_first_byte = seen.situation == Situation::New && facts.situation == Situation::Head;
        let has_changed = facts.situation != seen.situation && !is_first_byte;
        if is_new || has_moved || has_changed {
            if seen.situation == Situation::Body {
                self.body_waited += now.saturating_duration_since(self.since);
            }
            self.since = now;
        }
        if is_new {
            self.body_waited = Duration::ZERO;
        }
        if facts.written != seen.written || (facts.blocked && !seen.blocked) {
            self.wrote = now;
        }
        if facts.eof {
            self.eof.get_or_insert(now);
        }
        if facts.closing {
            self.closing.get_or_insert(now);
        }
    }

    /// What is due next, and when.
    pub(crate) fn due(&self, limits: &Limits) -> (Instant, Due) {
        let since = self.since;
        let mut next = match self.seen.situation {
            Situation::Work => (after(since, FAR), Due::Close),
            Situation::New => (self.idle(limits.header_timeout, limits), Due::Close),
            Situation::Idle => (self.idle(limits.keep_alive, limits), Due::Close),
            Situation::Head => (after(since, limits.header_timeout), Due::Head),
            Situation::Held => (after(since, limits.keep_alive), Due::Close),
            Situation::Drain => (after(since, limits.drain_time), Due::Drain),
            Situation::Late => (after(since, limits.half_close_grace), Due::Drop),
            Situation::Body => (after(since, self.body_patience(limits)), Due::Body),
        };
        let mut consider = |at: Instant, due: Due| {
            if at < next.0 {
                next = (at, due);
            }
        };
        if self.seen.blocked {
            consider(after(self.wrote, limits.write_stall), Due::Drop);
        }
        if let Some(eof) = self.eof {
            let alive = eof.max(self.wrote);
            consider(after(alive, limits.half_close_grace), Due::Drop);
        }
        if !self.seen.closing {
            consider(self.old_at, self.due_at_old_age());
        }
        next
    }

    /// What is due when the connection is old. A client that has just been answered may be about to send its next
    /// request, and is given the time to.
    fn due_at_old_age(&self) -> Due {
        match self.seen.situation {
            Situation::New | Situation::Idle if self.since + JUST_NOW <= self.old_at => Due::Close,
            _ => Due::Age,
        }
    }

    /// How long the reader of the body goes on waiting.
    fn body_patience(&self, limits: &Limits) -> Duration {
        limits
            .body_allowance(self.seen.body_bytes)
            .saturating_sub(self.body_waited)
            .min(limits.body_timeout)
    }

    /// When an idle connection is closed.
    fn idle(&self, patience: Duration, limits: &Limits) -> Instant {
        let at = after(self.since, patience);
        match self.closing {
            Some(closing) => at.min(after(closing.max(self.since), limits.shutdown_grace)),
            None => at,
        }
    }
}

/// How long ago an answer has just been given.
const JUST_NOW: Duration = Duration::from_secs(1);

/// As good as never, and small enough to be added to any instant.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// `wait` after `since`; endless waits become very long ones.
pub(crate) fn after(since: Instant, wait: Duration) -> Instant {
    since + wait.min(FAR)
}
