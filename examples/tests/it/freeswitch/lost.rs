//! What becomes of commands when the connection is lost: never sent twice, never lost without a word.

use std::time::Duration;

use cyclone_examples::freeswitch::{EslError, MAX_COMPLETIONS};

use super::{Fake, PATIENCE, within};

#[tokio::test]
async fn commands_that_were_sent_are_of_unknown_outcome_and_not_sent_again() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let cut = async {
        peer.hears("api one\n\napi two\n\n").await;
        drop(peer);
    };
    let (one, two, ()) =
        within(async { tokio::join!(client.api("one"), client.api("two"), cut) }).await;
    assert!(one.unwrap_err().is_outcome_unknown());
    let error = two.unwrap_err();
    assert!(error.is_outcome_unknown() && !error.is_not_sent());
    // The next connection hears what is asked then, and nothing of before.
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let (three, ()) = within(async {
        tokio::join!(client.api("three"), async {
            peer.hears("api three\n\n").await;
            peer.printed("3").await;
        })
    })
    .await;
    assert_eq!(three.unwrap(), "3");
}

#[tokio::test]
async fn without_a_connection_nothing_is_sent_and_nothing_waits() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    assert!(!client.is_connected());
    assert!(within(client.api("one")).await.unwrap_err().is_not_sent());
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let (two, ()) = within(async {
        tokio::join!(client.api("two"), async {
            peer.hears("api two\n\n").await;
            peer.printed("2").await;
        })
    })
    .await;
    assert_eq!(two.unwrap(), "2");
}

/// A command that is too long for the buffers of the system is cut in its middle: FreeSWITCH never saw its end.
#[tokio::test]
async fn a_command_that_was_not_written_to_its_end_was_not_sent() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let small = tokio::spawn({
        let client = client.clone();
        async move { client.api("small").await }
    });
    peer.hears("api small\n\n").await;
    let big = "x".repeat(1024 * 1000);
    let big: Vec<_> = (0..20)
        .map(|_| {
            let (client, big) = (client.clone(), big.clone());
            tokio::spawn(async move { client.api(&big).await })
        })
        .collect();
    // The beginning of the first is here, the end of the last cannot be.
    peer.hears("api xxx").await;
    drop(peer);
    assert!(
        within(small)
            .await
            .unwrap()
            .unwrap_err()
            .is_outcome_unknown()
    );
    let mut kinds = Vec::new();
    for big in big {
        let error = within(big).await.unwrap().unwrap_err();
        assert!(error.is_not_sent() || error.is_outcome_unknown());
        kinds.push(error.is_not_sent());
    }
    // Those that were sent come first, then one that was cut or not begun, and then no more that was sent.
    assert!(kinds.is_sorted() && kinds[kinds.len() - 1], "{kinds:?}");
}

#[tokio::test]
async fn jobs_that_were_begun_are_of_unknown_outcome() {
    let fake = Fake::start().await;
    let client = fake.client().events(&["BACKGROUND_JOB"]).spawn();
    let mut peer = fake.logged_in().await;
    peer.hears("event plain BACKGROUND_JOB\n\n").await;
    peer.reply("+OK").await;
    client.wait_up(PATIENCE).await.unwrap();
    let (job, ()) = within(async {
        tokio::join!(client.bgapi_as("j", "x"), async {
            peer.hears("bgapi x\nJob-UUID: j\n\n").await;
            peer.reply("+OK Job-UUID: j").await;
        })
    })
    .await;
    let mut job = job.unwrap();
    let twice = client.bgapi_as("j", "x").await.unwrap_err();
    assert!(twice.is_not_sent());
    drop(peer);
    assert!(within(job.wait()).await.unwrap_err().is_outcome_unknown());
    assert!(within(job.wait()).await.unwrap_err().is_outcome_unknown());
}

/// Just at and over what may be waited for; what nobody waits for any more does not count.
#[tokio::test]
async fn jobs_are_limited() {
    let fake = Fake::start().await;
    let client = fake.client().events(&["BACKGROUND_JOB"]).spawn();
    let mut peer = fake.logged_in().await;
    peer.hears("event plain BACKGROUND_JOB\n\n").await;
    peer.reply("+OK").await;
    client.wait_up(PATIENCE).await.unwrap();
    let mut jobs = Vec::new();
    for number in 0..MAX_COMPLETIONS {
        let name = format!("{number:04}");
        let (job, ()) = within(async {
            tokio::join!(client.bgapi_as(&name, "x"), async {
                peer.hears(&format!("bgapi x\nJob-UUID: {name}\n\n")).await;
                peer.reply("+OK").await;
            })
        })
        .await;
        jobs.push(job.unwrap());
    }
    let over = client.bgapi("x").await.unwrap_err();
    assert!(matches!(over, EslError::NotSent { .. }), "{over}");
    jobs.pop();
    let (job, ()) = within(async {
        tokio::join!(client.bgapi_as("again", "x"), async {
            peer.hears("bgapi x\nJob-UUID: again\n\n").await;
            peer.reply("+OK").await;
        })
    })
    .await;
    assert_eq!(job.unwrap().uuid(), "again");
}

/// A peer that takes commands and answers none is given up, and another connection is made.
#[tokio::test]
async fn a_peer_that_does_not_answer_is_given_up() {
    let fake = Fake::start().await;
    let client = fake
        .client()
        .reply_timeout(Duration::from_millis(20))
        .spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let (asked, ()) =
        within(async { tokio::join!(client.api("x"), peer.hears("api x\n\n")) }).await;
    assert!(asked.unwrap_err().is_outcome_unknown());
    assert_eq!(peer.rest().await, "");
    fake.logged_in().await;
}
