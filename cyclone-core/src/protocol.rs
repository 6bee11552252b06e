//! What a listener serves: the pair of factory and protocol, as in Twisted.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::connection::Connection;
use crate::connection_task;
use crate::peer::Peer;
use crate::registry::Registry;
use crate::resources::{MissingResource, Resources};
use crate::session::SessionGuard;

/// Builds a [`Protocol`] for every peer that a listener accepts, as Twisted's `ServerFactory` does.
///
/// ```
/// use std::io;
/// use cyclone_core::{Connection, Peer, Protocol, ProtocolFactory};
/// use tokio::io::copy;
///
/// struct Echo;
/// impl Protocol for Echo {
///     async fn run(self, connection: Connection) -> io::Result<()> {
///         let (mut reader, mut writer) = tokio::io::split(connection);
///         copy(&mut reader, &mut writer).await.map(drop)
///     }
/// }
///
/// struct EchoFactory;
/// impl ProtocolFactory for EchoFactory {
///     type Protocol = Echo;
///     fn build(&self, peer: &Peer) -> Option<Echo> {
///         peer.remote().ip().is_none_or(|ip| ip.is_loopback()).then_some(Echo)
///     }
///     fn name(&self) -> &'static str {
///         "echo"
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be listened with: it does not implement `ProtocolFactory`",
    note = "implement `ProtocolFactory`, or wrap an async function with `cyclone_core::protocol_fn`"
)]
pub trait ProtocolFactory: Send + Sync + 'static {
    /// What serves one connection.
    type Protocol: Protocol;

    /// Builds the protocol for a peer; `None` refuses it, and the connection is closed.
    ///
    /// It runs on the accept loop, so it must not block. A panic refuses the peer.
    fn build(&self, peer: &Peer) -> Option<Self::Protocol>;

    /// The name under which new connections stand in the registry; `custom` unless overridden.
    fn name(&self) -> &'static str {
        "custom"
    }

    /// The names of the protocol in TLS (ALPN, RFC 7301), in order of preference; none unless overridden.
    ///
    /// An endpoint with TLS offers them unless its own settings name some. With none, a client may offer what it
    /// likes.
    fn alpn(&self) -> &[&str] {
        &[]
    }

    /// Says at the start of the server whether the resources that the protocol needs are there.
    ///
    /// # Errors
    /// The first [`MissingResource`]; the server then does not start.
    fn check(&self, resources: &Resources) -> Result<(), MissingResource> {
        let _ = resources;
        Ok(())
    }
}

/// Serves one connection until it ends.
///
/// The future is dropped when the connection is [cut](crate::Session::cut); until then it should watch
/// [`Session::draining`](crate::Session::draining) and bring itself to an end.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not serve connections: it lacks `Protocol`"
)]
pub trait Protocol: Send + 'static {
    /// Runs until the conversation is over.
    ///
    /// # Errors
    /// An error is logged at debug level; peers that vanish are no fault of the server's.
    fn run(self, connection: Connection) -> impl Future<Output = io::Result<()>> + Send;
}

/// A factory made of one async function that serves every peer.
///
/// ```
/// use cyclone_core::{Connection, protocol_fn};
/// use tokio::io::AsyncWriteExt;
///
/// let daytime = protocol_fn("daytime", |mut connection: Connection| async move {
///     connection.write_all(b"the time is now\r\n").await
/// });
/// # let _ = daytime;
/// ```
pub fn protocol_fn<F, Fut>(name: &'static str, serve: F) -> ProtocolFn<F>
where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    ProtocolFn {
        name,
        serve: Arc::new(serve),
    }
}

/// The factory that [`protocol_fn`] makes, and the protocol it builds.
pub struct ProtocolFn<F> {
    name: &'static str,
    serve: Arc<F>,
}

impl<F> Clone for ProtocolFn<F> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            serve: Arc::clone(&self.serve),
        }
    }
}

impl<F> fmt::Debug for ProtocolFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProtocolFn").field(&self.name).finish()
    }
}

impl<F, Fut> ProtocolFactory for ProtocolFn<F>
where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    type Protocol = Self;

    fn build(&self, _peer: &Peer) -> Option<Self> {
        Some(self.clone())
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

impl<F, Fut> Protocol for ProtocolFn<F>
where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    fn run(self, connection: Connection) -> impl Future<Output = io::Result<()>> + Send {
        (self.serve)(connection)
    }
}

/// A protocol that was built and waits for its connection; called, it runs in a task of its own.
///
/// The task is made where the type of the protocol is known, so that nothing erased stands between the runtime
/// and the protocol at each of its polls.
pub(crate) type Start = Box<dyn FnOnce(Connection, SessionGuard) + Send>;

/// [`ProtocolFactory`] with the type of the protocol erased: what a listener keeps.
pub(crate) trait DynFactory: Send + Sync + 'static {
    fn prepare(&self, peer: &Peer) -> Option<Start>;
    fn name(&self) -> &'static str;
    #[cfg(feature = "tls")]
    fn alpn(&self) -> &[&str];
    fn check(&self, resources: &Resources) -> Result<(), MissingResource>;
}

impl<T: ProtocolFactory> DynFactory for T {
    fn prepare(&self, peer: &Peer) -> Option<Start> {
        let protocol = self.build(peer)?;
        Some(Box::new(move |connection, guard| {
            tokio::spawn(connection_task::run(protocol.run(connection), guard));
        }))
    }

    fn name(&self) -> &'static str {
        ProtocolFactory::name(self)
    }

    #[cfg(feature = "tls")]
    fn alpn(&self) -> &[&str] {
        ProtocolFactory::alpn(self)
    }

    fn check(&self, resources: &Resources) -> Result<(), MissingResource> {
        ProtocolFactory::check(self, resources)
    }
}

/// Has the protocol of a peer built; `None` when the peer is refused, which is counted.
pub(crate) fn prepare(factory: &dyn DynFactory, registry: &Registry, peer: &Peer) -> Option<Start> {
    // A panic of the factory must not end the listener.
    let prepared = catch_unwind(AssertUnwindSafe(|| factory.prepare(peer)));
    match prepared {
        Ok(Some(start)) => return Some(start),
        Ok(None) => tracing::debug!(%peer, protocol = factory.name(), "peer refused"),
        Err(_panic) => tracing::error!(%peer, protocol = factory.name(), "factory panicked"),
    }
    registry.count_refused();
    None
}
