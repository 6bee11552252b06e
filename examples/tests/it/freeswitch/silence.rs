//! A connection on which nothing comes: the peer is asked, and given up when it does not answer.

use std::time::Duration;

use cyclone_core::{Connection, Protocol as _};
use cyclone_examples::freeswitch::{
    Call, Command, DEFAULT_PROBE_AFTER, DEFAULT_REPLY_TIMEOUT, OutboundServer, PROBE_TIMEOUT,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const DATA: &str = "Event-Name: CHANNEL_DATA\nContent-Type: command/reply\n\n";

/// A call that is served by waiting, or by a command that is never answered.
async fn start(command: Option<&'static str>) -> (JoinHandle<std::io::Result<()>>, DuplexStream) {
    let calls = OutboundServer::new(move |call: Call| async move {
        match command {
            Some(line) => call.send(&Command::new(line)).await.map(drop),
            None => call.events().recv().await.map_or(Ok(()), |_| Ok(())),
        }
    });
    let (connection, mut peer) = Connection::in_memory();
    let calls = calls.linger(false).events(None);
    let served = tokio::spawn(calls.run(connection));
    hears(&mut peer, "connect\n\n").await;
    peer.write_all(DATA.as_bytes()).await.unwrap();
    (served, peer)
}

async fn hears(peer: &mut DuplexStream, expected: &str) {
    let mut heard = vec![0; expected.len()];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_and_given_up() {
    let begun = Instant::now();
    let (served, mut peer) = start(None).await;
    for _ in 0..2 {
        let asked = Instant::now();
        hears(&mut peer, "api uptime\n\n").await;
        assert_eq!(asked.elapsed(), DEFAULT_PROBE_AFTER);
        peer.write_all(b"Content-Type: api/response\nContent-Length: 1\n\n1")
            .await
            .unwrap();
        // It is taken up before the clock goes on.
        tokio::task::yield_now().await;
    }
    hears(&mut peer, "api uptime\n\n").await;
    let error = served.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no event socket: no answer in time");
    assert_eq!(begun.elapsed(), 3 * DEFAULT_PROBE_AFTER + PROBE_TIMEOUT);
}

/// The longest time there is switches a limit off.
#[tokio::test(start_paused = true)]
async fn a_peer_may_be_silent_for_ever_where_that_is_wanted() {
    let calls = OutboundServer::new(|call: Call| async move {
        call.send(&Command::new("getvar x")).await?;
        call.events().recv().await;
        Ok(())
    });
    let calls = calls.linger(false).events(None);
    let calls = calls
        .probe_after(Duration::MAX)
        .reply_timeout(Duration::MAX)
        .linger_timeout(Duration::MAX);
    let (connection, mut peer) = Connection::in_memory();
    let served = tokio::spawn(calls.run(connection));
    hears(&mut peer, "connect\n\n").await;
    peer.write_all(DATA.as_bytes()).await.unwrap();
    hears(&mut peer, "getvar x\n\n").await;
    sleep(10 * DEFAULT_REPLY_TIMEOUT).await;
    peer.write_all(b"Content-Type: command/reply\nReply-Text: y\n\n")
        .await
        .unwrap();
    sleep(10 * DEFAULT_REPLY_TIMEOUT).await;
    assert!(!served.is_finished());
    drop(peer);
    served.await.unwrap().unwrap();
}

/// Whatever comes is a sign of life; the peer is not asked for another.
#[tokio::test(start_paused = true)]
async fn a_peer_that_says_something_is_not_asked() {
    let (_served, mut peer) = start(None).await;
    let almost = DEFAULT_PROBE_AFTER - Duration::from_millis(1);
    for _ in 0..3 {
        sleep(almost).await;
        peer.write_all(b"Content-Type: text/odd\n\n").await.unwrap();
    }
    let asked = Instant::now();
    hears(&mut peer, "api uptime\n\n").await;
    assert_eq!(asked.elapsed(), DEFAULT_PROBE_AFTER);
}

/// An answer that is owed may take longer; events in the meantime are no answer.
#[tokio::test(start_paused = true)]
async fn a_peer_that_owes_an_answer_is_given_up() {
    let (served, mut peer) = start(Some("api originate")).await;
    hears(&mut peer, "api originate\n\n").await;
    let asked = Instant::now();
    for _ in 0..5 {
        sleep(DEFAULT_REPLY_TIMEOUT / 6).await;
        peer.write_all(b"Content-Type: text/odd\n\n").await.unwrap();
    }
    let error = served.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no event socket: no answer in time");
    assert_eq!(asked.elapsed(), DEFAULT_REPLY_TIMEOUT);
}
