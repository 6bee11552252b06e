//! The client, with a FreeSWITCH that is played by the test.

use std::pin::pin;
use std::time::Duration;

use cyclone_core::LinkError;
use cyclone_examples::freeswitch::{Command, MAX_IN_FLIGHT};

use super::{Fake, PATIENCE, why_down, within};

#[tokio::test]
async fn closing_says_exit_after_what_is_on_its_way() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.api("one").await }
    });
    peer.hears("api one\n\n").await;
    let closing = tokio::spawn(async move { client.close().await });
    peer.hears("exit\n\n").await;
    peer.printed("1").await;
    peer.reply("+OK bye").await;
    peer.say("Content-Type: text/disconnect-notice\nContent-Length: 2\n\nhi")
        .await;
    assert_eq!(within(asked).await.unwrap().unwrap(), "1");
    within(closing).await.unwrap();
    assert_eq!(peer.rest().await, "");
}

/// The last handle is dropped, and the events end.
#[tokio::test]
async fn a_client_that_nobody_holds_says_exit_too() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut events = client.events();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    drop(client);
    peer.hears("exit\n\n").await;
    drop(peer);
    assert!(within(events.recv()).await.is_none());
}

#[tokio::test]
async fn rude_rejections_are_told() {
    let fake = Fake::start().await;
    let client = fake.slow_client().spawn();
    let mut peer = fake.accept().await;
    peer.say("Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n")
        .await;
    let error = why_down(&client).await;
    assert_eq!(
        error.to_string(),
        "freeswitch lets nobody in: Access Denied, go away."
    );
}

/// What is no event socket, or none of this version, is told too, in time.
#[tokio::test]
async fn what_is_no_event_socket_is_told() {
    for (said, told) in [
        (
            "Content-Type: command/reply\n\n",
            "no event socket: it does not begin by asking for a password",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "no event socket: malformed: a header without a name",
        ),
        ("", "no answer within 20ms"),
    ] {
        let fake = Fake::start().await;
        let client = fake
            .client()
            .connect_timeout(Duration::from_millis(20))
            .spawn();
        let mut peer = fake.accept().await;
        peer.say(said).await;
        let error = why_down(&client).await;
        // A slow machine may be too late for the first two.
        let text = error.to_string();
        assert!(text == told || text == "no answer within 20ms", "{text}");
    }
}

#[tokio::test]
async fn waiting_for_a_connection_has_a_limit() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let error = client.wait_up(Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(error, LinkError::Timeout { .. }));
    client.close().await;
    let error = client.wait_up(PATIENCE).await.unwrap_err();
    assert!(matches!(error, LinkError::Closed));
    assert!(client.api("status").await.unwrap_err().is_not_sent());
    assert!(client.events().recv().await.is_none());
}

/// A caller that goes away does not shift the answers.
#[tokio::test]
async fn an_answer_nobody_waits_for_is_not_given_to_another() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.api("first").await }
    });
    peer.hears("api first\n\n").await;
    first.abort();
    let _ = first.await;
    let (second, ()) = tokio::join!(client.api("second"), async {
        peer.hears("api second\n\n").await;
        peer.printed("1").await;
        peer.printed("2").await;
    });
    assert_eq!(second.unwrap(), "2");
}

/// Just at and over what may be on its way: the next is sent when one is answered.
#[tokio::test]
async fn commands_in_flight_are_limited() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let mut asked = Vec::new();
    for number in 0..=MAX_IN_FLIGHT {
        let client = client.clone();
        let ask = tokio::spawn(async move { client.api(&format!("{number:03}")).await });
        asked.push(ask);
        if number < MAX_IN_FLIGHT {
            peer.hears(&format!("api {number:03}\n\n")).await;
        }
    }
    // Behind it waits one that its caller forgets: it is never sent.
    let forgotten = tokio::spawn({
        let client = client.clone();
        async move { client.api("forgotten").await }
    });
    tokio::task::yield_now().await;
    forgotten.abort();
    // The last one must not be there before an answer; the answer must be what lets it go.
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(20), peer.0.peek(&mut byte)).await;
    assert!(early.is_err());
    peer.printed("0").await;
    peer.hears(&format!("api {MAX_IN_FLIGHT:03}\n\n")).await;
    for number in 1..=MAX_IN_FLIGHT {
        peer.printed(&number.to_string()).await;
    }
    for (number, ask) in asked.into_iter().enumerate() {
        assert_eq!(within(ask).await.unwrap().unwrap(), number.to_string());
    }
    let (after, ()) = tokio::join!(client.api("after"), async {
        peer.hears("api after\n\n").await;
        peer.printed("it").await;
    });
    assert_eq!(after.unwrap(), "it");
}

