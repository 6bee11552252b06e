//! One connection that is always reconnecting.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

pub use builder::{
    DEFAULT_LINK_CLOSE_TIMEOUT, DEFAULT_LINK_MAX_IN_FLIGHT, DEFAULT_LINK_MAX_PENDING, LinkBuilder,
    MAX_LINK_CALLS,
};
pub use calls::CallLink;
pub use context::LinkContext;
pub use error::LinkError;
pub use queue::{Answer, CallQueue, LateAnswers};
pub use statistics::LinkStatistics;

use crate::{
    backoff::BackoffPolicy,
    breaker::Breaker,
    connector::{ConnectionError, Connector},
    health::HealthWatch,
    state_watch::StateWatch,
};
use keeper::Trying;
use statistics::Counts;

mod builder;
mod calls;
mod context;
mod error;
mod keeper;
mod queue;
mod statistics;

/// One logical connection that is always reconnecting: for publish/subscribe, change streams, event sockets. Clones
/// are handles of the same link.
///
/// The driver gives a *session*: a function that owns the connection while it is up. It is called anew for every
/// connection, so it begins by subscribing to everything again. When it returns, fails or panics, the link waits a
/// jittered, growing delay and connects again, for ever. What was missed in between is lost to the link itself:
/// the [generation](LinkContext::generation) tells users of the driver that there is a gap.
///
/// The link itself asks nobody for a sign of life. A session over which nothing is sent for long does so, or it never
/// learns that the other side has vanished.
///
/// There are never more than [`MAX_ATTEMPTS_PER_SECOND`](crate::MAX_ATTEMPTS_PER_SECOND) (20) attempts in a second,
/// and each has a time limit. The link is closed when the last handle is dropped.
///
/// ```
/// # use std::{error::Error, io, time::Duration};
/// # use cyclone_core::{BackoffPolicy, Connector, Link};
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::{io::{AsyncBufReadExt, BufReader, DuplexStream}, sync::mpsc};
/// # struct News;
/// # impl Connector for News {
/// #     type Connection = DuplexStream;
/// #     type Error = io::Error;
/// #     async fn connect(&self) -> io::Result<DuplexStream> {
/// #         let (client, mut server) = tokio::io::duplex(64);
/// #         tokio::spawn(async move {
/// #             let _ = server.write_all(b"hello\n").await;
/// #             let _ = server.read_u8().await; // until the client goes
/// #         });
/// #         Ok(client)
/// #     }
/// #     async fn check(&self, _: &mut DuplexStream) -> io::Result<()> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn Error>> {
/// let (sender, mut received) = mpsc::channel(16);
/// let link = Link::spawn(News, BackoffPolicy::reconnect(), move |connection, context| {
///     let sender = sender.clone();
///     async move {
///         let mut lines = BufReader::new(connection).lines();
///         // Here a driver subscribes again to what its users want.
///         loop {
///             tokio::select! {
///                 line = lines.next_line() => match line? {
///                     Some(line) => { let _ = sender.send((context.generation(), line)).await; }
///                     None => return Ok(()), // lost: the link connects again
///                 },
///                 () = context.closing() => return Ok(()), // time to say goodbye
///             }
///         }
///     }
/// });
/// link.wait_up(Duration::from_secs(5)).await?;
/// assert_eq!(received.recv().await, Some((1, "hello".to_owned())));
/// link.close().await;
/// # Ok(())
/// # }
/// ```
pub struct Link<C: Connector> {
    handle: Arc<Handle<C>>,
    /// With this handle's own memory of the states it has seen.
    states: watch::Receiver<LinkState>,
}

/// What the clones share and the task does not hold; without it the task ends.
struct Handle<C: Connector> {
    connector: Arc<C>,
    name: String,
    health: HealthWatch,
    /// Of the calls.
    breaker: Breaker,
    counts: Arc<Counts>,
    /// Turns to `true`, or loses its sender, when the link has to close.
    closing: watch::Sender<bool>,
    trying: watch::Sender<Trying>,
    /// The round of `trying` in which the task stopped last.
    stopped_in: Arc<AtomicU64>,
}

/// How a [`Link`] is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LinkState {
    /// A connection is being made.
    Connecting {
        /// 1 for the first try after the link was made or was last up.
        attempt: u32,
    },
    /// The session runs.
    Up {
        /// Since when.
        since: Instant,
        /// The number of this connection: 1 for the first, one more each time.
        generation: u64,
    },
    /// The connection was lost or could not be made; the next try is at hand.
    Down {
        /// Why.
        error: ConnectionError,
        /// When the next attempt starts.
        retry_at: Instant,
    },
    /// It is not up and does not try, until [`continue_trying`](Link::continue_trying).
    Stopped {
        /// Why it is not up, if it ever tried.
        error: Option<ConnectionError>,
    },
    /// The link was closed for good.
    Closed,
}

impl LinkState {
    /// Whether the session runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }

