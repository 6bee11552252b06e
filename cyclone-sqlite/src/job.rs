//! A job: the caller's closure, where its answer goes, and the ticket by which caller and worker agree on its end.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::oneshot;

use crate::error::{Error, is_broken};
use crate::lock::lock;

/// How a job wants to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// On a reader, each statement for itself.
    Read,
    /// On a reader, in one read transaction.
    Snapshot,
    /// On the writer, in a transaction of its own.
    Write,
    /// On the writer, in a transaction that it may share with its neighbours; can be run again.
    Grouped,
    /// On the writer, outside any transaction and without its guard.
    Unmanaged,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Snapshot => "snapshot",
            Self::Write => "write",
            Self::Grouped => "grouped write",
            Self::Unmanaged => "unmanaged",
        }
    }
}

/// Why a running job has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stop {
    /// The caller has gone.
    Cancelled = 1,
    /// It ran for longer than its limit.
    TimeLimit = 2,
    /// The database is closing and its patience has ended.
    Closing = 3,
    /// It holds up the neighbours of its group and is to be run alone, later.
    StepAside = 4,
}

impl Stop {
    fn from_u8(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Cancelled),
            2 => Some(Self::TimeLimit),
            3 => Some(Self::Closing),
            4 => Some(Self::StepAside),
            _ => None,
        }
    }
}

enum Phase {
    Queued,
    Running(Arc<InterruptHandle>),
    /// The closure has returned: nothing of it can be interrupted any more.
    Settled,
    Cancelled,
}

/// What caller and worker share about one job.
///
/// The lock of the phase is the handshake that makes cancellation safe for the next job on the same connection: the
/// caller interrupts only while it holds the lock and the phase is `Running`, and the worker leaves `Running` under
/// the same lock before it does anything else. An interrupt can therefore never arrive late.
pub(crate) struct Ticket {
    phase: Mutex<Phase>,
    stop: AtomicU8,
}

impl Ticket {
    pub(crate) fn new() -> Self {
        Self {
            phase: Mutex::new(Phase::Queued),
            stop: AtomicU8::new(0),
        }
    }

    /// The worker takes the job up; false when the caller has gone.
    pub(crate) fn start(&self, interrupt: &Arc<InterruptHandle>) -> bool {
        let mut phase = lock(&self.phase);
        if matches!(*phase, Phase::Cancelled) {
            return false;
        }
        self.stop.store(0, Ordering::Relaxed);
        *phase = Phase::Running(Arc::clone(interrupt));
        true
    }

    /// The closure has returned; tells whether and why it was asked to stop.
    pub(crate) fn settle(&self) -> Option<Stop> {
        *lock(&self.phase) = Phase::Settled;
        self.stop()
    }

    /// The caller has gone. True when the job had not begun, and never will.
    pub(crate) fn cancel(&self) -> bool {
        let mut phase = lock(&self.phase);
        match &*phase {
            Phase::Queued => {
                *phase = Phase::Cancelled;
                true
            }
            Phase::Running(interrupt) => {
                self.ask(Stop::Cancelled);
                interrupt.interrupt();
                false
            }
            Phase::Settled | Phase::Cancelled => false,
        }
    }

    /// Whether the job ever began.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(*lock(&self.phase), Phase::Running(_) | Phase::Settled)
    }

    /// Asks the running job to stop; the first reason stays.
    pub(crate) fn ask(&self, reason: Stop) {
        let _ = self
            .stop
            .compare_exchange(0, reason as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn stop(&self) -> Option<Stop> {
        Stop::from_u8(self.stop.load(Ordering::Relaxed))
    }
}

/// A closure with the place for its answer, its types erased.
pub(crate) trait Job: Send {
    /// Runs the closure, catching its panic, and keeps what it returned.
    fn run(&mut self, connection: &Connection) -> Ran;
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Answers the caller: with the error given, or else with what the closure returned.
    fn answer(self: Box<Self>, error: Option<Error>);
}

/// What a worker needs to know about how the closure ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    pub(crate) succeeded: bool,
    /// The error was one that may be the connection's fault.
    pub(crate) broken: bool,
}

/// A job in a queue.
pub(crate) struct Envelope {
    pub(crate) job: Box<dyn Job>,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) mode: Mode,
    pub(crate) limit: Option<Duration>,
    pub(crate) origin: &'static Location<'static>,
    pub(crate) sql: Option<Arc<str>>,
    pub(crate) queued: Instant,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("mode", &self.mode)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// A closure that runs once.
pub(crate) struct Once<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, Error>>,
    reply: Reply<T>,
}

/// A closure that can run again, when a transaction it shared was lost by another's fault.
pub(crate) struct Repeatable<F, T> {
    work: F,
    outcome: Option<Result<T, Error>>,
    reply: Reply<T>,
}

impl<F, T> Once<F, T> {
    pub(crate) fn new(work: F, reply: Reply<T>) -> Self {
        Self {
            work: Some(work),
            outcome: None,
            reply,
        }
    }
}

impl<F, T> Repeatable<F, T> {
    pub(crate) fn new(work: F, reply: Reply<T>) -> Self {
        Self {
            work,
            outcome: None,
            reply,
        }
    }
}

impl<F, T> Job for Once<F, T>
where
    F: FnOnce(&Connection) -> Result<T, Error> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Ran {
        let Some(work) = self.work.take() else {
            return Ran {
                succeeded: false,
                broken: false,
            };
        };
        let outcome = caught(|| work(connection));
        let ran = ran(&outcome);
        self.outcome = Some(outcome);
        ran
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn answer(self: Box<Self>, error: Option<Error>) {
        answer(self.reply, self.outcome, error);
    }
}

impl<F, T> Job for Repeatable<F, T>
where
    F: FnMut(&Connection) -> Result<T, Error> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Ran {
        let outcome = caught(|| (self.work)(connection));
        let ran = ran(&outcome);
        self.outcome = Some(outcome);
        ran
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn answer(self: Box<Self>, error: Option<Error>) {
        answer(self.reply, self.outcome, error);
    }
}

/// Runs a closure and makes an error of its panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        Err(Error::Panicked {
            message: panic_message(&*payload),
        })
    })
}

/// The text of a panic, when it has one.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}

fn ran<T>(outcome: &Result<T, Error>) -> Ran {
    Ran {
        succeeded: outcome.is_ok(),
        broken: is_fault(outcome),
    }
}

/// Whether the error may be the connection's fault.
pub(crate) fn is_fault<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Database(error)) if is_broken(error))
}

fn answer<T>(reply: Reply<T>, outcome: Option<Result<T, Error>>, error: Option<Error>) {
    let answer = match (error, outcome) {
        (Some(error), _) => Err(error),
        (None, Some(outcome)) => outcome,
        (None, None) => Err(Error::Unavailable),
    };
    // The caller may have gone; what it asked for is done all the same.
    let _ = reply.send(answer);
}
