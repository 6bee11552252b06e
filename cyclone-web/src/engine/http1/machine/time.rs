//! Time: what the connection is doing, and what is due.

use std::io;
use std::task::Context;
use std::time::Instant;

use super::Machine;
use crate::engine::http1::clock::{Due, Facts, Situation};
use crate::engine::http1::receiving::{Phase, Receiving};
use crate::engine::refusal;
use crate::limits::Limits;

impl Machine {
    fn situation(&self) -> Situation {
        if let Some(body) = &self.receiving {
            if body.is_wanted() {
                return Situation::Body;
            }
            if body.is_late() {
                return Situation::Late;
            }
        }
        if self.current.is_some() || self.blocked || !self.outbox.is_empty() {
            return Situation::Work;
        }
        match self.receiving.as_deref().map(Receiving::phase) {
            Some(Phase::Open) => Situation::Held,
            Some(Phase::Draining) => Situation::Drain,
            Some(Phase::Abandoned) => Situation::Work,
            None if !self.inbox.is_empty() => Situation::Head,
            None if self.requests == 0 => Situation::New,
            None => Situation::Idle,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            situation: self.situation(),
            requests: self.requests,
            body_bytes: self.receiving.as_ref().map_or(0, |body| body.received()),
            written: self.written,
            blocked: self.blocked,
            eof: self.eof,
            closing: self.closing,
        }
    }

    /// Takes note of what has happened, at `read` if the clock has been read or else `now`, and says what is due
    /// next, if that may be earlier than before.
    pub(crate) fn tick(
        &mut self,
        is_asked: bool,
        read: Option<Instant>,
        limits: &Limits,
        now: impl FnOnce() -> Instant,
    ) -> Option<(Instant, Due, Instant)> {
        let facts = self.facts();
        if !is_asked {
            let is_noted = match read {
                Some(now) => self.clock.note_served(&facts, now),
                None => !self.clock.is_news(&facts),
            };
            if is_noted {
                return None;
            }
        }
        let now = read.unwrap_or_else(now);
        self.clock.note(facts, now);
        let (at, due) = self.clock.due(limits);
        Some((at, due, now))
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The connection is dead.
    pub(crate) fn expire(&mut self, due: Due, cx: &Context<'_>) -> io::Result<()> {
        match due {
            Due::Age => self.close_soon(),
            Due::Close => self.end(self.receiving.is_some()),
            Due::Head => self.refuse(refusal::LATE_HEAD, false),
            Due::Drop => return Err(io::ErrorKind::TimedOut.into()),
            Due::Body => {
                if let Some(body) = &mut self.receiving {
                    body.give_up_on_client(cx);
                }
            }
            Due::Drain => {
                if let Some(body) = &mut self.receiving {
                    body.give_up_draining();
                }
            }
        }
        Ok(())
    }
}
