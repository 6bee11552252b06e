//! The server: listeners, services and resources under one supervisor, ended in phases.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::accept::{Acceptor, Shared};
use crate::endpoint::Endpoint;
use crate::listener::Listener;
use crate::peer::Address;
use crate::protocol::{DynFactory, ProtocolFactory};
use crate::registry::Registry;
use crate::resources::{Context, Resources, ResourcesBuilder};
use crate::service::{AnyService, OnStop, Service, ServiceError, Supervisor};
use crate::session::Home;
use crate::shutdown::{ServerHandle, ShutdownReport};

pub use error::ServerError;

mod error;
mod limit;
mod signal;

/// How long connections may drain unless [`Server::shutdown_deadline`] says otherwise.
pub const DEFAULT_SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);

/// How long each service may take to start or to stop unless [`Server::service_timeout`] says otherwise.
pub const DEFAULT_SERVICE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the tasks of connections that were cut may take to go away before the shutdown goes on.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Several listeners of any protocols, the services beside them and the resources they share.
///
/// Built by chaining, then [`run`](Self::run) for a whole process or [`start`](Self::start) for a part of
/// one.
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
    services: Vec<AnyService>,
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
            services: Vec::new(),
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

    /// Adds a service; services start in this order and stop in reverse.
    pub fn service(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
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
    /// The server itself adds its [`Registry`] and its [`ServerHandle`].
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

    /// Sets how many connections may be open at once over all listeners, at least one.
    ///
    /// At the limit accepting pauses; further peers wait in the kernel's queue. Unless called it is 80 % of
    /// the process's limit of open files (`RLIMIT_NOFILE`).
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = Some(connections.clamp(1, Semaphore::MAX_PERMITS));
        self
    }

    /// Binds the listeners, starts the services and accepts.
    ///
    /// # Errors
    /// [`ServerError`] when an address cannot be bound, a resource that a protocol needs is missing, or a
    /// service does not start. Nothing is left behind then.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners and tells the services that were started to end, without
    /// waiting for them and without their own `stop`.
    pub async fn start(self) -> Result<RunningServer, ServerError> {
        let max_connections = self.max_connections.unwrap_or_else(limit::connections);
        let registry = Registry::new();
        let supervisor = Supervisor::new(self.service_timeout);
        let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
        let handle = ServerHandle {
            registry: registry.clone(),
            supervisor: supervisor.clone(),
            draining: draining.clone(),
            cut: cut.clone(),
        };
        let permits = Arc::new(Semaphore::new(max_connections));
        let resources = self
            .resources
            .insert(registry.clone())
            .insert(handle.clone())
            .build();
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
        for (_, factory) in &self.listeners {
            factory.check(&resources).map_err(ServerError::missing)?;
        }
        let (mut acceptors, mut addresses) = (Vec::new(), Vec::new());
        for (endpoint, factory) in self.listeners {
            let bound = Listener::bind(&endpoint).await;
            let listener = bound.map_err(|error| ServerError::bind(&endpoint, error))?;
            let address = listener
                .local_address()
                .map_err(|error| ServerError::bind(&endpoint, error))?;
            tracing::info!(%endpoint, %address, protocol = factory.name(), "listening");
            addresses.push(address);
            acceptors.push(Acceptor {
                listener,
                factory,
                shared: shared.clone(),
            });
        }
        supervisor.start(self.services, &resources).await?;
        let mut accepting = JoinSet::new();
        for acceptor in acceptors {
            accepting.spawn(acceptor.run());
        }
        let (handle_for_end, deadline) = (handle.clone(), self.shutdown_deadline);
        Ok(RunningServer {
            addresses,
            resources,
            max_connections,
            handle,
            ended: tokio::spawn(end(handle_for_end, accepting, deadline)),
        })
    }

    /// Starts, runs until SIGINT or SIGTERM arrives or [`ServerHandle::shutdown`] is called, drains, and
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

/// A server that accepts connections.
///
/// Dropping it without [`wait`](Self::wait) cuts every connection and stops the services.
#[derive(Debug)]
#[must_use = "dropping a running server cuts its connections"]
pub struct RunningServer {
    addresses: Vec<Address>,
    resources: Resources,
    max_connections: usize,
    handle: ServerHandle,
    ended: JoinHandle<ShutdownReport>,
}

impl RunningServer {
    /// The address of every listener in the order in which they were added, with the port that the kernel
    /// picked where 0 was asked for.
    #[must_use]
    pub fn local_addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The connections of the server.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.handle.registry()
    }

    /// How many connections may be open at once.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// The handle that ends the server from anywhere.
    #[must_use]
    pub fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Begins the shutdown; [`wait`](Self::wait) tells how it went.
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }

    async fn until(self, signals: signal::Signals) -> ShutdownReport {
        let handle = self.handle.clone();
        let mut ended = pin!(self.wait());
        tokio::select! {
            report = &mut ended => report,
            () = signals.shut_down(handle) => ended.await,
        }
    }

    /// Waits until the server has ended.
    ///
    /// # Cancel safety
    /// Dropping the future drops the server: every connection is cut.
    ///
    /// # Panics
    /// Only when the task of the shutdown panicked, which is a mistake in this crate.
    pub async fn wait(mut self) -> ShutdownReport {
        (&mut self.ended).await.unwrap_or_else(resume)
    }
}

fn resume(error: JoinError) -> ShutdownReport {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime of the server is gone, and everything of the server with it.
        Err(_cancelled) => ShutdownReport {
            drained: 0,
            cut: Vec::new(),
            failed_services: vec![("server".into(), "its runtime was shut down".into())],
            elapsed: Duration::ZERO,
        },
    }
}

impl Context for RunningServer {
    fn resources(&self) -> &Resources {
        &self.resources
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if !self.ended.is_finished() {
            self.handle.shutdown_now();
        }
    }
}

/// Waits for the beginning of the shutdown and carries out its phases.
async fn end(
    handle: ServerHandle,
    mut accepting: JoinSet<()>,
    deadline: Duration,
) -> ShutdownReport {
    let registry = &handle.registry;
    handle.draining.cancelled().await;
    let begun = Instant::now();
    // The sessions hear of `draining` by themselves; here the listeners close.
    while accepting.join_next().await.is_some() {}
    tracing::info!(
        open = registry.len(),
        deadline_s = deadline.as_secs_f64(),
        "draining"
    );
    tokio::select! {
        () = registry.wait_empty() => {}
        () = handle.cut.cancelled() => {}
        () = sleep(deadline) => {}
    }
    handle.shutdown_now();
    if timeout(CUT_TIMEOUT, registry.wait_empty()).await.is_err() {
        tracing::error!(open = registry.len(), "connections hold on after being cut");
    }
    let (drained, cut) = registry.outcome();
    let failed_services = handle.supervisor.stop().await;
    ShutdownReport {
        drained,
        cut,
        failed_services,
        elapsed: begun.elapsed(),
    }
}
