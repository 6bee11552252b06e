use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{OPENING, Opening, Step, StepFuture};
use crate::{
    Address, Connection, DEFAULT_OPENING_TIMEOUT, Endpoint, Peer, Protocol, ProtocolFactory,
    RunningServer, Server, Transport, protocol_fn,
};

/// Reads one byte, which says what comes of it: `y` for another peer, everything else for an error.
#[derive(Debug)]
struct Knock;

impl Step for Knock {
    fn take(&self, mut transport: Transport, peer: Peer) -> StepFuture<'_> {
        Box::pin(async move {
            match transport.read_u8().await? {
                b'y' => {
                    let claimed = Address::Tcp(([192, 0, 2, 1], 7).into());
                    match peer.proxy() {
                        Some(_) => Ok((transport, peer)),
                        None => Ok((
                            transport,
                            peer.clone().through(claimed, peer.local().clone()),
                        )),
                    }
                }
                b'p' => panic!("on purpose"),
                byte => Err(io::Error::other(format!("{byte} is not the word"))),
            }
        })
    }
}

fn knocks(steps: usize) -> Opening {
    Opening {
        steps: (0..steps).map(|_| Box::new(Knock) as _).collect(),
        time_limit: DEFAULT_OPENING_TIMEOUT,
    }
}

async fn start(server: Server, opening: Opening) -> (RunningServer, std::net::SocketAddr) {
    let mut bound = server.bind().await.unwrap();
    bound.set_opening(&Arc::new(opening));
    let server = bound.start().await.unwrap();
    let address = server.local_addresses()[0].socket_addr().unwrap();
    (server, address)
}

/// Tells the protocol's view of its peer and of the shutdown.
fn telling() -> impl ProtocolFactory {
    protocol_fn("telling", |mut connection: Connection| async move {
        let text = format!(
            "{} {} {}",
            connection.peer(),
            connection.session().protocol(),
            connection.session().is_draining()
        );
        connection.write_all(text.as_bytes()).await?;
        connection.session().draining().await;
        Ok(())
    })
}

async fn read(stream: &mut TcpStream, bytes: usize) -> String {
    let mut text = vec![0; bytes];
    stream.read_exact(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

async fn end(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

/// Waits until the server has so many connections.
async fn until_open(server: &RunningServer, connections: usize) {
    while server.registry().len() != connections {
        tokio::task::yield_now().await;
    }
}

const TOLD: &str = "192.0.2.1:7 telling false";

#[tokio::test]
async fn the_registry_shows_the_opening_and_then_the_claimed_peer() {
    let (server, address) = start(listen(telling()), knocks(2)).await;
    let mut peer = TcpStream::connect(address).await.unwrap();
    until_open(&server, 1).await;
    let opening = server.registry().snapshot().remove(0);
    assert_eq!(opening.protocol(), OPENING);
    assert_eq!(
        opening.peer().remote(),
        &Address::Tcp(peer.local_addr().unwrap())
    );
    peer.write_all(b"y").await.unwrap();
    peer.write_all(b"y").await.unwrap();
    assert_eq!(read(&mut peer, TOLD.len()).await, TOLD);
    let open = server.registry().snapshot().remove(0);
    assert_eq!(open.protocol(), "telling");
    assert_eq!(open.peer().remote().to_string(), "192.0.2.1:7");
    assert_eq!(open.peer().proxy(), Some(opening.peer().remote()));
    assert_eq!(open.id(), opening.id());
    assert_eq!(server.registry().accepted(), 1);
    server.shutdown();
    assert!(server.wait().await.is_clean());
}

fn listen(factory: impl ProtocolFactory) -> Server {
    Server::new().listen(Endpoint::loopback(0), factory)
}

#[tokio::test]
async fn a_step_that_fails_or_panics_closes_only_its_connection_and_is_counted() {
    let (server, address) = start(listen(telling()), knocks(1)).await;
    for (byte, refused) in [(b'n', 1), (b'p', 1)] {
        let mut peer = TcpStream::connect(address).await.unwrap();
        peer.write_all(&[byte]).await.unwrap();
        assert_eq!(end(peer).await, "");
        until_open(&server, 0).await;
        assert_eq!(server.registry().refused(), refused);
    }
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(b"y").await.unwrap();
    assert_eq!(read(&mut peer, TOLD.len()).await, TOLD);
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_is_over_all_steps() {
    let (server, address) = start(listen(telling()), knocks(2)).await;
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(b"y").await.unwrap();
    until_open(&server, 1).await;
    let begun = tokio::time::Instant::now();
    tokio::time::sleep(DEFAULT_OPENING_TIMEOUT - Duration::from_millis(10)).await;
    assert_eq!(server.registry().counts().get(OPENING), Some(&1));
    assert_eq!(end(peer).await, "");
    let took = begun.elapsed();
    assert!(took <= DEFAULT_OPENING_TIMEOUT + Duration::from_millis(10));
    assert_eq!(server.registry().refused(), 1);
}

#[tokio::test]
async fn an_opening_may_finish_while_the_server_drains_and_counts_against_the_limit() {
    let server = listen(telling()).max_connections(1);
    let (server, address) = start(server, knocks(1)).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    until_open(&server, 1).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"y").await.unwrap();
    // The second waits in the kernel's queue however often the server gets its turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(server.registry().accepted(), 1);
    }
    server.shutdown();
    assert_eq!(end(second).await, "", "the queue beyond the limit is reset");
    first.write_all(b"y").await.unwrap();
    let told = "192.0.2.1:7 telling true";
    assert_eq!(end(first).await, told);
    let report = server.wait().await;
    assert_eq!((report.drained, report.cut.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_opening_is_cut_at_the_deadline_and_named() {
    let server = listen(telling()).shutdown_deadline(Duration::from_secs(1));
    let (server, address) = start(server, knocks(1)).await;
    let peer = TcpStream::connect(address).await.unwrap();
    until_open(&server, 1).await;
    server.shutdown();
    let report = server.wait().await;
    assert_eq!(report.cut.len(), 1);
    assert_eq!(report.cut[0].protocol(), OPENING);
    assert_eq!(end(peer).await, "");
}

/// Refuses whom the opening names, not whom the transport knows.
struct OnlyLoopback;

impl ProtocolFactory for OnlyLoopback {
    type Protocol = Never;
    fn build(&self, peer: &Peer) -> Option<Never> {
        peer.remote().ip()?.is_loopback().then_some(Never)
    }
}

struct Never;

impl Protocol for Never {
    async fn run(self, _connection: Connection) -> io::Result<()> {
        unreachable!("no such peer is served")
    }
}

#[tokio::test]
async fn the_factory_is_asked_about_the_refined_peer() {
    let (server, address) = start(listen(OnlyLoopback), knocks(1)).await;
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(b"y").await.unwrap();
    assert_eq!(end(peer).await, "");
    until_open(&server, 0).await;
    assert_eq!(server.registry().refused(), 1);
}
