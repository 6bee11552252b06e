#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::future::pending;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyclone_core::{
    Address, Connection, Endpoint, ProtocolFactory, Server, Service, ServiceContext, ServiceError,
    SessionGuard, protocol_fn,
};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{
    ChildProcess, echo, greeted, is_child, ping, polite, rest, tcp_address, within,
};

#[path = "../../examples/line_server.rs"]
#[cfg(feature = "lines")]
mod line_server;

const DEADLINE: Duration = Duration::from_secs(7);

/// Says `hi` and stays whatever it is told.
fn stubborn() -> impl ProtocolFactory {
    protocol_fn("stubborn", |mut connection: Connection| async move {
        connection.write_all(b"hi").await?;
        pending().await
    })
}

#[tokio::test(start_paused = true)]
async fn peers_drain_until_the_deadline_and_the_rest_is_cut_and_named() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), polite())
        .listen(Endpoint::loopback(0), stubborn())
        .shutdown_deadline(DEADLINE)
        .start()
        .await
        .unwrap();
    let handle = server.handle().clone();
    let mut polite = greeted(tcp_address(&server, 0)).await;
    let mut first = greeted(tcp_address(&server, 1)).await;
    let mut second = greeted(tcp_address(&server, 1)).await;
    assert!(!handle.is_draining());
    let waiting = tokio::spawn(server.wait());
    handle.shutdown();
    handle.shutdown();
    assert!(handle.is_draining());
    assert_eq!(rest(&mut polite).await, "bye");
    assert_eq!(rest(&mut first).await, "");
    assert_eq!(rest(&mut second).await, "");

    let report = waiting.await.unwrap();
    assert!(!report.is_clean());
    assert_eq!(report.drained, 1);
    assert_eq!(report.elapsed, DEADLINE);
    let cut: Vec<_> = report
        .cut
        .iter()
        .map(|one| (one.id().get(), one.protocol(), one.peer().remote().clone()))
        .collect();
    let address = |peer: &TcpStream| Address::Tcp(peer.local_addr().unwrap());
    assert_eq!(
        cut,
        [
            (2, "stubborn", address(&first)),
            (3, "stubborn", address(&second))
        ]
    );
    assert_eq!(
        report.to_string(),
        format!(
            "shutdown took 7.000 s: 1 connections drained, 2 cut\n\
             cut #2 stubborn {} 7s\n\
             cut #3 stubborn {} 7s",
            address(&first),
            address(&second)
        )
    );
    assert!(handle.registry().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_the_deadline_when_all_has_drained() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), polite())
        .start()
        .await
        .unwrap();
    let mut peer = greeted(tcp_address(&server, 0)).await;
    server.shutdown();
    let report = server.wait().await;
    assert_eq!(report.elapsed, Duration::ZERO);
    assert_eq!((report.drained, report.cut.len()), (1, 0));
    assert_eq!(rest(&mut peer).await, "bye");
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_peers_are_cut_at_once() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), stubborn())
        .shutdown_deadline(Duration::ZERO)
        .start()
        .await
        .unwrap();
    let _peer = greeted(tcp_address(&server, 0)).await;
    server.shutdown();
    let report = server.wait().await;
    assert!(report.elapsed <= Duration::from_millis(1));
    assert_eq!(report.cut.len(), 1);
}

/// The race between the tasks that are cut and the one that writes the report needs real threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_word_cuts_and_every_connection_is_named() {
    const PEERS: usize = 100;
    for _ in 0..5 {
        let server = Server::new()
            .listen(Endpoint::loopback(0), stubborn())
            .start()
            .await
            .unwrap();
        let mut peers = Vec::new();
        for _ in 0..PEERS {
            peers.push(within(greeted(tcp_address(&server, 0))).await);
        }
        server.shutdown();
        server.handle().shutdown_now();
        let report = within(server.wait()).await;
        assert_eq!((report.drained, report.cut.len()), (0, PEERS));
        let ids: Vec<_> = report.cut.iter().map(|one| one.id().get()).collect();
        assert!(ids.is_sorted());
    }
}

