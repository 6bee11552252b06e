//! The promises of `Bus`.

use bytes::Bytes;
use tokio::time::timeout;

use super::{PATIENCE, bad_names, fresh, longest_name, must, must_be_invalid, payloads};
use crate::bus::{Bus, BusEvent, Subscription};

/// Checks the promises of [`Bus`], but for the gap of a slow subscriber (see [`bus_overflow`]).
///
/// # Panics
/// When a promise is broken, with its name.
pub async fn bus(bus: &impl Bus) {
    delivers_payloads_unchanged_and_in_order(bus).await;
    delivers_to_every_subscription_of_the_topic_only(bus).await;
    forgets_what_was_published_before(bus).await;
    keeps_the_order_of_each_publisher(bus).await;
    survives_dropped_subscriptions(bus).await;
    checks_names(bus).await;
}

/// Checks that a subscriber who does not read gets what was queued, then one gap, then goes on.
///
/// `queue` is the bound of messages that subscriptions of `bus` have.
///
/// # Panics
/// When the promise is broken.
pub async fn bus_overflow(bus: &impl Bus, queue: usize) {
    let topic = fresh("overflow");
    let mut slow = must("subscribe", bus.subscribe(&topic).await);
    let mut fast = must("subscribe", bus.subscribe(&topic).await);
    let total = queue + 7;
    for number in 0..total {
        publish(bus, &topic, number.to_string()).await;
        assert_eq!(message(&mut fast).await, number.to_string());
    }
    for number in 0..queue {
        assert_eq!(
            message(&mut slow).await,
            number.to_string(),
            "a slow subscriber gets what was queued"
        );
    }
    let gap = event(&mut slow).await;
    let Some(BusEvent::Gap { missed }) = gap else {
        assert_eq!(gap, None, "a gap stands where messages are missing");
        return;
    };
    assert!(missed > 0, "the gap counts the missing messages");
    // With a remote bus the tail may still be on its way when the gap is read.
    let mut next = queue + usize::try_from(missed).unwrap_or(usize::MAX);
    publish(bus, &topic, total.to_string()).await;
    loop {
        let after = message(&mut slow).await;
        assert_eq!(
            after,
            next.to_string(),
            "after the gap the subscriber goes on"
        );
        if next == total {
            break;
        }
        next += 1;
    }
}

async fn delivers_payloads_unchanged_and_in_order(bus: &impl Bus) {
    let topic = fresh("payloads");
    let mut subscription = must("subscribe", bus.subscribe(&topic).await);
    for payload in payloads() {
        publish(bus, &topic, payload).await;
    }
    for payload in payloads() {
        assert_eq!(
            message(&mut subscription).await,
            payload,
            "a message arrives unchanged and in order"
        );
    }
}

async fn delivers_to_every_subscription_of_the_topic_only(bus: &impl Bus) {
    let topic = fresh("spread");
    let mut first = must("subscribe", bus.subscribe(&topic).await);
    let mut second = must("subscribe", bus.subscribe(&topic).await);
    let longer = format!("{topic}:more");
    let pattern = format!("{}*", &topic[..topic.len() - 1]);
    let upper = topic.to_uppercase();
    let mut others = Vec::new();
    for other in [&longer, &pattern, &upper] {
        others.push(must("subscribe", bus.subscribe(other).await));
        publish(bus, other, "other").await;
    }
    publish(bus, &topic, "here").await;
    for subscription in [&mut first, &mut second] {
        assert_eq!(
            message(subscription).await,
            "here",
            "each subscription of the topic gets the message, and none of another topic"
        );
    }
    for other in &mut others {
        assert_eq!(message(other).await, "other");
        assert_eq!(other.try_next(), None, "another topic gets nothing");
    }
}

async fn forgets_what_was_published_before(bus: &impl Bus) {
    let topic = fresh("before");
    publish(bus, &topic, "nobody listens").await;
    let mut subscription = must("subscribe", bus.subscribe(&topic).await);
    publish(bus, &topic, "first").await;
    assert_eq!(
        message(&mut subscription).await,
        "first",
        "a subscription gets what is published after it, all of it and nothing else"
    );
}

async fn keeps_the_order_of_each_publisher(bus: &impl Bus) {
    const EACH: u32 = 50;
    let topic = fresh("order");
    let mut subscription = must("subscribe", bus.subscribe(&topic).await);
    let send = |publisher: u32| {
        let topic = &topic;
        async move {
            for number in 0..EACH {
                publish(bus, topic, format!("{publisher} {number}")).await;
            }
        }
    };
    tokio::join!(send(0), send(1), send(2));
    let mut expected = [0; 3];
    for _ in 0..3 * EACH {
        let text = message(&mut subscription).await;
        let matching = (0..3).find(|&at| text == format!("{at} {}", expected[at]));
        assert!(
            matching.is_some(),
            "messages of one publisher keep their order, but {text:?} came when {expected:?} were next"
        );
        if let Some(publisher) = matching {
            expected[publisher] += 1;
        }
    }
}

async fn survives_dropped_subscriptions(bus: &impl Bus) {
    let topic = fresh("dropped");
    let mut stays = must("subscribe", bus.subscribe(&topic).await);
    drop(must("subscribe", bus.subscribe(&topic).await));
    publish(bus, &topic, "one").await;
    assert_eq!(
        message(&mut stays).await,
        "one",
        "a dropped subscription does not end the others"
    );
    drop(stays);
    publish(bus, &topic, "nobody").await;
    let mut again = must("subscribe again", bus.subscribe(&topic).await);
    publish(bus, &topic, "two").await;
    assert_eq!(
        message(&mut again).await,
        "two",
        "a topic works again after its last subscription was dropped"
    );
}

async fn checks_names(bus: &impl Bus) {
    for name in bad_names() {
        must_be_invalid("subscribing to a bad name", bus.subscribe(&name).await);
        must_be_invalid(
            "publishing to a bad name",
            bus.publish(&name, Bytes::new()).await,
        );
    }
    let name = longest_name("topic");
    let mut subscription = must("subscribe to the longest name", bus.subscribe(&name).await);
    publish(bus, &name, "fits").await;
    assert_eq!(message(&mut subscription).await, "fits");
}

async fn publish(bus: &impl Bus, topic: &str, payload: impl Into<Bytes>) {
    must("publish", bus.publish(topic, payload.into()).await);
}

async fn event(subscription: &mut Subscription) -> Option<BusEvent> {
    let waited = timeout(PATIENCE, subscription.next()).await;
    assert!(waited.is_ok(), "nothing arrived within {PATIENCE:?}");
    waited.ok().flatten()
}

#[expect(clippy::panic, reason = "a check reports by panicking")]
async fn message(subscription: &mut Subscription) -> Bytes {
    match event(subscription).await {
        Some(BusEvent::Message(payload)) => payload,
        other => panic!("a message must arrive here, but it was {other:?}"),
    }
}
