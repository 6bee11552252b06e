//! One connection of a pool with its history.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    builder::{LIFETIME_JITTER, Settings},
    statistics::Slot,
};
use crate::{
    backoff::later,
    connector::{Connector, is_broken},
};

/// A connection that belongs to a pool.
pub(super) struct Entry<C: Connector> {
    pub(super) connection: C::Connection,
    pub(super) slot: Slot,
    /// When it is too old.
    expires_at: Instant,
    /// When a caller had it last, or it was made.
    pub(super) last_used: Instant,
    /// When it was last known to work.
    pub(super) seen: Instant,
    /// The epoch of the pool, see [`Shared`](super::shared::Shared), in which it was last known to work.
    pub(super) epoch: u64,
}

/// What is to be done with an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing before this instant.
    Keep(Instant),
    /// Ask the other side whether it still works.
    Check,
    /// Say goodbye: too old, or idle for too long.
    Retire,
    /// Drop it.
    Broken,
}

impl<C: Connector> Entry<C> {
    /// A connection made at `now`; `random` (0 to 1) spreads its lifetime.
    pub(super) fn new(
        connection: C::Connection,
        slot: Slot,
        epoch: u64,
        now: Instant,
        lifetime: Duration,
        random: f64,
    ) -> Self {
        let lifetime = lifetime
            .checked_sub(lifetime.mul_f64(LIFETIME_JITTER * random))
            .unwrap_or(lifetime);
        Self {
            connection,
            slot,
            expires_at: later(now, lifetime),
            last_used: now,
            seen: now,
            epoch,
        }
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires_at
    }

    /// When an idle connection has to be looked at next.
    pub(super) fn due(&self, settings: &Settings) -> Instant {
        self.expires_at
            .min(later(self.last_used, settings.idle_timeout))
            .min(later(self.seen, settings.keepalive))
    }

    /// Judges an idle connection; `spare` is how many may still go for being idle.
    pub(super) fn judge(
        &self,
        connector: &C,
        settings: &Settings,
        epoch: u64,
        now: Instant,
        spare: &mut usize,
    ) -> Verdict {
        if is_broken(connector, &self.connection) {
            return Verdict::Broken;
        }
        if self.is_expired(now) {
            return Verdict::Retire;
        }
        let idle_until = later(self.last_used, settings.idle_timeout);
        let check_at = later(self.seen, settings.keepalive);
        if now >= idle_until && *spare > 0 {
            *spare -= 1;
            return Verdict::Retire;
        }
        if self.epoch != epoch || now >= check_at {
            return Verdict::Check;
        }
        let next = self.expires_at.min(check_at);
        // One of the minimum stays however long it is idle: its idle limit is no reason to look again.
        Verdict::Keep(if idle_until > now {
            next.min(idle_until)
        } else {
            next
        })
    }
}

#[cfg(test)]
mod tests;
