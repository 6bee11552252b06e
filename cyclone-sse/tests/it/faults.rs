//! Channels over a bus and a log that fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{
    Bus, EntryId, LocalBus, Log, LogRead, MemoryLog, PortError, PortErrorKind, SharedBus,
    SharedLog, Subscription,
};
use cyclone_sse::{DEFAULT_HEARTBEAT, Event, EventStream, PublishError, SseChannel};

use crate::client::{Client, follow, publish_numbers};

/// A bus and a log of which each part can be broken.
#[derive(Clone, Default)]
struct Flaky {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    bus: Mutex<LocalBus>,
    log: Mutex<MemoryLog>,
    no_publish: AtomicBool,
    no_subscribe: AtomicBool,
    no_append: AtomicBool,
    no_read: AtomicBool,
    panic_in_read: AtomicBool,
    reads: AtomicUsize,
}

fn away() -> PortError {
    PortError::new(PortErrorKind::NotSent, "away")
}

impl Flaky {
    fn channel(&self) -> SseChannel {
        SseChannel::new(
            SharedBus::new(self.clone()),
            SharedLog::new(self.clone()),
            "t",
        )
    }

    fn bus(&self) -> LocalBus {
        self.inner
            .bus
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn log(&self) -> MemoryLog {
        self.inner
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn check(broken: &AtomicBool) -> Result<(), PortError> {
    if broken.load(Ordering::SeqCst) {
        Err(away())
    } else {
        Ok(())
    }
}

impl Bus for Flaky {
    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), PortError> {
        check(&self.inner.no_publish)?;
        self.bus().publish(topic, payload).await
    }

    async fn subscribe(&self, topic: &str) -> Result<Subscription, PortError> {
        check(&self.inner.no_subscribe)?;
        self.bus().subscribe(topic).await
    }
}

impl Log for Flaky {
    async fn append(&self, stream: &str, payload: Bytes) -> Result<EntryId, PortError> {
        check(&self.inner.no_append)?;
        self.log().append(stream, payload).await
    }

    async fn read_after(
        &self,
        stream: &str,
        after: EntryId,
        limit: usize,
    ) -> Result<LogRead, PortError> {
        self.inner.reads.fetch_add(1, Ordering::SeqCst);
        assert!(
            !self.inner.panic_in_read.load(Ordering::SeqCst),
            "a bug of a driver"
        );
        check(&self.inner.no_read)?;
        self.log().read_after(stream, after, limit).await
    }

    async fn last_id(&self, stream: &str) -> Result<EntryId, PortError> {
        check(&self.inner.no_read)?;
        self.log().last_id(stream).await
    }
}

#[tokio::test]
async fn an_event_that_was_not_stored_reaches_nobody() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    let mut client = follow(&channel, None).await;
    flaky.inner.no_append.store(true, Ordering::SeqCst);
    let error = channel.publish(&Event::text("lost")).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::NotStored(source) if source.is_retryable()),
        "{error}"
    );
    flaky.inner.no_append.store(false, Ordering::SeqCst);
    publish_numbers(&channel, 0, 1).await;
    client.expect_numbers(0, 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_not_announced_arrives_with_the_next_one_or_later() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    let mut client = follow(&channel, None).await;
    flaky.inner.no_publish.store(true, Ordering::SeqCst);
    let error = channel.publish(&Event::text("0")).await.unwrap_err();
    assert!(matches!(error, PublishError::NotAnnounced { id, .. } if id > EntryId::ZERO));
    flaky.inner.no_publish.store(false, Ordering::SeqCst);
    publish_numbers(&channel, 1, 2).await;
    client.expect_numbers(0, 2).await;
    flaky.inner.no_publish.store(true, Ordering::SeqCst);
    channel.publish(&Event::text("2")).await.unwrap_err();
    client.expect_numbers(2, 3).await;
}

#[tokio::test(start_paused = true)]
async fn clients_outlive_a_log_that_cannot_be_read_for_a_while() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    let mut client = follow(&channel, None).await;
    flaky.inner.no_read.store(true, Ordering::SeqCst);
    publish_numbers(&channel, 0, 5).await;
    let minute = Duration::from_secs(60);
    assert!(tokio::time::timeout(minute, client.data()).await.is_err());
    let reads = flaky.inner.reads.load(Ordering::SeqCst);
    assert!(
        (8..25).contains(&reads),
        "waits get longer: {reads} reads in a minute"
    );
    flaky.inner.no_read.store(false, Ordering::SeqCst);
    publish_numbers(&channel, 5, 10).await;
    client.expect_numbers(0, 10).await;
}

#[tokio::test]
async fn a_client_that_cannot_be_caught_up_is_ended_to_come_back() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    let stays = follow(&channel, None).await;
    let id = channel.publish(&Event::text("0")).await.unwrap();
    let before = EntryId::new(id.high(), id.low() - 1).to_string();
    flaky.inner.no_read.store(true, Ordering::SeqCst);
    let mut client = follow(&channel, Some("0-0")).await;
    assert_eq!(client.data().await, "<end>");
    flaky.inner.no_read.store(false, Ordering::SeqCst);
    follow(&channel, Some(&before))
        .await
        .expect_numbers(0, 1)
        .await;
    drop(stays);
}