#[tokio::test]
async fn a_channel_is_told_what_to_do() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let play = async {
        let head = "sendmsg u1\ncall-command: execute\n";
        peer.hears(&format!(
            "{head}execute-app-name: answer\nevent-lock: true\n\n"
        ))
        .await;
        peer.reply("+OK").await;
        // The second tells of what the channel will not come to.
        peer.hears("event plain CHANNEL_EXECUTE_COMPLETE CHANNEL_HANGUP_COMPLETE\n\n")
            .await;
        peer.reply("+OK").await;
        let rest = "execute-app-name: speak\nexecute-app-arg: flite|kal|hi\nevent-lock: true\nEvent-UUID: e1\n\n";
        peer.hears(&format!("{head}{rest}")).await;
        peer.reply("+OK").await;
        let done = [
            ("Event-Name", "CHANNEL_EXECUTE_COMPLETE"),
            ("Application-UUID", "e1"),
        ];
        peer.event(&done).await;
        peer.hears(&format!("{head}execute-app-name: sleep\nexecute-app-arg: 9\nevent-lock: true\nEvent-UUID: e2\n\n")).await;
        peer.reply("+OK").await;
        peer.event(&[
            ("Event-Name", "CHANNEL_HANGUP_COMPLETE"),
            ("Unique-ID", "u0"),
        ])
        .await;
        peer.event(&[
            ("Event-Name", "CHANNEL_HANGUP_COMPLETE"),
            ("Unique-ID", "u1"),
        ])
        .await;
        peer.hears("sendmsg u1\ncall-command: hangup\nhangup-cause: USER_BUSY\n\n")
            .await;
        peer.reply("-ERR invalid session id [u1]").await;
        peer
    };
    let talk = async {
        let channel = client.channel("u1");
        let mut events = client.events();
        channel.answer().await.unwrap();
        let mut spoken = channel
            .begin_as("e1", "speak", "flite|kal|hi")
            .await
            .unwrap();
        let done = spoken.wait().await.unwrap();
        assert_eq!(done.name(), "CHANNEL_EXECUTE_COMPLETE");
        let mut slept = channel.begin_as("e2", "sleep", "9").await.unwrap();
        // The channel ended: nobody will say that the application did.
        assert!(slept.wait().await.unwrap_err().is_outcome_unknown());
        assert!(channel.hangup("USER_BUSY").await.unwrap_err().is_refused());
        let bad = channel.playback("a\n\napi shutdown").await.unwrap_err();
        assert!(bad.is_not_sent());
        // None of these events was asked for by whoever listens.
        assert!(futures_util::poll!(pin!(events.recv())).is_pending());
    };
    let (_peer, ()) = within(async { tokio::join!(play, talk) }).await;
}

/// An answer to nothing, or of the other sort: from there on every answer might be another's.
#[tokio::test]
async fn answers_out_of_step_end_the_connection() {
    for (command, answer, told) in [
        (
            None,
            "Content-Type: command/reply\nReply-Text: +OK\n\n",
            "an answer to nothing",
        ),
        (
            Some("noevents"),
            "Content-Type: api/response\nContent-Length: 2\n\nhi",
            "an answer to another command",
        ),
        (
            Some("api x"),
            "Content-Type: command/reply\nReply-Text: +OK\n\n",
            "an answer to another command",
        ),
        (
            None,
            "Content-Type: auth/request\n\n",
            "a password is wanted again",
        ),
    ] {
        let fake = Fake::start().await;
        let client = fake.slow_client().spawn();
        let mut peer = fake.logged_in().await;
        client.wait_up(PATIENCE).await.unwrap();
        let asked = async {
            match command {
                Some(line) => client
                    .send(&Command::new(line))
                    .await
                    .unwrap_err()
                    .is_outcome_unknown(),
                None => true,
            }
        };
        let play = async {
            if let Some(line) = command {
                peer.hears(&format!("{line}\n\n")).await;
            }
            peer.say(answer).await;
        };
        let (unknown, ()) = within(async { tokio::join!(asked, play) }).await;
        assert!(unknown, "{told}");
        let error = why_down(&client).await;
        assert_eq!(error.to_string(), format!("no event socket: {told}"));
    }
}

/// An `api` that may not be used is answered like any other command.
#[tokio::test]
async fn an_api_command_may_be_refused_as_a_whole() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let mut peer = fake.logged_in().await;
    client.wait_up(PATIENCE).await.unwrap();
    let (refused, ()) = tokio::join!(client.api("x"), async {
        peer.hears("api x\n\n").await;
        peer.reply("-ERR permission denied").await;
    });
    assert!(refused.unwrap_err().is_refused());
}
