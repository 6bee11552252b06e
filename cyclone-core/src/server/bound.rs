//! A server whose listeners are bound and that accepts nobody yet.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{RunningServer, Server, ServerError, limit};
use crate::accept::{Acceptor, Served, Shared};
use crate::listener::Listener;
use crate::opening::Opening;
use crate::peer::Address;
#[cfg(feature = "tls")]
use crate::protocol::DynFactory;
use crate::registry::Registry;
use crate::resources::Resources;
use crate::service::{ServiceGroup, StopServer};
use crate::session::Home;
use crate::shutdown::ServerHandle;
#[cfg(feature = "tls")]
use crate::{
    endpoint::Endpoint,
    service::ServiceOptions,
    tls::{ServerTls, TlsReload},
};

/// A server whose listeners are bound and that accepts nobody yet: [`Server::bind`] makes it.
///
/// Between the two a process may drop the privileges that only binding needed. Peers that connect meanwhile
/// wait in the kernel's queue. Dropping it closes the listeners.
#[must_use = "a bound server accepts nobody until it is started"]
pub struct BoundServer {
    addresses: Vec<Address>,
    acceptors: Vec<Acceptor>,
    services: ServiceGroup,
    service_timeout: Duration,
    resources: Resources,
    handle: ServerHandle,
    max_connections: usize,
    shutdown_deadline: Duration,
}

pub(super) async fn bind(server: Server) -> Result<BoundServer, ServerError> {
    let max_connections = server.max_connections.unwrap_or_else(limit::connections);
    let registry = Registry::new();
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let handle = ServerHandle {
        registry: registry.clone(),
        services: server.services.clone(),
        draining: draining.clone(),
        cut: cut.clone(),
        observed: server.observing.begin(max_connections),
    };
    let permits = Arc::new(Semaphore::new(max_connections));
    let resources = server
        .resources
        .insert(registry.clone())
        .insert(handle.clone())
        .insert(StopServer::new({
            let handle = handle.clone();
            move |failure| handle.fail(failure)
        }))
        .build();
    handle.inspect_resources(&resources);
    let shared = Shared {
        home: Home::new(
            registry.clone(),
            resources.clone(),
            draining.clone(),
            cut.clone(),
            Arc::clone(&permits),
        ),
        registry,
        draining,
        cut,
        max_connections,
        permits,
    };
    for (_, factory) in &server.listeners {
        factory.check(&resources).map_err(ServerError::missing)?;
    }
    let (mut acceptors, mut addresses) = (Vec::new(), Vec::new());
    for (endpoint, factory) in server.listeners {
        #[cfg(feature = "tls")]
        let tls = tls_of(&endpoint, &*factory, &server.services)?;
        let opening = Opening::of(
            &endpoint,
            #[cfg(feature = "tls")]
            tls,
        );
        let bound = Listener::bind(&endpoint, server.sockets.as_ref()).await;
        let listener = bound.map_err(|error| ServerError::bind(&endpoint, error))?;
        let address = listener
            .local_address()
            .map_err(|error| ServerError::bind(&endpoint, error))?;
        tracing::info!(%endpoint, %address, protocol = factory.name(), "listening");
        handle.observed.listens(&endpoint, &address, factory.name());
        addresses.push(address);
        let served = Served {
            factory,
            opening,
            shared: shared.clone(),
        };
        acceptors.push(Acceptor { listener, served });
    }
    Ok(BoundServer {
        addresses,
        acceptors,
        services: server.services,
        service_timeout: server.service_timeout,
        resources,
        handle,
        max_connections,
        shutdown_deadline: server.shutdown_deadline,
    })
}

/// TLS of an endpoint, offering what its protocol is called there; the service that keeps its certificates up to
/// date joins the others.
#[cfg(feature = "tls")]
fn tls_of(
    endpoint: &Endpoint,
    factory: &dyn DynFactory,
    services: &ServiceGroup,
) -> Result<Option<ServerTls>, ServerError> {
    let Some(tls) = &endpoint.tls else {
        return Ok(None);
    };
    let tls = tls.load();
    let tls = tls.map_err(|error| ServerError::tls(endpoint, error))?;
    // A slash would part the name.
    let name = format!("tls {}", endpoint.socket_name().replace('/', "_"));
    let reload = TlsReload::new(&tls).named(name);
    services.push(Arc::new(reload), ServiceOptions::new());
    #[cfg(feature = "acme")]
    for acme in tls.acme() {
        services.push(Arc::new(acme.renewal()), ServiceOptions::new());
    }
    Ok(Some(tls.with_default_alpn(factory.alpn())))
}

impl BoundServer {
    /// The address of every listener in the order in which they were added, with the port that the kernel
    /// picked where 0 was asked for.
    #[must_use]
    pub fn local_addresses(&self) -> &[Address] {
        &self.addresses
    }

    #[cfg(feature = "runner")]
    pub(super) fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The handle that ends the server from anywhere; one that was told to end before its start drains what
    /// the kernel has queued and ends.
    #[must_use]
    pub fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Puts an opening before every protocol.
    #[cfg(test)]
    pub(crate) fn set_opening(&mut self, opening: &Arc<Opening>) {
        for acceptor in &mut self.acceptors {
            acceptor.served.opening = Some(Arc::clone(opening));
        }
    }

    /// Starts the services and accepts.
    ///
    /// # Errors
    /// [`ServerError`] when a service does not start. Nothing is left behind then.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners and tells the services that were started to end, without
    /// waiting for them and without their own `stop`.
    pub async fn start(self) -> Result<RunningServer, ServerError> {
        let limit = self.service_timeout;
        let started = self.services.start_root(limit, &self.resources);
        started.await.map_err(ServerError::service)?;
        let mut accepting = JoinSet::new();
        for acceptor in self.acceptors {
            accepting.spawn(acceptor.run());
        }
        self.handle.serves();
        Ok(RunningServer::new(
            self.addresses,
            self.resources,
            self.max_connections,
            self.handle,
            accepting,
            self.shutdown_deadline,
        ))
    }
}

impl fmt::Debug for BoundServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundServer")
            .field("addresses", &self.addresses)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
