//! The server: listeners, services and resources under one supervisor, ended in phases.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::endpoint::Endpoint;
use crate::protocol::{DynFactory, ProtocolFactory};
use crate::resources::{Resources, ResourcesBuilder};
use crate::service::{
    DEFAULT_SERVICE_TIMEOUT, OnStop, Service, ServiceError, ServiceGroup, ServiceOptions,
};
use crate::shutdown::ShutdownReport;
use crate::sockets::Sockets;

pub use bound::BoundServer;
pub use error::ServerError;
use observing::Observing;
pub use running::RunningServer;

mod bound;
mod error;
mod limit;
mod observing;
mod running;
mod signal;

/// How long connections may drain unless [`Server::shutdown_deadline`] says otherwise.
pub const DEFAULT_SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);

/// Several listeners of any protocols, the services beside them and the resources they share.
///
/// Built by chaining, then [`run`](Self::run) for a whole process or [`start`](Self::start) for a part of
/// one; [`bind`](Self::bind) first where only binding needs privileges.
///
/// The shutdown has phases: stop accepting, tell the peers, drain until the
/// [deadline](Self::shutdown_deadline), cut (and wait a second at most for what was cut to go), stop services in
/// reverse order ([`service_timeout`](Self::service_timeout) for each `run` to end and again for each `stop`),
/// report. The sum of these is the longest that it can take, whatever the clients do.
///
/// ```no_run
/// use cyclone_core::{Connection, Endpoint, Server, protocol_fn};
/// use tokio::io::AsyncWriteExt;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let hello = protocol_fn("hello", |mut connection: Connection| async move {
///     connection.write_all(b"hello\r\n").await
/// });
/// let report = Server::new()
///     .listen(Endpoint::loopback(2323), hello)
///     .run()
///     .await?;
/// println!("{report}");
/// # Ok(())
/// # }
/// ```
#[must_use = "a server does nothing until it is started"]
pub struct Server {
    listeners: Vec<(Endpoint, Arc<dyn DynFactory>)>,
    sockets: Option<Sockets>,
    services: ServiceGroup,
    observing: Observing,
    resources: ResourcesBuilder,
    shutdown_deadline: Duration,
    service_timeout: Duration,
    max_connections: Option<usize>,
}

impl Server {
    /// A server without listeners, services or resources.
    pub fn new() -> Self {
        Self {
            listeners: Vec::new(),
            sockets: None,
            services: ServiceGroup::root(),
            observing: Observing::default(),
            resources: Resources::builder(),
            shutdown_deadline: DEFAULT_SHUTDOWN_DEADLINE,
            service_timeout: DEFAULT_SERVICE_TIMEOUT,
            max_connections: None,
        }
    }

    /// Adds a listener; the factory builds the protocol of every connection.
    pub fn listen(mut self, endpoint: Endpoint, factory: impl ProtocolFactory) -> Self {
        self.listeners.push((endpoint, Arc::new(factory)));
        self
    }

    /// Adds a listener for each endpoint; they share the factory. No endpoint adds none.
    pub fn listen_all(
        mut self,
        endpoints: impl IntoIterator<Item = Endpoint>,
        factory: impl ProtocolFactory,
    ) -> Self {
        let factory: Arc<dyn DynFactory> = Arc::new(factory);
        let listeners = endpoints.into_iter();
        self.listeners
            .extend(listeners.map(|endpoint| (endpoint, Arc::clone(&factory))));
        self
    }

    /// Binds with the listening sockets of this set first, and makes what it binds itself known there.
    /// Unless called, a server shares its sockets with nobody.
    pub fn sockets(mut self, sockets: Sockets) -> Self {
        self.sockets = Some(sockets);
        self
    }

    /// Adds a service; services start in this order and stop in reverse.
    pub fn service(self, service: impl Service) -> Self {
        self.service_with(service, ServiceOptions::new())
    }

    /// Adds an action for the shutdown, in the order of the services: closing a pool, for instance.
    pub fn on_stop<F, Fut>(self, name: impl Into<String>, stop: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        self.service(OnStop {
            name: name.into(),
            stop,
        })
    }

