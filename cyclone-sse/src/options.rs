//! What may be set for channels.

use std::time::Duration;

/// How many events a client may lag behind before it is slow: 256.
pub const DEFAULT_QUEUE_EVENTS: usize = 256;

/// How many bytes a client may lag behind before it is slow: 1 MiB.
pub const DEFAULT_QUEUE_BYTES: usize = 1024 * 1024;

/// How long an event may wait when the bus failed to announce it: 30 s.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(30);

/// What happens to a client that lags behind by more than the queue of its channel.
///
/// Whatever is chosen, a slow client never slows the publisher or other clients, and holds no memory of its own but
/// its position.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowClient {
    /// It is served from the log until it has caught up, and gets a resync only when the log has not kept what it
    /// missed. The default: nothing is lost, and a phone that was in a tunnel just goes on.
    #[default]
    Resync,
    /// Its stream is ended. A browser reconnects after its retry time and is then served from the log. Saves
    /// connections and reads of the log when there are many clients that never read.
    Disconnect,
}

/// Sets the bounds and policies of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    pub(crate) queue_events: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) slow_client: SlowClient,
    pub(crate) poll_interval: Duration,
}

impl ChannelOptions {
    /// The defaults: [`DEFAULT_QUEUE_EVENTS`], [`DEFAULT_QUEUE_BYTES`], [`SlowClient::Resync`] and
    /// [`DEFAULT_POLL_INTERVAL`].
    pub const fn new() -> Self {
        Self {
            queue_events: DEFAULT_QUEUE_EVENTS,
            queue_bytes: DEFAULT_QUEUE_BYTES,
            slow_client: SlowClient::Resync,
            poll_interval: DEFAULT_POLL_INTERVAL,
        }
    }

    /// Sets how many events the channel keeps in memory for its clients, one queue for all of them.
    #[must_use]
    pub const fn queue_events(mut self, events: usize) -> Self {
        self.queue_events = events;
        self
    }

    /// Sets how many bytes of events the channel keeps in memory for its clients, one queue for all of them.
    #[must_use]
    pub const fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Sets what happens to a client that lags behind by more than the queue.
    #[must_use]
    pub const fn slow_client(mut self, policy: SlowClient) -> Self {
        self.slow_client = policy;
        self
    }

    /// Sets how often a channel with clients looks into the log without being told to; at least 1 ms.
    ///
    /// The bus tells when there is something; this is for events whose announcement failed
    /// ([`PublishError::NotAnnounced`](crate::PublishError::NotAnnounced)).
    #[must_use]
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = if interval.is_zero() {
            Duration::from_millis(1)
        } else {
            interval
        };
        self
    }
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self::new()
    }
}
