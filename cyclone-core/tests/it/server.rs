#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, future, io};

use cyclone_core::{
    Address, Connection, ConnectionId, Context, Endpoint, MissingResource, Peer, Protocol,
    ProtocolFactory, Registry, Resources, Server, ServerHandle, Service, ServiceContext,
    ServiceError, ServiceGroup, Session, protocol_fn,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, mpsc};

use crate::support::{echo, greeted, greeting, ping, polite, rest, tcp_address, within};

#[tokio::test]
async fn listeners_of_different_protocols_share_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .listen(Endpoint::unix(&path), polite())
        .start()
        .await
        .unwrap();
    assert_ne!(tcp_address(&server, 0).port(), 0);
    assert_eq!(
        server.local_addresses()[1],
        Address::Unix(Some(path.clone()))
    );

    let mut tcp = within(greeted(tcp_address(&server, 0))).await;
    let mut unix = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut unix)).await;
    let mut third = within(greeted(tcp_address(&server, 0))).await;

    let registry = server.registry().clone();
    assert_eq!(registry.len(), 3);
    assert_eq!(registry.accepted(), 3);
    assert_eq!(
        registry.counts().into_iter().collect::<Vec<_>>(),
        [("echo", 2), ("polite", 1)]
    );
    let snapshot = registry.snapshot();
    let ids: Vec<_> = snapshot.iter().map(|one| one.id().get()).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(
        snapshot[0].peer().remote(),
        &Address::Tcp(tcp.local_addr().unwrap())
    );
    assert_eq!(snapshot[0].peer().local(), &server.local_addresses()[0]);
    assert_eq!(snapshot[1].peer().remote(), &Address::Unix(None));
    assert_eq!(snapshot[1].peer().local(), &Address::Unix(Some(path)));

    assert!(registry.close(snapshot[0].id()));
    assert_eq!(within(rest(&mut tcp)).await, "");
    within(ping(&mut third)).await;
    assert!(!registry.close(snapshot[0].id()));
    assert!(!registry.close(ConnectionId::from(99)));
    assert_eq!(registry.len(), 2);

    server.shutdown();
    assert_eq!(within(rest(&mut unix)).await, "bye");
    drop(third);
    let report = within(server.wait()).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.drained, 2);
    assert_eq!(registry.accepted(), 3);
}

#[tokio::test]
async fn a_refused_peer_is_closed_counted_and_takes_no_share_of_the_limit() {
    struct Never;
    impl ProtocolFactory for Never {
        type Protocol = Unreachable;
        fn build(&self, _peer: &Peer) -> Option<Unreachable> {
            None
        }
    }
    struct Unreachable;
    impl Protocol for Unreachable {
        async fn run(self, _connection: Connection) -> io::Result<()> {
            unreachable!("no peer is served")
        }
    }
    let server = Server::new()
        .listen(Endpoint::loopback(0), Never)
        .max_connections(1)
        .start()
        .await
        .unwrap();
    for refused in 1..=3 {
        let mut peer = TcpStream::connect(tcp_address(&server, 0)).await.unwrap();
        assert_eq!(within(rest(&mut peer)).await, "");
        assert_eq!(server.registry().refused(), refused);
    }
    assert_eq!(server.registry().accepted(), 0);
    assert!(server.registry().is_empty());
}

/// A protocol that leaves its socket to spawned work, as an HTTP upgrade does.
fn upgrading(ended: mpsc::UnboundedSender<Session>, spawn_late: bool) -> impl ProtocolFactory {
    protocol_fn("http", move |mut connection: Connection| {
        let ended = ended.clone();
        async move {
            let session = connection.session().clone();
            let work = async move {
                connection.session().set_protocol("websocket");
                connection.write_all(b"hi").await.unwrap();
                let mut byte = [0];
                while connection.read(&mut byte).await.unwrap_or(0) > 0 {
                    connection.write_all(&byte).await.unwrap();
                }
            };
            if spawn_late {
                let session = session.clone();
                tokio::spawn(async move {
                    while !session.resources().get::<Registry>().unwrap().is_empty() {
                        tokio::task::yield_now().await;
                    }
                    session.spawn(work);
                });
            } else {
                session.spawn(work);
            }
            ended.send(session).unwrap();
            Ok(())
        }
    })
}

#[tokio::test]
async fn an_upgraded_socket_stays_in_the_registry_until_its_work_ends() {
    let (sender, mut ended) = mpsc::unbounded_channel();
    let server = Server::new()
        .listen(Endpoint::loopback(0), upgrading(sender, false))
        .start()
        .await
        .unwrap();
    let mut peer = within(greeted(tcp_address(&server, 0))).await;
    let session = ended.recv().await.unwrap();
    within(ping(&mut peer)).await;
    assert_eq!(server.registry().counts()["websocket"], 1);
    drop(peer);
    within(server.registry().wait_empty()).await;

    let mut cut = within(greeted(tcp_address(&server, 0))).await;
    within(ping(&mut cut)).await;
    server.handle().shutdown_now();
    assert_eq!(within(rest(&mut cut)).await, "");
    let report = within(server.wait()).await;
    assert_eq!(report.cut.len(), 1);
    assert_eq!(report.cut[0].protocol(), "websocket");
    assert_eq!(report.drained, 0);
    assert_eq!(session.id().get(), 1);
    assert!(session.is_draining());
}

