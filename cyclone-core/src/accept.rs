//! The accept loop: it neither spins nor dies when descriptors run out, and it pauses at the limit of
//! connections.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, PollSemaphore};

use crate::connection::Connection;
use crate::connection_task::{run, say_that_it_panicked};
use crate::listener::Listener;
use crate::opening::{OPENING, Opening};
use crate::peer::Peer;
use crate::protocol::{DynFactory, prepare};
use crate::registry::Registry;
use crate::session::{Home, Session};
use crate::transport::Transport;

/// The first pause after the operating system refused to accept for want of descriptors or memory.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause; the loop tries again after it for ever.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many queued connections a listener takes at most after the shutdown began.
const LAST_CONNECTIONS_MAX: usize = 4096;

/// What every listener of a server shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) home: Arc<Home>,
    pub(crate) draining: CancellationToken,
    pub(crate) cut: CancellationToken,
    pub(crate) max_connections: usize,
    /// One permit a connection, over all listeners.
    pub(crate) permits: Arc<Semaphore>,
}

/// One listener and what it serves.
pub(crate) struct Acceptor {
    pub(crate) listener: Listener,
    pub(crate) served: Served,
}

/// What a listener serves: everything that is needed once there is a connection.
pub(crate) struct Served {
    pub(crate) factory: Arc<dyn DynFactory>,
    /// What connections go through before their protocol; nothing at most endpoints.
    pub(crate) opening: Option<Arc<Opening>>,
    pub(crate) shared: Shared,
}

impl Acceptor {
    /// Accepts until the server drains; returning closes the listener.
    pub(crate) async fn run(mut self) {
        let draining = self.served.shared.draining.clone();
        if !draining.is_cancelled() {
            self.listener.claim();
        }
        tokio::select! {
            biased;
            () = draining.cancelled() => {}
            () = self.accept_for_ever() => {}
        }
        self.accept_queue();
    }

    /// Takes what the kernel has queued already: those peers may have sent a request, and closing the
    /// listener resets them. At the connection limit, or when the server cuts, that is what happens.
    fn accept_queue(self) {
        let Self { listener, served } = self;
        let shared = &served.shared;
        let queue = match listener.into_queue() {
            Ok(queue) => queue,
            Err(error) => {
                tracing::error!(%error, "cannot take the queued connections");
                return;
            }
        };
        for _ in 0..LAST_CONNECTIONS_MAX {
            if shared.cut.is_cancelled() {
                return;
            }
            let Ok(permit) = Arc::clone(&shared.permits).try_acquire_owned() else {
                tracing::warn!("connection limit reached, queued connections are reset");
                return;
            };
            match queue.accept() {
                Ok((transport, peer)) => served.serve(transport, peer, permit),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::error!(%error, "cannot take the queued connections");
                    return;
                }
            }
        }
    }

    async fn accept_for_ever(&self) {
        let mut permits = PollSemaphore::new(Arc::clone(&self.served.shared.permits));
        let mut pause: Option<Duration> = None;
        let mut at_limit = false;
        loop {
            match self.next(&mut permits, &mut at_limit).await {
                Ok((transport, peer, permit)) => {
                    if pause.take().is_some() {
                        tracing::info!("accepting again");
                    }
                    at_limit = at_limit && self.served.shared.permits.available_permits() == 0;
                    self.served.serve(transport, peer, permit);
                }
                // The peer was gone before we took its connection: no fault of ours, on to the next.
                Err(error) if is_about_one_connection(&error) => {
                    tracing::debug!(%error, "connection lost before it was accepted");
                }
                Err(error) => {
                    let wait = pause.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
                    if pause.is_none() {
                        tracing::error!(%error, "cannot accept, trying again at intervals");
                    }
                    tracing::debug!(wait_ms = wait.as_millis(), "accepting pauses");
                    pause = Some(wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Waits for a connection and a permit to serve it.
    ///
    /// The permit is taken first, so that peers wait in the kernel's queue at the limit, but it is given back
    /// while there is no peer: a listener that waits must not keep the share of another.
    async fn next(
        &self,
        permits: &mut PollSemaphore,
        at_limit: &mut bool,
    ) -> io::Result<(Transport, Peer, OwnedSemaphorePermit)> {
        let shared = &self.served.shared;
        poll_fn(|cx| {
            let Poll::Ready(permit) = permits.poll_acquire(cx) else {
                let open = shared.registry.len();
                if !*at_limit && open >= shared.max_connections {
                    *at_limit = true;
                    tracing::warn!(open, "connection limit reached, accepting pauses");
                }
                return Poll::Pending;
            };
            let permit =
                permit.ok_or_else(|| io::Error::other("the connection limit is closed"))?;
            let (transport, peer) = ready!(self.listener.poll_accept(cx))?;
            Poll::Ready(Ok((transport, peer, permit)))
        })
        .await
    }
}

impl Served {
    /// Begins to serve a connection, whatever panics meanwhile: the factory and who listens to spans are not ours, and
    /// a listener must not end with them.
    fn serve(&self, transport: Transport, peer: Peer, permit: OwnedSemaphorePermit) {
        let begin = AssertUnwindSafe(|| self.begin(transport, peer, permit));
        if catch_unwind(begin).is_err() {
            tracing::error!("a connection is closed, as something panicked when it began");
        }
    }

    /// Enters a connection into the registry and runs its protocol in a task of its own.
    fn begin(&self, transport: Transport, peer: Peer, permit: OwnedSemaphorePermit) {
        let (registry, home) = (&self.shared.registry, &self.shared.home);
        if let Some(opening) = &self.opening {
            let (session, guard) = Session::register(home, registry, peer, OPENING, permit);
            let (factory, registry) = (Arc::clone(&self.factory), registry.clone());
            let opened = Arc::clone(opening).run(transport, session, factory, registry);
            tokio::spawn(run(opened, guard));
            return;
        }
        let Some(start) = prepare(&*self.factory, registry, &peer) else {
            return;
        };
        let name = self.factory.name();
        let (session, guard) = Session::register(home, registry, peer, name, permit);
        let connection = Connection::of(transport, session.clone());
        // A protocol may do something before its future is polled.
        if catch_unwind(AssertUnwindSafe(|| start(connection, guard))).is_err() {
            say_that_it_panicked(&session);
        }
    }
}

/// Whether an error of `accept` concerns only the connection that was to be accepted (accept(2), "Error
/// handling"), so that the next call may well succeed.
///
/// `PermissionDenied` is not among them: a security module may refuse every call and leave the connection in
/// the queue, so that trying again at once would spin.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
    )
}
