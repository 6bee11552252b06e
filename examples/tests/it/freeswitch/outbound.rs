//! Calls that FreeSWITCH brings, played by the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyclone_core::{Connection, Context as _, Protocol as _, ProtocolFactory, Resources, Session};
use cyclone_examples::freeswitch::{Call, EslError, EventFormat, OutboundServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Serves one call in a task; the result comes with its end.
fn serve<F, Fut>(calls: OutboundServer<F>) -> (JoinHandle<std::io::Result<()>>, DuplexStream)
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), EslError>> + Send + 'static,
{
    let resources = Resources::builder().insert("a resource").build();
    let (connection, peer) = Connection::in_memory_with(Session::detached_with(resources));
    (tokio::spawn(calls.run(connection)), peer)
}

async fn hears(peer: &mut DuplexStream, expected: &str) {
    let mut heard = vec![0; expected.len()];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

async fn say(peer: &mut DuplexStream, text: &str) {
    peer.write_all(text.as_bytes()).await.unwrap();
}

const OK: &str = "Content-Type: command/reply\nReply-Text: +OK\n\n";

/// The answer to `connect`, and to those that follow.
async fn greet(peer: &mut DuplexStream, more: &[&str]) {
    hears(peer, "connect\n\n").await;
    say(
        peer,
        "Event-Name: CHANNEL_DATA\nUnique-ID: u1\nCaller-Caller-ID-Number: %2B1\nContent-Type: command/reply\n\n",
    )
    .await;
    for expected in more {
        hears(peer, expected).await;
        say(peer, OK).await;
    }
}

const USUAL: &[&str] = &["linger\n\n", "myevents\n\n"];

#[tokio::test(start_paused = true)]
async fn a_call_that_was_served_goes_back_to_the_dialplan() {
    let calls = OutboundServer::new(|call: Call| async move {
        assert_eq!(call.data().get("Caller-Caller-ID-Number"), Some("+1"));
        assert_eq!(*call.resources().get::<&str>().unwrap(), "a resource");
        assert_eq!(call.session().id().get(), 0);
        Ok(())
    });
    assert_eq!(ProtocolFactory::name(&calls), "freeswitch");
    let (served, mut peer) = serve(calls);
    greet(&mut peer, USUAL).await;
    hears(&mut peer, "exit\n\n").await;
    say(&mut peer, OK).await;
    served.await.unwrap().unwrap();
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_is_asked_for_can_be_chosen() {
    let calls = OutboundServer::new(|_: Call| async { Ok(()) });
    let json = calls.clone().events(Some(EventFormat::Json)).linger(false);
    let (_served, mut peer) = serve(json);
    greet(&mut peer, &["myevents json\n\n", "exit\n\n"]).await;
    let none = OutboundServer::new(|call: Call| async move {
        // Nobody would say when it has ended.
        assert!(call.begin("sleep", "1").await.unwrap_err().is_not_sent());
        Ok(())
    });
    let (_served, mut peer) = serve(none.events(None));
    greet(&mut peer, &["linger\n\n", "exit\n\n"]).await;
}

/// Just before and at the limit.
#[tokio::test(start_paused = true)]
async fn freeswitch_has_to_say_in_time_which_call_it_is() {
    for (wait, in_time) in [(4999, true), (5001, false)] {
        let (served, mut peer) = serve(OutboundServer::new(|_: Call| async { Ok(()) }));
        hears(&mut peer, "connect\n\n").await;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if in_time {
            say(
                &mut peer,
                "Event-Name: CHANNEL_DATA\nContent-Type: command/reply\n\n",
            )
            .await;
            hears(&mut peer, "linger\n\n").await;
        } else {
            let error = served.await.unwrap().unwrap_err();
            assert!(error.to_string().contains("which call it is"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_end() {
    let (served, mut peer) = serve(OutboundServer::new(|_: Call| async { Ok(()) }));
    hears(&mut peer, "connect\n\n").await;
    say(
        &mut peer,
        "Content-Type: command/reply\nReply-Text: -ERR no\n\n",
    )
    .await;
    let error = served.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "freeswitch refused: -ERR no");
}

type Errors = Arc<Mutex<Vec<EslError>>>;

/// The caller hangs up while something is on its way: what serves the call learns it and may finish.
#[tokio::test(start_paused = true)]
async fn a_call_that_ends_early_is_told_to_what_serves_it() {
    let errors = Errors::default();
    let said = Arc::clone(&errors);
    let calls = OutboundServer::new(move |call: Call| {
        let errors = Arc::clone(&said);
        async move {
            let mut events = call.events();
            let mut played = call.begin_as("e1", "playback", "x").await?;
            let lost = [
                call.api("status").await.unwrap_err(),
                played.wait().await.unwrap_err(),
                call.answer().await.unwrap_err(),
            ];
            errors.lock().unwrap().extend(lost);
            assert!(events.recv().await.is_none());
            // Long enough to write it down.
            tokio::time::sleep(Duration::from_secs(29)).await;
            Err(EslError::Disconnected)
        }
    });
    let (served, mut peer) = serve(calls);
    greet(&mut peer, USUAL).await;
    hears(
        &mut peer,
        "sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: x\nevent-lock: true\nEvent-UUID: e1\n\n",
    )
    .await;
    say(&mut peer, OK).await;
    hears(&mut peer, "api status\n\n").await;
    say(
        &mut peer,
        "Content-Type: text/disconnect-notice\nContent-Length: 3\n\nbye",
    )
    .await;
    served.await.unwrap().unwrap();
    let errors = errors.lock().unwrap();
    let kinds: Vec<_> = errors.iter().map(EslError::is_outcome_unknown).collect();
    assert_eq!(kinds, [true, true, false]);
    assert!(errors[2].is_not_sent());
}

#[tokio::test(start_paused = true)]
async fn what_serves_a_call_may_not_outlive_it_by_far() {
    let begun = Instant::now();
    let (served, mut peer) = serve(OutboundServer::new(|_: Call| std::future::pending()));
    greet(&mut peer, USUAL).await;
    drop(peer);
    let error = served.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "a call was served long after its end");
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
}

/// FreeSWITCH does not close a connection that lingers (`Linger-Time: -1`): who listens to the end would never see it.
#[tokio::test(start_paused = true)]
async fn the_last_events_of_a_call_are_waited_for_and_not_for_ever() {
    let heard = Arc::new(Mutex::new(0));
    let count = Arc::clone(&heard);
    let calls = OutboundServer::new(move |call: Call| {
        let heard = Arc::clone(&count);
        async move {
            let mut events = call.events();
            while events.recv().await.is_some() {
                *heard.lock().unwrap() += 1;
            }
            Ok(())
        }
    });
    let (served, mut peer) = serve(calls);
    greet(&mut peer, USUAL).await;
    // It is listened to by now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let end = "Content-Type: text/disconnect-notice\nContent-Disposition: linger\n\n";
    say(&mut peer, end).await;
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(29)).await;
    let last = "Content-Length: 17\nContent-Type: text/event-plain\n\nEvent-Name: CDR\n\n";
    say(&mut peer, last).await;
    assert_eq!(peer.read(&mut [0; 99]).await.unwrap(), 0, "it is probed");
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    served.await.unwrap().unwrap();
    assert_eq!(*heard.lock().unwrap(), 2);
}

/// An error of what serves the call is that of the protocol, which the server logs; the call goes back all the same.
#[tokio::test(start_paused = true)]
async fn an_error_of_what_serves_a_call_is_told() {
    let calls = OutboundServer::new(|call: Call| async move {
        call.api("x\ny").await?;
        Ok(())
    });
    let (served, mut peer) = serve(calls);
    greet(&mut peer, USUAL).await;
    hears(&mut peer, "exit\n\n").await;
    say(&mut peer, OK).await;
    let error = served.await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("bad command"), "{error}");
}
