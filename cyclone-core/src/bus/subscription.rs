//! One subscription: a bounded queue between a publisher that never waits and one reader.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;

use crate::lock::lock;

/// How many messages wait in the queue of one subscription: 256.
pub const DEFAULT_SUBSCRIPTION_MESSAGES: usize = 256;

/// How many bytes of payload wait in the queue of one subscription: 4 MiB.
///
/// The payloads are shared between the subscriptions of one process, so thousands of slow readers of one topic
/// hold the same bytes.
pub const DEFAULT_SUBSCRIPTION_BYTES: usize = 4 * 1024 * 1024;

/// Bounds the queue of one subscription by messages and by bytes of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionLimits {
    messages: usize,
    bytes: usize,
}

impl SubscriptionLimits {
    /// The defaults: [`DEFAULT_SUBSCRIPTION_MESSAGES`] and [`DEFAULT_SUBSCRIPTION_BYTES`].
    pub const fn new() -> Self {
        Self {
            messages: DEFAULT_SUBSCRIPTION_MESSAGES,
            bytes: DEFAULT_SUBSCRIPTION_BYTES,
        }
    }

    /// Sets how many messages wait at most; 0 counts as 1.
    #[must_use]
    pub const fn messages(mut self, messages: usize) -> Self {
        self.messages = if messages == 0 { 1 } else { messages };
        self
    }

    /// Sets how many bytes of payload wait at most. A larger single message never passes.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How many messages wait at most.
    pub const fn max_messages(&self) -> usize {
        self.messages
    }

    /// How many bytes of payload wait at most.
    pub const fn max_bytes(&self) -> usize {
        self.bytes
    }
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl From<usize> for SubscriptionLimits {
    /// That many messages, and the default bound of bytes.
    fn from(messages: usize) -> Self {
        Self::new().messages(messages)
    }
}

/// What a subscription yields.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// A message as it was published.
    Message(Bytes),
    /// Messages are missing at this place.
    Gap {
        /// How many are known to be missing; 0 when nobody can know, after a lost connection for example.
        missed: u64,
    },
}

/// What became of a message given to a [`SubscriptionSender`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It waits in the queue.
    Queued,
    /// The queue was full, or the reader has an earlier gap still to read: it was dropped and counted there.
    Missed,
    /// The subscription is gone.
    Closed,
}

/// Receives the messages of one topic; ends when the bus goes away, and unsubscribes when dropped.
///
/// The queue is bounded. A reader that is too slow gets what was queued, then one [`BusEvent::Gap`] where messages
/// are missing, then goes on with what is published after it has read the gap: so an overloaded reader sees one gap
/// per queue, not one per message.
///
/// ```
/// use cyclone_core::{Bus, BusEvent, SharedBus};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cyclone_core::PortError> {
/// let bus = SharedBus::local();
/// let mut news = bus.subscribe("news").await?;
/// bus.publish("news", "hello".into()).await?;
/// assert_eq!(news.next().await, Some(BusEvent::Message("hello".into())));
/// # Ok(())
/// # }
/// ```
#[must_use = "a subscription that is dropped ends"]
pub struct Subscription {
    queue: Arc<Mutex<Queue>>,
    on_drop: Vec<Box<dyn FnOnce() + Send>>,
}

impl Subscription {
    /// Makes a subscription for a driver, with the end to put messages in.
    ///
    /// A plain number is the bound of messages: `Subscription::channel(256)`.
    pub fn channel(limits: impl Into<SubscriptionLimits>) -> (SubscriptionSender, Self) {
        let queue = Arc::new(Mutex::new(Queue::new(limits.into())));
        let sender = SubscriptionSender {
            queue: Arc::clone(&queue),
        };
        let subscription = Self {
            queue,
            on_drop: Vec::new(),
        };
        (sender, subscription)
    }

    /// Runs `hook` when the subscription is dropped, after the hooks that were added before.
    ///
    /// Drivers use it to tell the server that nobody listens any more. The hook must not block.
    pub fn on_drop(mut self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.on_drop.push(Box::new(hook));
        self
    }

    /// Waits for the next message or gap; `None` when the bus went away and the queue is empty.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<BusEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Takes the next message or gap when one is there already.
    pub fn try_next(&mut self) -> Option<BusEvent> {
        lock(&self.queue).pop()
    }

