//! Client, server and stand-in with each other, and the program that has all three.

use std::process::Stdio;

use cyclone_core::{Endpoint, RunningServer, Server};
use cyclone_examples::freeswitch::{
    Call, EslClient, EventFormat, Headers, MAX_IN_FLIGHT, Notice, OutboundServer, Switch,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{PATIENCE, within};

async fn switch() -> (RunningServer, String) {
    let server = Server::new().listen(Endpoint::loopback(0), Switch::new("secret"));
    let server = server.start().await.unwrap();
    let address = server.local_addresses()[0].to_string();
    (server, address)
}

#[tokio::test]
async fn a_client_uses_the_stand_in() {
    let (server, address) = switch().await;
    for format in [EventFormat::Plain, EventFormat::Json] {
        let builder = EslClient::builder(&address)
            .password("secret")
            .format(format);
        let client = builder.events(&["CHANNEL_ANSWER", "CUSTOM a::b"]).spawn();
        client.wait_up(PATIENCE).await.unwrap();
        let mut events = client.events();
        assert!(
            client
                .api("version")
                .await
                .unwrap()
                .starts_with("FreeSWITCH Version")
        );
        let mut job = client.bgapi("echo hello").await.unwrap();
        assert_eq!(within(job.wait()).await.unwrap().text(), "hello");
        let uuid = client.api("originate user/1000 &park").await.unwrap();
        let uuid = uuid.trim_end().strip_prefix("+OK ").unwrap();
        let answer = within(events.named("CHANNEL_ANSWER")).await.unwrap();
        assert_eq!(answer.channel_uuid(), Some(uuid));
        let channel = client.channel(uuid);
        channel.set("colour=blue").await.unwrap();
        let mut played = channel.begin("playback", "x").await.unwrap();
        let played = within(played.wait()).await.unwrap();
        assert_eq!(played.get("Application-Data"), Some("x"));
        let headers = [("Event-Subclass", "a::b"), ("Text", "ü ö")];
        client.sendevent("CUSTOM", &headers, "body").await.unwrap();
        let custom = within(events.named("CUSTOM")).await.unwrap();
        assert_eq!((custom.get("Text"), &*custom.text()), (Some("ü ö"), "body"));
        channel.hangup("NORMAL_CLEARING").await.unwrap();
        assert!(channel.answer().await.unwrap_err().is_refused());
        client.log(Some(7)).await.unwrap();
        let log = loop {
            if let Some(Notice::Log(line)) = within(events.recv()).await {
                break line;
            }
        };
        assert_eq!(log.level(), Some(7));
        within(client.close()).await;
    }
    server.shutdown();
    assert!(within(server.wait()).await.is_clean());
}

/// Many at once over one connection, while events come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_a_connection() {
    let (_server, address) = switch().await;
    let client = EslClient::builder(&address)
        .password("secret")
        .events(&["ALL"])
        .spawn();
    client.wait_up(PATIENCE).await.unwrap();
    let callers = (0..4 * MAX_IN_FLIGHT).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let text = format!("echo {number}");
            let said = client.api(&text).await.unwrap();
            let mut job = client.bgapi(&text).await;
            let job = match &mut job {
                Ok(job) => Some(job.wait().await.unwrap().text()),
                // More at once than may be waited for.
                Err(error) if error.is_not_sent() => None,
                Err(error) => panic!("{error}"),
            };
            (number.to_string(), said, job)
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        let (number, said, job) = within(caller).await.unwrap();
        assert_eq!(said, number);
        assert_eq!(job.unwrap_or(number.clone()), number);
    }
}

