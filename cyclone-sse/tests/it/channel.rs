//! `Broker` and `SseChannel`: live, replay, resync, sharing and clean-up.

use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{
    Bus, EntryId, LocalBus, Log, LogLimits, MemoryLog, PortErrorKind, SharedBus, SharedLog,
};
use cyclone_sse::{Broker, ChannelOptions, Event, PublishError, RESYNC_EVENT, SseChannel};

use crate::client::{channel, channel_with, follow, publish_numbers};

#[tokio::test]
async fn every_client_gets_every_event_once_and_in_order() {
    let channel = channel();
    let mut first = follow(&channel, None).await;
    let mut second = follow(&channel, None).await;
    assert_eq!(channel.clients().await, 2);
    publish_numbers(&channel, 0, 100).await;
    let mut third = follow(&channel, None).await;
    publish_numbers(&channel, 100, 200).await;
    first.expect_numbers(0, 200).await;
    second.expect_numbers(0, 200).await;
    drop(first);
    assert_eq!(channel.clients().await, 2);
    // The hub may have been behind when the third came: it has some of the first hundred, or none.
    let mut number: usize = third.data().await.parse().unwrap();
    assert!(number <= 100);
    while number < 199 {
        number += 1;
        assert_eq!(third.data().await, number.to_string());
    }
}

#[tokio::test]
async fn a_name_and_the_id_of_the_log_are_sent() {
    let channel = channel();
    let mut client = follow(&channel, None).await;
    let event = Event::text("a\nb").name("greeting").unwrap();
    let id = channel.publish(&event).await.unwrap();
    let event = client.event().await.unwrap();
    assert_eq!(
        (event.name.as_str(), event.data.as_str()),
        ("greeting", "a\nb")
    );
    assert_eq!(event.id, id.to_string());
    assert_eq!(
        client.wire,
        format!("id: {id}\nevent: greeting\ndata: a\ndata: b\n\n")
    );
}

#[tokio::test]
async fn an_event_with_an_id_is_refused() {
    let event = Event::text("x").id("7").unwrap();
    let refused = channel().publish(&event).await;
    assert!(matches!(refused, Err(PublishError::HasId)));
}

#[tokio::test]
async fn a_client_that_comes_back_anywhere_gets_what_it_missed() {
    // More than a page of the log, and less and more than the queue.
    for missed in [0, 1, 63, 64, 65, 200, 255, 256, 257, 1000] {
        for others in [false, true] {
            let channel = channel();
            let mut client = follow(&channel, None).await;
            publish_numbers(&channel, 0, 3).await;
            client.expect_numbers(0, 3).await;
            let id = client.last_event_id();
            // With others the hub stays and has the events in memory; without, a new one begins at the end.
            let other = if others {
                Some(follow(&channel, None).await)
            } else {
                None
            };
            drop(client);
            publish_numbers(&channel, 3, 3 + missed).await;
            let mut client = follow(&channel, Some(&id)).await;
            publish_numbers(&channel, 3 + missed, 6 + missed).await;
            client.expect_numbers(3, 6 + missed).await;
            drop(other);
        }
    }
}

#[tokio::test]
async fn any_process_serves_any_client() {
    let (bus, log) = (SharedBus::local(), SharedLog::memory());
    let one = SseChannel::new(bus.clone(), log.clone(), "t");
    let two = SseChannel::new(bus, log, "t");
    let mut client = follow(&one, None).await;
    publish_numbers(&two, 0, 5).await;
    client.expect_numbers(0, 5).await;
    publish_numbers(&one, 5, 10).await;
    let mut client = follow(&two, Some(&client.last_event_id())).await;
    client.expect_numbers(5, 10).await;
}

#[tokio::test]
async fn a_client_that_was_given_only_its_position_misses_nothing() {
    let channel = channel();
    publish_numbers(&channel, 0, 3).await;
    let events = channel.subscribe(None).await.unwrap();
    let position = events.position().to_string();
    drop(events);
    publish_numbers(&channel, 3, 5).await;
    follow(&channel, Some(&position))
        .await
        .expect_numbers(3, 5)
        .await;
}

