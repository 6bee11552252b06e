//! Runs one job on a connection, and leaves the connection as it was.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::connect::Live;
use crate::error::{Error, is_broken};
use crate::job::{Envelope, Mode, Stop};
use crate::scope::Guard;
use crate::shared::Shared;
use crate::statistics::count;

/// Whether a connection can go on after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Condition {
    Good,
    /// It has to be opened again.
    Broken,
}

/// Measures one run of a job and counts how it ended.
pub(crate) struct Run<'a> {
    shared: &'a Shared,
    began: Instant,
    waited: Duration,
}

impl<'a> Run<'a> {
    /// Begins a job, or counts it as cancelled.
    pub(crate) fn begin(shared: &'a Shared, live: &Live, envelope: &Envelope) -> Option<Self> {
        // A caller that goes before the start closes its side first, one that goes after it interrupts.
        if !envelope.ticket.start(&live.interrupt) {
            return None;
        }
        if envelope.job.is_abandoned() {
            envelope.ticket.settle();
            count(&shared.counters.cancelled);
            return None;
        }
        count(&shared.counters.running);
        let began = Instant::now();
        Some(Self {
            shared,
            began,
            waited: began.saturating_duration_since(envelope.queued),
        })
    }

    pub(crate) fn end(self, envelope: &Envelope, stop: Option<Stop>, succeeded: bool) {
        let counters = &self.shared.counters;
        match stop {
            // It will be run again and counted then.
            Some(Stop::StepAside) => {}
            Some(_) => {
                count(&counters.failed);
                count(&counters.interrupted);
            }
            None if succeeded => count(&counters.succeeded),
            None => count(&counters.failed),
        }
        let took = self.began.elapsed();
        if is_slow(self.shared, took) {
            tracing::warn!(
                took_ms = took.as_millis(),
                waited_ms = self.waited.as_millis(),
                mode = envelope.mode.as_str(),
                at = %envelope.origin,
                sql = envelope.sql.as_deref(),
                "slow sqlite job"
            );
        }
    }
}

/// Whether a job was slow, and counts it.
pub(crate) fn is_slow(shared: &Shared, took: Duration) -> bool {
    let limit = shared.opener.settings().slow_after;
    let slow = limit.is_some_and(|limit| took >= limit);
    if slow {
        count(&shared.counters.slow);
    }
    slow
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.shared.counters.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The error of a job that was asked to stop.
pub(crate) fn stop_error(stop: Stop, limit: Option<Duration>) -> Error {
    match stop {
        Stop::TimeLimit => Error::TimeLimit {
            limit: limit.unwrap_or_default(),
        },
        Stop::Cancelled | Stop::Closing | Stop::StepAside => Error::Interrupted,
    }
}

/// Runs a job that reads.
pub(crate) fn read(shared: &Shared, live: &Live, mut envelope: Envelope) -> Condition {
    let connection = &live.connection;
    let Some(run) = Run::begin(shared, live, &envelope) else {
        return Condition::Good;
    };
    let scope = shared.enter(&envelope.ticket, envelope.limit, None);
    let begun = if envelope.mode == Mode::Snapshot {
        begin_snapshot(connection)
    } else {
        Ok(())
    };
    if let Err(error) = begun {
        let stop = envelope.ticket.settle();
        run.end(&envelope, stop, false);
        let broken = is_broken(&error);
        let error = stop.map_or(Error::Database(error), |stop| {
            stop_error(stop, envelope.limit)
        });
        envelope.job.answer(Some(error));
        return if broken {
            Condition::Broken
        } else {
            restored(live)
        };
    }
    scope.guard(Guard::Reader);
    let ran = envelope.job.run(connection);
    scope.guard(Guard::Off);
    let stop = envelope.ticket.settle();
    drop(scope);
    run.end(&envelope, stop, ran.succeeded);
    let error = stop.map(|stop| stop_error(stop, envelope.limit));
    envelope.job.answer(error);
    if ran.broken {
        return Condition::Broken;
    }
    restored(live)
}

/// Makes the statements that follow see one state of the database.
pub(crate) fn begin_snapshot(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN")?.execute(()).map(drop)
}

/// Runs a job outside any transaction and without guard.
pub(crate) fn unmanaged(shared: &Shared, live: &Live, mut envelope: Envelope) -> Condition {
    let connection = &live.connection;
    let Some(run) = Run::begin(shared, live, &envelope) else {
        return Condition::Good;
    };
    let enforced = foreign_keys(connection);
    let scope = shared.enter(&envelope.ticket, envelope.limit, None);
    let ran = envelope.job.run(connection);
    let stop = envelope.ticket.settle();
    drop(scope);
    run.end(&envelope, stop, ran.succeeded);
    let mut condition = if ran.broken {
        Condition::Broken
    } else {
        restored(live)
    };
    if foreign_keys(connection) != enforced
        && connection
            .pragma_update(None, "foreign_keys", enforced)
            .is_err()
    {
        condition = Condition::Broken;
    }
    let error = stop
        .filter(|_| !ran.succeeded)
        .map(|stop| stop_error(stop, envelope.limit));
    envelope.job.answer(error);
    condition
}

/// Whether foreign keys are enforced; rather yes when it cannot be read.
fn foreign_keys(connection: &Connection) -> bool {
    connection
        .query_row("PRAGMA foreign_keys", (), |row| row.get(0))
        .unwrap_or(true)
}

/// Ends what a closure has left open.
pub(crate) fn restored(live: &Live) -> Condition {
    let connection = &live.connection;
    if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
        return Condition::Broken;
    }
    not_busy(live)
}

/// A statement that was leaked in the middle holds its snapshot for ever: such a connection is of no use any more.
pub(crate) fn not_busy(live: &Live) -> Condition {
    if live.connection.is_busy() {
        tracing::warn!("a closure leaked a running sqlite statement");
        return Condition::Broken;
    }
    Condition::Good
}
