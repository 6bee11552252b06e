//! Reads on the caller's own thread.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::connect::{Live, Role};
use crate::error::Error;
use crate::handle::Sqlite;
use crate::job::{Mode, Ticket, caught, is_fault};
use crate::lock::lock;
use crate::run::{Condition, begin_snapshot, is_slow, restored, stop_error};
use crate::scope::Guard;
use crate::shared::Shared;
use crate::statistics::count;

/// The connections for reads on the caller's thread that nobody uses now.
#[derive(Default)]
pub(crate) struct InlineReaders {
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    connections: Vec<Live>,
    closed: bool,
}

impl InlineReaders {
    pub(crate) fn add(&self, live: Live) {
        let mut free = lock(&self.free);
        if !free.closed {
            free.connections.push(live);
        }
    }

    fn take(&self) -> Option<Live> {
        lock(&self.free).connections.pop()
    }

    /// Closes those that are free, and the others when they come back.
    pub(crate) fn close(&self) {
        let mut free = lock(&self.free);
        free.closed = true;
        let connections = std::mem::take(&mut free.connections);
        drop(free);
        drop(connections);
    }
}

impl Sqlite {
    /// Runs a closure as [`read`](Self::read) does, but on the thread of the caller if a connection for that is free.
    ///
    /// It saves the way to another thread and back, some ten times the cost of reading a row by its key, and holds up
    /// everything else on this thread while it runs. So it is for short reads of data that is in memory: a session, a
    /// user, a setting. It needs [`SqliteBuilder::inline_readers`](crate::SqliteBuilder::inline_readers); without,
    /// in memory, and while all of them are used, it is the same as `read`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cyclone_sqlite::Error> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("app.sqlite3");
    /// let db = cyclone_sqlite::SqliteBuilder::file(&path).inline_readers(1).open().await?;
    /// let answer: i64 = db
    ///     .read_inline(|conn| conn.prepare_cached("SELECT 41 + 1")?.query_row((), |row| row.get(0)))
    ///     .await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read). The time limit holds here, too.
    ///
    /// # Cancel safety
    /// It runs to its end once it is polled, or else as [`Sqlite`] describes.
    #[track_caller]
    pub fn read_inline<T, E, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E, F>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        let call = self.call(Mode::Snapshot, None);
        async move {
            // A task that only does this must let others run from time to time.
            tokio::task::consume_budget().await;
            let free = call.shared().inline.take();
            match free {
                None => call.once(work).await,
                Some(live) => {
                    let began = Instant::now();
                    let (outcome, condition) = run(call.shared(), &live, call.limit, |conn| {
                        work(conn).map_err(Into::into)
                    });
                    give_back(call.shared(), live, condition);
                    let took = began.elapsed();
                    if is_slow(call.shared(), took) {
                        let took_ms = took.as_millis();
                        tracing::warn!(took_ms, at = %call.origin, "slow sqlite inline read");
                    }
                    outcome
                }
            }
        }
    }
}

fn run<T>(
    shared: &Shared,
    live: &Live,
    limit: Option<Duration>,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> (Result<T, Error>, Condition) {
    let ticket = Arc::new(Ticket::new());
    ticket.start(&live.interrupt);
    let scope = shared.enter(&ticket, limit, None);
    let begun = begin_snapshot(&live.connection);
    let outcome = begun.map_err(Error::Database).and_then(|()| {
        scope.guard(Guard::Reader);
        caught(|| work(&live.connection))
    });
    scope.guard(Guard::Off);
    let stop = ticket.settle();
    drop(scope);
    let condition = if is_fault(&outcome) {
        Condition::Broken
    } else {
        restored(live)
    };
    let outcome = match stop {
        Some(stop) => Err(stop_error(stop, limit)),
        None => outcome,
    };
    count(match &outcome {
        Ok(_) => &shared.counters.succeeded,
        Err(_) => &shared.counters.failed,
    });
    (outcome, condition)
}

fn give_back(shared: &Shared, live: Live, condition: Condition) {
    match condition {
        Condition::Good => shared.inline.add(live),
        Condition::Broken => {
            drop(live);
            count(&shared.counters.reopened);
            match shared.opener.open(Role::Reader) {
                Ok(live) => shared.inline.add(live),
                // One less: its reads go to the readers, which try again and again.
                Err(error) => {
                    tracing::error!(%error, "cannot open sqlite connection for inline reads");
                }
            }
        }
    }
}