/// Likewise: connections that leave at the first word are counted although they are quicker than the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_connection_that_drains_is_counted() {
    const PEERS: usize = 100;
    for _ in 0..5 {
        let server = Server::new()
            .listen(Endpoint::loopback(0), polite())
            .start()
            .await
            .unwrap();
        let mut peers = Vec::new();
        for _ in 0..PEERS {
            peers.push(within(greeted(tcp_address(&server, 0))).await);
        }
        server.shutdown();
        let report = within(server.wait()).await;
        assert_eq!((report.drained, report.cut.len()), (PEERS, 0));
    }
}

#[tokio::test]
async fn a_dropped_server_cuts_its_connections_and_stops_its_services() {
    struct Telling(mpsc::UnboundedSender<&'static str>);
    impl Service for Telling {
        fn name(&self) -> &str {
            "telling"
        }
        async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
            cx.stopping().await;
            self.0.send("told").unwrap();
            Ok(())
        }
        async fn stop(&self) -> Result<(), ServiceError> {
            self.0.send("stopped").unwrap();
            Ok(())
        }
    }
    for drop_the_wait in [false, true] {
        let (sender, mut events) = mpsc::unbounded_channel();
        let server = Server::new()
            .listen(Endpoint::loopback(0), stubborn())
            .service(Telling(sender))
            .start()
            .await
            .unwrap();
        let address = tcp_address(&server, 0);
        let mut peer = within(greeted(address)).await;
        if drop_the_wait {
            tokio::select! {
                biased;
                _ = server.wait() => unreachable!("nobody told it to end"),
                () = std::future::ready(()) => {}
            }
        } else {
            drop(server);
        }
        assert_eq!(within(rest(&mut peer)).await, "");
        assert_eq!(within(events.recv()).await, Some("told"));
        assert_eq!(within(events.recv()).await, Some("stopped"));
        assert!(TcpStream::connect(address).await.is_err());
    }
}

/// Longer than the budget of operations that tokio gives a task between two turns.
const QUEUED: usize = 300;

#[tokio::test]
async fn connections_in_the_queue_of_the_kernel_are_still_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new()
        .listen(Endpoint::loopback(0), polite())
        .listen(Endpoint::unix(&path), polite())
        .start()
        .await
        .unwrap();
    // One of each, so that the loops are known to wait for more.
    let _first = within(greeted(tcp_address(&server, 0))).await;
    // This thread is the only one and does not let go of it: the server hears of nothing.
    let mut tcp: Vec<_> = (0..QUEUED)
        .map(|_| std::net::TcpStream::connect(tcp_address(&server, 0)).unwrap())
        .collect();
    let mut unix: Vec<_> = (0..QUEUED)
        .map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap())
        .collect();
    assert_eq!(server.registry().accepted(), 1);
    server.shutdown();
    let report = within(server.wait()).await;
    assert_eq!((report.drained, report.cut.len()), (2 * QUEUED + 1, 0));
    for peer in &mut tcp {
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hibye");
    }
    for peer in &mut unix {
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hibye");
    }
}

#[tokio::test]
async fn a_server_that_is_cut_takes_nothing_from_the_queue() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), stubborn())
        .start()
        .await
        .unwrap();
    let _first = within(greeted(tcp_address(&server, 0))).await;
    let _queued = std::net::TcpStream::connect(tcp_address(&server, 0)).unwrap();
    server.handle().shutdown_now();
    let report = within(server.wait()).await;
    assert_eq!(report.cut.len(), 1);
}

