//! `LocalBus`: the bus inside one process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::task::Waker;

use bytes::Bytes;

use super::Bus;
use super::subscription::{Delivery, Subscription, SubscriptionLimits, SubscriptionSender};
use crate::inspect::{Inspect, Inspection, Metric};
use crate::lock::lock;
use crate::port_error::PortError;

/// How many topics with a subscriber a [`LocalBus`] has at most: 65,536.
pub const DEFAULT_BUS_TOPICS: usize = 65_536;

/// How many subscriptions a [`LocalBus`] has at most, all topics together: 262,144.
pub const DEFAULT_BUS_SUBSCRIPTIONS: usize = 262_144;

/// Bounds a [`LocalBus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusLimits {
    topics: usize,
    subscriptions: usize,
    queue: SubscriptionLimits,
}

impl BusLimits {
    /// The defaults: [`DEFAULT_BUS_TOPICS`], [`DEFAULT_BUS_SUBSCRIPTIONS`] and [`SubscriptionLimits::new`].
    pub const fn new() -> Self {
        Self {
            topics: DEFAULT_BUS_TOPICS,
            subscriptions: DEFAULT_BUS_SUBSCRIPTIONS,
            queue: SubscriptionLimits::new(),
        }
    }

    /// Sets how many topics may have a subscriber at the same time.
    #[must_use]
    pub const fn topics(mut self, topics: usize) -> Self {
        self.topics = topics;
        self
    }

    /// Sets how many subscriptions there may be, all topics together.
    #[must_use]
    pub const fn subscriptions(mut self, subscriptions: usize) -> Self {
        self.subscriptions = subscriptions;
        self
    }

    /// Sets the bounds of the queue of each subscription. Its bound of bytes is that of one message, too.
    #[must_use]
    pub const fn queue(mut self, queue: SubscriptionLimits) -> Self {
        self.queue = queue;
        self
    }
}

impl Default for BusLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// The bus inside one process; drivers also use it to spread what comes from their server.
///
/// All subscribers of a topic get its messages in the same order, whoever publishes them.
///
/// Cheap to clone: clones are the same bus.
#[derive(Clone, Debug, Default)]
pub struct LocalBus {
    shared: Arc<Shared>,
}

impl LocalBus {
    /// A bus with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// A bus with other limits.
    pub fn with_limits(limits: BusLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                topics: RwLock::default(),
                counts: Counts::default(),
            }),
        }
    }

    /// How many subscriptions `topic` has.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.shared
            .topic(topic)
            .map_or(0, |topic| lock(&topic.members).list.len())
    }

    /// The topics that have a subscriber, in no order: what a driver asks its server for after a reconnection.
    pub fn topics(&self) -> Vec<String> {
        let topics = self.shared.read();
        topics.by_name.keys().map(ToString::to_string).collect()
    }

    /// What the bus holds and what it did.
    pub fn statistics(&self) -> BusStatistics {
        let (topics, subscriptions) = {
            let topics = self.shared.read();
            (topics.by_name.len(), topics.subscriptions)
        };
        let counts = &self.shared.counts;
        BusStatistics {
            topics,
            subscriptions,
            published: counts.published.load(Relaxed),
            missed: counts.missed.load(Relaxed),
        }
    }

    /// Publishes without a future: for drivers that read from their server.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub fn send(&self, topic: &str, payload: &Bytes) -> Result<(), PortError> {
        PortError::check_name(topic)?;
        if payload.len() > self.shared.limits.queue.max_bytes() {
            return Err(PortError::invalid(
                "the message is larger than the queue of a subscription",
            ));
        }
        let counts = &self.shared.counts;
        counts.published.fetch_add(1, Relaxed);
        if let Some(topic) = self.shared.topic(topic) {
            let missed = topic.send(payload);
            if missed > 0 {
                counts.missed.fetch_add(missed as u64, Relaxed);
            }
        }
        Ok(())
    }

    /// Puts a gap into every subscription of `topic`; 0 when the number of lost messages is not known.
    pub fn gap(&self, topic: &str, missed: u64) {
        if let Some(topic) = self.shared.topic(topic) {
            topic.gap(missed);
        }
    }

    /// Puts a gap of an unknown number into every subscription: for a driver that lost its server.
    pub fn gap_everywhere(&self) {
        let topics: Vec<_> = self.shared.read().by_name.values().cloned().collect();
        for topic in topics {
            topic.gap(0);
        }
    }

    /// Subscribes without a future.
    ///
    /// # Errors
    /// As [`Bus::subscribe`].
    pub fn listen(&self, topic: &str) -> Result<Subscription, PortError> {
        PortError::check_name(topic)?;
        let (sender, subscription) = Subscription::channel(self.shared.limits.queue);
        let (name, number) = self.shared.add(topic, sender)?;
        let shared = Arc::downgrade(&self.shared);
        Ok(subscription.on_drop(move || remove(&shared, &name, number)))
    }
}