#[tokio::test]
async fn work_that_is_spawned_after_the_protocol_ended_is_tracked_too() {
    let (sender, _ended) = mpsc::unbounded_channel();
    let server = Server::new()
        .listen(Endpoint::loopback(0), upgrading(sender, true))
        .start()
        .await
        .unwrap();
    let mut peer = within(greeted(tcp_address(&server, 0))).await;
    within(ping(&mut peer)).await;
    assert_eq!(server.registry().counts()["websocket"], 1);
    assert_eq!(server.registry().accepted(), 1);
    server.handle().shutdown_now();
    let report = within(server.wait()).await;
    assert_eq!(report.cut.len(), 1);
    assert_eq!(within(rest(&mut peer)).await, "");
}

#[tokio::test]
async fn every_connection_reaches_the_resources() {
    struct Greeting(&'static str);
    let greet = protocol_fn("greet", |mut connection: Connection| async move {
        let resources = connection.resources();
        let first = resources.get::<Greeting>().unwrap().0;
        let second = resources.get_named::<Greeting>("second").unwrap().0;
        assert_eq!(resources.get::<Registry>().unwrap().len(), 1);
        resources.get::<ServerHandle>().unwrap().shutdown();
        connection
            .write_all(format!("{first} {second}").as_bytes())
            .await
    });
    let server = Server::new()
        .resource(Greeting("hello"))
        .named_resource("second", Greeting("world"))
        .listen(Endpoint::loopback(0), greet)
        .start()
        .await
        .unwrap();
    assert_eq!(server.resources().get::<Greeting>().unwrap().0, "hello");
    let mut peer = TcpStream::connect(tcp_address(&server, 0)).await.unwrap();
    assert_eq!(within(rest(&mut peer)).await, "hello world");
    assert!(within(server.wait()).await.is_clean());
}

/// Counts its starts and stops.
#[derive(Clone, Default)]
struct Counting {
    started: Arc<AtomicUsize>,
    stopped: Arc<AtomicUsize>,
}

impl Service for Counting {
    fn name(&self) -> &str {
        "counting"
    }
    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    async fn stop(&self) -> Result<(), ServiceError> {
        self.stopped.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn a_missing_resource_keeps_the_server_from_starting() {
    #[derive(Debug)]
    struct Database;
    struct NeedsDatabase;
    impl ProtocolFactory for NeedsDatabase {
        type Protocol = Silent;
        fn build(&self, _peer: &Peer) -> Option<Silent> {
            Some(Silent)
        }
        fn check(&self, resources: &Resources) -> Result<(), MissingResource> {
            resources.get::<Database>().map(drop)
        }
    }
    struct Silent;
    impl Protocol for Silent {
        async fn run(self, _connection: Connection) -> io::Result<()> {
            future::pending().await
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let service = Counting::default();
    let compose = || {
        Server::new()
            .listen(Endpoint::unix(&path), polite())
            .listen(Endpoint::loopback(0), NeedsDatabase)
            .service(service.clone())
    };
    let error = compose().start().await.unwrap_err();
    let missing = error.missing_resource().unwrap();
    assert!(missing.type_name().ends_with("Database"));
    assert!(!error.is_bind());
    assert_eq!(error.failed_service(), None);
    assert!(!path.exists());
    assert_eq!(service.started.load(Ordering::SeqCst), 0);

    let server = compose().resource(Database).start().await.unwrap();
    assert_eq!(service.started.load(Ordering::SeqCst), 1);
    server.shutdown();
    within(server.wait()).await;
}

#[tokio::test]
async fn an_address_in_use_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = Counting::default();
    let error = Server::new()
        .listen(Endpoint::unix(&path), polite())
        .listen(taken.local_addr().unwrap().into(), polite())
        .service(service.clone())
        .start()
        .await
        .unwrap_err();
    assert!(error.is_bind());
    let address = taken.local_addr().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on `tcp:{}:interface=127.0.0.1`",
            address.port()
        )
    );
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(service.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_start_that_is_dropped_closes_the_listeners_and_tells_the_services() {
    /// Says when it runs and when it was told to end.
    struct Running(mpsc::UnboundedSender<&'static str>);
    impl Service for Running {
        fn name(&self) -> &str {
            "running"
        }
        async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
            self.0.send("running").unwrap();
            cx.stopping().await;
            self.0.send("told").unwrap();
            Ok(())
        }
    }
    struct NeverReady(Arc<Notify>);
    impl Service for NeverReady {
        fn name(&self) -> &str {
            "never-ready"
        }
        async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            self.0.notify_one();
            future::pending().await
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let (sender, mut events) = mpsc::unbounded_channel();
    let reached = Arc::new(Notify::new());
    let starting = Server::new()
        .listen(Endpoint::unix(&path), polite())
        .service(Running(sender))
        .service(NeverReady(Arc::clone(&reached)))
        .start();
    tokio::select! {
        _ = starting => unreachable!("the second service never starts"),
        () = async {
            reached.notified().await;
            assert_eq!(events.recv().await, Some("running"));
            assert!(path.exists());
        } => {}
    }
    assert_eq!(within(events.recv()).await, Some("told"));
    assert!(!path.exists());
}

/// Among the resources are pools with their connections.
#[tokio::test]
async fn a_start_that_is_dropped_keeps_no_resources() {
    struct Named(&'static str);
    impl Service for Named {
        fn name(&self) -> &str {
            self.0
        }
        async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            match self.0 {
                "never-ready" => future::pending().await,
                _ => Ok(()),
            }
        }
    }
    let resource = Arc::new(());
    let starting = Server::new()
        .listen(Endpoint::loopback(0), polite())
        .resource(Arc::clone(&resource))
        .service(Named("first"))
        .service(ServiceGroup::new("group").service(Named("inside")))
        .service(Named("never-ready"))
        .start();
    tokio::select! {
        biased;
        _ = starting => unreachable!("the last service never starts"),
        () = tokio::task::yield_now() => {}
    }
    within(async {
        while Arc::strong_count(&resource) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// How a [`Faulty`] protocol panics.
#[derive(Clone, Copy)]
enum Fault {
    Build,
    Call,
    Run,
}

/// Panics at every odd peer, echoes at the others.
struct Faulty {
    fault: Fault,
    peers: AtomicUsize,
}

struct MaybeFaulty(Option<Fault>);

impl ProtocolFactory for Faulty {
    type Protocol = MaybeFaulty;
    fn build(&self, _peer: &Peer) -> Option<MaybeFaulty> {
        let odd = self.peers.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        assert!(!(odd && matches!(self.fault, Fault::Build)), "on purpose");
        Some(MaybeFaulty(odd.then_some(self.fault)))
    }
}

impl Protocol for MaybeFaulty {
    fn run(self, mut connection: Connection) -> impl Future<Output = io::Result<()>> + Send {
        assert!(!matches!(self.0, Some(Fault::Call)), "on purpose");
        async move {
            assert!(!matches!(self.0, Some(Fault::Run)), "on purpose");
            connection.write_all(b"hi").await?;
            connection.session().draining().await;
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_panic_ends_only_its_connection_and_frees_its_entry() {
    for fault in [Fault::Build, Fault::Call, Fault::Run] {
        let faulty = Faulty {
            fault,
            peers: AtomicUsize::new(0),
        };
        let server = Server::new()
            .listen(Endpoint::loopback(0), faulty)
            .max_connections(2)
            .start()
            .await
            .unwrap();
        let mut good = Vec::new();
        for good_ones in 0..2 {
            let mut bad = TcpStream::connect(tcp_address(&server, 0)).await.unwrap();
            assert_eq!(within(rest(&mut bad)).await, "");
            good.push(within(greeted(tcp_address(&server, 0))).await);
            assert_eq!(server.registry().len(), good_ones + 1);
        }
        server.shutdown();
        let report = within(server.wait()).await;
        assert!(report.is_clean());
        assert_eq!(report.drained, 2);
    }
}

#[tokio::test]
async fn the_port_is_free_again_after_the_shutdown() {
    let first = Server::new()
        .listen(Endpoint::loopback(0), polite())
        .start()
        .await
        .unwrap();
    let address = tcp_address(&first, 0);
    // The server closes first, so that its side of the connection lingers in TIME_WAIT.
    let mut peer = within(greeted(address)).await;
    first.shutdown();
    within(first.wait()).await;
    assert_eq!(within(rest(&mut peer)).await, "bye");
    let second = Server::new()
        .listen(address.into(), echo())
        .start()
        .await
        .unwrap();
    within(greeted(address)).await;
    drop(second);
}

#[tokio::test]
async fn the_default_limit_is_eighty_percent_of_the_open_files() {
    let server = Server::new().start().await.unwrap();
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let expected = files.map_or(1_000_000, |files| (files * 4 / 5).clamp(1, 1_000_000));
    assert_eq!(server.max_connections() as u64, expected);
    let server = Server::new().max_connections(0).start().await.unwrap();
    assert_eq!(server.max_connections(), 1);
}