#[tokio::test]
async fn calls_come_in_and_are_served() {
    let (said, mut heard) = mpsc::unbounded_channel();
    let calls = OutboundServer::new(move |call: Call| {
        let said = said.clone();
        async move {
            let mut events = call.events();
            call.answer().await?;
            call.set("colour=blue").await?;
            let colour = call.getvar("colour").await?;
            let mut played = call.begin("playback", "tone_stream://x").await?;
            let played = played.wait().await?;
            call.hangup("USER_BUSY").await?;
            let end = events.named("CHANNEL_HANGUP_COMPLETE").await;
            let cause = end.as_ref().and_then(|end| end.get("Hangup-Cause"));
            let told = [
                colour,
                played.get("Application").unwrap_or_default().to_owned(),
                cause.unwrap_or_default().to_owned(),
                call.uuid().unwrap_or_default().to_owned(),
            ];
            let _ = said.send(told);
            Ok(())
        }
    });
    let server = Server::new().listen(Endpoint::loopback(0), calls);
    let server = server.start().await.unwrap();
    let address = server.local_addresses()[0].to_string();
    for _ in 0..3 {
        let uuid = within(Switch::new("x").call(&address)).await.unwrap();
        let told = within(heard.recv()).await.unwrap();
        assert_eq!(told, ["blue", "playback", "USER_BUSY", &uuid]);
    }
    // And by the dialplan of a switch that others talk to.
    let (_switch, socket) = switch().await;
    let client = EslClient::builder(&socket).password("secret").spawn();
    client.wait_up(PATIENCE).await.unwrap();
    let uuid = client
        .api(&format!(
            "originate user/1000 &socket({address} async full)"
        ))
        .await
        .unwrap();
    let told = within(heard.recv()).await.unwrap();
    assert_eq!(told[3], uuid.trim_end().trim_start_matches("+OK "));
}

/// What happens to a switch reaches whoever listens, in the order it happens.
#[tokio::test]
async fn events_of_the_stand_in_can_be_made() {
    let switch = Switch::new("secret");
    let server = Server::new().listen(Endpoint::loopback(0), switch.clone());
    let server = server.start().await.unwrap();
    let address = server.local_addresses()[0].to_string();
    let client = EslClient::builder(address)
        .password("secret")
        .events(&["HEARTBEAT"])
        .spawn();
    client.wait_up(PATIENCE).await.unwrap();
    let mut events = client.events();
    for number in 0..3 {
        let mut headers = Headers::default();
        headers.push("Event-Name", "HEARTBEAT");
        headers.push("Number", number.to_string());
        switch.happen(cyclone_examples::freeswitch::Event {
            format: EventFormat::Plain,
            headers,
            body: bytes::Bytes::new(),
        });
    }
    for number in 0..3 {
        let event = within(events.named("HEARTBEAT")).await.unwrap();
        assert_eq!(event.get("Number"), Some(&*number.to_string()));
    }
}

/// The program: one plays FreeSWITCH and answers calls, another prints what happens to the first.
#[tokio::test]
async fn the_program_prints_events_and_answers_calls() {
    let program = |arguments: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_freeswitch"))
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    };
    let both = ["--switch", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let (mut first, mut said) = program(&both);
    let mut after = async |prefix: &str| {
        let line = within(said.next_line()).await.unwrap().unwrap();
        line.strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{line}"))
            .to_owned()
    };
    let switch = after("listening esl://").await;
    let calls = after("listening calls://").await;
    let (mut second, mut printed) = program(&["--connect", &switch]);
    let client = EslClient::builder(&switch).spawn();
    client.wait_up(PATIENCE).await.unwrap();
    // Until the other one has subscribed.
    let seen = loop {
        client
            .sendevent("CUSTOM", &[("Event-Subclass", "a::b")], "")
            .await
            .unwrap();
        let line = tokio::time::timeout(std::time::Duration::from_millis(50), printed.next_line());
        if let Ok(line) = line.await {
            break line.unwrap().unwrap();
        }
    };
    assert_eq!(seen, "event CUSTOM a::b");
    let call = format!("originate user/1000 &socket({calls} async full)");
    client.api(&call).await.unwrap();
    assert_eq!(after("call from 0000000000").await, "");
    assert_eq!(
        after("call from 0000000000 ended: ").await,
        "NORMAL_CLEARING"
    );
    loop {
        let line = within(printed.next_line()).await.unwrap().unwrap();
        if line.starts_with("event CHANNEL_HANGUP_COMPLETE ") {
            break;
        }
    }
    for child in [&first, &second] {
        let pid = child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.unwrap().success());
    }
    assert!(within(first.wait()).await.unwrap().success());
    assert!(within(second.wait()).await.unwrap().success());
}
