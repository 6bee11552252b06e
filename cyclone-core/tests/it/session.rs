use std::future::pending;

use cyclone_core::{Connection, ConnectionId, Context, Resources, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::support::within;

#[tokio::test]
async fn a_detached_session_is_never_told_to_go_but_can_be_closed() {
    let session = Session::detached();
    assert_eq!(session.id(), ConnectionId::DETACHED);
    assert_eq!(session.protocol(), "detached");
    session.set_protocol("test");
    assert_eq!(session.info().protocol(), "test");
    tokio::select! {
        biased;
        () = session.draining() => unreachable!("nobody shuts down"),
        () = session.cut() => unreachable!("nobody cuts"),
        () = std::future::ready(()) => {}
    }
    let work = session.spawn(pending());
    let guard = session.hold();
    session.clone().close();
    assert!(guard.session().is_cut());
    assert!(!session.is_draining());
    within(work).await.unwrap();
    within(session.cut()).await;
}

#[tokio::test]
async fn the_signals_of_a_controlled_session_are_the_callers() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let resources = Resources::builder().insert("shared").build();
    let session = Session::controlled(resources, draining.clone(), cut.clone());
    assert_eq!(session.resources().get::<&str>(), Ok(&"shared"));
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.draining().await }
    });
    draining.cancel();
    within(waiting).await.unwrap();
    assert!(session.is_draining() && !session.is_cut());
    within(session.draining()).await;
    cut.cancel();
    within(session.cut()).await;
}

/// A server of one's own gives all of its connections the same signals.
#[tokio::test]
async fn closing_a_controlled_session_leaves_the_others_open() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = || Session::controlled(Resources::default(), draining.clone(), cut.clone());
    let (one, other) = (session(), session());
    let work = one.spawn(pending());
    one.close();
    within(work).await.unwrap();
    within(one.cut()).await;
    assert!(one.is_cut() && !one.is_draining());
    assert!(!other.is_cut() && !cut.is_cancelled());
}

#[tokio::test]
async fn work_that_ends_by_itself_and_work_that_panics_are_told_apart() {
    let session = Session::detached();
    assert!(within(session.spawn(async {})).await.is_ok());
    let panicked = within(session.spawn(async { panic!("on purpose") })).await;
    assert!(panicked.unwrap_err().is_panic());
    // A connection that is cut drops the work before it is polled.
    session.close();
    assert!(
        within(session.spawn(async { panic!("never runs") }))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_connection_in_memory_is_a_byte_stream_with_a_session() {
    let (mut connection, mut peer) = Connection::in_memory();
    peer.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    connection.read_exact(&mut bytes).await.unwrap();
    connection.write_all(b"pong").await.unwrap();
    connection.shutdown().await.unwrap();
    let mut text = String::new();
    peer.read_to_string(&mut text).await.unwrap();
    assert_eq!((&bytes, text.as_str()), (b"ping", "pong"));
    let (transport, peer, session) = connection.into_parts();
    assert!(transport.as_tcp().is_none() && transport.as_unix().is_none());
    assert_eq!(peer.to_string(), "memory");
    assert_eq!(session.id(), ConnectionId::DETACHED);
}
