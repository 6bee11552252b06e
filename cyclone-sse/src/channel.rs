//! `SseChannel`: publish events to a topic, and follow it without losing any.

mod beats;
mod events;
mod hub;
mod ring;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use cyclone_core::{Bus, EntryId, Log, PortError, SharedBus, SharedLog};
use tokio::sync::Mutex;

use crate::broker::{Broker, BrokerInner};
use crate::event::Event;

use self::hub::Hub;

pub use self::events::Events;

/// The name of the event that tells a page to load its state anew: `resync`.
///
/// A client gets it when events that it has not seen are no longer in the log, or when its `Last-Event-ID` is not
/// one that this log gave out. Its data is empty and its id is the position from which the stream goes on, so all
/// that is published after it follows.
pub const RESYNC_EVENT: &str = "resync";

/// What stands before the topic in the names of the stream in the log and of the topic on the bus: `sse:`.
///
/// So other users of the same bus and log may use the same names.
pub const TOPIC_PREFIX: &str = "sse:";

/// One topic: whoever publishes here reaches every client that follows it, in this process and in others.
///
/// An event is appended to the log, which gives it its id, and announced on the bus. A process with clients of the
/// topic reads the log when the bus says so, once for all its clients, and so they get every event once and in the
/// order of the log, however announcements are lost, doubled or overtaken. A client that reconnects with the id of
/// the last event it has seen gets all that came after it first.
///
/// Cheap to clone: clones are the same channel. Get channels from a [`Broker`], which shares them between requests.
///
/// ```
/// use cyclone_core::{SharedBus, SharedLog};
/// use cyclone_sse::{Event, SseChannel};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let news = SseChannel::new(SharedBus::local(), SharedLog::memory(), "news");
/// let first = news.publish(&Event::text("one")).await?;
/// let second = news.publish(&Event::text("two")).await?;
///
/// let mut events = news.subscribe(Some(&first.to_string())).await?;
/// assert_eq!(events.next().await.unwrap(), format!("id: {second}\ndata: two\n\n"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SseChannel {
    inner: Arc<ChannelInner>,
}

impl SseChannel {
    /// A channel with the default options and a broker of its own.
    pub fn new(bus: SharedBus, log: SharedLog, topic: &str) -> Self {
        Broker::new(bus, log).channel(topic)
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.inner.topic
    }

    /// Publishes `event` and returns its id.
    ///
    /// # Errors
    /// [`PublishError`] tells whether clients will get the event.
    ///
    /// # Cancel safety
    /// When the future is dropped the event may be published, announced or not, or not be published.
    pub async fn publish(&self, event: &Event) -> Result<EntryId, PublishError> {
        if event.has_id() {
            return Err(PublishError::HasId);
        }
        let BrokerInner { bus, log, .. } = &*self.inner.broker;
        let stream = &self.inner.stream;
        let id = log
            .append(stream, event.encode())
            .await
            .map_err(PublishError::NotStored)?;
        match bus.publish(stream, Bytes::from(id.to_string())).await {
            Ok(()) => Ok(id),
            Err(source) => Err(PublishError::NotAnnounced { id, source }),
        }
    }

    /// Follows the topic: after the event with the id `last_event_id`, or without one from now on.
    ///
    /// An id that the log does not know, or whose successors are gone, gives a resync first; see [`RESYNC_EVENT`].
    ///
    /// # Errors
    /// [`PortError`] of the bus or of the log; nothing was changed, so a retry is safe. 503 is the answer for
    /// a client.
    ///
    /// # Cancel safety
    /// When the future is dropped there is no subscription.
    pub async fn subscribe(&self, last_event_id: Option<&str>) -> Result<Events, PortError> {
        let hub = self.hub().await?;
        Ok(Events::new(hub, last_event_id))
    }

    /// How many clients follow the topic in this process.
    pub async fn clients(&self) -> usize {
        let hub = self.inner.hub.lock().await.upgrade();
        hub.map_or(0, |hub| hub.ring().readers())
    }

    pub(crate) fn from_inner(inner: Arc<ChannelInner>) -> Self {
        Self { inner }
    }

    /// What all clients of the topic in this process share; made by the first of them.
    async fn hub(&self) -> Result<Arc<Hub>, PortError> {
        let inner = &self.inner;
        let mut current = inner.hub.lock().await;
        if let Some(hub) = current.upgrade()
            && !hub.ring().is_closed()
        {
            return Ok(hub);
        }
        // In this order: what is appended after the position was read is announced on the subscription.
        let subscription = inner.broker.bus.subscribe(&inner.stream).await?;
        let position = inner.broker.log.last_id(&inner.stream).await?;
        let hub = Hub::start(inner, subscription, position);
        *current = Arc::downgrade(&hub);
        Ok(hub)
    }
}

#[derive(Debug)]
pub(crate) struct ChannelInner {
    broker: Arc<BrokerInner>,
    topic: Arc<str>,
    stream: Arc<str>,
    /// Held by the clients.
    hub: Mutex<Weak<Hub>>,
}

impl ChannelInner {
    pub(crate) fn new(broker: Arc<BrokerInner>, topic: Arc<str>) -> Self {
        Self {
            broker,
            stream: format!("{TOPIC_PREFIX}{topic}").into(),
            topic,
            hub: Mutex::new(Weak::new()),
        }
    }
}

impl Drop for ChannelInner {
    fn drop(&mut self) {
        self.broker.forget(&self.topic);
    }
}

/// The error of [`SseChannel::publish`].
#[non_exhaustive]
#[derive(Debug)]
pub enum PublishError {
    /// The event has an id of its own. The fault is the caller's; nothing was published.
    HasId,
    /// The log did not take the event; [`PortError::kind`] tells whether it may have.
    NotStored(PortError),
    /// The event is in the log, but the bus failed to announce it: do not publish it again. Clients get it with the
    /// next event that is announced, or after the channel's poll interval.
    NotAnnounced {
        /// The id of the event.
        id: EntryId,
        /// What the bus said.
        source: PortError,
    },
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HasId => {
                f.write_str("an event for a channel gets its id there and must have none")
            }
            Self::NotStored(_) => f.write_str("the log did not take the event"),
            Self::NotAnnounced { id, .. } => {
                write!(
                    f,
                    "the event {id} is stored, but the bus did not announce it"
                )
            }
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::HasId => None,
            Self::NotStored(source) | Self::NotAnnounced { source, .. } => Some(source),
        }
    }
}