#[tokio::test]
async fn new_connections_are_refused_while_the_old_ones_drain() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .start()
        .await
        .unwrap();
    let mut peer = within(greeted(tcp_address(&server, 0))).await;
    server.shutdown();
    within(async {
        while TcpStream::connect(tcp_address(&server, 0)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // What is open works on.
    within(ping(&mut peer)).await;
    drop(peer);
    let report = within(server.wait()).await;
    assert!(report.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_foreign_work_holds_delays_the_end_by_a_second_only() {
    let held: Arc<Mutex<Vec<SessionGuard>>> = Arc::default();
    let hold = Arc::clone(&held);
    let protocol = protocol_fn("holding", move |mut connection: Connection| {
        hold.lock().unwrap().push(connection.session().hold());
        async move {
            connection.write_all(b"hi").await?;
            pending().await
        }
    });
    let server = Server::new()
        .listen(Endpoint::loopback(0), protocol)
        .shutdown_deadline(DEADLINE)
        .start()
        .await
        .unwrap();
    let mut peer = greeted(tcp_address(&server, 0)).await;
    let registry = server.registry().clone();
    server.shutdown();
    let report = server.wait().await;
    assert_eq!(report.elapsed, DEADLINE + Duration::from_secs(1));
    assert_eq!(report.cut.len(), 1);
    assert_eq!(report.cut[0].protocol(), "holding");
    // The socket itself is closed.
    assert_eq!(rest(&mut peer).await, "");
    let guards = std::mem::take(&mut *held.lock().unwrap());
    assert!(guards[0].session().is_cut());
    drop(guards);
    assert!(registry.is_empty());
}

#[cfg(feature = "lines")]
#[test]
fn the_example_ends_well_at_a_signal() {
    use std::io::Write;

    const TEST: &str = "shutdown::the_example_ends_well_at_a_signal";
    if is_child(TEST) {
        line_server::main().unwrap();
        std::process::exit(0);
    }
    for signal in [Signal::TERM, Signal::INT] {
        let mut child = ChildProcess::start(TEST);
        let address = child.line("listening ");
        let mut peer = std::net::TcpStream::connect(address).unwrap();
        peer.write_all(b"hello\n").unwrap();
        let mut answer = [0; 7];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello\r\n");
        child.signal(signal);
        let mut farewell = String::new();
        peer.read_to_string(&mut farewell).unwrap();
        assert_eq!(farewell, "the server shuts down\r\n");
        let report = child.line("shutdown took ");
        assert!(report.ends_with("1 connections drained, 0 cut"), "{report}");
        assert_eq!(child.exit_code(), Some(0));
    }
}

#[test]
fn a_second_signal_cuts() {
    const TEST: &str = "shutdown::a_second_signal_cuts";
    if is_child(TEST) {
        return serve_until_the_second_signal();
    }
    let mut child = ChildProcess::start(TEST);
    let address = child.line("listening ");
    let mut peer = std::net::TcpStream::connect(address).unwrap();
    let mut hi = [0; 2];
    peer.read_exact(&mut hi).unwrap();
    child.signal(Signal::TERM);
    let mut told = [0; 4];
    peer.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"told");
    child.signal(Signal::INT);
    let mut more = String::new();
    let ended = peer.read_to_string(&mut more);
    assert!(ended.is_err() || more.is_empty());
    assert_eq!(
        child.line("cut "),
        format!("#1 told {}", peer.local_addr().unwrap())
    );
    assert_eq!(child.exit_code(), Some(0));
}

/// Far beyond the patience of any test: only the second signal ends it.
const ENDLESS: Duration = Duration::from_secs(86_400);

fn serve_until_the_second_signal() {
    let protocol = protocol_fn("told", |mut connection: Connection| async move {
        connection.write_all(b"hi").await?;
        connection.session().draining().await;
        connection.write_all(b"told").await?;
        pending().await
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = Server::new()
        .listen(Endpoint::loopback(0), protocol)
        .shutdown_deadline(ENDLESS);
    let report = runtime
        .block_on(server.run_with(|server| {
            println!("listening {}", server.local_addresses()[0]);
        }))
        .unwrap();
    for one in &report.cut {
        println!("cut #{} {} {}", one.id(), one.protocol(), one.peer());
    }
}
