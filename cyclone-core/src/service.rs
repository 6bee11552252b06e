//! Named parts of a server that run beside its listeners: background work, pools, clocks.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::health::Health;

pub use change::ServiceChangeError;
pub use context::ServiceContext;
pub use group::ServiceGroup;
pub use info::{FailureKind, ServiceFailure, ServiceInfo, ServiceState};
pub use options::{
    DEFAULT_READY_TIMEOUT, DEFAULT_SERVICE_TIMEOUT, GiveUp, MAX_COUNTED_RESTARTS, Restart,
    ServiceOptions,
};
pub use watch::ServicesWatch;

mod change;
mod context;
mod group;
mod info;
mod node;
mod options;
mod row;
mod watch;

/// How a service that is given up ends its server: among the resources, as services know no servers.
pub(crate) struct StopServer(Box<dyn Fn(ServiceFailure) + Send + Sync>);

impl StopServer {
    pub(crate) fn new(stop: impl Fn(ServiceFailure) + Send + Sync + 'static) -> Self {
        Self(Box::new(stop))
    }
}

/// Why a service failed: any error of the service's own.
pub type ServiceError = Box<dyn Error + Send + Sync>;

/// A named part of a server with a beginning, an end and a state of health, as in Twisted.
///
/// The [`Server`](crate::Server) starts its services in the order in which they were added, before it accepts
/// the first connection, and stops them in reverse order, after the last connection is gone. Between the two
/// [`run`](Self::run) is supervised: when it fails or panics, it is run again after a growing, jittered pause,
/// unless its [`ServiceOptions`] say otherwise. Several services can be one: see [`ServiceGroup`].
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
    /// After an error or a panic it is run again, after `Ok` it is not, unless the
    /// [`ServiceOptions`] say otherwise. An error while the server stops is told in the shutdown report.
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

    /// Whether the service says itself when it is ready, by [`ServiceContext::ready`]; otherwise it is once
    /// [`start`](Self::start) is done.
    ///
    /// Until then the services that [need](ServiceOptions::needs) it are not started, and the server is not
    /// [ready](crate::ServerHandle::readiness). A service that runs for longer than
    /// [`ServiceOptions::ready_timeout`] without saying so has failed.
    fn reports_ready(&self) -> bool {
        false
    }

    /// The services that this one consists of, when it is a [`ServiceGroup`] or has one inside.
    ///
    /// They are shown below it. Its own [`start`](Self::start), [`run`](Self::run) and [`stop`](Self::stop) have to
    /// call those of the group, which have no time limit beside those of the services inside.
    fn parts(&self) -> Option<&ServiceGroup> {
        None
    }
}

type Boxed<'a> = Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send + 'a>>;

/// [`Service`] with boxed futures: what a group keeps.
pub(crate) trait DynService: Send + Sync + 'static {
    fn name(&self) -> &str;
    fn start<'a>(&'a self, cx: &'a ServiceContext) -> Boxed<'a>;
    fn run<'a>(&'a self, cx: &'a ServiceContext) -> Boxed<'a>;
    fn stop(&self) -> Boxed<'_>;
    fn health(&self) -> Health;
    fn reports_ready(&self) -> bool;
    fn parts(&self) -> Option<&ServiceGroup>;
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

    fn reports_ready(&self) -> bool {
        Service::reports_ready(self)
    }

    fn parts(&self) -> Option<&ServiceGroup> {
        Service::parts(self)
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

pub(crate) type AnyService = Arc<dyn DynService>;
