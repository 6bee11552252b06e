//! One call: sends its job, waits for the answer, and takes the job back when nobody waits any more.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::handle::Owner;
use crate::job::{Envelope, Job, Mode, Once, Repeatable, Ticket};
use crate::queue::Refused;
use crate::shared::Shared;
use crate::statistics::count;

/// A call that has not been sent yet.
pub(crate) struct Call {
    pub(crate) owner: Arc<Owner>,
    pub(crate) mode: Mode,
    pub(crate) limit: Option<Duration>,
    pub(crate) origin: &'static Location<'static>,
    pub(crate) sql: Option<Arc<str>>,
}

impl Call {
    pub(crate) fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    /// Sends a closure that runs at most once.
    pub(crate) async fn once<T, E, F>(self, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        let (reply, answer) = oneshot::channel();
        let work = move |connection: &Connection| work(connection).map_err(Into::into);
        self.submit(Box::new(Once::new(work, reply)), answer).await
    }

    /// Sends a closure that can run again.
    pub(crate) async fn repeatable<T, E, F>(self, mut work: F) -> Result<T, Error>
    where
        F: FnMut(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<Error>,
    {
        let (reply, answer) = oneshot::channel();
        let work = move |connection: &Connection| work(connection).map_err(Into::into);
        self.submit(Box::new(Repeatable::new(work, reply)), answer)
            .await
    }

    async fn submit<T>(
        self,
        job: Box<dyn Job>,
        answer: oneshot::Receiver<Result<T, Error>>,
    ) -> Result<T, Error> {
        let shared = &self.owner.shared;
        let queue = shared.queue(self.mode);
        let ticket = Arc::new(Ticket::new());
        let envelope = Envelope {
            job,
            ticket: Arc::clone(&ticket),
            mode: self.mode,
            limit: self.limit,
            origin: self.origin,
            sql: self.sql,
            queued: Instant::now(),
        };
        if let Err((_envelope, refused)) = queue.push(envelope) {
            return Err(match refused {
                Refused::Closed => Error::Closed,
                Refused::Unavailable => Error::Unavailable,
                Refused::Full => {
                    count(&shared.counters.refused);
                    Error::QueueFull {
                        limit: queue.limit(),
                    }
                }
            });
        }
        let mut guard = CancelOnDrop {
            shared,
            mode: self.mode,
            ticket: Some(&ticket),
        };
        let answer = answer.await;
        guard.ticket = None;
        answer.unwrap_or_else(|_| Err(lost(self.mode, &ticket)))
    }
}

/// The error of a job whose worker was lost with it.
fn lost(mode: Mode, ticket: &Ticket) -> Error {
    match mode {
        _ if !ticket.has_begun() => Error::Unavailable,
        Mode::Read | Mode::Snapshot => Error::Interrupted,
        Mode::Write | Mode::Grouped | Mode::Unmanaged => Error::OutcomeUnknown(None),
    }
}

/// Cancels the job when the caller's future is dropped before the answer.
struct CancelOnDrop<'a> {
    shared: &'a Shared,
    mode: Mode,
    ticket: Option<&'a Arc<Ticket>>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && ticket.cancel()
        {
            count(&self.shared.counters.cancelled);
            self.shared.queue(self.mode).remove(ticket);
        }
    }
}
