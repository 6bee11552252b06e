#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyclone_core::{Connection, Endpoint, Peer, Protocol, ProtocolFactory, Server, protocol_fn};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tracing::field::{Field, Visit};

use crate::support::{
    ChildProcess, echo, greeted, greeting, is_child, ping, rest, tcp_address, within,
};

#[tokio::test]
async fn at_the_limit_accepting_pauses_and_goes_on_when_a_connection_ends() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .max_connections(3)
        .start()
        .await
        .unwrap();
    let address = tcp_address(&server, 0);
    let mut under = vec![
        within(greeted(address)).await,
        within(greeted(address)).await,
    ];
    under.push(within(greeted(address)).await);
    assert_eq!(server.registry().len(), 3);

    // The kernel queues the fourth; the server does not take it however often it gets its turn.
    let mut over = TcpStream::connect(address).await.unwrap();
    for _ in 0..20 {
        for peer in &mut under {
            within(ping(peer)).await;
        }
    }
    assert_eq!(server.registry().accepted(), 3);

    drop(under.pop());
    within(greeting(&mut over)).await;
    assert_eq!(server.registry().accepted(), 4);
    assert_eq!(server.registry().len(), 3);
    drop(server);
}

/// What `run` does before it has a future is done on the accept loop.
#[tokio::test]
async fn a_protocol_that_panics_at_once_ends_only_its_connection() {
    let calls = AtomicUsize::new(0);
    let protocol = protocol_fn("test", move |mut connection: Connection| {
        assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "on purpose");
        async move { connection.write_all(b"hello").await }
    });
    let server = Server::new()
        .listen(Endpoint::loopback(0), protocol)
        .start()
        .await
        .unwrap();
    let address = tcp_address(&server, 0);
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(within(rest(&mut first)).await, "");
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(within(rest(&mut second)).await, "hello");
    within(server.registry().wait_empty()).await;
}

/// All that is not ours and runs on the accept loop: the factory, and whoever keeps spans.
#[tokio::test]
async fn a_panic_on_the_accept_loop_ends_only_its_connection() {
    struct Nameless(Arc<AtomicUsize>);
    impl ProtocolFactory for Nameless {
        type Protocol = Greeting;
        fn build(&self, _peer: &Peer) -> Option<Greeting> {
            Some(Greeting)
        }
        fn name(&self) -> &'static str {
            assert!(self.0.fetch_add(1, Ordering::Relaxed) > 0, "on purpose");
            "test"
        }
    }
    struct Greeting;
    impl Protocol for Greeting {
        async fn run(self, mut connection: Connection) -> io::Result<()> {
            connection.write_all(b"hello").await
        }
    }
    let calls = Arc::new(AtomicUsize::new(1));
    let server = Server::new()
        .listen(Endpoint::loopback(0), Nameless(Arc::clone(&calls)))
        .max_connections(1)
        .start()
        .await
        .unwrap();
    calls.store(0, Ordering::Relaxed);
    let address = tcp_address(&server, 0);
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(within(rest(&mut first)).await, "");
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(within(rest(&mut second)).await, "hello");
    within(server.registry().wait_empty()).await;
}