#[tokio::test]
async fn events_that_the_log_has_lost_give_one_resync_and_then_what_comes() {
    for others in [false, true] {
        let log = MemoryLog::with_limits(LogLimits::new().stream_entries(10));
        let channel = SseChannel::new(SharedBus::local(), SharedLog::new(log), "t");
        let mut client = follow(&channel, None).await;
        publish_numbers(&channel, 0, 1).await;
        client.expect_numbers(0, 1).await;
        let id = client.last_event_id();
        drop(client);
        publish_numbers(&channel, 1, 100).await;
        let mut other = follow(&channel, None).await;
        publish_numbers(&channel, 100, 101).await;
        if others {
            other.expect_numbers(100, 101).await;
        } else {
            drop(other);
        }
        let mut client = follow(&channel, Some(&id)).await;
        let resync = client.event().await.unwrap();
        assert_eq!(
            (resync.name.as_str(), resync.data.as_str()),
            (RESYNC_EVENT, "")
        );
        let end = resync.id.parse::<EntryId>().unwrap();
        assert!(
            end > id.parse().unwrap(),
            "its id is the position from which the stream goes on"
        );
        publish_numbers(&channel, 101, 110).await;
        let mut next = client.data().await.parse::<usize>().unwrap();
        assert!(next <= 101);
        while next < 109 {
            next += 1;
            assert_eq!(client.data().await, next.to_string());
        }
        assert_eq!(client.wire.matches("event: resync").count(), 1);
        // Whoever reconnects with the id of the resync is served from there.
        let mut again = follow(&channel, Some(&end.to_string())).await;
        assert_ne!(again.data().await, "<resync>");
    }
}

#[tokio::test]
async fn ids_that_are_none_or_of_another_time_give_a_resync() {
    let channel = channel();
    let id = channel.publish(&Event::text("0")).await.unwrap();
    let earlier = EntryId::new(id.high() - 1, 0).to_string();
    let later = EntryId::new(id.high() + 1, 0).to_string();
    let future = EntryId::new(id.high(), id.low() + 1000).to_string();
    for text in [
        "x",
        "1",
        "-",
        " ",
        "1-1\n",
        "unknown",
        &earlier,
        &later,
        &future,
        &EntryId::MAX.to_string(),
    ] {
        let mut client = follow(&channel, Some(text)).await;
        assert_eq!(client.data().await, "<resync>", "{text:?}");
        channel.publish(&Event::text("next")).await.unwrap();
        assert_eq!(client.data().await, "next");
    }
    let mut client = follow(&channel, Some("")).await;
    channel.publish(&Event::text("live")).await.unwrap();
    assert_eq!(client.data().await, "live", "an empty id is none");
    let mut client = follow(&channel, Some("0-0")).await;
    assert_eq!(client.data().await, "0", "everything");
}

#[tokio::test]
async fn a_restarted_process_is_noticed() {
    let before = channel();
    let mut client = follow(&before, None).await;
    publish_numbers(&before, 0, 2).await;
    client.expect_numbers(0, 2).await;
    let after = channel();
    publish_numbers(&after, 0, 1).await;
    let mut client = follow(&after, Some(&client.last_event_id())).await;
    assert_eq!(client.data().await, "<resync>");
}

#[tokio::test]
async fn one_subscription_serves_all_clients_and_goes_with_the_last() {
    let bus = LocalBus::new();
    let broker = Broker::new(SharedBus::new(bus.clone()), SharedLog::memory());
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(follow(&broker.channel("t"), None).await);
    }
    assert_eq!(broker.channels(), 1);
    assert_eq!(bus.subscribers("sse:t"), 1);
    assert_eq!(broker.channel("t").clients().await, 5);
    clients.truncate(1);
    assert_eq!(bus.subscribers("sse:t"), 1);
    broker
        .channel("t")
        .publish(&Event::text("still"))
        .await
        .unwrap();
    assert_eq!(clients[0].data().await, "still");
    clients.clear();
    assert_eq!(broker.channels(), 0);
    // The task that held the subscription was told to end; it does so when it is run next.
    while bus.subscribers("sse:t") > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.channel("t").topic(), "t");
    assert_eq!(broker.channels(), 0);
}

