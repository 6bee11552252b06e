//! The accept loop: it neither spins nor dies when descriptors run out, and it pauses at the limit of
//! connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::listener::Listener;
use crate::peer::Peer;
use crate::protocol::{DynFactory, Running};
use crate::registry::Registry;
use crate::resources::Resources;
use crate::session::{Session, SessionGuard};
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
    pub(crate) resources: Resources,
    pub(crate) draining: CancellationToken,
    pub(crate) cut: CancellationToken,
    /// One permit a connection, over all listeners.
    pub(crate) permits: Arc<Semaphore>,
}

/// One listener and what it serves.
pub(crate) struct Acceptor {
    pub(crate) listener: Listener,
    pub(crate) factory: Arc<dyn DynFactory>,
    pub(crate) shared: Shared,
}

impl Acceptor {
    /// Accepts until the server drains; returning closes the listener.
    pub(crate) async fn run(self) {
        let draining = self.shared.draining.clone();
        tokio::select! {
            biased;
            () = draining.cancelled() => {}
            () = self.accept_for_ever() => {}
        }
        self.accept_queue().await;
    }

    /// Takes what the kernel has queued already: those peers may have sent a request, and closing the
    /// listener would reset them.
    async fn accept_queue(&self) {
        for _ in 0..LAST_CONNECTIONS_MAX {
            let Ok(permit) = Arc::clone(&self.shared.permits).try_acquire_owned() else {
                return;
            };
            let Ok(Ok((transport, peer))) = timeout(Duration::ZERO, self.listener.accept()).await
            else {
                return;
            };
            self.serve(transport, peer, permit);
        }
    }

    async fn accept_for_ever(&self) {
        let mut pause: Option<Duration> = None;
        let mut at_limit = false;
        loop {
            if self.shared.permits.available_permits() == 0 && !at_limit {
                at_limit = true;
                tracing::warn!(
                    open = self.shared.registry.len(),
                    "connection limit reached, accepting pauses"
                );
            }
            let Ok(permit) = Arc::clone(&self.shared.permits).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((transport, peer)) => {
                    if pause.take().is_some() {
                        tracing::info!("accepting again");
                    }
                    at_limit = at_limit && self.shared.permits.available_permits() == 0;
                    self.serve(transport, peer, permit);
                }
                // The peer was gone before we took its connection: no fault of ours, on to the next.
                Err(error) if is_about_one_connection(&error) => {
                    tracing::debug!(%error, "connection lost before it was accepted");
                }
                Err(error) => {
                    drop(permit);
                    if pause.is_none() {
                        tracing::error!(%error, "cannot accept, trying again at intervals");
                    }
                    let wait = pause.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
                    pause = Some(wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn serve(&self, transport: Transport, peer: Peer, permit: OwnedSemaphorePermit) {
        let Some(start) = self.factory.prepare(&peer) else {
            self.shared.registry.count_refused();
            tracing::debug!(%peer, protocol = self.factory.name(), "peer refused");
            return;
        };
        let (session, guard) = Session::register(
            &self.shared.registry,
            peer.clone(),
            self.factory.name(),
            self.shared.resources.clone(),
            self.shared.draining.clone(),
            &self.shared.cut,
            permit,
        );
        let running = start(Connection::new(transport, peer, session));
        tokio::spawn(run(running, guard));
    }
}

async fn run(running: Running, guard: SessionGuard) {
    let watch = PanicWatch(guard);
    let session = watch.0.session();
    let ended = tokio::select! {
        biased;
        () = session.cut() => return,
        ended = running => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(
            id = session.id().get(),
            protocol = session.protocol(),
            peer = %session.peer(),
            %error,
            "connection ended with an error"
        );
    }
}

/// Says which connection a panic ended; the runtime keeps the panic inside the task.
struct PanicWatch(SessionGuard);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let session = self.0.session();
            tracing::error!(
                id = session.id().get(),
                protocol = session.protocol(),
                peer = %session.peer(),
                "protocol panicked"
            );
        }
    }
}

/// Whether an error of `accept` concerns only the connection that was to be accepted (accept(2), "Error
/// handling"), so that the next call may well succeed.
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
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::Interrupted
    )
}
