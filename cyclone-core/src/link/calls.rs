//! Requests with answers over a link.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    select,
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{
    Link, LinkContext, LinkError, LinkState,
    builder::CallSettings,
    queue::{CallQueue, Envelope, Pending, Reply, SessionSignal},
    statistics::Counts,
};
use crate::{
    backoff::later,
    connector::{ConnectionError, Connector},
    operation::{NotSent, OperationError},
};

/// A [`Link`] over which requests are sent and answered; made by
/// [`LinkBuilder::spawn_with_calls`](super::LinkBuilder::spawn_with_calls). Clones are handles of the same link.
///
/// Many callers share the one connection. Each call has a time limit, and an error says whether it was sent. A call
/// waits in a bounded queue; the session takes it from its [`CallQueue`] and from then on its outcome is unknown
/// until it is answered. What was taken is never given to another session, so nothing is sent twice.
///
/// ```
/// # use std::{error::Error, io};
/// # use cyclone_core::{Connector, Link};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
/// # struct Echo;
/// # impl Connector for Echo {
/// #     type Connection = DuplexStream;
/// #     type Error = io::Error;
/// #     async fn connect(&self) -> io::Result<DuplexStream> {
/// #         let (client, server) = tokio::io::duplex(64);
/// #         tokio::spawn(async move {
/// #             let (mut read, mut write) = tokio::io::split(server);
/// #             tokio::io::copy(&mut read, &mut write).await
/// #         });
/// #         Ok(client)
/// #     }
/// #     async fn check(&self, _: &mut DuplexStream) -> io::Result<()> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn Error>> {
/// let link = Link::builder(Echo).spawn_with_calls(
///     async |mut connection: DuplexStream, context, mut calls| {
///         loop {
///             tokio::select! {
///                 Some((request, answer)) = calls.next() => {
///                     connection.write_u32(request).await?;
///                     answer.send(Ok(connection.read_u32().await?));
///                 }
///                 () = context.closing() => return Ok(()),
///             }
///         }
///     },
/// );
/// assert_eq!(link.call(7).await?, 7);
/// # Ok(())
/// # }
/// ```
pub struct CallLink<C: Connector, Q, A> {
    link: Link<C>,
    calls: Arc<Calls<Q, A, C::Error>>,
}

impl<C: Connector, Q, A> CallLink<C, Q, A> {
    pub(super) fn new(link: Link<C>, calls: Arc<Calls<Q, A, C::Error>>) -> Self {
        Self { link, calls }
    }

    /// The link itself: its state, health and statistics, and how to close it.
    #[must_use]
    pub fn link(&self) -> &Link<C> {
        &self.link
    }

    /// Sends a request and waits for its answer, no longer than
    /// [`operation_timeout`](super::LinkBuilder::operation_timeout) (10 s).
    ///
    /// While the link connects, the call waits; while it is down, the call fails at once.
    ///
    /// # Errors
    ///
    /// [`OperationError::NotSent`] when the session had not taken the request; [`OperationError::OutcomeUnknown`]
    /// when it had, and there was no answer; [`OperationError::Failed`] with what the session gave for an answer.
    ///
    /// # Cancel safety
    ///
    /// A dropped call that the session had not taken is not sent. Otherwise its outcome is unknown, and the
    /// connection is closed unless [told otherwise](super::LinkBuilder::late_answers).
    pub async fn call(&self, request: Q) -> Result<A, OperationError<C::Error>> {
        self.call_within(self.calls.settings.timeout, request).await
    }