    fn poll_event(&mut self, cx: &Context<'_>) -> Poll<Option<BusEvent>> {
        let mut queue = lock(&self.queue);
        if let Some(event) = queue.pop() {
            return Poll::Ready(Some(event));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        let replaced = match &queue.reader {
            Some(reader) if reader.will_wake(cx.waker()) => None,
            _ => queue.reader.replace(cx.waker().clone()),
        };
        drop(queue);
        drop(replaced);
        Poll::Pending
    }
}

impl Stream for Subscription {
    type Item = BusEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BusEvent>> {
        self.get_mut().poll_event(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (lock(&self.queue).items.len(), None)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let emptied = lock(&self.queue).close();
        drop(emptied);
        for hook in self.on_drop.drain(..) {
            hook();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = lock(&self.queue).items.len();
        f.debug_struct("Subscription")
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

/// Puts messages into one [`Subscription`] without ever waiting; dropping it ends the subscription.
pub struct SubscriptionSender {
    queue: Arc<Mutex<Queue>>,
}

impl SubscriptionSender {
    /// Queues `payload`, or counts it as missed when the queue is full.
    pub fn send(&self, payload: Bytes) -> Delivery {
        let (delivery, reader) = self.push(payload);
        wake(reader);
        delivery
    }

    /// Puts a gap behind what is queued: for a driver that may have lost messages before they came here.
    ///
    /// Pass 0 when the number cannot be known. Gaps that meet become one.
    pub fn gap(&self, missed: u64) {
        wake(self.push_gap(missed));
    }

    /// Whether the subscription is gone, so that this sender may be forgotten.
    pub fn is_closed(&self) -> bool {
        lock(&self.queue).closed
    }

    /// As `send`, but the caller wakes the reader: after it has let go of its own lock.
    pub(super) fn push(&self, payload: Bytes) -> (Delivery, Option<Waker>) {
        lock(&self.queue).push(payload)
    }

    /// As `gap`, but the caller wakes the reader.
    pub(super) fn push_gap(&self, missed: u64) -> Option<Waker> {
        lock(&self.queue).push_gap(missed)
    }
}

impl Drop for SubscriptionSender {
    fn drop(&mut self) {
        let reader = {
            let mut queue = lock(&self.queue);
            queue.ended = true;
            queue.reader.take()
        };
        wake(reader);
    }
}

impl fmt::Debug for SubscriptionSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionSender")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

struct Queue {
    limits: SubscriptionLimits,
    /// Gaps never stand side by side, so there are at most as many as messages, and one.
    items: VecDeque<BusEvent>,
    messages: usize,
    bytes: usize,
    /// The last item is a gap made by a full queue: until the reader has read it everything is counted there.
    overflowed: bool,
    /// The subscription was dropped.
    closed: bool,
    /// The sender was dropped.
    ended: bool,
    reader: Option<Waker>,
}

impl Queue {
    fn new(limits: SubscriptionLimits) -> Self {
        Self {
            limits,
            items: VecDeque::new(),
            messages: 0,
            bytes: 0,
            overflowed: false,
            closed: false,
            ended: false,
            reader: None,
        }
    }

    fn push(&mut self, payload: Bytes) -> (Delivery, Option<Waker>) {
        if self.closed {
            return (Delivery::Closed, None);
        }
        let fits = !self.overflowed
            && self.messages < self.limits.messages
            && payload.len() <= self.limits.bytes.saturating_sub(self.bytes);
        if !fits {
            self.overflowed = true;
            return (Delivery::Missed, self.push_gap(1));
        }
        self.messages += 1;
        self.bytes += payload.len();
        self.items.push_back(BusEvent::Message(payload));
        (Delivery::Queued, self.reader.take())
    }

    fn push_gap(&mut self, more: u64) -> Option<Waker> {
        if self.closed {
            return None;
        }
        if let Some(BusEvent::Gap { missed }) = self.items.back_mut() {
            *missed = missed.saturating_add(more);
        } else {
            self.items.push_back(BusEvent::Gap { missed: more });
        }
        self.reader.take()
    }

    fn pop(&mut self) -> Option<BusEvent> {
        let event = self.items.pop_front()?;
        if let BusEvent::Message(payload) = &event {
            self.messages -= 1;
            self.bytes -= payload.len();
        } else if self.items.is_empty() {
            self.overflowed = false;
        }
        Some(event)
    }

    /// Marks the reader gone and returns what must be dropped outside of the lock.
    fn close(&mut self) -> (VecDeque<BusEvent>, Option<Waker>) {
        self.closed = true;
        self.messages = 0;
        self.bytes = 0;
        (std::mem::take(&mut self.items), self.reader.take())
    }
}