#[tokio::test]
async fn a_subscription_that_cannot_be_made_leaves_nothing_behind() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    flaky.inner.no_subscribe.store(true, Ordering::SeqCst);
    let refused = channel
        .subscribe(None)
        .await
        .err()
        .map(|error| error.kind());
    assert_eq!(refused, Some(PortErrorKind::NotSent));
    flaky.inner.no_subscribe.store(false, Ordering::SeqCst);
    flaky.inner.no_read.store(true, Ordering::SeqCst);
    assert!(channel.subscribe(None).await.is_err());
    assert_eq!(flaky.bus().subscribers("sse:t"), 0);
    assert_eq!(channel.clients().await, 0);
    flaky.inner.no_read.store(false, Ordering::SeqCst);
    let mut client = follow(&channel, None).await;
    publish_numbers(&channel, 0, 1).await;
    client.expect_numbers(0, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_ends_its_subscriptions_is_subscribed_to_again() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    let mut client = follow(&channel, None).await;
    publish_numbers(&channel, 0, 1).await;
    client.expect_numbers(0, 1).await;
    flaky.inner.no_subscribe.store(true, Ordering::SeqCst);
    *flaky.inner.bus.lock().unwrap() = LocalBus::new();
    publish_numbers(&channel, 1, 2).await;
    let pending = tokio::time::timeout(Duration::from_secs(1), client.data()).await;
    assert!(pending.is_err(), "it waits for the bus");
    flaky.inner.no_subscribe.store(false, Ordering::SeqCst);
    client.expect_numbers(1, 2).await;
    assert_eq!(flaky.bus().subscribers("sse:t"), 1);
    publish_numbers(&channel, 2, 3).await;
    client.expect_numbers(2, 3).await;
}

#[tokio::test]
async fn a_panic_of_a_driver_ends_streams_and_the_next_client_starts_anew() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    let mut client = follow(&channel, None).await;
    flaky.inner.panic_in_read.store(true, Ordering::SeqCst);
    publish_numbers(&channel, 0, 1).await;
    assert_eq!(client.data().await, "<end>");
    flaky.inner.panic_in_read.store(false, Ordering::SeqCst);
    let mut again = follow(&channel, Some("0-0")).await;
    publish_numbers(&channel, 1, 2).await;
    again.expect_numbers(0, 2).await;
    drop(client);
    publish_numbers(&channel, 2, 3).await;
    again.expect_numbers(2, 3).await;
}

/// As when a server behind the log is restored from a copy: its ids go back.
#[tokio::test(start_paused = true)]
async fn a_log_that_was_replaced_gives_each_client_one_resync() {
    let older = MemoryLog::new();
    let flaky = Flaky::default();
    let newer = flaky.log().append("x", Bytes::new()).await.unwrap().high();
    let older_epoch = older.append("x", Bytes::new()).await.unwrap().high();
    assert!(older_epoch < newer);
    let channel = flaky.channel();
    let mut clients = vec![follow(&channel, None).await, follow(&channel, None).await];
    publish_numbers(&channel, 0, 3).await;
    for client in &mut clients {
        client.expect_numbers(0, 3).await;
    }
    *flaky.inner.log.lock().unwrap() = older;
    for client in &mut clients {
        assert_eq!(
            client.data().await,
            "<resync>",
            "found out by the poll at the latest"
        );
    }
    publish_numbers(&channel, 3, 6).await;
    for client in &mut clients {
        client.expect_numbers(3, 6).await;
        assert!(client.last_event_id().starts_with(&older_epoch.to_string()));
    }
}

#[tokio::test]
async fn clients_that_come_back_together_do_not_read_the_log() {
    let flaky = Flaky::default();
    let channel = flaky.channel();
    let mut stays = follow(&channel, None).await;
    let start = channel
        .subscribe(None)
        .await
        .unwrap()
        .position()
        .to_string();
    publish_numbers(&channel, 0, 50).await;
    stays.expect_numbers(0, 10).await;
    let id = stays.last_event_id();
    stays.expect_numbers(10, 50).await;
    let reads = flaky.inner.reads.load(Ordering::SeqCst);
    assert_eq!(
        reads, 1,
        "fifty announcements at once need one look at the log"
    );
    for _ in 0..100 {
        follow(&channel, Some(&start))
            .await
            .expect_numbers(0, 50)
            .await;
        follow(&channel, Some(&id))
            .await
            .expect_numbers(50, 50)
            .await;
    }
    assert_eq!(flaky.inner.reads.load(Ordering::SeqCst), reads);
}

/// A log that stores, and never answers who reads.
struct Silent(MemoryLog);

impl Log for Silent {
    async fn append(&self, stream: &str, payload: Bytes) -> Result<EntryId, PortError> {
        self.0.append(stream, payload).await
    }

    async fn read_after(&self, _: &str, _: EntryId, _: usize) -> Result<LogRead, PortError> {
        std::future::pending().await
    }

    async fn last_id(&self, stream: &str) -> Result<EntryId, PortError> {
        self.0.last_id(stream).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_does_not_stop_the_heartbeats() {
    let log = SharedLog::new(Silent(MemoryLog::new()));
    let channel = SseChannel::new(SharedBus::local(), log, "t");
    publish_numbers(&channel, 0, 1).await;
    let mut waiting = Vec::new();
    // One waits for the log, one for the process, which waits for the log.
    for from in [Some("0-0"), None] {
        let events = channel.subscribe(from).await.unwrap();
        let events = EventStream::follow(events).retry(None);
        let events = events.announce_position(false).into_response();
        let mut client = Client::of_body(events.into_body());
        // In a task of its own, which nothing else wakes.
        waiting.push(tokio::spawn(async move {
            let start = tokio::time::Instant::now();
            for beat in 1..4 {
                assert_eq!(client.chunk().await.unwrap(), ":\n");
                let expected = DEFAULT_HEARTBEAT * beat;
                assert_eq!(start.elapsed().as_secs(), expected.as_secs());
            }
        }));
    }
    publish_numbers(&channel, 1, 2).await;
    for client in waiting {
        let hour = Duration::from_secs(3600);
        tokio::time::timeout(hour, client).await.unwrap().unwrap();
    }
}
