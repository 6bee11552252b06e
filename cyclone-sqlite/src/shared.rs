//! What the handles and the threads of one database share.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cyclone_core::{Health, HealthReporter, HealthWatch};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::connect::Opener;
use crate::error::Error;
use crate::inline::InlineReaders;
use crate::job::{Envelope, Mode, Stop, Ticket};
use crate::lock::lock;
use crate::queue::Queue;
use crate::scope::{self, Entered, Surroundings};
use crate::statistics::{Counters, Statistics, count};

/// How long the writer waits for readers that did not end within the close limit: 1 second.
const READERS_GRACE: Duration = Duration::from_secs(1);

/// The number under which the writer reports its health; readers count from 0.
pub(crate) const WRITER: usize = usize::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    Closing,
    Closed,
}

/// Who has no connection, and why.
#[derive(Default)]
struct Down {
    workers: Vec<(usize, String)>,
    /// All of them, for good.
    closed: bool,
}

pub(crate) struct Shared {
    pub(crate) opener: Opener,
    pub(crate) write: Queue,
    read: Option<Queue>,
    pub(crate) inline: InlineReaders,
    pub(crate) counters: Counters,
    surroundings: Surroundings,
    readers: Mutex<usize>,
    reader_left: Condvar,
    stage: watch::Sender<Stage>,
    health: HealthReporter,
    down: Mutex<Down>,
    /// Keeps a database in memory alive while its connections are opened again.
    anchor: Mutex<Option<Connection>>,
}

impl Shared {
    pub(crate) fn new(opener: Opener) -> Result<Self, Error> {
        let anchor = opener.anchor()?;
        let settings = opener.settings();
        let counters = Counters::default();
        Ok(Self {
            write: Queue::new(settings.write_queue),
            read: (!opener.is_memory()).then(|| Queue::new(settings.read_queue)),
            surroundings: Surroundings {
                closing: Arc::new(OnceLock::new()),
                busy_timeout: settings.busy_timeout,
                busy_waits: Arc::clone(&counters.busy_waits),
            },
            counters,
            inline: InlineReaders::default(),
            readers: Mutex::new(0),
            reader_left: Condvar::new(),
            stage: watch::Sender::new(Stage::Open),
            health: HealthReporter::new(Health::Starting),
            down: Mutex::default(),
            anchor: Mutex::new(anchor),
            opener,
        })
    }

    /// The queue in which jobs of this mode wait.
    pub(crate) fn queue(&self, mode: Mode) -> &Queue {
        match (mode, &self.read) {
            (Mode::Read | Mode::Snapshot, Some(read)) => read,
            _ => &self.write,
        }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        Statistics {
            read_queue: self.read.as_ref().map_or(0, Queue::len),
            write_queue: self.write.len(),
            ..self.counters.read()
        }
    }

    /// Makes a job the one that runs on this thread.
    pub(crate) fn enter(
        &self,
        ticket: &Arc<Ticket>,
        limit: Option<Duration>,
        patience: Option<Instant>,
    ) -> Entered {
        let limit = limit
            .and_then(|limit| Instant::now().checked_add(limit))
            .map(|deadline| (deadline, Stop::TimeLimit));
        let patience = patience.map(|deadline| (deadline, Stop::StepAside));
        let deadline = match (limit, patience) {
            (Some(limit), Some(patience)) if patience.0 < limit.0 => Some(patience),
            (limit, patience) => limit.or(patience),
        };
        scope::enter(ticket, deadline, &self.surroundings)
    }

    /// Takes no more jobs from now on.
    pub(crate) fn begin_close(&self) {
        let limit = self.opener.settings().close_limit;
        // Further than a clock can say is no limit at all.
        if let Some(deadline) = Instant::now().checked_add(limit) {
            let _ = self.surroundings.closing.set(deadline);
        }
        self.stage.send_if_modified(|stage| {
            let open = *stage == Stage::Open;
            if open {
                *stage = Stage::Closing;
            }
            open
        });
        self.inline.close();
        if let Some(read) = &self.read {
            read.close();
        }
        self.write.close();
    }

    /// Whether waiting jobs are not to be begun any more.
    pub(crate) fn has_given_up(&self) -> bool {
        self.surroundings
            .closing
            .get()
            .is_some_and(|deadline| Instant::now() >= *deadline)
    }

    pub(crate) fn closed(&self) {
        lock(&self.anchor).take();
        {
            let mut down = lock(&self.down);
            down.closed = true;
            self.publish(&down);
        }
        self.stage.send_replace(Stage::Closed);
    }

    pub(crate) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    pub(crate) fn health(&self) -> HealthWatch {
        self.health.watch()
    }

    pub(crate) fn reader_begins(&self) {
        *lock(&self.readers) += 1;
    }

    /// As a reader, if the database is open still.
    pub(crate) fn guest_begins(&self) -> bool {
        let mut readers = lock(&self.readers);
        if *self.stage.borrow() != Stage::Open {
            return false;
        }
        *readers += 1;
        true
    }

    pub(crate) fn reader_ends(&self) {
        *lock(&self.readers) -= 1;
        self.reader_left.notify_all();
    }

    /// Waits until the readers have closed their connections, so that the last checkpoint can be complete.
    pub(crate) fn wait_for_readers(&self) {
        let until = self.surroundings.closing.get().copied();
        let mut readers = lock(&self.readers);
        while *readers > 0 {
            let left = until.map_or(READERS_GRACE, |until| {
                until.saturating_duration_since(Instant::now()) + READERS_GRACE
            });
            let (woken, result) = self
                .reader_left
                .wait_timeout(readers, left)
                .unwrap_or_else(PoisonError::into_inner);
            readers = woken;
            if result.timed_out() && until.is_some() {
                tracing::warn!(readers = *readers, "sqlite readers still run at close");
                return;
            }
        }
    }

    pub(crate) fn worker_is_down(&self, worker: usize, reason: String) {
        let mut down = lock(&self.down);
        down.workers.retain(|(other, _)| *other != worker);
        down.workers.push((worker, reason));
        self.publish(&down);
    }

    /// All workers have a connection for the first time.
    pub(crate) fn opened(&self) {
        self.publish(&lock(&self.down));
    }

    pub(crate) fn worker_is_up(&self, worker: usize) {
        let mut down = lock(&self.down);
        down.workers.retain(|(other, _)| *other != worker);
        self.publish(&down);
    }

    fn publish(&self, down: &Down) {
        let readers = if self.read.is_some() {
            self.opener.settings().readers
        } else {
            usize::MAX
        };
        let writer = down.workers.iter().find(|(worker, _)| *worker == WRITER);
        self.health.set(match (writer, &*down.workers) {
            _ if down.closed => Health::Down("the database is closed".to_owned()),
            (Some((_, reason)), _) => Health::Down(format!("no connection to write: {reason}")),
            (None, []) => Health::Up,
            (None, [(worker, reason), ..]) => {
                if down.workers.len() >= readers {
                    Health::Down(format!("no connection to read: {reason}"))
                } else {
                    Health::Degraded(format!("reader {worker} has no connection: {reason}"))
                }
            }
        });
    }

    /// Answers jobs that will not be run.
    pub(crate) fn refuse(&self, envelopes: VecDeque<Envelope>, error: fn() -> Error) {
        for envelope in envelopes {
            count(&self.counters.failed);
            envelope.job.answer(Some(error()));
        }
    }
}