    /// As [`call`](Self::call), with a time limit of its own; [`Duration::MAX`] is none.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn call_within(
        &self,
        limit: Duration,
        request: Q,
    ) -> Result<A, OperationError<C::Error>> {
        let deadline = later(Instant::now(), limit);
        let breaker = self.link.breaker();
        let mut permit = breaker.permit().map_err(NotSent::Breaker)?;
        let calls = &self.calls;
        let Ok(place) = Arc::clone(&calls.places).try_acquire_owned() else {
            calls.counts.refused.fetch_add(1, Relaxed);
            let limit = calls.settings.max_pending;
            return Err(NotSent::Full { limit }.into());
        };
        let _counted = PendingCount::start(&calls.counts);
        let session = timeout_at(deadline, self.session())
            .await
            .unwrap_or_else(|_| {
                Err(LinkError::Timeout {
                    waited: limit,
                    error: calls.counts.last_error(),
                })
            });
        let session = session.map_err(|error| {
            calls.counts.unanswered.fetch_add(1, Relaxed);
            NotSent::Link(error)
        })?;
        // It may have opened while this call waited for the link.
        permit.confirm().map_err(NotSent::Breaker)?;

        let (reply, answered) = oneshot::channel();
        let (mut pending, envelope) = Pending::new(
            request,
            reply,
            place,
            Arc::clone(&session.signal),
            Arc::clone(&calls.counts),
        );
        if session.sender.try_send(envelope).is_err() {
            pending.resolve();
            calls.counts.unanswered.fetch_add(1, Relaxed);
            let error = if self.link.is_closing() {
                LinkError::Closed
            } else {
                LinkError::Down(ConnectionError::lost())
            };
            return Err(NotSent::Link(error).into());
        }
        let result = match timeout_at(deadline, answered).await {
            Ok(Ok(Reply::Answered(result))) => {
                pending.resolve();
                permit.succeeded();
                calls.counts.answered.fetch_add(1, Relaxed);
                return result.map_err(OperationError::Failed);
            }
            Ok(Ok(Reply::NotSent(error))) => {
                pending.resolve();
                Err((NotSent::Driver(error.clone()).into(), Some(error)))
            }
            Ok(Err(_)) => {
                let error = ConnectionError::lost();
                Err(if pending.resolve() {
                    (OperationError::OutcomeUnknown(error.clone()), Some(error))
                } else {
                    (NotSent::Link(LinkError::Down(error)).into(), None)
                })
            }
            Err(_) => {
                let error = ConnectionError::timed_out(limit);
                Err(if pending.time_out() {
                    (OperationError::OutcomeUnknown(error.clone()), Some(error))
                } else {
                    (NotSent::TimedOut(limit).into(), None)
                })
            }
        };
        calls.counts.unanswered.fetch_add(1, Relaxed);
        result.map_err(|(error, failure)| {
            if let Some(failure) = failure {
                permit.failed(failure);
            }
            error
        })
    }

    /// Waits for the session that runs, while the link is up or connects.
    async fn session(&self) -> Result<OpenSession<Q, A, C::Error>, LinkError> {
        let mut sessions = self.calls.sessions.subscribe();
        let mut states = self.link.states.clone();
        loop {
            if self.link.is_closing() {
                return Err(LinkError::Closed);
            }
            if let Some(session) = &*sessions.borrow_and_update() {
                return Ok(session.clone());
            }
            match &*states.borrow_and_update() {
                LinkState::Up { .. } | LinkState::Connecting { .. } => {}
                LinkState::Stopped { .. } if self.link.is_starting_over() => {}
                LinkState::Down { error, .. } => return Err(LinkError::Down(error.clone())),
                LinkState::Stopped { error } => return Err(LinkError::Stopped(error.clone())),
                LinkState::Closed => return Err(LinkError::Closed),
            }
            select! {
                _ = sessions.changed() => {}
                changed = states.changed() => if changed.is_err() {
                    return Err(LinkError::Closed);
                }
            }
        }
    }
}

impl<C: Connector, Q, A> Clone for CallLink<C, Q, A> {
    fn clone(&self) -> Self {
        Self {
            link: self.link.clone(),
            calls: Arc::clone(&self.calls),
        }
    }
}

impl<C: Connector, Q, A> fmt::Debug for CallLink<C, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallLink")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

/// What the handles of a [`CallLink`] share with its sessions.
pub(super) struct Calls<Q, A, E> {
    settings: CallSettings,
    counts: Arc<Counts>,
    /// One for each call that may wait.
    places: Arc<Semaphore>,
    /// The session that runs.
    sessions: watch::Sender<Option<OpenSession<Q, A, E>>>,
}

/// How calls reach a session.
struct OpenSession<Q, A, E> {
    sender: mpsc::Sender<Envelope<Q, A, E>>,
    signal: Arc<SessionSignal>,
}

impl<Q, A, E> Clone for OpenSession<Q, A, E> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            signal: Arc::clone(&self.signal),
        }
    }
}

impl<Q, A, E> Calls<Q, A, E> {
    pub(super) fn new(settings: CallSettings, counts: Arc<Counts>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.max_pending)),
            settings,
            counts,
            sessions: watch::Sender::new(None),
        }
    }

    /// Opens the queue of a new session, until the guard is dropped.
    pub(super) fn open(
        self: &Arc<Self>,
        context: LinkContext,
    ) -> (CallQueue<Q, A, E>, SessionGuard<Q, A, E>) {
        let (sender, receiver) = mpsc::channel(self.settings.max_pending);
        let signal = Arc::new(SessionSignal::new(self.settings.late_answers));
        let queue = CallQueue::new(receiver, self.settings.max_in_flight, context);
        self.sessions.send_replace(Some(OpenSession {
            sender,
            signal: Arc::clone(&signal),
        }));
        let guard = SessionGuard {
            calls: Arc::clone(self),
            signal,
        };
        (queue, guard)
    }
}

/// A session that takes calls.
pub(super) struct SessionGuard<Q, A, E> {
    calls: Arc<Calls<Q, A, E>>,
    signal: Arc<SessionSignal>,
}

impl<Q, A, E> SessionGuard<Q, A, E> {
    /// Waits until a call that was sent is given up, and the connection must not be used again.
    pub(super) async fn given_up(&self) {
        self.signal.given_up().await;
    }
}

impl<Q, A, E> Drop for SessionGuard<Q, A, E> {
    fn drop(&mut self) {
        self.calls.sessions.send_replace(None);
    }
}

/// One call that waits.
struct PendingCount<'a>(&'a Counts);

impl<'a> PendingCount<'a> {
    fn start(counts: &'a Counts) -> Self {
        counts.pending.fetch_add(1, Relaxed);
        Self(counts)
    }
}

impl Drop for PendingCount<'_> {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Relaxed);
    }
}
