//! The one reader of the log that serves all clients of a channel in this process.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Bus, BusEvent, EntryId, Log, PortError, SharedBus, SharedLog, Subscription};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::ChannelInner;
use super::beats::Beats;
use super::ring::Ring;

/// How many entries are read from the log at once: 64.
pub(super) const LOG_PAGE: usize = 64;

/// The first wait after the bus or the log failed: 100 ms; it doubles up to [`LAST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait after the bus or the log failed: 10 s.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// What all clients of a channel in this process share; the clients keep it alive.
#[derive(Debug)]
pub(super) struct Hub {
    channel: Arc<ChannelInner>,
    ring: Arc<Ring>,
    beats: Arc<Beats>,
    feeder: AbortHandle,
}

impl Hub {
    /// Starts to follow the log after `position`, and `subscription` for word of it.
    pub(super) fn start(
        channel: &Arc<ChannelInner>,
        subscription: Subscription,
        position: EntryId,
    ) -> Arc<Self> {
        let broker = &channel.broker;
        let ring = Arc::new(Ring::new(&broker.options, position));
        let feeder = Feeder {
            bus: broker.bus.clone(),
            log: broker.log.clone(),
            stream: Arc::clone(&channel.stream),
            poll_interval: broker.options.poll_interval,
            ring: Arc::clone(&ring),
            position,
        };
        let beats = Arc::new(Beats::new());
        let pulse = pulse(Arc::clone(&beats), Arc::clone(&ring));
        let feeder = tokio::spawn(async move {
            // Side by side: a log that hangs does not stop the heartbeats.
            tokio::join!(feeder.run(subscription), pulse)
        });
        Arc::new(Self {
            channel: Arc::clone(channel),
            ring,
            beats,
            feeder: feeder.abort_handle(),
        })
    }

    /// The channel, which stays while it has clients.
    pub(super) fn channel(&self) -> &ChannelInner {
        &self.channel
    }

    /// When its clients want to be woken.
    pub(super) fn beats(&self) -> &Beats {
        &self.beats
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}

/// Wakes clients at the times that they have set.
async fn pulse(beats: Arc<Beats>, ring: Arc<Ring>) {
    loop {
        let places = beats.next().await;
        ring.wake(&places);
    }
}

struct Feeder {
    bus: SharedBus,
    log: SharedLog,
    stream: Arc<str>,
    poll_interval: Duration,
    ring: Arc<Ring>,
    /// The end of what was read.
    position: EntryId,
}

/// However the feeder ends, by a panic of a driver for example: its clients must not wait for ever.
impl Drop for Feeder {
    fn drop(&mut self) {
        self.ring.close();
    }
}

impl Feeder {
    async fn run(mut self, mut subscription: Subscription) {
        loop {
            if !self.woken(&mut subscription).await {
                subscription = self.subscribe_again().await;
            }
            self.catch_up().await;
        }
    }

    /// Waits until the log is worth a look; `false` when the subscription has ended.
    async fn woken(&self, subscription: &mut Subscription) -> bool {
        let deadline = Instant::now() + self.poll_interval;
        loop {
            let event = tokio::select! {
                event = subscription.next() => event,
                () = sleep_until(deadline) => return true,
            };
            match event {
                Some(BusEvent::Message(payload)) if self.is_old(&payload) => {}
                Some(_) => return true,
                None => return false,
            }
        }
    }

    /// Whether an announcement is of an event that was read already, together with another one.
    fn is_old(&self, payload: &Bytes) -> bool {
        let id = std::str::from_utf8(payload).ok();
        let id = id.and_then(|text| text.parse::<EntryId>().ok());
        id.is_some_and(|id| id <= self.position)
    }

    async fn subscribe_again(&self) -> Subscription {
        let mut wait = FIRST_WAIT;
        loop {
            match self.bus.subscribe(&self.stream).await {
                Ok(subscription) => return subscription,
                Err(error) => self.pause(&mut wait, &error).await,
            }
        }
    }

    /// Reads the log to its end.
    async fn catch_up(&mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            match self.read_page().await {
                Ok(true) => wait = FIRST_WAIT,
                Ok(false) => return,
                Err(error) => self.pause(&mut wait, &error).await,
            }
        }
    }

    /// Reads one page and says whether there may be more.
    async fn read_page(&mut self) -> Result<bool, PortError> {
        let Self { log, stream, .. } = self;
        let read = log.read_after(stream, self.position, LOG_PAGE).await?;
        if read.gap {
            let position = log.last_id(stream).await?;
            tracing::warn!(
                stream = &**stream,
                from = %self.position,
                to = %position,
                "log does not go on from the last event read"
            );
            self.position = position;
            self.ring.restart(position);
            return Ok(false);
        }
        if let Some(last) = read.entries.last() {
            self.position = last.id;
            self.ring.push(&read.entries);
        }
        Ok(read.entries.len() >= LOG_PAGE)
    }

    async fn pause(&self, wait: &mut Duration, error: &PortError) {
        tracing::warn!(stream = &*self.stream, %error, wait = ?wait, "cannot follow the channel");
        // Half of the wait is random, so that many processes do not come back at the same moment.
        let half = *wait / 2;
        sleep(half + half.mul_f64(fastrand::f64())).await;
        *wait = (*wait * 2).min(LAST_WAIT);
    }
}