/// What a [`LocalBus`] holds now, and what it did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusStatistics {
    /// Topics with a subscriber.
    pub topics: usize,
    /// Subscriptions, all topics together.
    pub subscriptions: usize,
    /// Messages published, whether anybody listened or not.
    pub published: u64,
    /// Messages that a subscription missed because its queue was full, each once for every subscription.
    pub missed: u64,
}

impl Inspect for LocalBus {
    fn kind(&self) -> &'static str {
        "bus"
    }

    fn inspect(&self) -> Inspection {
        let (now, limits) = (self.statistics(), &self.shared.limits);
        let topics = Metric::gauge("topics", "Topics with a subscriber", now.topics);
        let subscriptions = Metric::gauge("subscriptions", "Subscriptions", now.subscriptions);
        Inspection::new()
            .metric(topics.limit(limits.topics as u64))
            .metric(subscriptions.limit(limits.subscriptions as u64))
            .metric(Metric::counter(
                "published_total",
                "Messages published",
                now.published,
            ))
            .metric(Metric::counter(
                "missed_total",
                "Messages that a slow subscription missed",
                now.missed,
            ))
    }
}

impl Bus for LocalBus {
    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), PortError> {
        self.send(topic, &payload)
    }

    async fn subscribe(&self, topic: &str) -> Result<Subscription, PortError> {
        self.listen(topic)
    }
}

fn remove(shared: &Weak<Shared>, name: &str, number: u64) {
    if let Some(shared) = shared.upgrade() {
        let removed = shared.remove(name, number);
        drop(removed);
    }
}

/// Lock order: the table, then a topic, then the queue of a subscription. Nothing foreign (a waker, a hook) runs
/// under any of them.
#[derive(Debug, Default)]
struct Shared {
    limits: BusLimits,
    topics: RwLock<Topics>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    published: AtomicU64,
    missed: AtomicU64,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: HashMap<Arc<str>, Arc<Topic>>,
    subscriptions: usize,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Topics> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    fn add(&self, name: &str, sender: SubscriptionSender) -> Result<(Arc<str>, u64), PortError> {
        let mut topics = self.write();
        if topics.subscriptions >= self.limits.subscriptions {
            return Err(PortError::full(
                "the bus has as many subscriptions as it may",
            ));
        }
        let known = topics.by_name.get_key_value(name);
        let (name, topic) = if let Some((name, topic)) = known {
            (Arc::clone(name), Arc::clone(topic))
        } else {
            if topics.by_name.len() >= self.limits.topics {
                return Err(PortError::full("the bus has as many topics as it may"));
            }
            let name: Arc<str> = name.into();
            let topic = Arc::new(Topic::default());
            topics.by_name.insert(Arc::clone(&name), Arc::clone(&topic));
            (name, topic)
        };
        topics.subscriptions += 1;
        let number = topic.add(sender);
        Ok((name, number))
    }

    fn remove(&self, name: &str, number: u64) -> Option<SubscriptionSender> {
        let mut topics = self.write();
        let topic = topics.by_name.get(name)?;
        let mut members = lock(&topic.members);
        let at = members
            .list
            .binary_search_by_key(&number, |member| member.number)
            .ok()?;
        let removed = members.list.remove(at).sender;
        let empty = members.list.is_empty();
        drop(members);
        if empty {
            topics.by_name.remove(name);
        }
        topics.subscriptions -= 1;
        Some(removed)
    }
}

#[derive(Debug, Default)]
struct Topic {
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    /// Sorted by number.
    list: Vec<Member>,
    next: u64,
}

#[derive(Debug)]
struct Member {
    number: u64,
    sender: SubscriptionSender,
}

impl Topic {
    fn add(&self, sender: SubscriptionSender) -> u64 {
        let mut members = lock(&self.members);
        let number = members.next;
        members.next += 1;
        members.list.push(Member { number, sender });
        number
    }

    /// Queues under the lock, so that the order is the same for all; wakes after it. Returns how many subscriptions
    /// missed the message.
    fn send(&self, payload: &Bytes) -> usize {
        let members = lock(&self.members);
        let mut readers: Vec<Waker> = Vec::new();
        let mut missed = 0_usize;
        for member in &members.list {
            let (delivery, reader) = member.sender.push(payload.clone());
            missed += usize::from(delivery == Delivery::Missed);
            readers.extend(reader);
        }
        drop(members);
        for reader in readers {
            reader.wake();
        }
        if missed > 0 {
            tracing::trace!(
                subscriptions = missed,
                "message missed by slow subscriptions"
            );
        }
        missed
    }

    fn gap(&self, missed: u64) {
        let members = lock(&self.members);
        let readers: Vec<Waker> = members
            .list
            .iter()
            .filter_map(|member| member.sender.push_gap(missed))
            .collect();
        drop(members);
        for reader in readers {
            reader.wake();
        }
    }
}
