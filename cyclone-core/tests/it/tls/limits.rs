//! Time and number of handshakes.

use std::time::Duration;

use cyclone_core::tls::{
    DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_HANDSHAKES, HandshakeErrorKind, ServerTls,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::authority::Authority;
use super::{client, server};

/// More than timers round to.
const BIT: Duration = Duration::from_millis(10);

/// A pipe that lets a client through and stalls it: bytes wait in the middle until `go` has passed.
async fn stalled(authority: &Authority, go: Duration, mut server_side: DuplexStream) -> bool {
    let client = client(authority).handshake_timeout(Duration::from_secs(3600));
    let client = client.build().unwrap();
    let (near, mut client_side) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        sleep(go).await;
        let _ = tokio::io::copy_bidirectional(&mut client_side, &mut server_side).await;
    });
    client.connect("example.org", near).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn silent_client_is_closed_at_the_limit() {
    let authority = Authority::new("authority");
    let server = server(&authority.server(&["example.org"])).build().unwrap();
    let limit = DEFAULT_HANDSHAKE_TIMEOUT;
    for (go, in_time) in [(limit - BIT, true), (limit + BIT, false)] {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let begun = Instant::now();
        let accepting = async {
            let accepted = server.accept(near).await;
            (accepted, begun.elapsed())
        };
        let ((accepted, took), connected) = tokio::join!(accepting, stalled(&authority, go, far));
        assert_eq!(accepted.is_ok(), in_time, "{go:?}");
        assert_eq!(connected, in_time);
        if let Err(error) = accepted {
            assert_eq!(error.kind(), HandshakeErrorKind::TimedOut);
            assert!(error.to_string().contains("first message"), "{error}");
            assert!(took >= limit && took < limit + 10 * BIT, "{took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn limit_is_for_the_whole_handshake() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let limit = Duration::from_secs(3);
    let server = server(&certificate)
        .handshake_timeout(limit)
        .build()
        .unwrap();
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let (client_near, mut client_far) = tokio::io::duplex(64 * 1024);
    let client = client(&authority).build().unwrap();
    let speaking = async {
        // The first message comes soon, the second never.
        let mut hello = vec![0; 64 * 1024];
        let read = client_far.read(&mut hello).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        far.write_all(&hello[..read]).await.unwrap();
        std::future::pending::<()>().await;
    };
    let begun = Instant::now();
    let error = tokio::select! {
        accepted = server.accept(near) => accepted.unwrap_err(),
        _ = client.connect("example.org", client_near) => unreachable!(),
        () = speaking => unreachable!(),
    };
    assert_eq!(error.kind(), HandshakeErrorKind::TimedOut);
    assert!(error.to_string().contains("in the middle"), "{error}");
    let took = begun.elapsed();
    assert!(took >= limit && took < limit + 10 * BIT, "{took:?}");
}

/// Brings a handshake to where the server waits for the rest of it.
async fn begun(server: &ServerTls, hello: &[u8]) -> DuplexStream {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let server = server.clone();
    tokio::spawn(async move { server.accept(near).await });
    far.write_all(hello).await.unwrap();
    let mut answer = [0];
    far.read_exact(&mut answer).await.unwrap();
    far
}

/// The first message of a client.
async fn hello(authority: &Authority) -> Vec<u8> {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let client = client(authority).build().unwrap();
    let mut hello = vec![0; 64 * 1024];
    tokio::select! {
        _ = client.connect("example.org", near) => unreachable!(),
        read = far.read(&mut hello) => hello.truncate(read.unwrap()),
    }
    hello
}

#[tokio::test(start_paused = true)]
async fn further_handshakes_wait_for_a_turn() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let server = server(&certificate).max_handshakes(2).build().unwrap();
    assert_eq!(server.available_handshakes(), 2);
    let hello = hello(&authority).await;

    // A silent connection takes no turn.
    let (silent, _other_end) = tokio::io::duplex(1024);
    let silent = tokio::spawn({
        let server = server.clone();
        async move { server.accept(silent).await }
    });
    let first = begun(&server, &hello).await;
    assert_eq!(server.available_handshakes(), 1);
    let _second = begun(&server, &hello).await;
    assert_eq!(server.available_handshakes(), 0);

    // The third waits, and is served as soon as the first has gone.
    let client = client(&authority).handshake_timeout(Duration::from_secs(60));
    let client = client.build().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let third = async {
        let begun = Instant::now();
        let (accepted, connected) =
            tokio::join!(server.accept(near), client.connect("example.org", far));
        connected.unwrap();
        accepted.unwrap();
        begun.elapsed()
    };
    let leaving = async {
        sleep(Duration::from_secs(4)).await;
        drop(first);
    };
    let (took, ()) = tokio::join!(third, leaving);
    assert!(
        took >= Duration::from_secs(4) && took < Duration::from_secs(5),
        "{took:?}"
    );
    assert_eq!(server.available_handshakes(), 1);
    silent.abort();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_counts() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let patient = server(&certificate).max_handshakes(1).build().unwrap();
    let hello = hello(&authority).await;
    let _first = begun(&patient, &hello).await;
    sleep(Duration::from_secs(1)).await;
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    far.write_all(&hello).await.unwrap();
    let begun = Instant::now();
    // The first one is cut after 10 s, 9 s from now: the second has a second left, and nobody answers it.
    let error = patient.accept(near).await.unwrap_err();
    assert_eq!(error.kind(), HandshakeErrorKind::TimedOut);
    assert!(error.to_string().contains("in the middle"), "{error}");
    assert!(begun.elapsed() >= DEFAULT_HANDSHAKE_TIMEOUT);

    // Who never gets a turn is told so.
    let impatient = server(&certificate)
        .max_handshakes(1)
        .handshake_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    far.write_all(&hello).await.unwrap();
    let waiting = tokio::spawn({
        let server = impatient.clone();
        async move {
            sleep(Duration::from_secs(1)).await;
            server.accept(near).await
        }
    });
    let mut firsts = Vec::new();
    for _ in 0..2 {
        firsts.push(super::limits::begun(&impatient, &hello).await);
        sleep(Duration::from_secs(5)).await;
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HandshakeErrorKind::TimedOut);
}

#[test]
fn at_least_one_handshake_is_allowed() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let tls = |handshakes| {
        server(&certificate)
            .max_handshakes(handshakes)
            .build()
            .unwrap()
    };
    assert_eq!(tls(0).available_handshakes(), 1);
    assert_eq!(
        tls(usize::MAX).available_handshakes(),
        tokio::sync::Semaphore::MAX_PERMITS
    );
    let default = server(&certificate).build().unwrap();
    assert_eq!(default.available_handshakes(), DEFAULT_MAX_HANDSHAKES);
}
