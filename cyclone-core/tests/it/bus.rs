//! `LocalBus` and `Subscription`: bounds, gaps, order, clean-up.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use cyclone_core::{
    Bus, BusEvent, BusLimits, Delivery, LocalBus, MAX_NAME_BYTES, PortErrorKind, SharedBus,
    Subscription, SubscriptionLimits,
};
use futures_util::StreamExt;

fn message(text: &str) -> Option<BusEvent> {
    Some(BusEvent::Message(Bytes::copy_from_slice(text.as_bytes())))
}

fn gap(missed: u64) -> Option<BusEvent> {
    Some(BusEvent::Gap { missed })
}

fn bus(queue: SubscriptionLimits) -> LocalBus {
    LocalBus::with_limits(BusLimits::new().queue(queue))
}

#[tokio::test]
async fn queue_of_messages_just_under_at_and_over() {
    for (published, missed) in [(3, None), (4, None), (5, Some(1)), (9, Some(5))] {
        let bus = bus(SubscriptionLimits::new().messages(4));
        let mut slow = bus.listen("t").unwrap();
        for number in 0..published {
            bus.publish("t", number.to_string().into()).await.unwrap();
        }
        for number in 0..published.min(4) {
            assert_eq!(slow.try_next(), message(&number.to_string()));
        }
        assert_eq!(
            slow.try_next(),
            missed.and_then(gap),
            "{published} published"
        );
        assert_eq!(slow.try_next(), None);
        bus.publish("t", "after".into()).await.unwrap();
        assert_eq!(slow.try_next(), message("after"));
    }
}

#[tokio::test]
async fn queue_of_bytes_just_under_at_and_over() {
    for (size, missed) in [(4, None), (5, None), (6, Some(1))] {
        let bus = bus(SubscriptionLimits::new().bytes(10));
        let mut slow = bus.listen("t").unwrap();
        bus.publish("t", "12345".into()).await.unwrap();
        bus.publish("t", vec![b'x'; size].into()).await.unwrap();
        assert_eq!(slow.try_next(), message("12345"));
        let second = message(&"x".repeat(size));
        assert_eq!(slow.try_next(), missed.map_or(second, gap), "{size} bytes");
        bus.publish("t", "1234567890".into()).await.unwrap();
        assert_eq!(
            slow.try_next(),
            message("1234567890"),
            "the room is free again"
        );
    }
}

#[tokio::test]
async fn largest_message_just_under_at_and_over() {
    let bus = bus(SubscriptionLimits::new().bytes(10));
    for (size, refused) in [(9, None), (10, None), (11, Some(PortErrorKind::Invalid))] {
        let result = bus.publish("nobody", vec![0; size].into()).await;
        assert_eq!(result.err().map(|error| error.kind()), refused);
    }
}

#[tokio::test]
async fn after_an_overflow_nothing_is_queued_until_the_gap_was_read() {
    let bus = bus(SubscriptionLimits::from(2));
    let mut slow = bus.listen("t").unwrap();
    for text in ["a", "b", "lost"] {
        bus.send("t", &text.into()).unwrap();
    }
    assert_eq!(slow.try_next(), message("a"));
    bus.send("t", &"lost too".into()).unwrap();
    assert_eq!(slow.try_next(), message("b"));
    bus.send("t", &"and this".into()).unwrap();
    assert_eq!(slow.try_next(), gap(3), "one gap, at the place of loss");
    bus.send("t", &"c".into()).unwrap();
    assert_eq!(slow.try_next(), message("c"));
    assert_eq!(slow.try_next(), None);
}

#[tokio::test]
async fn a_gap_of_the_driver_stands_in_its_place_and_does_not_stop_the_queue() {
    let (sender, mut subscription) = Subscription::channel(2);
    sender.send("a".into());
    sender.gap(3);
    sender.gap(4);
    assert_eq!(sender.send("b".into()), Delivery::Queued);
    assert_eq!(sender.send("c".into()), Delivery::Missed);
    sender.gap(0);
    assert_eq!(subscription.try_next(), message("a"));
    assert_eq!(subscription.try_next(), gap(7));
    assert_eq!(
        sender.send("d".into()),
        Delivery::Missed,
        "the gap of the overflow is unread"
    );
    assert_eq!(subscription.try_next(), message("b"));
    assert_eq!(subscription.try_next(), gap(2));
    assert_eq!(sender.send("e".into()), Delivery::Queued);
    assert_eq!(subscription.try_next(), message("e"));
}

#[tokio::test]
async fn gaps_everywhere_reach_every_topic() {
    let bus = LocalBus::new();
    let mut a = bus.listen("a").unwrap();
    let mut b = bus.listen("b").unwrap();
    bus.gap("a", 5);
    bus.gap_everywhere();
    bus.gap("nobody", 5);
    assert_eq!(a.try_next(), gap(5));
    assert_eq!(b.try_next(), gap(0));
    let mut topics = bus.topics();
    topics.sort_unstable();
    assert_eq!(topics, ["a", "b"]);
}

#[tokio::test]
async fn a_dropped_subscription_frees_its_topic_and_its_messages() {
    let bus = LocalBus::new();
    let first = bus.subscribe("t").await.unwrap();
    let second = bus.subscribe("t").await.unwrap();
    assert_eq!(bus.subscribers("t"), 2);
    let counted = Arc::new(());
    let payload = Bytes::from_owner(Counted(Arc::clone(&counted)));
    bus.send("t", &payload).unwrap();
    drop(payload);
    drop(second);
    assert_eq!(bus.subscribers("t"), 1);
    assert_eq!(bus.topics(), ["t"]);
    drop(first);
    assert_eq!(bus.subscribers("t"), 0);
    assert!(bus.topics().is_empty());
    assert_eq!(Arc::strong_count(&counted), 1, "queued messages are freed");
}

