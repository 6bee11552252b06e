//! What stands between accept and protocol: the header of a proxy, the handshake of TLS.
//!
//! It runs in the connection's own task, under a time limit, and the connection is in the registry already. So a
//! peer that is slow or silent holds up nobody else, counts against the connection limit, and is seen.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::connection::Connection;
#[cfg(feature = "tls")]
use crate::endpoint::DEFAULT_OPENING_TIMEOUT;
use crate::endpoint::Endpoint;
use crate::peer::Peer;
use crate::protocol::{DynFactory, prepare};
use crate::registry::Registry;
use crate::session::Session;
#[cfg(feature = "tls")]
use crate::tls::ServerTls;
use crate::transport::Transport;

mod proxy;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
/// What a handshake leaves of the time, for a header before it and a refusal after it.
const AFTER_HANDSHAKE: Duration = Duration::from_secs(5);

/// The protocol that the registry shows of a connection that is not open yet.
pub(crate) const OPENING: &str = "opening";

/// One thing that a connection goes through.
///
/// It takes no byte that belongs to what follows, and gives the transport and the peer that follow.
pub(crate) trait Step: fmt::Debug + Send + Sync + 'static {
    /// # Errors
    /// Any error closes the connection; its text is for the log.
    fn take(&self, transport: Transport, peer: Peer) -> StepFuture<'_>;
}

/// What [`Step::take`] gives.
pub(crate) type StepFuture<'a> =
    Pin<Box<dyn Future<Output = io::Result<(Transport, Peer)>> + Send + 'a>>;

/// What every connection of a listener goes through, in this order.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) steps: Vec<Box<dyn Step>>,
    pub(crate) time_limit: Duration,
}

impl Opening {
    /// What connections go through at this endpoint; `None` when there is nothing.
    pub(crate) fn of(
        endpoint: &Endpoint,
        #[cfg(feature = "tls")] tls: Option<ServerTls>,
    ) -> Option<Arc<Self>> {
        let mut steps: Vec<Box<dyn Step>> = Vec::new();
        if let Some(proxy) = &endpoint.proxy {
            steps.push(Box::new(proxy::ReadHeader::new(proxy.clone())));
        }
        #[cfg_attr(
            not(feature = "tls"),
            expect(unused_mut, reason = "TLS has a limit of its own")
        )]
        let mut time_limit = endpoint.opening_timeout;
        #[cfg(feature = "tls")]
        if let Some(tls) = tls {
            if time_limit == DEFAULT_OPENING_TIMEOUT {
                // Who says how long a handshake may take need not say it twice.
                time_limit = time_limit.max(tls.handshake_timeout() + AFTER_HANDSHAKE);
            }
            steps.push(Box::new(tls::Handshake { tls }));
        }
        (!steps.is_empty()).then(|| Arc::new(Self { steps, time_limit }))
    }

    /// Takes the steps and starts the protocol in a task of its own, whose future is as small as without them.
    ///
    /// A server that shuts down waits for the steps as for everything that has begun; the protocol then sees
    /// [`Session::draining`] at once.
    pub(crate) async fn run(
        self: Arc<Self>,
        transport: Transport,
        session: Session,
        factory: Arc<dyn DynFactory>,
        registry: Registry,
    ) -> io::Result<()> {
        let steps = self.take_steps(transport, session.peer().clone());
        let taken = timeout(self.time_limit, steps).await;
        let (transport, peer) = match taken.unwrap_or_else(|_elapsed| Err(self.too_slow())) {
            Ok(opened) => opened,
            Err(error) => {
                registry.count_refused();
                return Err(error);
            }
        };
        session.refine_peer(peer);
        let Some(start) = prepare(&*factory, &registry, session.peer()) else {
            return Ok(());
        };
        session.set_protocol(factory.name());
        let guard = session.hold();
        start(Connection::of(transport, session), guard);
        Ok(())
    }

    async fn take_steps(
        &self,
        mut transport: Transport,
        mut peer: Peer,
    ) -> io::Result<(Transport, Peer)> {
        for step in &self.steps {
            (transport, peer) = step.take(transport, peer).await?;
        }
        Ok((transport, peer))
    }

    fn too_slow(&self) -> io::Error {
        let seconds = self.time_limit.as_secs_f64();
        let reason = format!("the connection was not open within {seconds} s");
        io::Error::new(io::ErrorKind::TimedOut, reason)
    }
}
