//! `Broker`: the channels of one process, one per topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cyclone_core::{SharedBus, SharedLog};

use crate::channel::{ChannelInner, SseChannel};
use crate::options::ChannelOptions;

/// Hands out the [`SseChannel`]s of one process, one per topic, over one bus and one log.
///
/// Keep one in the application's state and ask it for a channel in each request: all clients of a topic then share
/// one subscription of the bus and one reader of the log. A channel that nobody uses any more costs nothing.
///
/// Cheap to clone: clones are the same broker.
///
/// ```
/// use cyclone_core::{SharedBus, SharedLog};
/// use cyclone_sse::{Broker, Event};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cyclone_sse::PublishError> {
/// let broker = Broker::new(SharedBus::local(), SharedLog::memory());
/// broker.channel("user:7").publish(&Event::text("hello")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Broker {
    shared: Arc<BrokerInner>,
}

#[derive(Debug)]
pub(crate) struct BrokerInner {
    pub(crate) bus: SharedBus,
    pub(crate) log: SharedLog,
    pub(crate) options: ChannelOptions,
    channels: Mutex<HashMap<Arc<str>, Weak<ChannelInner>>>,
}

impl Broker {
    /// A broker with the default options.
    pub fn new(bus: SharedBus, log: SharedLog) -> Self {
        Self::with_options(bus, log, ChannelOptions::new())
    }

    /// A broker whose channels have other options.
    pub fn with_options(bus: SharedBus, log: SharedLog, options: ChannelOptions) -> Self {
        Self {
            shared: Arc::new(BrokerInner {
                bus,
                log,
                options,
                channels: Mutex::default(),
            }),
        }
    }

    /// The channel of `topic`: the same one for everybody who asks while it is in use.
    ///
    /// A topic that is not allowed (empty, too long, with NUL) is found out when the channel is used.
    pub fn channel(&self, topic: &str) -> SseChannel {
        let mut channels = self.shared.channels();
        if let Some(channel) = channels.get(topic).and_then(Weak::upgrade) {
            return SseChannel::from_inner(channel);
        }
        let topic: Arc<str> = topic.into();
        let channel = ChannelInner::new(Arc::clone(&self.shared), Arc::clone(&topic));
        let channel = Arc::new(channel);
        channels.insert(topic, Arc::downgrade(&channel));
        SseChannel::from_inner(channel)
    }

    /// How many channels are in use.
    pub fn channels(&self) -> usize {
        self.shared.channels().len()
    }
}

impl BrokerInner {
    fn channels(&self) -> MutexGuard<'_, HashMap<Arc<str>, Weak<ChannelInner>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called when a channel is dropped; another one of the same topic may be there already.
    pub(crate) fn forget(&self, topic: &str) {
        let mut channels = self.channels();
        if channels
            .get(topic)
            .is_some_and(|channel| channel.strong_count() == 0)
        {
            channels.remove(topic);
        }
    }
}