    /// Adds a resource that every context of the server can reach.
    ///
    /// The server itself adds its [`Registry`](crate::Registry) and its [`ServerHandle`](crate::ServerHandle).
    pub fn resource<T: Send + Sync + 'static>(mut self, resource: T) -> Self {
        self.resources = self.resources.insert(resource);
        self
    }

    /// Adds a resource under a name, for servers with several of a kind.
    pub fn named_resource<T: Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        resource: T,
    ) -> Self {
        self.resources = self.resources.insert_named(name, resource);
        self
    }

    /// Sets how long connections may drain at shutdown, [`DEFAULT_SHUTDOWN_DEADLINE`] unless called. What is
    /// open then is cut and named in the report.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// Sets how long each service may take to start and to stop, [`DEFAULT_SERVICE_TIMEOUT`] unless called.
    pub fn service_timeout(mut self, limit: Duration) -> Self {
        self.service_timeout = limit;
        self
    }

    /// Shares the default limit of connections with the other servers of the process, of which there are `servers` with
    /// this one: the limit of open files is the process's.
    #[cfg(feature = "runner")]
    pub(crate) fn share_descriptors(mut self, servers: usize) -> Self {
        let share = limit::connections()
            .checked_div(servers)
            .unwrap_or(1)
            .max(1);
        self.max_connections = self.max_connections.or(Some(share));
        self
    }

    /// Looks whether the protocols have the resources that they need and the endpoints their certificates, and binds
    /// nothing.
    #[cfg(feature = "runner")]
    pub(crate) async fn check(mut self) -> Result<(), ServerError> {
        let listeners = std::mem::take(&mut self.listeners);
        let bound = self.bind().await?;
        for (endpoint, factory) in &listeners {
            let checked = factory.check(bound.resources());
            checked.map_err(ServerError::missing)?;
            #[cfg(feature = "tls")]
            if let Some(tls) = &endpoint.tls {
                let loaded = tls.load();
                loaded.map_err(|error| ServerError::tls(endpoint, error))?;
            }
            #[cfg(not(feature = "tls"))]
            let _ = endpoint;
        }
        Ok(())
    }

    /// Listens with every socket of the set that has the name of an endpoint: a predecessor with more workers than there
    /// are now leaves several for each, and connections may be waiting in them.
    #[cfg(feature = "runner")]
    pub(crate) fn take_all(mut self, sockets: &Sockets) -> Self {
        let mut unclaimed = sockets.unclaimed();
        let mut more = Vec::new();
        // As often as there is a socket for every endpoint of a name; the first time is the endpoint's own.
        let mut own = true;
        while !unclaimed.is_empty() {
            let before = unclaimed.len();
            for (endpoint, factory) in &self.listeners {
                let name = endpoint.socket_name();
                if let Some(at) = unclaimed.iter().position(|it| *it == name) {
                    unclaimed.remove(at);
                    if !own {
                        more.push((endpoint.clone(), Arc::clone(factory)));
                    }
                }
            }
            own = false;
            if unclaimed.len() == before {
                break;
            }
        }
        self.listeners.extend(more);
        self.sockets(sockets.clone())
    }

    /// Sets how many connections may be open at once over all listeners, at least one.
    ///
    /// At the limit accepting pauses; further peers wait in the kernel's queue. Unless called it is 80 % of
    /// the process's limit of open files (`RLIMIT_NOFILE`).
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = Some(connections.clamp(1, Semaphore::MAX_PERMITS));
        self
    }

    /// Binds the listeners and does nothing else: what needs the privileges of the process, Twisted's
    /// `privilegedStartService`. Peers can connect from now on; the kernel queues them until
    /// [`BoundServer::start`].
    ///
    /// It must run in the runtime in which the server is to run.
    ///
    /// # Errors
    /// [`ServerError`] when an address cannot be bound or a resource that a protocol needs is missing. Nothing
    /// is left behind then.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners.
    pub async fn bind(self) -> Result<BoundServer, ServerError> {
        bound::bind(self).await
    }

    /// Binds the listeners, starts the services and accepts: [`bind`](Self::bind) and
    /// [`BoundServer::start`] in one.
    ///
    /// # Errors
    /// [`ServerError`] when an address cannot be bound, a resource that a protocol needs is missing, or a
    /// service does not start. Nothing is left behind then.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners and tells the services that were started to end, without
    /// waiting for them and without their own `stop`.
    pub async fn start(self) -> Result<RunningServer, ServerError> {
        self.bind().await?.start().await
    }

    /// Starts, runs until SIGINT or SIGTERM arrives or [`ServerHandle::shutdown`](crate::ServerHandle::shutdown) is called, drains, and
    /// reports. A second signal cuts at once.
    ///
    /// The handlers are installed before anything else, so that no signal is missed, and stay when this has
    /// ended: later signals of the two kinds do nothing, so the caller should exit.
    ///
    /// # Errors
    /// As [`start`](Self::start); also when the signal handlers cannot be installed.
    ///
    /// # Cancel safety
    /// Dropping the future cuts every connection.
    pub async fn run(self) -> Result<ShutdownReport, ServerError> {
        self.run_with(|_server| {}).await
    }

    /// Like [`run`](Self::run); `started` is called once with the running server, to print its addresses for
    /// instance.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub async fn run_with(
        self,
        started: impl FnOnce(&RunningServer),
    ) -> Result<ShutdownReport, ServerError> {
        let signals = signal::Signals::install().map_err(ServerError::signals)?;
        let server = self.start().await?;
        started(&server);
        Ok(server.until(signals).await)
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field(
                "listeners",
                &self
                    .listeners
                    .iter()
                    .map(|(endpoint, factory)| (endpoint.to_string(), factory.name()))
                    .collect::<Vec<_>>(),
            )
            .field("resources", &self.resources)
            .field("shutdown_deadline", &self.shutdown_deadline)
            .finish_non_exhaustive()
    }
}
