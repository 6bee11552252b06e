//! Whether a connection may be handed out.

use std::sync::atomic::{Ordering::Relaxed, Ordering::SeqCst};

use tokio::time::Instant;

use super::{entry::Entry, shared::Shared};
use crate::connector::{self, ConnectionError, Connector};

impl<C: Connector> Shared<C> {
    /// Whether an idle connection may be handed out: asks the other side when that is not clear.
    pub(super) async fn is_usable(&self, entry: &mut Entry<C>) -> bool {
        let now = Instant::now();
        if entry.is_expired(now) {
            self.counts.reaped.fetch_add(1, Relaxed);
            return false;
        }
        if connector::is_broken(&self.connector, &entry.connection) {
            self.found_dead(entry.epoch);
            return false;
        }
        let silent = now.saturating_duration_since(entry.seen);
        if entry.epoch == self.epoch() && silent < self.settings.check_after {
            return true;
        }
        self.check(entry).await
    }

    /// Asks the other side of an idle connection for a sign of life.
    pub(super) async fn check(&self, entry: &mut Entry<C>) -> bool {
        let epoch = self.epoch();
        let limit = self.settings.check_timeout;
        let checked = connector::check(&self.connector, &mut entry.connection, limit).await;
        self.learn(entry, epoch, checked)
    }

    /// Ends what a user left on a connection; returns whether it may be handed out.
    pub(super) async fn reset(&self, entry: &mut Entry<C>) -> bool {
        let epoch = self.epoch();
        let limit = self.settings.check_timeout;
        let reset = connector::reset(&self.connector, &mut entry.connection, limit).await;
        if !self.learn(entry, epoch, reset) {
            return false;
        }
        self.counts.reset.fetch_add(1, Relaxed);
        let is_clean = !connector::needs_reset(&self.connector, &entry.connection);
        if !is_clean {
            tracing::debug!(pool = %self.settings.name, "connection needs a reset after its reset");
            self.counts.broken.fetch_add(1, Relaxed);
        }
        is_clean
    }

    /// Notes whether the other side, asked in `epoch`, has answered.
    fn learn(
        &self,
        entry: &mut Entry<C>,
        epoch: u64,
        answered: Result<(), ConnectionError>,
    ) -> bool {
        match answered {
            Ok(()) => {
                entry.seen = Instant::now();
                entry.epoch = epoch;
                true
            }
            Err(error) => {
                tracing::debug!(pool = %self.settings.name, %error, "idle connection is dead");
                self.found_dead(entry.epoch);
                false
            }
        }
    }

    /// Notes that an idle connection, last known to work in `epoch`, is dead.
    pub(super) fn found_dead(&self, epoch: u64) {
        self.counts.broken.fetch_add(1, Relaxed);
        self.suspect(epoch);
    }

    /// Has all connections that were last known to work in `epoch` checked before their next use.
    pub(super) fn suspect(&self, epoch: u64) {
        // One dead server has many dead connections: the first of them raises the alarm.
        let first = self
            .epoch
            .compare_exchange(epoch, epoch + 1, SeqCst, SeqCst)
            .is_ok();
        if first {
            self.sweep_now();
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }
}
