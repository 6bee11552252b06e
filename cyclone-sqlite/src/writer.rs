//! Transactions of the writer: one job alone, or a group of jobs that share one commit.
//!
//! SQLite takes the whole transaction down, and not only the savepoint, when a statement that writes is interrupted
//! or finds the disk full. So only jobs that can run again share a transaction: when it goes down by one of them,
//! the others run again, each alone, and none of them notices.

use std::time::Instant;

use rusqlite::Connection;

use crate::connect::Live;
use crate::error::{Error, is_broken, of_commit};
use crate::job::{Envelope, Mode, Stop};
use crate::run::{Condition, Run, not_busy, stop_error};
use crate::scope::Guard;
use crate::shared::Shared;
use crate::statistics::count;

/// How long a job may hold up those before it in the group: this many times as long as the group takes jobs in.
const GROUP_PATIENCE: u32 = 5;

/// Runs one job in a transaction of its own.
pub(crate) fn alone(shared: &Shared, live: &Live, envelope: Envelope) -> Condition {
    match lead(shared, live, envelope) {
        Led::Ready(envelope) => commit(shared, live, vec![envelope]),
        Led::Done(condition) => condition,
    }
}

/// Runs a job and those of its kind that wait behind it, in order, in one transaction.
pub(crate) fn group(shared: &Shared, live: &Live, first: Envelope) -> Condition {
    let began = Instant::now();
    let settings = shared.opener.settings();
    let mut kept = match lead(shared, live, first) {
        Led::Ready(envelope) => vec![envelope],
        Led::Done(condition) => return condition,
    };
    while kept.len() < settings.group_limit
        && began.elapsed() < settings.group_time
        && !shared.has_given_up()
    {
        let next = shared
            .write
            .pop_if(|envelope| envelope.mode == Mode::Grouped);
        let Some(next) = next else { break };
        match join(shared, live, next) {
            Joined::Kept(envelope) => kept.push(envelope),
            Joined::Gone => {}
            Joined::Lost => return again(shared, live, kept),
            Joined::Aside { envelope, lost } => {
                let condition = if lost {
                    again(shared, live, kept)
                } else {
                    commit(shared, live, kept)
                };
                count(&shared.counters.repeated);
                return match condition {
                    Condition::Good => alone(shared, live, envelope),
                    Condition::Broken => {
                        envelope.job.answer(Some(Error::Unavailable));
                        Condition::Broken
                    }
                };
            }
        }
    }
    commit(shared, live, kept)
}

/// How the first job of a transaction went.
enum Led {
    /// It succeeded, and the transaction is open.
    Ready(Envelope),
    /// It is answered, and there is no transaction.
    Done(Condition),
}

/// Begins a transaction and runs its first job.
fn lead(shared: &Shared, live: &Live, mut envelope: Envelope) -> Led {
    let connection = &live.connection;
    let Some(run) = Run::begin(shared, live, &envelope) else {
        return Led::Done(Condition::Good);
    };
    let scope = shared.enter(&envelope.ticket, envelope.limit, None);
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        let stop = envelope.ticket.settle();
        drop(scope);
        run.end(&envelope, stop, false);
        let broken = is_broken(&error) || !connection.is_autocommit();
        let error = stop.map_or(Error::Database(error), |stop| {
            stop_error(stop, envelope.limit)
        });
        envelope.job.answer(Some(error));
        return Led::Done(if broken {
            Condition::Broken
        } else {
            Condition::Good
        });
    }
    scope.guard(Guard::Writer);
    let ran = envelope.job.run(connection);
    scope.guard(Guard::Off);
    let stop = envelope.ticket.settle();
    drop(scope);
    run.end(&envelope, stop, ran.succeeded);

    let was_lost = connection.is_autocommit();
    if ran.succeeded && stop.is_none() && !was_lost {
        return Led::Ready(envelope);
    }
    let undone = was_lost || connection.execute_batch("ROLLBACK").is_ok();
    let error = failure(&envelope, stop, ran.succeeded);
    envelope.job.answer(error);
    if ran.broken || !undone {
        return Led::Done(Condition::Broken);
    }
    Led::Done(not_busy(live))
}

