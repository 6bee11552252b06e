//! The threads: each owns a connection, takes jobs from its queue and opens the connection again when it breaks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::connect::{Live, Role};
use crate::error::Error;
use crate::job::{Envelope, Mode, panic_message};
use crate::queue::{Popped, Queue};
use crate::run::{self, Condition};
use crate::shared::{Shared, WRITER};
use crate::statistics::count;
use crate::writer;

/// The pause before a connection is opened again, after the first try failed: 100 ms, doubled with each failure.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// The longest such pause: 10 s.
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(10);

/// How often the writer, when idle, brings the statistics of the query planner up to date: 1 hour.
const OPTIMIZE_EVERY: Duration = Duration::from_secs(3600);

/// How often the size of the write-ahead log is looked at while there are writes: 1 second.
const WAL_CHECK_EVERY: Duration = Duration::from_secs(1);

/// The connections of a worker.
pub(crate) struct Connections {
    pub(crate) main: Live,
    /// The read-only connection of the writer of a database in memory.
    reader: Option<Live>,
}

impl Connections {
    fn open(shared: &Shared, role: Role) -> Result<Self, Error> {
        let main = shared.opener.open(role)?;
        let reader = if role == Role::Writer && shared.opener.is_memory() {
            Some(shared.opener.open(Role::Reader)?)
        } else {
            None
        };
        Ok(Self { main, reader })
    }
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    role: Role,
    /// The number under which it reports its health.
    number: usize,
    /// It has a connection, and is counted so by the queue.
    live: bool,
}

impl Worker {
    pub(crate) fn reader(shared: Arc<Shared>, number: usize) -> Self {
        shared.reader_begins();
        Self {
            shared,
            role: Role::Reader,
            number,
            live: false,
        }
    }

    pub(crate) fn writer(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            role: Role::Writer,
            number: WRITER,
            live: false,
        }
    }

    fn queue(&self) -> &Queue {
        self.shared.queue(match self.role {
            Role::Writer => Mode::Write,
            Role::Reader | Role::Copier => Mode::Read,
        })
    }

    /// The life of the thread; says through `opened` how opening went.
    pub(crate) fn run(mut self, opened: oneshot::Sender<Result<(), Error>>) {
        let mut connections = match Connections::open(&self.shared, self.role) {
            Ok(connections) => connections,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        self.up();
        let _ = opened.send(Ok(()));
        loop {
            if self.serve(&connections) == Condition::Good {
                break self.close(connections);
            }
            drop(connections);
            match self.reopen() {
                Some(again) => connections = again,
                None => break,
            }
        }
    }

    /// Runs jobs until the queue is closed and drained, or the connection breaks.
    fn serve(&self, connections: &Connections) -> Condition {
        let mut optimize_at = Instant::now() + OPTIMIZE_EVERY;
        let mut wal_check_at = Instant::now();
        loop {
            let until = (self.role == Role::Writer).then_some(optimize_at);
            let envelope = match self.queue().pop(until) {
                Popped::Job(envelope) => envelope,
                Popped::Closed => return Condition::Good,
                Popped::Nothing => {
                    optimize(connections);
                    optimize_at = Instant::now() + OPTIMIZE_EVERY;
                    continue;
                }
            };
            if self.shared.has_given_up() {
                count(&self.shared.counters.failed);
                envelope.job.answer(Some(Error::Closed));
                continue;
            }
            let work = AssertUnwindSafe(|| dispatch(&self.shared, connections, envelope));
            let condition = catch_unwind(work).unwrap_or_else(|payload| {
                let message = panic_message(&*payload);
                tracing::error!(message, "sqlite worker panicked");
                Condition::Broken
            });
            if condition == Condition::Broken {
                return Condition::Broken;
            }
            if self.role == Role::Writer && Instant::now() >= wal_check_at {
                wal_check_at = Instant::now() + WAL_CHECK_EVERY;
                cut_wal(&self.shared, connections);
            }
        }
    }

    /// Opens the connection again, at once and then with growing pauses; none when the database was closed.
    fn reopen(&mut self) -> Option<Connections> {
        count(&self.shared.counters.reopened);
        let mut pause = REOPEN_PAUSE;
        loop {
            match Connections::open(&self.shared, self.role) {
                Ok(connections) => {
                    self.up();
                    self.shared.worker_is_up(self.number);
                    tracing::info!(role = ?self.role, "sqlite connection opened again");
                    return Some(connections);
                }
                Err(error) => {
                    tracing::error!(role = ?self.role, %error, ?pause, "cannot open sqlite connection");
                    self.shared.worker_is_down(self.number, error.to_string());
                    self.down(|| Error::Unavailable);
                }
            }
            if self.queue().sleep(Instant::now() + pause) {
                return None;
            }
            pause = (pause * 2).min(REOPEN_PAUSE_MAX);
        }
    }

    fn up(&mut self) {
        if !self.live {
            self.live = true;
            self.queue().worker_up();
        }
    }

    /// Answers those who wait when this was the last worker of its queue.
    fn down(&mut self, error: fn() -> Error) {
        if self.live {
            self.live = false;
            let orphans = self.queue().worker_down();
            self.shared.refuse(orphans, error);
        }
    }

    /// Leaves the file as one complete database, without a log beside it when nobody else has it open.
    fn close(&self, connections: Connections) {
        let Connections { main, reader } = connections;
        drop(reader);
        if self.role == Role::Writer {
            self.shared.wait_for_readers();
            let tidy = main.connection.execute_batch("PRAGMA optimize");
            let tidy = tidy.and_then(|()| checkpoint(&main));
            if let Err(error) = tidy {
                // Nothing is lost: what is in the log is found there when the database is opened.
                tracing::warn!(%error, "cannot tidy up sqlite database at close");
            }
        }
        if let Err((_, error)) = main.connection.close() {
            tracing::warn!(%error, "cannot close sqlite connection");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.down(|| Error::Closed);
        match self.role {
            Role::Reader | Role::Copier => self.shared.reader_ends(),
            Role::Writer => self.shared.closed(),
        }
    }
}

fn dispatch(shared: &Shared, connections: &Connections, envelope: Envelope) -> Condition {
    let main = &connections.main;
    match envelope.mode {
        Mode::Read | Mode::Snapshot => run::read(
            shared,
            connections.reader.as_ref().unwrap_or(main),
            envelope,
        ),
        Mode::Write => writer::alone(shared, main, envelope),
        Mode::Grouped => writer::group(shared, main, envelope),
        Mode::Unmanaged => run::unmanaged(shared, main, envelope),
    }
}

fn optimize(connections: &Connections) {
    if let Err(error) = connections.main.connection.execute_batch("PRAGMA optimize") {
        tracing::debug!(%error, "cannot optimize sqlite database now");
    }
}

fn checkpoint(live: &Live) -> rusqlite::Result<()> {
    live.connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
}

/// Cuts a write-ahead log that has grown over its limit, unless a reader still needs it.
fn cut_wal(shared: &Shared, connections: &Connections) {
    if shared.opener.wal_bytes() > shared.opener.settings().wal_limit_bytes
        && let Err(error) = checkpoint(&connections.main)
    {
        tracing::debug!(%error, "cannot cut sqlite write-ahead log now");
    }
}
