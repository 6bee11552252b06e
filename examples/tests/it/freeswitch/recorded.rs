//! Our client and our server in the place of whoever spoke to the recorded FreeSWITCH, to the byte.

use std::sync::{Arc, Mutex};

use cyclone_core::{Connection, Protocol as _};
use cyclone_examples::freeswitch::{
    Call, Command, EslClient, EslError, EventFormat, Notice, OutboundServer, Side,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Fake, PATIENCE, recording, why_down, within};

/// Says what FreeSWITCH said, and expects what was said to it.
async fn replay(name: &str, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    for turn in recording(name).turns {
        match turn.side {
            Side::Switch => stream.write_all(&turn.bytes).await.unwrap(),
            Side::Other => {
                let mut heard = vec![0; turn.bytes.len()];
                stream.read_exact(&mut heard).await.unwrap();
                let [heard, expected] =
                    [&heard, &turn.bytes].map(|bytes| String::from_utf8_lossy(bytes));
                assert_eq!(heard, expected);
            }
        }
    }
}

async fn replay_to_client(fake: &Fake, name: &str) {
    let peer = fake.accept().await;
    within(replay(name, peer.0)).await;
}

async fn up(client: &EslClient) {
    client.wait_up(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn console_commands_are_answered_in_their_order() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let talk = async {
        up(&client).await;
        assert!(
            client
                .api("version")
                .await
                .unwrap()
                .starts_with("FreeSWITCH Version 1.11.2")
        );
        assert!(client.api("status").await.unwrap().contains("is ready"));
        let refused = client.api("nosuch").await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "freeswitch refused: -ERR nosuch Command not found!"
        );
        assert!(refused.is_refused() && !refused.is_not_sent());
        assert_eq!(client.api("echo hé").await.unwrap(), "hé");
        let refused = client
            .order(&Command::new("nosuchcommand"))
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "freeswitch refused: -ERR command not found"
        );
        client.close().await;
        assert!(client.link().state().is_closed());
    };
    tokio::join!(talk, replay_to_client(&fake, "api"));
}

#[tokio::test]
async fn commands_on_their_way_together_get_their_own_answers() {
    let fake = Fake::start().await;
    let client = fake.client().spawn();
    let talk = async {
        up(&client).await;
        let job = Command::new("bgapi version");
        let (version, status, job) = tokio::join!(
            client.api("version"),
            client.api("status"),
            client.order(&job)
        );
        assert!(version.unwrap().starts_with("FreeSWITCH Version"));
        assert!(status.unwrap().starts_with("UP 0 years"));
        let job = job.unwrap();
        assert_eq!(
            job.headers.get("Job-UUID"),
            Some("43e5e58a-85ec-41a0-b87c-38b27a434d4e")
        );
        client.order(&Command::new("linger")).await.unwrap_err();
        client.close().await;
    };
    tokio::join!(talk, replay_to_client(&fake, "pipelined"));
}

/// FreeSWITCH says no and closes; the client goes on trying, and says why.
#[tokio::test]
async fn refused_logins_are_told() {
    for name in ["auth-bad", "userauth-bad"] {
        let fake = Fake::start().await;
        let builder = fake.slow_client();
        let builder = match name {
            "auth-bad" => builder.password("nope"),
            _ => builder.user("1000", "x"),
        };
        let client = builder.spawn();
        replay_to_client(&fake, name).await;
        let error = why_down(&client).await;
        assert_eq!(error.to_string(), "freeswitch lets nobody in: -ERR invalid");
        assert!(matches!(
            error.downcast_ref(),
            Some(EslError::Denied { .. })
        ));
        assert!(!client.is_connected());
    }
}