/// How a further job of a transaction went.
enum Joined {
    /// It succeeded and waits for the commit.
    Kept(Envelope),
    /// It is answered, or nobody waits for it; the transaction is as if it had never been.
    Gone,
    /// It is answered, and the transaction is gone.
    Lost,
    /// It takes too long for its neighbours.
    Aside {
        envelope: Envelope,
        /// The transaction is gone.
        lost: bool,
    },
}

/// Runs a further job in the open transaction, in a savepoint of its own.
fn join(shared: &Shared, live: &Live, mut envelope: Envelope) -> Joined {
    let connection = &live.connection;
    let Some(run) = Run::begin(shared, live, &envelope) else {
        return Joined::Gone;
    };
    let patience = shared
        .opener
        .settings()
        .group_time
        .checked_mul(GROUP_PATIENCE)
        .and_then(|patience| Instant::now().checked_add(patience));
    let scope = shared.enter(&envelope.ticket, envelope.limit, patience);
    if let Err(error) = execute(connection, "SAVEPOINT cyclone_job") {
        let stop = envelope.ticket.settle();
        drop(scope);
        run.end(&envelope, stop, false);
        envelope.job.answer(Some(Error::Database(error)));
        return left(connection);
    }
    scope.guard(Guard::Writer);
    let ran = envelope.job.run(connection);
    scope.guard(Guard::Off);
    let stop = envelope.ticket.settle();
    drop(scope);
    run.end(&envelope, stop, ran.succeeded);

    let lost = connection.is_autocommit();
    if ran.succeeded && stop.is_none() && !lost && release(connection).is_ok() {
        return Joined::Kept(envelope);
    }
    let undone = lost || undo(connection).is_ok();
    if stop == Some(Stop::StepAside) {
        let lost = lost || !undone;
        return Joined::Aside { envelope, lost };
    }
    let error = failure(&envelope, stop, ran.succeeded);
    envelope.job.answer(error);
    if undone {
        left(connection)
    } else {
        Joined::Lost
    }
}

fn left(connection: &Connection) -> Joined {
    if connection.is_autocommit() {
        Joined::Lost
    } else {
        Joined::Gone
    }
}

/// Why a job failed; none when it says so itself.
fn failure(envelope: &Envelope, stop: Option<Stop>, succeeded: bool) -> Option<Error> {
    match stop {
        Some(stop) => Some(stop_error(stop, envelope.limit)),
        None => succeeded.then_some(Error::RolledBack),
    }
}

/// Commits, and only then answers.
fn commit(shared: &Shared, live: &Live, kept: Vec<Envelope>) -> Condition {
    let connection = &live.connection;
    let Err(error) = execute(connection, "COMMIT") else {
        count(&shared.counters.commits);
        for envelope in kept {
            count(&shared.counters.committed);
            envelope.job.answer(None);
        }
        return not_busy(live);
    };
    let undone = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
    let broken = is_broken(&error) || !undone;
    if kept.len() > 1 && !broken {
        // One of them cannot be committed, for a deferred foreign key perhaps: only that one is to fail.
        return again(shared, live, kept);
    }
    for envelope in kept {
        envelope.job.answer(Some(of_commit(copy(&error))));
    }
    if broken {
        Condition::Broken
    } else {
        not_busy(live)
    }
}

/// Runs jobs again that succeeded in a transaction that is gone, each alone.
fn again(shared: &Shared, live: &Live, kept: Vec<Envelope>) -> Condition {
    let connection = &live.connection;
    let mut condition = Condition::Good;
    if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
        condition = Condition::Broken;
    }
    for envelope in kept {
        if condition == Condition::Broken {
            envelope.job.answer(Some(Error::Unavailable));
        } else {
            count(&shared.counters.repeated);
            condition = alone(shared, live, envelope);
        }
    }
    condition
}

/// Executes one of our own statements.
fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(()).map(drop)
}

fn release(connection: &Connection) -> rusqlite::Result<()> {
    execute(connection, "RELEASE cyclone_job")
}

fn undo(connection: &Connection) -> rusqlite::Result<()> {
    execute(connection, "ROLLBACK TO cyclone_job")?;
    release(connection)
}

/// The same error for every job of a group.
fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            rusqlite::Error::SqliteFailure(*code, message.clone())
        }
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
            Some(other.to_string()),
        ),
    }
}
