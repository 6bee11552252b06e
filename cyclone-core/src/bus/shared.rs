//! `SharedBus`: any bus behind one type.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::{Bus, LocalBus, Subscription};
use crate::port_error::PortError;

/// Any [`Bus`] behind one clonable type: what applications keep in their `Resources`.
///
/// ```
/// use cyclone_core::{BusLimits, LocalBus, SharedBus};
///
/// let bus = SharedBus::new(LocalBus::with_limits(BusLimits::new().topics(10)));
/// let same = bus.clone();
/// # let _ = same;
/// ```
#[derive(Clone)]
pub struct SharedBus(Arc<dyn ErasedBus>);

impl SharedBus {
    /// Wraps `bus`.
    pub fn new(bus: impl Bus) -> Self {
        Self(Arc::new(bus))
    }

    /// A new [`LocalBus`] with the default limits: for one process.
    pub fn local() -> Self {
        Self::new(LocalBus::new())
    }
}

impl Bus for SharedBus {
    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), PortError> {
        self.0.publish_boxed(topic, payload).await
    }

    async fn subscribe(&self, topic: &str) -> Result<Subscription, PortError> {
        self.0.subscribe_boxed(topic).await
    }
}

impl fmt::Debug for SharedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedBus").field(&self.0.name()).finish()
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

trait ErasedBus: Send + Sync + 'static {
    fn publish_boxed<'a>(&'a self, topic: &'a str, payload: Bytes) -> BoxFuture<'a, ()>;
    fn subscribe_boxed<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Subscription>;
    fn name(&self) -> &'static str;
}

impl<B: Bus> ErasedBus for B {
    fn publish_boxed<'a>(&'a self, topic: &'a str, payload: Bytes) -> BoxFuture<'a, ()> {
        Box::pin(self.publish(topic, payload))
    }

    fn subscribe_boxed<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Subscription> {
        Box::pin(self.subscribe(topic))
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<B>()
    }
}
