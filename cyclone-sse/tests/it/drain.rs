//! Streams in a server that shuts down, and the registry.

use std::time::Duration;

use cyclone_core::{Resources, Session};
use cyclone_sse::{DRAIN_RETRY_MIN, DRAIN_RETRY_SPREAD, Event, EventStream, OnDrain};
use futures_util::{StreamExt, stream};
use http::Request;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, channel, publish_numbers};

struct Server {
    draining: CancellationToken,
    cut: CancellationToken,
    session: Session,
}

impl Server {
    fn new() -> Self {
        let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
        let session = Session::controlled(Resources::default(), draining.clone(), cut.clone());
        session.set_protocol("http");
        Self {
            draining,
            cut,
            session,
        }
    }

    fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        request.extensions_mut().insert(self.session.clone());
        request
    }

    fn serve(&self, events: EventStream) -> Client {
        Client::of_body(events.respond(&self.request()).into_body())
    }
}

#[tokio::test]
async fn a_stream_ends_with_a_hint_when_the_server_begins_to_shut_down() {
    let server = Server::new();
    let channel = channel();
    let mut hints = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let events = channel.subscribe(None).await.unwrap();
        let mut client = server.serve(EventStream::follow(events));
        client.chunk().await.unwrap();
        clients.push(client);
    }
    publish_numbers(&channel, 0, 1).await;
    for client in &mut clients {
        client.expect_numbers(0, 1).await;
    }
    let id = clients[0].last_event_id();
    server.draining.cancel();
    publish_numbers(&channel, 1, 2).await;
    for mut client in clients {
        assert_eq!(client.data().await, "<end>");
        let hint = client.decoder().retry().unwrap();
        assert!(hint >= DRAIN_RETRY_MIN && hint <= DRAIN_RETRY_MIN + DRAIN_RETRY_SPREAD);
        hints.push(hint);
        assert_eq!(client.last_event_id(), id);
    }
    hints.sort_unstable();
    hints.dedup();
    assert!(hints.len() > 5, "clients are told different times");
    assert_eq!(channel.clients().await, 0);
    // What was published meanwhile waits for them elsewhere.
    let mut client = crate::client::follow(&channel, Some(&id)).await;
    client.expect_numbers(1, 2).await;
}

#[tokio::test]
async fn a_farewell_is_the_last_event() {
    let server = Server::new();
    let farewell = Event::text("see you").name("farewell").unwrap();
    let events = channel().subscribe(None).await.unwrap();
    let mut client = server.serve(EventStream::follow(events).farewell(farewell));
    server.draining.cancel();
    let event = client.event().await.unwrap();
    assert_eq!(
        (event.name.as_str(), event.data.as_str()),
        ("farewell", "see you")
    );
    assert_ne!(client.last_event_id(), "", "the position was told, too");
    assert!(client.event().await.is_none());
}

#[tokio::test]
async fn what_a_sender_has_queued_is_sent_before_the_farewell() {
    let server = Server::new();
    let (sender, events) = EventStream::channel(8);
    let mut client = server.serve(events.farewell(Event::text("farewell")).max_chunk(20));
    for number in 0..3 {
        sender.send(Event::text(number.to_string())).await.unwrap();
    }
    server.draining.cancel();
    client.expect_numbers(0, 3).await;
    assert!(sender.send(Event::text("late")).await.is_err());
    assert_eq!(client.data().await, "farewell");
    assert_eq!(client.data().await, "<end>");
}

/// An event was taken from the stream, but did not fit into the chunk before.
#[tokio::test]
async fn an_event_that_was_held_back_is_sent_before_the_farewell() {
    let server = Server::new();
    let events = stream::iter((0..3).map(|number| Event::text(number.to_string())));
    let events = EventStream::new(events.chain(stream::pending())).retry(None);
    let mut client = server.serve(events.max_chunk(10).farewell(Event::text("farewell")));
    assert_eq!(client.chunk().await.unwrap(), "data: 0\n\n");
    server.draining.cancel();
    client.expect_numbers(0, 2).await;
    assert_eq!(client.data().await, "farewell");
    assert_eq!(client.data().await, "<end>");
}

#[tokio::test]
async fn a_stream_may_finish_but_is_cut_at_the_deadline() {
    let server = Server::new();
    let (sender, events) = EventStream::channel(8);
    let mut client = server.serve(events.on_drain(OnDrain::Finish));
    server.draining.cancel();
    sender.send(Event::text("still here")).await.unwrap();
    assert_eq!(client.data().await, "still here");
    assert!(!sender.is_closed());
    server.cut.cancel();
    sender.send(Event::text("too late")).await.unwrap();
    assert_eq!(client.data().await, "<end>");
    assert!(sender.is_closed());
    let hint = client.decoder().retry();
    assert_eq!(
        hint,
        Some(Duration::from_secs(3)),
        "the one of the beginning"
    );
}

#[tokio::test]
async fn a_waiting_stream_is_woken_by_drain_and_by_cut() {
    for cut in [false, true] {
        let server = Server::new();
        let (_sender, events) = EventStream::channel(8);
        let mut client = server.serve(events);
        let waiting = tokio::spawn(async move { client.data().await });
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        if cut {
            server.cut.cancel();
        } else {
            server.draining.cancel();
        }
        assert_eq!(waiting.await.unwrap(), "<end>");
    }
}

#[tokio::test]
async fn the_registry_shows_the_stream_while_it_lives() {
    let server = Server::new();
    let (_sender, events) = EventStream::channel(8);
    let response = events.respond(&server.request());
    assert_eq!(server.session.protocol(), "sse");
    drop(response);
    assert_eq!(server.session.protocol(), "http");
    let (sender, events) = EventStream::channel(8);
    let mut client = Client::of_body(
        events
            .session(server.session.clone())
            .into_response()
            .into_body(),
    );
    assert_eq!(server.session.protocol(), "sse");
    drop(sender);
    assert_eq!(client.data().await, "<end>");
    assert_eq!(
        server.session.protocol(),
        "http",
        "an ended stream has let go before it is dropped"
    );
}
