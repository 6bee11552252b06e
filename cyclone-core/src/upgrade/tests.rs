use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{OnUpgrade, State, UpgradeError, UpgradeSender, Upgraded, channel};
use crate::connection::Connection;
use crate::lock::lock;
use crate::peer::{Address, Peer};
use crate::registry::Registry;
use crate::resources::Resources;
use crate::session::{Home, Session, SessionGuard};

fn registered(registry: &Registry) -> (Session, SessionGuard) {
    let permits = Arc::new(Semaphore::new(1));
    let home = Home::new(
        registry.clone(),
        Resources::default(),
        CancellationToken::new(),
        CancellationToken::new(),
        Arc::clone(&permits),
    );
    let peer = Peer::new(Address::Memory, Address::Memory);
    let permit = permits.try_acquire_owned().unwrap();
    Session::register(&home, registry, peer, "test", permit)
}

fn poll(on_upgrade: &mut OnUpgrade) -> Poll<Result<Upgraded, UpgradeError>> {
    Pin::new(on_upgrade).poll(&mut Context::from_waker(Waker::noop()))
}

fn error(on_upgrade: &mut OnUpgrade) -> UpgradeError {
    match poll(on_upgrade) {
        Poll::Ready(Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// What the extensions of an HTTP request ask for.
#[test]
fn it_can_be_an_extension_of_a_request() {
    fn extension<T: Clone + Send + Sync + 'static>() {}
    extension::<OnUpgrade>();
    fn send<T: Send>() {}
    send::<UpgradeSender>();
    send::<Upgraded>();
}

#[tokio::test]
async fn the_bytes_ahead_come_first() {
    let (connection, mut client) = Connection::in_memory();
    let (sender, on_upgrade) = channel();
    sender.send(connection, Bytes::from_static(b"abc"));
    let mut upgraded = on_upgrade.await.unwrap();
    client.write_all(b"def").await.unwrap();
    let mut two = [0; 2];
    // As little as is asked for, and what is ahead alone is an answer.
    assert_eq!(upgraded.read(&mut two).await.unwrap(), 2);
    assert_eq!(&two, b"ab");
    assert_eq!(upgraded.read(&mut two).await.unwrap(), 1);
    assert_eq!(two[0], b'c');
    let mut rest = [0; 3];
    upgraded.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"def");

    upgraded.write_all(b"answer").await.unwrap();
    upgraded.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
}

#[tokio::test]
async fn the_parts_are_the_connection_and_what_was_not_read() {
    let (connection, _client) = Connection::in_memory();
    let (sender, on_upgrade) = channel();
    sender.send(connection, Bytes::from_static(b"abc"));
    let mut upgraded = on_upgrade.await.unwrap();
    upgraded.read_u8().await.unwrap();
    assert_eq!(upgraded.connection().peer().remote(), &Address::Memory);
    let (_connection, ahead) = upgraded.into_parts();
    assert_eq!(ahead, "bc");
}

#[tokio::test]
async fn vectored_writes_pass_through() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let (socket, remote) = listener.accept().await.unwrap();
    let peer = Peer::new(remote.into(), address.into());
    let (sender, on_upgrade) = channel();
    let connection = Connection::new(socket, peer, Session::detached());
    sender.send(connection, Bytes::new());
    let mut upgraded = on_upgrade.await.unwrap();
    assert!(upgraded.is_write_vectored());
    let parts = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    let written = upgraded.write_vectored(&parts).await.unwrap();
    assert_eq!(written, 7, "both in one call");
    drop(upgraded);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "one two");
}

#[tokio::test]
async fn the_first_of_the_clones_takes_it_and_all_are_woken() {
    let (connection, _client) = Connection::in_memory();
    let (sender, on_upgrade) = channel();
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(on_upgrade.clone())).collect();
    tokio::task::yield_now().await;
    sender.send(connection, Bytes::new());
    let mut taken = 0;
    for task in waiting {
        match task.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error, UpgradeError::Taken),
        }
    }
    assert_eq!(taken, 1);
    assert_eq!(on_upgrade.await.unwrap_err(), UpgradeError::Taken);
}

