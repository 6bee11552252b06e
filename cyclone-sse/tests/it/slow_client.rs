//! Clients that read more slowly than others publish.

use cyclone_core::{LogLimits, MemoryLog, SharedBus, SharedLog};
use cyclone_sse::{Broker, ChannelOptions, SlowClient};

use crate::client::{channel_with, follow, publish_numbers};

#[tokio::test]
async fn a_slow_client_is_served_from_the_log_and_misses_nothing() {
    for queue in [0, 1, 10, 49, 50, 51] {
        let channel = channel_with(ChannelOptions::new().queue_events(queue));
        let mut slow = follow(&channel, None).await;
        let mut fast = follow(&channel, None).await;
        publish_numbers(&channel, 0, 1).await;
        slow.expect_numbers(0, 1).await;
        for number in 0..=50 {
            fast.expect_numbers(number, number + 1).await;
            publish_numbers(&channel, number + 1, number + 2).await;
        }
        slow.expect_numbers(1, 51).await;
        publish_numbers(&channel, 52, 60).await;
        slow.expect_numbers(51, 60).await;
        fast.expect_numbers(51, 60).await;
    }
}

#[tokio::test]
async fn a_slow_client_whose_events_are_gone_gets_a_resync_and_goes_on() {
    let log = MemoryLog::with_limits(LogLimits::new().stream_entries(20));
    let options = ChannelOptions::new().queue_events(10);
    let broker = Broker::with_options(SharedBus::local(), SharedLog::new(log), options);
    let channel = broker.channel("t");
    let mut slow = follow(&channel, None).await;
    let mut fast = follow(&channel, None).await;
    for number in 0..100 {
        publish_numbers(&channel, number, number + 1).await;
        fast.expect_numbers(number, number + 1).await;
    }
    assert_eq!(slow.data().await, "<resync>");
    publish_numbers(&channel, 100, 110).await;
    slow.expect_numbers(100, 110).await;
    fast.expect_numbers(100, 110).await;
}

/// The queue just under, at and over its bounds: what over them is gone from memory.
#[tokio::test]
async fn a_slow_client_is_disconnected_where_that_is_the_policy() {
    // An event of one digit takes "id: \ndata: 7\n\n" and its id.
    let by_events = ChannelOptions::new().queue_events(5);
    for (options, lag, slow) in [
        (by_events, 4, false),
        (by_events, 5, false),
        (by_events, 6, true),
        (ChannelOptions::new().queue_bytes(0), 1, true),
    ] {
        let channel = channel_with(options.slow_client(SlowClient::Disconnect));
        let mut client = follow(&channel, None).await;
        let mut fast = follow(&channel, None).await;
        for number in 0..lag {
            publish_numbers(&channel, number, number + 1).await;
            if options == by_events {
                fast.expect_numbers(number, number + 1).await;
            } else {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
        }
        if slow {
            assert_eq!(client.data().await, "<end>", "lag {lag}");
            assert_eq!(client.data().await, "<end>", "the end is the end");
        } else {
            client.expect_numbers(0, lag).await;
        }
    }
}

#[tokio::test]
async fn the_bytes_of_the_queue_just_under_at_and_over() {
    let probe = channel_with(ChannelOptions::new());
    let mut client = follow(&probe, None).await;
    publish_numbers(&probe, 0, 1).await;
    client.expect_numbers(0, 1).await;
    let one = client.wire.len();
    for (bytes, slow) in [(3 * one + 1, false), (3 * one, false), (3 * one - 1, true)] {
        let options = ChannelOptions::new().queue_bytes(bytes);
        let channel = channel_with(options.slow_client(SlowClient::Disconnect));
        let mut client = follow(&channel, None).await;
        publish_numbers(&channel, 0, 3).await;
        // The hub reads all three at once.
        tokio::task::yield_now().await;
        let first = client.data().await;
        assert_eq!(first, if slow { "<end>" } else { "0" }, "{bytes}");
    }
}

#[tokio::test]
async fn a_client_that_comes_back_late_is_not_slow() {
    let options = ChannelOptions::new().queue_events(2);
    let channel = channel_with(options.slow_client(SlowClient::Disconnect));
    let mut stays = follow(&channel, None).await;
    let start = channel
        .subscribe(None)
        .await
        .unwrap()
        .position()
        .to_string();
    for number in 0..200 {
        publish_numbers(&channel, number, number + 1).await;
        stays.expect_numbers(number, number + 1).await;
    }
    follow(&channel, Some(&start))
        .await
        .expect_numbers(0, 200)
        .await;
}