#[tokio::test]
async fn errors_of_the_ports_are_the_errors_of_subscribe() {
    let long = "x".repeat(1021);
    for (topic, kind) in [
        ("", None),
        ("nul\0", Some(PortErrorKind::Invalid)),
        (&long, Some(PortErrorKind::Invalid)),
    ] {
        let channel = SseChannel::new(SharedBus::local(), SharedLog::memory(), topic);
        let result = channel.subscribe(None).await;
        assert_eq!(result.err().map(|error| error.kind()), kind, "{topic:?}");
        let result = channel.publish(&Event::text("x")).await;
        let refused =
            matches!(result, Err(PublishError::NotStored(error)) if Some(error.kind()) == kind);
        assert_eq!(refused, kind.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_publishers_and_clients_that_come_and_go_see_one_order() {
    const EACH: usize = 300;
    let log = MemoryLog::with_limits(LogLimits::new().stream_entries(10_000));
    let broker = Broker::with_options(
        SharedBus::local(),
        SharedLog::new(log.clone()),
        ChannelOptions::new().queue_events(8),
    );
    let stays = broker.channel("t").subscribe(None).await.unwrap();
    let start = stays.position().to_string();
    let broker = Arc::new(broker);
    let mut tasks = Vec::new();
    for publisher in 0..4 {
        let broker = Arc::clone(&broker);
        tasks.push(tokio::spawn(async move {
            for number in 0..EACH {
                let event = Event::text(format!("{publisher} {number}"));
                broker.channel("t").publish(&event).await.unwrap();
            }
        }));
    }
    let mut readers = Vec::new();
    for reader in 0..4 {
        let (broker, start) = (Arc::clone(&broker), start.clone());
        readers.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            let mut id = start;
            while seen.len() < 4 * EACH {
                let mut client = follow(&broker.channel("t"), Some(&id)).await;
                // Each reader reconnects after another number of events.
                for _ in 0..=reader * 7 {
                    if seen.len() < 4 * EACH {
                        seen.push(client.data().await);
                    }
                }
                id = client.last_event_id();
            }
            seen
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let read = log
        .read_after("sse:t", start.parse().unwrap(), 10_000)
        .await
        .unwrap();
    let expected: Vec<_> = read
        .entries
        .iter()
        .map(|entry| {
            String::from_utf8_lossy(&entry.payload[6..entry.payload.len() - 2]).into_owned()
        })
        .collect();
    assert_eq!(expected.len(), 4 * EACH);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected);
    }
    drop(stays);
}

#[tokio::test(start_paused = true)]
async fn strange_messages_on_the_bus_do_no_harm() {
    let bus = LocalBus::new();
    let log = MemoryLog::new();
    let channel = SseChannel::new(
        SharedBus::new(bus.clone()),
        SharedLog::new(log.clone()),
        "t",
    );
    let mut client = follow(&channel, None).await;
    for payload in [
        &b"\xff"[..],
        b"",
        b"0-0",
        b"99999999999999-1",
        b"data: forged\n\n",
    ] {
        bus.publish("sse:t", payload.to_vec().into()).await.unwrap();
    }
    publish_numbers(&channel, 0, 2).await;
    client.expect_numbers(0, 2).await;
    // An announcement that came twice, or late.
    bus.publish("sse:t", client.last_event_id().into())
        .await
        .unwrap();
    publish_numbers(&channel, 2, 3).await;
    client.expect_numbers(2, 3).await;
    // A gap, and an event whose announcement was in it.
    log.append("sse:t", "data: 3\n\n".into()).await.unwrap();
    bus.gap("sse:t", 1);
    client.expect_numbers(3, 4).await;
    // An event that was never announced.
    log.append("sse:t", "data: 4\n\n".into()).await.unwrap();
    client.expect_numbers(4, 5).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_not_announced_waits_for_the_poll_interval() {
    let log = MemoryLog::new();
    let options = ChannelOptions::new().poll_interval(Duration::from_secs(7));
    let broker = Broker::with_options(SharedBus::local(), SharedLog::new(log.clone()), options);
    let mut client = follow(&broker.channel("t"), None).await;
    log.append("sse:t", "data: 0\n\n".into()).await.unwrap();
    let before = tokio::time::Instant::now();
    client.expect_numbers(0, 1).await;
    let waited = before.elapsed();
    assert!(
        waited > Duration::from_secs(6) && waited < Duration::from_secs(8),
        "{waited:?}"
    );
}

#[tokio::test]
async fn the_log_that_forgets_faster_than_a_process_reads_gives_its_clients_a_resync() {
    let log = MemoryLog::with_limits(LogLimits::new().stream_entries(10));
    let channel = SseChannel::new(SharedBus::local(), SharedLog::new(log), "t");
    let mut client = follow(&channel, None).await;
    // On this runtime of one thread the hub reads nothing meanwhile.
    publish_numbers(&channel, 0, 100).await;
    assert_eq!(client.data().await, "<resync>");
    publish_numbers(&channel, 100, 105).await;
    client.expect_numbers(100, 105).await;
    assert!(
        channel_with(ChannelOptions::new())
            .subscribe(None)
            .await
            .is_ok()
    );
}
