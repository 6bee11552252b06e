//! Named parts of a server that run beside its listeners: background work, pools, clocks.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::resources::{Context, Resources};

pub(crate) use supervisor::Supervisor;

mod supervisor;

/// Why a service failed: any error of the service's own.
pub type ServiceError = Box<dyn Error + Send + Sync>;

/// A named part of a server with a beginning, an end and a state of health, as in Twisted.
///
/// The [`Server`](crate::Server) starts its services in the order in which they were added, before it accepts
/// the first connection, and stops them in reverse order, after the last connection is gone. Between the two
/// [`run`](Self::run) is supervised: when it fails or panics, it is run again after a growing, jittered pause.
///
/// ```
/// use cyclone_core::{Service, ServiceContext, ServiceError};
///
/// struct Greeter;
/// impl Service for Greeter {
///     fn name(&self) -> &str {
///         "greeter"
///     }
///     async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
///         println!("hello");
///         cx.stopping().await;
///         println!("good-bye");
///         Ok(())
///     }
/// }
/// ```
pub trait Service: Send + Sync + 'static {
    /// The name in logs, health and shutdown reports.
    fn name(&self) -> &str;

    /// Prepares the service; the server accepts no connection until this is done.
    ///
    /// # Errors
    /// Any error keeps the server from starting, as does a panic or taking longer than
    /// [`Server::service_timeout`](crate::Server::service_timeout); services started before are stopped, this
    /// one is not.
    fn start(&self, cx: &ServiceContext) -> impl Future<Output = Result<(), ServiceError>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Does the work until it is done or [`ServiceContext::stopping`] resolves; does nothing unless
    /// overridden.
    ///
    /// # Errors
    /// After an error or a panic it is run again; after `Ok` it is not. An error while the server stops is told
    /// in the shutdown report.
    ///
    /// # Cancel safety
    /// The future is dropped when it has not ended within the server's
    /// [`service_timeout`](crate::Server::service_timeout).
    fn run(&self, cx: &ServiceContext) -> impl Future<Output = Result<(), ServiceError>> + Send {
        async {
            cx.stopping().await;
            Ok(())
        }
    }

    /// Ends the service after [`run`](Self::run) has returned: closes pools, writes what is left.
    ///
    /// # Errors
    /// An error is logged and told in the shutdown report.
    fn stop(&self) -> impl Future<Output = Result<(), ServiceError>> + Send {
        async { Ok(()) }
    }

    /// How the service is just now.
    fn health(&self) -> Health {
        Health::Up
    }
}

/// What a running service knows of its server.
#[derive(Clone, Debug)]
pub struct ServiceContext {
    resources: Resources,
    stopping: CancellationToken,
}

impl ServiceContext {
    /// A context of one's own, for tests of services and for other supervisors; `stopping` ends the service.
    #[must_use]
    pub fn new(resources: Resources, stopping: CancellationToken) -> Self {
        Self {
            resources,
            stopping,
        }
    }

    /// Waits until the service has to end.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; once resolved it resolves at once for ever.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Whether [`stopping`](Self::stopping) has resolved.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }
}

impl Context for ServiceContext {
    fn resources(&self) -> &Resources {
        &self.resources
    }
}

type Boxed<'a> = Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send + 'a>>;

/// [`Service`] with boxed futures: what the supervisor keeps.
pub(crate) trait DynService: Send + Sync + 'static {
    fn name(&self) -> &str;
    fn start<'a>(&'a self, cx: &'a ServiceContext) -> Boxed<'a>;
    fn run<'a>(&'a self, cx: &'a ServiceContext) -> Boxed<'a>;
    fn stop(&self) -> Boxed<'_>;
    fn health(&self) -> Health;
}

impl<T: Service> DynService for T {
    fn name(&self) -> &str {
        Service::name(self)
    }

    fn start<'a>(&'a self, cx: &'a ServiceContext) -> Boxed<'a> {
        Box::pin(Service::start(self, cx))
    }

    fn run<'a>(&'a self, cx: &'a ServiceContext) -> Boxed<'a> {
        Box::pin(Service::run(self, cx))
    }

    fn stop(&self) -> Boxed<'_> {
        Box::pin(Service::stop(self))
    }

    fn health(&self) -> Health {
        Service::health(self)
    }
}

/// A service that only ends something: what [`Server::on_stop`](crate::Server::on_stop) makes.
pub(crate) struct OnStop<F> {
    pub(crate) name: String,
    pub(crate) stop: F,
}

impl<F, Fut> Service for OnStop<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ServiceError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    async fn stop(&self) -> Result<(), ServiceError> {
        (self.stop)().await
    }
}

/// A service as its server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The name of the service.
    pub name: String,
    /// How often it was run again after a failure.
    pub restarts: u64,
    /// How it is: what the service says, or down while it waits to be run again.
    pub health: Health,
}

impl fmt::Display for ServiceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.health)?;
        match self.restarts {
            0 => Ok(()),
            restarts => write!(f, " ({restarts} restarts)"),
        }
    }
}

pub(crate) type AnyService = Arc<dyn DynService>;