struct Counted(#[expect(dead_code, reason = "held for its count")] Arc<()>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"payload"
    }
}

#[tokio::test]
async fn topics_and_subscriptions_just_under_at_and_over() {
    let bus = LocalBus::with_limits(BusLimits::new().topics(2).subscriptions(3));
    let a = bus.listen("a").unwrap();
    let _b = bus.listen("b").unwrap();
    let over = bus.listen("c").unwrap_err();
    assert_eq!(over.kind(), PortErrorKind::Full);
    assert!(over.is_retryable());
    let _b2 = bus.listen("b").unwrap();
    assert_eq!(bus.listen("b").unwrap_err().kind(), PortErrorKind::Full);
    drop(a);
    let _c = bus.listen("c").unwrap();
    assert_eq!(bus.listen("b").unwrap_err().kind(), PortErrorKind::Full);
}

#[tokio::test]
async fn the_end_of_the_bus_ends_its_subscriptions_after_what_was_queued() {
    let bus = SharedBus::local();
    let mut subscription = bus.subscribe("t").await.unwrap();
    bus.publish("t", "last".into()).await.unwrap();
    drop(bus);
    assert_eq!(subscription.next().await, message("last"));
    assert_eq!(subscription.next().await, None);
    assert_eq!(StreamExt::next(&mut subscription).await, None);
}

#[tokio::test]
async fn a_closed_subscription_is_told_to_the_sender_and_hooks_run_in_order() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let (sender, subscription) = Subscription::channel(1);
    let (first, second) = (Arc::clone(&order), Arc::clone(&order));
    let subscription = subscription
        .on_drop(move || first.lock().unwrap().push(1))
        .on_drop(move || second.lock().unwrap().push(2));
    assert!(!sender.is_closed());
    drop(subscription);
    assert!(sender.is_closed());
    assert_eq!(sender.send("late".into()), Delivery::Closed);
    sender.gap(1);
    assert_eq!(*order.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn names_just_under_at_and_over() {
    let bus = LocalBus::new();
    for (name, refused) in [
        ("x".repeat(MAX_NAME_BYTES - 1), false),
        ("x".repeat(MAX_NAME_BYTES), false),
        ("x".repeat(MAX_NAME_BYTES + 1), true),
        (String::new(), true),
        ("a\0b".into(), true),
    ] {
        let result = bus.listen(&name);
        assert_eq!(result.is_err(), refused, "{name:?}");
    }
}

#[derive(Default)]
struct CountedWake(AtomicUsize);

impl Wake for CountedWake {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waiting_reader_is_woken_once_by_message_gap_and_end() {
    let wakes = Arc::new(CountedWake::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let (sender, mut subscription) = Subscription::channel(4);
    let mut poll = |expected: Option<Option<BusEvent>>| {
        let next = pin!(subscription.next());
        let expected = expected.map_or(Poll::Pending, Poll::Ready);
        assert_eq!(next.poll(&mut cx), expected);
    };
    poll(None);
    sender.send("a".into());
    sender.send("b".into());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    poll(Some(message("a")));
    poll(Some(message("b")));
    poll(None);
    sender.gap(1);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    poll(Some(gap(1)));
    poll(None);
    drop(sender);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 3);
    poll(Some(None));
}

/// A waker that drops a subscription of the same bus: a lock held while waking would never be given back.
struct DropOnWake(Mutex<Option<Subscription>>);

impl Wake for DropOnWake {
    fn wake(self: Arc<Self>) {
        let dropped = self.0.lock().map(|mut held| held.take());
        drop(dropped);
    }
}

#[test]
fn no_lock_is_held_while_a_reader_is_woken() {
    let bus = LocalBus::new();
    let mut reader = bus.listen("t").unwrap();
    let other = bus.listen("t").unwrap();
    let waker = Waker::from(Arc::new(DropOnWake(Mutex::new(Some(other)))));
    let mut cx = Context::from_waker(&waker);
    assert!(pin!(reader.next()).poll(&mut cx).is_pending());
    bus.send("t", &"wake".into()).unwrap();
    assert_eq!(bus.subscribers("t"), 1);
    assert_eq!(reader.try_next(), message("wake"));
}

#[test]
fn the_order_is_the_same_for_all_subscribers_whoever_publishes() {
    const EACH: usize = 2000;
    let bus = bus(SubscriptionLimits::from(4 * EACH));
    let mut subscriptions: Vec<_> = (0..3).map(|_| bus.listen("t").unwrap()).collect();
    std::thread::scope(|scope| {
        for publisher in 0..4 {
            let bus = &bus;
            scope.spawn(move || {
                for number in 0..EACH {
                    bus.send("t", &format!("{publisher} {number}").into())
                        .unwrap();
                }
            });
        }
        // Others come and go meanwhile.
        scope.spawn(|| {
            for _ in 0..EACH {
                drop(bus.listen("t").unwrap());
            }
        });
    });
    let orders: Vec<Vec<_>> = subscriptions
        .iter_mut()
        .map(|subscription| std::iter::from_fn(|| subscription.try_next()).collect())
        .collect();
    assert_eq!(orders[0].len(), 4 * EACH);
    assert_eq!(orders[0], orders[1]);
    assert_eq!(orders[0], orders[2]);
    assert_eq!(bus.subscribers("t"), 3);
}