    /// Whether the link was closed for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

impl<C: Connector> Link<C> {
    /// A link with default time limits, connecting in the background; `session` owns each connection in turn.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F, S>(connector: C, policy: BackoffPolicy, session: F) -> Self
    where
        F: FnMut(C::Connection, LinkContext) -> S + Send + 'static,
        S: Future<Output = Result<(), C::Error>> + Send + 'static,
    {
        Self::builder(connector).backoff(policy).spawn(session)
    }

    /// Settings for a link.
    pub fn builder(connector: C) -> LinkBuilder<C> {
        LinkBuilder::new(connector)
    }

    /// How the link is now.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.states.borrow().clone()
    }

    /// Watches the state, without being a handle: the link closes when only watches are left.
    #[must_use]
    pub fn on_state(&self) -> StateWatch<LinkState> {
        StateWatch::new(self.states.clone())
    }

    /// Waits for a state that this handle has not yet been shown by this method, and shows it. Once the link is
    /// closed it resolves at once, for ever.
    ///
    /// Only the newest state is kept: quick changes in between are not shown, but the generation counts them.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: the state is still unseen.
    pub async fn changed(&mut self) -> LinkState {
        if self.states.changed().await.is_err() {
            return LinkState::Closed;
        }
        self.states.borrow_and_update().clone()
    }

    /// Waits until the link is up; returns the generation of the connection.
    ///
    /// # Errors
    ///
    /// [`LinkError::Timeout`] after `limit`, [`LinkError::Stopped`] when it does not try, [`LinkError::Closed`] when
    /// the link is closed first.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    pub async fn wait_up(&self, limit: Duration) -> Result<u64, LinkError> {
        let mut states = self.states.clone();
        let mut error = None;
        let up = async {
            loop {
                match &*states.borrow_and_update() {
                    LinkState::Up { generation, .. } => return Ok(*generation),
                    LinkState::Stopped { .. } if self.is_starting_over() => {}
                    LinkState::Stopped { error } => return Err(LinkError::Stopped(error.clone())),
                    LinkState::Closed => return Err(LinkError::Closed),
                    LinkState::Down { error: newest, .. } => error = Some(newest.clone()),
                    LinkState::Connecting { .. } => {}
                }
                if states.changed().await.is_err() {
                    return Err(LinkError::Closed);
                }
            }
        };
        match timeout(limit, up).await {
            Ok(result) => result,
            Err(_) => Err(LinkError::Timeout {
                waited: limit,
                error,
            }),
        }
    }

    /// The health of the link: up while the session runs, down from a failure until the next session. A breaker that
    /// is open makes it down, one that is half open degraded.
    #[must_use]
    pub fn health(&self) -> HealthWatch {
        self.handle.health.clone()
    }

    /// What the link did since it was made.
    #[must_use]
    pub fn statistics(&self) -> LinkStatistics {
        let barred = self.handle.breaker.refused();
        self.handle.counts.statistics(Instant::now(), barred)
    }

    /// The breaker of the calls, see [`CallLink`].
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.handle.breaker
    }

    /// Stops connecting: an attempt under way is ended, and there is no other until
    /// [`continue_trying`](Self::continue_trying). A session that runs goes on (Twisted's `stopTrying`).
    pub fn stop_trying(&self) {
        self.handle.trying.send_modify(Trying::stop);
    }

    /// Connects again: now, with the first delay and all attempts. It also cuts the delay between two attempts short
    /// (Twisted's `resetDelay` and `retry`).
    pub fn continue_trying(&self) {
        self.handle.trying.send_modify(Trying::start_over);
    }

    /// Whether it was told to connect again since it stopped, and the task has not done so yet.
    fn is_starting_over(&self) -> bool {
        let handle = &self.handle;
        handle
            .trying
            .borrow()
            .is_on_since(handle.stopped_in.load(SeqCst))
    }

    /// Whether it was told to close.
    fn is_closing(&self) -> bool {
        *self.handle.closing.borrow()
    }

    /// What makes the connections.
    #[must_use]
    pub fn connector(&self) -> &C {
        &self.handle.connector
    }

    /// The name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.handle.name
    }

    /// Closes the link for good and waits until it is: a running session is told through
    /// [`LinkContext::closing`] and dropped when it has not ended within
    /// [`close_timeout`](LinkBuilder::close_timeout) (5 s).
    ///
    /// Closing begins when this is called, not when the future is first polled.
    ///
    /// # Cancel safety
    ///
    /// The link closes all the same when the future is dropped.
    pub fn close(&self) -> impl Future<Output = ()> + Send + 'static {
        self.handle.closing.send_replace(true);
        let mut states = self.states.clone();
        async move {
            // An error means that the task is gone, with its runtime perhaps: closed as well.
            let _ = states.wait_for(LinkState::is_closed).await;
        }
    }
}

impl<C: Connector> Clone for Link<C> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            states: self.states.clone(),
        }
    }
}

impl<C: Connector> fmt::Debug for Link<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.name())
            .field("state", &*self.states.borrow())
            .finish_non_exhaustive()
    }
}
