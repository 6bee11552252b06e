//! Events that may be missing are told of.

use cyclone_examples::freeswitch::{EVENT_QUEUE, Gap, Notice};

use super::{Fake, PATIENCE, within};

#[tokio::test]
async fn a_new_connection_is_told_everything_and_subscribers_of_the_gap() {
    let fake = Fake::start().await;
    let client = fake.client().events(&["B CUSTOM c::d", "A"]).spawn();
    let mut events = client.events();
    let mut peer = fake.logged_in().await;
    peer.hears("event plain B A CUSTOM c::d\n\n").await;
    peer.reply("+OK").await;
    client.wait_up(PATIENCE).await.unwrap();
    let change = async {
        client.filter("X", "y z").await.unwrap();
        client.filter("X", "y z").await.unwrap();
        client.subscribe(&["E", "A", "CUSTOM f::g"]).await.unwrap();
        client.unsubscribe(&["B", "CUSTOM c::d"]).await.unwrap();
        client.log(Some(3)).await.unwrap();
        client.filter("H", "i").await.unwrap();
        client.unfilter("H", "i").await.unwrap();
    };
    let play = async {
        for expected in [
            "filter X y z\n\n",
            "event plain E CUSTOM f::g\n\n",
            "nixevent B CUSTOM c::d\n\n",
            "log 3\n\n",
            "filter H i\n\n",
            "filter delete H i\n\n",
        ] {
            peer.hears(expected).await;
            peer.reply("+OK").await;
        }
        peer.event(&[("Event-Name", "A")]).await;
        peer.say("Content-Type: log/data\nLog-Level: 3\nContent-Length: 2\n\nhi")
            .await;
        peer
    };
    let ((), peer) = within(async { tokio::join!(change, play) }).await;
    let Some(Notice::Event(event)) = within(events.recv()).await else {
        panic!("no event");
    };
    assert_eq!(event.name(), "A");
    let Some(Notice::Log(line)) = within(events.recv()).await else {
        panic!("no log");
    };
    assert_eq!((line.level(), &*line.text), (Some(3), "hi"));
    drop(peer);

    let mut peer = fake.logged_in().await;
    for expected in [
        "event plain A E CUSTOM f::g\n\n",
        "filter X y z\n\n",
        "log 3\n\n",
    ] {
        // Commands of others have to wait until all of this is done.
        assert!(client.api("early").await.unwrap_err().is_not_sent());
        peer.hears(expected).await;
        peer.reply("+OK").await;
    }
    client.wait_up(PATIENCE).await.unwrap();
    peer.event(&[("Event-Name", "E")]).await;
    let Some(Notice::Gap(gap)) = within(events.recv()).await else {
        panic!("no gap");
    };
    assert_eq!(gap, Gap::Reconnected { generation: 2 });
    let Some(Notice::Event(event)) = within(events.recv()).await else {
        panic!("no event");
    };
    assert_eq!(event.name(), "E");
}

/// Just at and over what a subscriber may be behind.
#[tokio::test]
async fn a_slow_subscriber_has_a_gap_and_the_others_have_none() {
    for (sent, missed) in [(EVENT_QUEUE, None), (EVENT_QUEUE + 1, Some(1))] {
        let fake = Fake::start().await;
        let client = fake.client().spawn();
        let mut slow = client.events();
        let mut peer = fake.logged_in().await;
        client.wait_up(PATIENCE).await.unwrap();
        for number in 0..sent {
            let number = number.to_string();
            peer.event(&[("Event-Name", "A"), ("Number", &number)])
                .await;
        }
        let (asked, ()) = within(async {
            tokio::join!(client.api("x"), async {
                peer.hears("api x\n\n").await;
                peer.printed("hi").await;
            })
        })
        .await;
        asked.unwrap();
        let mut next = within(slow.recv()).await.unwrap();
        if let Some(missed) = missed {
            let Notice::Gap(gap) = next else {
                panic!("no gap");
            };
            assert_eq!(gap, Gap::Slow { missed });
            next = within(slow.recv()).await.unwrap();
        }
        let Notice::Event(event) = next else {
            panic!("no event");
        };
        let first = missed.unwrap_or(0).to_string();
        assert_eq!(event.get("Number"), Some(&*first));
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_a_gap() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut events = client.events();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    peer.say("Content-Type: text/event-json\nContent-Length: 2\n\n{]")
        .await;
    peer.say("Content-Type: text/odd\nContent-Length: 2\n\nhi")
        .await;
    peer.event(&[("Event-Name", "A")]).await;
    let Some(Notice::Gap(gap)) = within(events.recv()).await else {
        panic!("no gap");
    };
    assert!(matches!(gap, Gap::Unreadable { .. }));
    let event = within(events.named("A")).await.unwrap();
    assert_eq!(event.name(), "A");
}
