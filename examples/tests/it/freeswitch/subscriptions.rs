//! What a client is subscribed to.

use cyclone_examples::freeswitch::{EventFormat, MAX_SUBSCRIPTIONS, Notice};

use super::{Fake, PATIENCE, why_down, within};

#[tokio::test]
async fn a_subscription_that_is_refused_is_taken_back() {
    let fake = Fake::start().await;
    let client = fake.client().events(&["A"]).spawn();
    let mut peer = fake.logged_in().await;
    let refuse = async {
        peer.hears("event plain A\n\n").await;
        peer.reply("+OK").await;
        peer.hears("event plain B\n\n").await;
        peer.reply("-ERR no").await;
        peer.hears("nixevent B\n\n").await;
        peer.reply("-ERR no").await;
        peer
    };
    let subscribe = async {
        client.wait_up(PATIENCE).await.unwrap();
        client.subscribe(&["B"]).await
    };
    let (refused, peer) = within(async { tokio::join!(subscribe, refuse) }).await;
    assert!(refused.unwrap_err().is_refused());
    drop(peer);
    let mut peer = fake.logged_in().await;
    peer.hears("event plain A\n\n").await;
}

#[tokio::test]
async fn subscriptions_have_a_limit_and_may_come_before_the_connection() {
    let fake = Fake::start().await;
    let client = fake.client().connect_timeout(PATIENCE).spawn();
    let most: Vec<_> = (0..MAX_SUBSCRIPTIONS)
        .map(|number| format!("E{number}"))
        .collect();
    client
        .subscribe(&most[..MAX_SUBSCRIPTIONS - 1])
        .await
        .unwrap();
    client.subscribe(&most).await.unwrap();
    client.subscribe(&["E0"]).await.unwrap();
    assert!(
        client
            .subscribe(&["TOO_MANY"])
            .await
            .unwrap_err()
            .is_not_sent()
    );
    assert!(client.filter("a", "b").await.unwrap_err().is_not_sent());
    client.unsubscribe(&["E1"]).await.unwrap();
    client.filter("A", "b").await.unwrap();
    // One that could never be sent is refused before there is a connection.
    client.unfilter("A", "b").await.unwrap();
    client.filter("A", "b\n\nexit").await.unwrap_err();
    let mut peer = fake.logged_in().await;
    peer.hears("event plain E0 E2 ").await;
}

#[tokio::test]
async fn a_refused_subscription_of_the_first_connection_is_told() {
    let fake = Fake::start().await;
    let client = fake
        .client()
        .events(&["NOSUCH"])
        .format(EventFormat::Json)
        .spawn();
    let mut peer = fake.logged_in().await;
    peer.hears("event json NOSUCH\n\n").await;
    peer.reply("-ERR no keywords supplied").await;
    let error = why_down(&client).await;
    assert_eq!(
        error.to_string(),
        "freeswitch refused: -ERR no keywords supplied"
    );
}

/// Our own need of an event is not the caller's wish to see it.
#[tokio::test]
async fn jobs_are_subscribed_to_and_not_shown() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut events = client.events();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let play = async {
        peer.hears("filter Unique-ID x\n\n").await;
        peer.reply("+OK").await;
        peer.hears("event plain BACKGROUND_JOB\n\n").await;
        peer.reply("+OK").await;
        peer.hears("filter Event-Name BACKGROUND_JOB\n\n").await;
        peer.reply("+OK").await;
        peer.hears("bgapi status\nJob-UUID: j1\n\n").await;
        // It may end before it is answered.
        peer.event(&[("Event-Name", "BACKGROUND_JOB"), ("Job-UUID", "j1")])
            .await;
        peer.reply("+OK Job-UUID: j1").await;
        // Somebody else's.
        peer.event(&[("Event-Name", "BACKGROUND_JOB"), ("Job-UUID", "j2")])
            .await;
        peer.hears("bgapi again\nJob-UUID: j1\n\n").await;
        peer.reply("-ERR no").await;
        peer.hears("event plain ALL\n\n").await;
        peer.reply("+OK").await;
        peer.event(&[("Event-Name", "BACKGROUND_JOB"), ("Job-UUID", "j3")])
            .await;
        peer.hears("nixevent ALL\n\n").await;
        peer.reply("+OK").await;
        peer.hears("event plain BACKGROUND_JOB\n\n").await;
        peer.reply("+OK").await;
        peer
    };
    let talk = async {
        client.filter("Unique-ID", "x").await.unwrap();
        let mut job = client.bgapi_as("j1", "status").await.unwrap();
        assert_eq!(job.uuid(), "j1");
        job.wait().await.unwrap();
        let refused = client.bgapi_as("j1", "again").await.unwrap_err();
        assert!(refused.is_refused());
        client.subscribe(&["ALL"]).await.unwrap();
        let Some(Notice::Event(event)) = events.recv().await else {
            panic!("no event");
        };
        assert_eq!(event.get("Job-UUID"), Some("j3"));
        client.unsubscribe(&["ALL"]).await.unwrap();
    };
    let (_peer, ()) = within(async { tokio::join!(play, talk) }).await;
}

/// Whoever asks may stop to wait: the connection has in the end what is kept, and nobody waits in vain for events.
#[tokio::test]
async fn a_subscription_that_nobody_waits_for_is_made_all_the_same() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    // Before it is sent.
    let mut dropped = Box::pin(client.subscribe(&["A"]));
    assert!(futures_util::poll!(&mut dropped).is_pending());
    drop(dropped);
    let told = async {
        peer.hears("event plain A\n\n").await;
        peer.reply("+OK").await;
        peer.hears("filter Unique-ID x\n\n").await;
        peer.reply("+OK").await;
    };
    let asked = async {
        client.subscribe(&["A"]).await.unwrap();
        client.filter("Unique-ID", "x").await.unwrap();
    };
    within(async { tokio::join!(told, asked) }).await;
    // Between the two commands that it takes.
    let mut dropped = Box::pin(client.bgapi_as("j1", "status"));
    let half = async { peer.hears("event plain BACKGROUND_JOB\n\n").await };
    tokio::select! {
        () = half => {}
        _ = &mut dropped => panic!("it was not answered"),
    }
    drop(dropped);
    let told = async {
        peer.reply("+OK").await;
        peer.hears("filter Event-Name BACKGROUND_JOB\n\n").await;
        peer.reply("+OK").await;
        peer.hears("bgapi status\nJob-UUID: j2\n\n").await;
        peer.reply("+OK Job-UUID: j2").await;
    };
    let asked = async { drop(client.bgapi_as("j2", "status").await.unwrap()) };
    within(async { tokio::join!(told, asked) }).await;
}