async fn events_in(format: EventFormat, name: &str) -> Vec<String> {
    let fake = Fake::start().await;
    let names = [
        "BACKGROUND_JOB CHANNEL_CREATE",
        "CHANNEL_ANSWER",
        "CHANNEL_HANGUP_COMPLETE CUSTOM foo::bar",
    ];
    let client = fake.slow_client().format(format).events(&names).spawn();
    let mut events = client.events();
    let talk = async {
        up(&client).await;
        let send = async |line: &str| client.order(&Command::new(line)).await.unwrap();
        let first = send("bgapi status").await;
        assert_eq!(first.headers.get("Job-UUID").map(str::len), Some(36));
        let job = "7f4db78a-17d7-11dd-b7a0-db4edd065621";
        if format == EventFormat::Xml {
            // It is not looked into.
            assert!(client.bgapi("status").await.unwrap_err().is_not_sent());
            client.order(&Command::bgapi("status", job)).await.unwrap();
        } else {
            let mut job = client.bgapi_as(job, "status").await.unwrap();
            assert!(job.wait().await.unwrap().text().starts_with("UP 0 years"));
        }
        let headers = [("Event-Subclass", "foo::bar"), ("X-Test", "a b%20c")];
        let uuid = client.sendevent("CUSTOM", &headers, "body").await.unwrap();
        assert_eq!(uuid.len(), 36);
        client
            .api("originate loopback/park/default &park")
            .await
            .unwrap();
        send("filter Event-Name CHANNEL_ANSWER").await;
        send("filter delete Event-Name").await;
        client.api("hupall").await.unwrap();
        client.unsubscribe(&["CHANNEL_CREATE"]).await.unwrap();
        send("noevents").await;
        client.log(Some(7)).await.unwrap();
        client.log(None).await.unwrap();
        client.close().await;
    };
    tokio::join!(talk, replay_to_client(&fake, name));
    let mut heard = Vec::new();
    while let Some(notice) = within(events.recv()).await {
        match notice {
            Notice::Event(event) => heard.push(event.name().to_owned()),
            other => panic!("{other:?}"),
        }
    }
    heard
}

#[tokio::test]
async fn events_come_in_every_form() {
    let expected = [
        "BACKGROUND_JOB",
        "BACKGROUND_JOB",
        "CUSTOM",
        "CHANNEL_CREATE",
        "CHANNEL_CREATE",
        "CHANNEL_ANSWER",
        "CHANNEL_ANSWER",
        "CHANNEL_HANGUP_COMPLETE",
        "CHANNEL_HANGUP_COMPLETE",
    ];
    assert_eq!(
        events_in(EventFormat::Plain, "events-plain").await,
        expected
    );
    assert_eq!(events_in(EventFormat::Json, "events-json").await, expected);
    // What is not looked into has no name.
    assert_eq!(events_in(EventFormat::Xml, "events-xml").await, [""; 9]);
}

#[tokio::test]
async fn a_call_is_served_to_its_end() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::clone(&heard);
    let calls = OutboundServer::new(move |call: Call| {
        let heard = Arc::clone(&said);
        async move { serve(call, heard).await }
    });
    let (connection, peer) = Connection::in_memory();
    let played = async {
        replay("outbound-async-full", peer).await;
    };
    let (served, ()) = within(async { tokio::join!(calls.run(connection), played) }).await;
    served.unwrap();
    let heard = heard.lock().unwrap();
    let expected = [
        "CHANNEL_EXECUTE",
        "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_EXECUTE",
        "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_HANGUP",
        "CHANNEL_UNPARK",
        "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_STATE",
        "CHANNEL_STATE",
        "CHANNEL_HANGUP_COMPLETE",
        "lingering",
    ];
    assert_eq!(*heard, expected);
}

async fn serve(call: Call, heard: Arc<Mutex<Vec<String>>>) -> Result<(), EslError> {
    assert_eq!(call.uuid(), Some("75c1ee6d-5f6a-44e4-ae40-2bc58d4d4c37"));
    assert_eq!(
        call.data().get("Caller-Destination-Number"),
        Some("sock34209")
    );
    assert_eq!(call.variable("socket_host"), Some("127.0.0.1"));
    let mut events = call.events();
    let set = [
        ("call-command", "execute"),
        ("execute-app-name", "set"),
        ("execute-app-arg", "foo=bar"),
        ("Event-UUID", "e1"),
    ];
    call.sendmsg(&set).await?;
    call.playback("tone_stream://%(200,100,440)").await?;
    assert_eq!(call.getvar("foo").await?, "bar");
    assert_eq!(call.api("uptime").await?, "74\n");
    call.hangup("NORMAL_CLEARING").await?;
    while let Some(notice) = events.recv().await {
        let said = match notice {
            Notice::Event(event) => event.name().to_owned(),
            Notice::Lingering(end) => {
                assert_eq!(end.headers.get("Linger-Time"), Some("-1"));
                "lingering".to_owned()
            }
            other => panic!("{other:?}"),
        };
        heard.lock().unwrap().push(said);
    }
    Ok(())
}
