//! `EventStream` and its body: headers, heartbeat, coalescing, sources.

use std::time::Duration;

use cyclone_sse::{DEFAULT_HEARTBEAT, Decoder, Event, EventStream, SseBody, TrySendError};
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Body;
use tokio::time::{Instant, advance};

use crate::client::{Client, channel, publish_numbers};

fn client(response: Response<SseBody>) -> Client {
    Client::of_body(response.into_body())
}

fn numbers(range: std::ops::Range<usize>) -> impl futures_util::Stream<Item = Event> {
    stream::iter(range.map(|number| Event::text(number.to_string())))
}

#[tokio::test]
async fn headers_keep_proxies_from_holding_events_back() {
    let response = EventStream::new(stream::empty()).respond(&Request::new(()));
    assert_eq!(response.status(), 200);
    let headers: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        headers,
        [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_only_in_silence() {
    let (sender, events) = EventStream::channel(4);
    let mut client = client(events.retry(None).into_response());
    let start = Instant::now();
    assert_eq!(client.chunk().await.unwrap(), ":\n");
    assert_eq!(start.elapsed(), DEFAULT_HEARTBEAT);
    advance(Duration::from_secs(10)).await;
    sender.send(Event::text("x")).await.unwrap();
    assert_eq!(client.chunk().await.unwrap(), "data: x\n\n");
    let start = Instant::now();
    assert_eq!(client.chunk().await.unwrap(), ":\n");
    let silence = start.elapsed();
    assert!(
        silence >= DEFAULT_HEARTBEAT && silence < DEFAULT_HEARTBEAT + Duration::from_millis(5),
        "{silence:?}"
    );
    assert_eq!(client.chunk().await.unwrap(), ":\n");
    // An event each ten seconds leaves no room for a heartbeat.
    for _ in 0..5 {
        advance(Duration::from_secs(10)).await;
        sender.send(Event::text("x")).await.unwrap();
        assert_eq!(client.chunk().await.unwrap(), "data: x\n\n");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_may_be_set_and_left_out() {
    let (_sender, events) = EventStream::channel(4);
    let mut every_second = client(
        events
            .retry(None)
            .heartbeat(Some(Duration::from_secs(1)))
            .into_response(),
    );
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(every_second.chunk().await.unwrap(), ":\n");
    }
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    for never in [None, Some(Duration::MAX)] {
        let (_sender, events) = EventStream::channel(4);
        let mut silent = client(events.retry(None).heartbeat(never).into_response());
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, silent.chunk()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_a_channel_come_only_in_silence() {
    let channel = channel();
    let mut clients = Vec::new();
    let start = Instant::now();
    // They have other times, and one timer.
    for seconds in [3, 15, 4] {
        let events = EventStream::follow(channel.subscribe(None).await.unwrap());
        let events = events.heartbeat(Some(Duration::from_secs(seconds)));
        let mut client = client(events.into_response());
        client.chunk().await.unwrap();
        clients.push((seconds, client, Vec::new()));
    }
    advance(Duration::from_secs(2)).await;
    publish_numbers(&channel, 0, 1).await;
    for (_, client, _) in &mut clients {
        client.expect_numbers(0, 1).await;
    }
    let beats = clients
        .into_iter()
        .map(async |(seconds, mut client, mut beats)| {
            while start.elapsed() < Duration::from_secs(30) {
                assert_eq!(client.chunk().await.unwrap(), ":\n");
                beats.push((start.elapsed().as_millis() + 5) / 1000);
            }
            (seconds, beats)
        });
    for (seconds, beats) in futures_util::future::join_all(beats).await {
        let expected: Vec<_> = (1..20).map(|beat| u128::from(2 + beat * seconds)).collect();
        let last = beats.len() - 1;
        assert_eq!(beats, expected[..=last]);
        assert!(last > 0 && expected[last] >= 30 && expected[last - 1] < 30);
    }
}

#[tokio::test]
async fn the_reconnection_time_and_the_position_come_first() {
    let mut plain = client(EventStream::new(numbers(0..1)).into_response());
    assert_eq!(plain.chunk().await.unwrap(), "retry: 3000\n");
    plain.expect_numbers(0, 1).await;
    let set = EventStream::new(numbers(0..1)).retry(Some(Duration::from_millis(250)));
    assert_eq!(
        client(set.into_response()).chunk().await.unwrap(),
        "retry: 250\n"
    );
    let mut bare = client(EventStream::new(numbers(0..1)).retry(None).into_response());
    assert_eq!(bare.chunk().await.unwrap(), "data: 0\n\n");
    assert_eq!(bare.chunk().await, None);

    let channel = channel();
    publish_numbers(&channel, 0, 1).await;
    let events = channel.subscribe(None).await.unwrap();
    let position = events.position();
    let mut new = client(EventStream::follow(events).into_response());
    assert_eq!(
        new.chunk().await.unwrap(),
        format!("retry: 3000\nid: {position}\n\n")
    );
    assert_eq!(new.last_event_id(), position.to_string());
    publish_numbers(&channel, 1, 2).await;
    assert_eq!(
        new.event().await.unwrap().data,
        "1",
        "the position was not shown as an event"
    );

    let known = channel
        .subscribe(Some(&position.to_string()))
        .await
        .unwrap();
    let mut known = client(EventStream::follow(known).into_response());
    assert_eq!(
        known.chunk().await.unwrap(),
        "retry: 3000\n",
        "it has its position"
    );
    let quiet =
        EventStream::follow(channel.subscribe(None).await.unwrap()).announce_position(false);
    let mut quiet = client(quiet.into_response());
    assert_eq!(quiet.chunk().await.unwrap(), "retry: 3000\n");
}

#[tokio::test]
async fn events_that_are_ready_are_sent_together_up_to_the_bound() {
    // "data: 0\n\n" is nine bytes.
    for (bound, chunks) in [
        (26, vec![18, 18, 18]),
        (27, vec![27, 27]),
        (28, vec![27, 27]),
        (1, vec![9; 6]),
        (0, vec![9; 6]),
    ] {
        let events = EventStream::new(numbers(0..6)).retry(None).max_chunk(bound);
        let mut client = client(events.into_response());
        let mut sizes = Vec::new();
        while let Some(chunk) = client.chunk().await {
            sizes.push(chunk.len());
        }
        assert_eq!(sizes, chunks, "bound {bound}");
        client.expect_numbers(0, 6).await;
    }
    let default = EventStream::new(numbers(0..100)).retry(None);
    let mut client = client(default.into_response());
    client.chunk().await.unwrap();
    client.expect_numbers(0, 100).await;
    assert_eq!(client.chunk().await, None, "all came in one chunk");
}

#[tokio::test]
async fn events_of_a_channel_are_sent_together_up_to_the_bound() {
    let channel = channel();
    let start = channel.subscribe(None).await.unwrap();
    let id = start.position().to_string();
    publish_numbers(&channel, 0, 6).await;
    tokio::task::yield_now().await;
    for bound in [1, 100, 200, 1000] {
        // From the memory of the hub, and from the log.
        for from_log in [false, true] {
            let other = cyclone_core::EntryId::ZERO.to_string();
            let events = channel
                .subscribe(Some(if from_log { &other } else { &id }))
                .await
                .unwrap();
            let events = EventStream::follow(events).retry(None).max_chunk(bound);
            let mut client = client(events.into_response());
            let mut events = 0;
            while events < 6 {
                let chunk = client.chunk().await.unwrap();
                let here = chunk.matches("data:").count();
                events += here;
                assert!(chunk.len() <= bound || here == 1, "{bound}: {chunk:?}");
                assert!(chunk.ends_with("\n\n"), "events are not cut");
            }
            client.expect_numbers(0, 6).await;
        }
    }
}

#[tokio::test]
async fn a_chunk_of_a_channel_just_under_at_and_over() {
    let channel = channel();
    let stays = channel.subscribe(None).await.unwrap();
    let id = stays.position().to_string();
    publish_numbers(&channel, 0, 4).await;
    tokio::task::yield_now().await;
    let one = format!("id: {id}\ndata: 0\n\n").len();
    for from_log in [false, true] {
        for (bound, together) in [(2 * one - 1, 1), (2 * one, 2), (2 * one + 1, 2)] {
            let from = if from_log { "0-0" } else { &id };
            let events = channel.subscribe(Some(from)).await.unwrap();
            let events = EventStream::follow(events).retry(None).max_chunk(bound);
            let chunk = client(events.into_response()).chunk().await.unwrap();
            assert_eq!(chunk.len(), together * one, "bound {bound}");
        }
    }
}

#[tokio::test]
async fn a_stream_is_not_asked_again_after_its_end() {
    let mut left = 3;
    let once = stream::poll_fn(move |_| {
        assert!(left >= 0, "asked after the end");
        left -= 1;
        std::task::Poll::Ready((left >= 0).then(|| Event::text("x")))
    });
    let mut client = client(EventStream::new(once).retry(None).into_response());
    assert_eq!(client.chunk().await.unwrap().len(), 27);
    assert_eq!(client.chunk().await, None);
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn the_body_knows_its_end() {
    let mut body = EventStream::new(numbers(0..1))
        .retry(None)
        .into_response()
        .into_body();
    assert!(!body.is_end_stream());
    let mut body = std::pin::Pin::new(&mut body);
    let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
    assert!(frame.is_some());
    let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
    assert!(frame.is_none());
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_sender_waits_for_room_and_learns_that_the_client_has_gone() {
    let (sender, events) = EventStream::channel(2);
    let body = events.retry(None).into_response().into_body();
    sender.try_send(Event::text("1")).unwrap();
    sender.try_send(Event::text("2")).unwrap();
    let refused = sender.try_send(Event::text("3"));
    assert_eq!(refused, Err(TrySendError::Full(Event::text("3"))));
    assert!(!sender.is_closed());
    drop(body);
    assert!(sender.is_closed());
    sender.closed().await;
    let gone = sender.send(Event::text("4")).await.unwrap_err();
    assert_eq!(gone.to_string(), "the client has gone");
    let refused = sender.try_send(Event::text("5"));
    assert_eq!(refused, Err(TrySendError::ClientGone(Event::text("5"))));
}

#[tokio::test]
async fn a_stream_ends_with_its_last_sender() {
    let (sender, events) = EventStream::channel(0);
    let mut client = client(events.retry(None).into_response());
    let second = sender.clone();
    sender.send(Event::text("1")).await.unwrap();
    drop(sender);
    assert_eq!(client.data().await, "1");
    second.send(Event::text("2")).await.unwrap();
    drop(second);
    assert_eq!(client.data().await, "2");
    assert_eq!(client.data().await, "<end>");
}

#[tokio::test]
async fn dropping_the_body_ends_the_subscription_at_once() {
    let channel = channel();
    let events = channel.subscribe(None).await.unwrap();
    let body = EventStream::follow(events).into_response().into_body();
    assert_eq!(channel.clients().await, 1);
    drop(body);
    assert_eq!(channel.clients().await, 0);
}

#[tokio::test]
async fn chunks_of_events_are_a_stream_of_their_own() {
    let channel = channel();
    let mut events = channel.subscribe(None).await.unwrap();
    publish_numbers(&channel, 0, 3).await;
    let chunk = events.next().await.unwrap();
    let mut decoder = Decoder::new();
    decoder.feed(&chunk).unwrap();
    assert_eq!(std::iter::from_fn(|| decoder.next()).count(), 3);
}
