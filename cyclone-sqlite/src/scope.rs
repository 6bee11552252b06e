//! What the callbacks of SQLite know about the job that runs on their thread.
//!
//! SQLite calls back on the thread that runs the statement, and a connection runs one job at a time, so the job
//! that is asked about is always the one that runs: a thread-local slot needs no generation numbers.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::ffi::{SQLITE_ATTACH, SQLITE_DETACH};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::job::{Stop, Ticket};

/// How many steps of SQLite's virtual machine lie between two looks at the clock: 1,000, some 10 µs.
const PROGRESS_STEPS: i32 = 1000;

/// The longest sleep between two tries for a lock: 20 ms, so that a cancelled job is soon gone.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The name of the savepoint that the writer sets around each job of a group.
const SAVEPOINT: &str = "cyclone_job";

/// Settings of a connection that outlive a job, which a job must therefore leave alone.
const SETTINGS: &[&str] = &[
    "busy_timeout",
    "cache_size",
    "cell_size_check",
    "checkpoint_fullfsync",
    "foreign_keys",
    "fullfsync",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "mmap_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "synchronous",
    "temp_store",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema",
];

/// What the code that runs now may do to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Anything: statements of our own, or an unmanaged job.
    Off,
    /// A job on a reader.
    Reader,
    /// A job in a transaction of the writer, which only the writer may end.
    Writer,
}

struct Scope {
    ticket: Arc<Ticket>,
    deadline: Option<(Instant, Stop)>,
    closing: Arc<OnceLock<Instant>>,
    guard: Guard,
    busy_timeout: Duration,
    busy_since: Option<Instant>,
    busy_waits: Arc<AtomicU64>,
}

impl Scope {
    /// Whether the job has to stop, and remembers why.
    fn must_stop(&self) -> bool {
        if self.ticket.stop().is_some() {
            return true;
        }
        let closing = self.closing.get();
        if self.deadline.is_none() && closing.is_none() {
            return false;
        }
        let now = Instant::now();
        if let Some((deadline, reason)) = self.deadline
            && now >= deadline
        {
            self.ticket.ask(reason);
            return true;
        }
        if closing.is_some_and(|limit| now >= *limit) {
            self.ticket.ask(Stop::Closing);
            return true;
        }
        false
    }
}

thread_local! {
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// What a worker gives to every scope it enters.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) closing: Arc<OnceLock<Instant>>,
    pub(crate) busy_timeout: Duration,
    pub(crate) busy_waits: Arc<AtomicU64>,
}

/// The time in which one job runs on this thread; dropping it brings back what was before.
#[must_use]
pub(crate) struct Entered {
    before: Option<Scope>,
}

/// Makes a job the one that runs on this thread.
pub(crate) fn enter(
    ticket: &Arc<Ticket>,
    deadline: Option<(Instant, Stop)>,
    surroundings: &Surroundings,
) -> Entered {
    let scope = Scope {
        ticket: Arc::clone(ticket),
        deadline,
        closing: Arc::clone(&surroundings.closing),
        guard: Guard::Off,
        busy_timeout: surroundings.busy_timeout,
        busy_since: None,
        busy_waits: Arc::clone(&surroundings.busy_waits),
    };
    Entered {
        before: SCOPE.replace(Some(scope)),
    }
}

impl Entered {
    /// Sets what the code that runs next may do.
    pub(crate) fn guard(&self, guard: Guard) {
        SCOPE.with_borrow_mut(|scope| {
            if let Some(scope) = scope {
                scope.guard = guard;
            }
        });
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        SCOPE.replace(self.before.take());
    }
}

/// Sets the callbacks of a new connection.
pub(crate) fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(on_busy as fn(i32) -> bool))?;
    connection.progress_handler(PROGRESS_STEPS, Some(on_progress as fn() -> bool))?;
    connection.commit_hook(Some(on_commit as fn() -> bool))?;
    connection.authorizer(Some(on_prepare))
}

/// Interrupts the statement when it returns true.
fn on_progress() -> bool {
    SCOPE.with_borrow(|scope| scope.as_ref().is_some_and(Scope::must_stop))
}

/// Refuses the commit when it returns true: while a job runs on the writer, nothing is committed.
///
/// It catches what the authorizer cannot see: a statement after one that rolled the transaction back, which SQLite
/// would commit by itself.
fn on_commit() -> bool {
    SCOPE.with_borrow(|scope| {
        scope
            .as_ref()
            .is_some_and(|scope| scope.guard == Guard::Writer)
    })
}

/// Waits for a lock of another connection; gives up when it returns false.
fn on_busy(tries: i32) -> bool {
    let pause = SCOPE.with_borrow_mut(|scope| {
        // Without a job nothing is urgent enough to wait for.
        let scope = scope.as_mut()?;
        let now = Instant::now();
        if tries == 0 {
            scope.busy_since = Some(now);
            scope.busy_waits.fetch_add(1, Ordering::Relaxed);
        }
        if scope.must_stop() {
            return None;
        }
        let waited = now.saturating_duration_since(scope.busy_since.unwrap_or(now));
        let left = scope.busy_timeout.checked_sub(waited)?;
        if left.is_zero() {
            return None;
        }
        let pause = Duration::from_millis(1 << tries.clamp(0, 6));
        Some(pause.min(BUSY_PAUSE).min(left))
    });
    match pause {
        Some(pause) => {
            std::thread::sleep(pause);
            true
        }
        None => false,
    }
}

/// Allows or denies what a statement does, when it is prepared.
fn on_prepare(context: AuthContext<'_>) -> Authorization {
    SCOPE.with_borrow(|scope| {
        let Some(scope) = scope else {
            return Authorization::Allow;
        };
        // A closure of many short statements never reaches the progress handler: it is stopped here.
        if scope.guard != Guard::Off
            && (scope.must_stop() || !allowed(scope.guard, &context.action))
        {
            Authorization::Deny
        } else {
            Authorization::Allow
        }
    })
}

fn allowed(guard: Guard, action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Pragma {
            pragma_name,
            pragma_value: Some(_),
        } => !SETTINGS
            .iter()
            .any(|setting| setting.eq_ignore_ascii_case(pragma_name)),
        // A reader that attaches or detaches would differ from the others from then on.
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Unknown {
            code: SQLITE_ATTACH | SQLITE_DETACH,
            ..
        } => false,
        AuthAction::Transaction { .. } => guard == Guard::Reader,
        AuthAction::Savepoint { savepoint_name, .. } => {
            guard == Guard::Reader || !savepoint_name.eq_ignore_ascii_case(SAVEPOINT)
        }
        _ => true,
    }
}