#[tokio::test]
async fn a_listener_that_waits_takes_no_share_of_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .listen(Endpoint::unix(&path), echo())
        .listen(Endpoint::loopback(0), echo())
        .max_connections(1)
        .start()
        .await
        .unwrap();
    for _ in 0..3 {
        for listener in [2, 0] {
            let mut tcp = within(greeted(tcp_address(&server, listener))).await;
            // One more at each of the others waits for its turn.
            let mut unix = UnixStream::connect(&path).await.unwrap();
            within(ping(&mut tcp)).await;
            assert_eq!(server.registry().len(), 1);
            drop(tcp);
            within(greeting(&mut unix)).await;
            assert_eq!(server.registry().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_leaked_session_keeps_no_share_of_the_limit() {
    let leaked = Arc::new(Mutex::new(Vec::new()));
    let leak = Arc::clone(&leaked);
    let protocol = protocol_fn("leak", move |mut connection: Connection| {
        leak.lock().unwrap().push(connection.session().clone());
        async move { connection.write_all(b"hi").await }
    });
    let server = Server::new()
        .listen(Endpoint::loopback(0), protocol)
        .max_connections(1)
        .start()
        .await
        .unwrap();
    for _ in 0..5 {
        let mut peer = within(greeted(tcp_address(&server, 0))).await;
        assert_eq!(within(rest(&mut peer)).await, "");
    }
    within(server.registry().wait_empty()).await;
    assert_eq!(leaked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn connections_queued_beyond_the_limit_are_closed_at_shutdown() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .max_connections(1)
        .start()
        .await
        .unwrap();
    let served = within(greeted(tcp_address(&server, 0))).await;
    let mut queued = TcpStream::connect(tcp_address(&server, 0)).await.unwrap();
    server.shutdown();
    assert_eq!(within(rest(&mut queued)).await, "");
    drop(served);
    let report = within(server.wait()).await;
    assert_eq!((report.drained, report.cut.len()), (1, 0));
}

/// Notes the pauses that the accept loop tells of, and ends the process when there are absurdly many.
struct Pauses(Arc<Mutex<Vec<u64>>>);

/// More than a loop that waits could get to in the time of the test.
const SPINNING: usize = 1000;

impl tracing::Subscriber for Pauses {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("cyclone_core")
    }
    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _span: &tracing::span::Id, _from: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Wait(Option<u64>);
        impl Visit for Wait {
            fn record_u128(&mut self, field: &Field, value: u128) {
                if field.name() == "wait_ms" {
                    self.0 = u64::try_from(value).ok();
                }
            }
            fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
        }
        let mut wait = Wait(None);
        event.record(&mut wait);
        let mut pauses = self.0.lock().unwrap();
        pauses.extend(wait.0);
        if pauses.len() > SPINNING {
            std::process::exit(3);
        }
    }
    fn enter(&self, _span: &tracing::span::Id) {}
    fn exit(&self, _span: &tracing::span::Id) {}
}

/// Opens files until the process may open no more.
fn exhaust_descriptors() -> Vec<File> {
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => {
                assert_eq!(
                    error.raw_os_error(),
                    Some(rustix::io::Errno::MFILE.raw_os_error())
                );
                return files;
            }
        }
    }
}

/// In a process of its own, as the limit of open files is the process's.
#[test]
fn without_descriptors_the_loop_waits_and_recovers() {
    const TEST: &str = "accept::without_descriptors_the_loop_waits_and_recovers";
    if is_child(TEST) {
        return without_descriptors();
    }
    assert_eq!(ChildProcess::start(TEST).exit_code(), Some(0));
}

fn without_descriptors() {
    let pauses = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::set_global_default(Pauses(Arc::clone(&pauses))).unwrap();
    let limit = Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::new()
            .listen(Endpoint::loopback(0), echo())
            .start()
            .await
            .unwrap();
        let address = tcp_address(&server, 0);
        let connect = || std::net::TcpStream::connect(address).unwrap();
        let (mut first, mut second) = (connect(), connect());
        let files = exhaust_descriptors();

        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
        let mut expected: Vec<u64> = [10, 20, 40, 80, 160, 320, 640].into();
        expected.resize(7 + 59, 1000);
        // The last is the pause that is not over yet.
        assert_eq!(*pauses.lock().unwrap(), expected);
        assert_eq!(server.registry().accepted(), 0);

        drop(files);
        while server.registry().len() < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() <= Duration::from_secs(62));
        greeted_by_std(&mut first);
        greeted_by_std(&mut second);

        // Once more: the pauses start small again.
        pauses.lock().unwrap().clear();
        let mut third = connect();
        let files = exhaust_descriptors();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(*pauses.lock().unwrap(), [10, 20, 40]);
        // A shutdown does not wait for the pause, and closes what cannot be taken.
        server.shutdown();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let ended = third.read(&mut [0]);
        assert!(ended.is_err() || ended.is_ok_and(|read| read == 0));
        drop((first, second));
        let report = server.wait().await;
        assert_eq!((report.drained, report.cut.len()), (2, 0));
        drop(files);
    });
    io::stdout().flush().unwrap();
}

fn greeted_by_std(stream: &mut std::net::TcpStream) {
    let mut hi = [0; 2];
    stream.read_exact(&mut hi).unwrap();
    assert_eq!(&hi, b"hi");
}
