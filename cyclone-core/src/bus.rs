//! The `Bus` port: publish and subscribe by topic, with bounded queues and a gap signal.

mod local;
mod shared;
mod subscription;

use std::future::Future;

use bytes::Bytes;

use crate::port_error::PortError;

pub use self::local::{
    BusLimits, BusStatistics, DEFAULT_BUS_SUBSCRIPTIONS, DEFAULT_BUS_TOPICS, LocalBus,
};
pub use self::shared::SharedBus;
pub use self::subscription::{
    BusEvent, DEFAULT_SUBSCRIPTION_BYTES, DEFAULT_SUBSCRIPTION_MESSAGES, Delivery, Subscription,
    SubscriptionLimits, SubscriptionSender,
};

/// Publishes messages to whoever listens to a topic at this moment, in this process or in others.
///
/// A bus forgets: a message reaches the subscriptions that exist when it is published and is not kept. Whoever
/// must not miss anything reads a [`Log`](crate::Log) as well and uses the bus to be woken.
///
/// What every implementation promises, and `conformance::bus` (feature `conformance`) checks:
/// - When `subscribe` has returned, every message published later arrives, or a [`BusEvent::Gap`] stands where
///   messages are missing. Nothing is lost silently, not even when the connection to a server breaks.
/// - Messages of one publisher on one topic arrive in the order of their publication.
/// - `publish` never waits for a slow subscriber; the subscriber gets a gap instead.
/// - Names of topics follow [`PortError::check_name`].
/// - Dropping the [`Subscription`] ends it and frees what it used.
///
/// Drivers write plain `async fn`s for the two methods and hand out [`Subscription::channel`]s.
pub trait Bus: Send + Sync + 'static {
    /// Sends `payload` to the subscriptions of `topic`; without any it is not an error.
    ///
    /// # Errors
    /// [`PortError`] when the name is not allowed, the payload is too large for the bus, or the system behind
    /// the bus did not take the message.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message was published or not: never half.
    fn publish(
        &self,
        topic: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Starts to listen to `topic`.
    ///
    /// # Errors
    /// [`PortError`] when the name is not allowed, a bound is reached, or the system behind the bus cannot be
    /// asked.
    ///
    /// # Cancel safety
    /// When the future is dropped, there is no subscription.
    fn subscribe(
        &self,
        topic: &str,
    ) -> impl Future<Output = Result<Subscription, PortError>> + Send;
}