#[tokio::test]
async fn a_sender_that_is_dropped_fails_those_that_wait_and_those_that_come() {
    let (sender, mut on_upgrade) = channel();
    let waiting = tokio::spawn(on_upgrade.clone());
    tokio::task::yield_now().await;
    assert!(poll(&mut on_upgrade).is_pending());
    drop(sender);
    let failed = waiting.await.unwrap().unwrap_err();
    assert_eq!(failed, UpgradeError::NotUpgraded);
    assert_eq!(error(&mut on_upgrade), UpgradeError::NotUpgraded);
    assert_eq!(error(&mut on_upgrade.clone()), UpgradeError::NotUpgraded);
}

#[tokio::test]
async fn it_is_awaited_until_the_last_clone_is_dropped() {
    let (sender, on_upgrade) = channel();
    let clone = on_upgrade.clone();
    assert!(sender.is_awaited());
    drop(on_upgrade);
    assert!(sender.is_awaited());
    drop(clone);
    assert!(!sender.is_awaited());

    let (connection, mut client) = Connection::in_memory();
    sender.send(connection, Bytes::new());
    let mut end = Vec::new();
    assert_eq!(client.read_to_end(&mut end).await.unwrap(), 0, "closed");
}

#[tokio::test]
async fn one_that_nobody_took_is_closed_with_the_last_clone() {
    let (connection, mut client) = Connection::in_memory();
    let (sender, on_upgrade) = channel();
    sender.send(connection, Bytes::new());
    drop(on_upgrade);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_connection_stays_registered_from_hand_to_hand() {
    let registry = Registry::new();
    let (session, guard) = registered(&registry);
    let (connection, _client) = Connection::in_memory_with(session);
    let (sender, on_upgrade) = channel();
    sender.send(connection, Bytes::new());
    // The server's task ends before anybody has taken the connection.
    drop(guard);
    assert_eq!(registry.len(), 1);
    let upgraded = on_upgrade.await.unwrap();
    assert_eq!(registry.len(), 1);
    drop(upgraded);
    assert_eq!(registry.len(), 0);
}

#[test]
fn a_handle_has_one_place_however_often_it_is_polled() {
    let places = |handle: &OnUpgrade| match &*lock(&handle.shared) {
        State::Waiting(wakers) => wakers.len(),
        _ => panic!("settled"),
    };
    let (_sender, mut first) = channel();
    for _ in 0..3 {
        assert!(poll(&mut first).is_pending());
    }
    assert_eq!(places(&first), 1);
    for _ in 0..3 {
        let mut clone = first.clone();
        assert!(poll(&mut clone).is_pending());
        assert_eq!(places(&first), 2, "the place of a dropped clone is used");
    }
}

#[tokio::test]
async fn the_last_waker_counts() {
    let (sender, mut on_upgrade) = channel();
    assert!(poll(&mut on_upgrade).is_pending());
    // Polled again by a task with another waker.
    let waiting = tokio::spawn(on_upgrade);
    tokio::task::yield_now().await;
    drop(sender);
    assert!(waiting.await.unwrap().is_err());
}

/// A stream that must not be read.
struct Unread;

impl AsyncRead for Unread {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        panic!("read although there were bytes ahead");
    }
}

impl AsyncWrite for Unread {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn bytes_ahead_need_no_read() {
    let peer = Peer::new(Address::Memory, Address::Memory);
    let transport = crate::transport::Transport::other(Unread);
    let (sender, on_upgrade) = channel();
    let connection = Connection::new(transport, peer, Session::detached());
    sender.send(connection, Bytes::from_static(b"ab"));
    let mut both = [0; 2];
    let mut upgraded = on_upgrade.await.unwrap();
    assert_eq!(upgraded.read(&mut both).await.unwrap(), 2);
}
