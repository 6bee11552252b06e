#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cyclone_core::{Connection, Endpoint, Server, ServerError, Sockets, protocol_fn};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

use crate::support::{echo, greeted, greeting, ping, polite, rest, tcp_address, within};

fn inherited(from: &Sockets) -> Sockets {
    let set = Sockets::new();
    for (name, socket) in from.hand_over().unwrap() {
        set.insert(name, socket);
    }
    set
}

fn cause(error: &ServerError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[tokio::test]
async fn a_successor_takes_the_sockets_over_and_no_connection_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let sockets = Sockets::new();
    let endpoints = [Endpoint::loopback(0), Endpoint::unix(&path)];
    let old = Server::new()
        .sockets(sockets.clone())
        .listen_all(endpoints.clone(), polite())
        .start()
        .await
        .unwrap();
    let address = tcp_address(&old, 0);
    let mut served = within(greeted(address)).await;

    let new_sockets = inherited(&sockets);
    let new = Server::new()
        .sockets(new_sockets.clone())
        .listen_all(endpoints, polite())
        .bind()
        .await
        .unwrap();
    assert_eq!(new.local_addresses(), old.local_addresses());
    assert!(new_sockets.unclaimed().is_empty());
    sockets.keep_files();
    old.shutdown();
    assert_eq!(within(rest(&mut served)).await, "bye");
    assert!(within(old.wait()).await.is_clean());

    // Nobody accepts yet: the kernel keeps them for the successor.
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let mut unix = UnixStream::connect(&path).await.unwrap();
    let new = new.start().await.unwrap();
    within(greeting(&mut tcp)).await;
    within(greeting(&mut unix)).await;
    new.shutdown();
    assert!(within(new.wait()).await.is_clean());
    assert!(!path.exists(), "the file is the successor's now");
}

#[tokio::test]
async fn the_permissions_of_a_successor_hold_once_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let sockets = Sockets::new();
    let old = Server::new()
        .sockets(sockets.clone())
        .listen(Endpoint::unix(&path).mode(0o666), echo())
        .start()
        .await
        .unwrap();
    let new = Server::new()
        .sockets(inherited(&sockets))
        .listen(Endpoint::unix(&path).mode(0o600), echo())
        .bind()
        .await
        .unwrap();
    assert_eq!(mode(), 0o666);
    let new = new.start().await.unwrap();
    sockets.keep_files();
    old.shutdown();
    within(old.wait()).await;
    let mut peer = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut peer)).await;
    assert_eq!(mode(), 0o600);
    drop(new);
}

/// The file is the predecessor's until the successor serves.
#[tokio::test]
async fn a_successor_that_does_not_start_leaves_its_predecessor_reachable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let sockets = Sockets::new();
    let old = Server::new()
        .sockets(sockets.clone())
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = Endpoint::from(taken.local_addr().unwrap());
    let new = || {
        Server::new()
            .sockets(inherited(&sockets))
            .listen(Endpoint::unix(&path), echo())
    };
    drop(new().bind().await.unwrap());
    assert!(path.exists());
    let error = new().listen(busy, echo()).start().await.unwrap_err();
    assert!(error.is_bind());
    let mut peer = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut peer)).await;
    old.shutdown();
    drop(peer);
    within(old.wait()).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_server_that_ended_leaves_nothing_in_the_set_and_its_port_is_closed() {
    let sockets = Sockets::new();
    let server = Server::new()
        .sockets(sockets.clone())
        .listen(Endpoint::loopback(0), echo())
        .start()
        .await
        .unwrap();
    let address = tcp_address(&server, 0);
    assert_eq!(sockets.hand_over().unwrap().len(), 1);
    server.shutdown();
    within(server.wait()).await;
    assert!(sockets.hand_over().unwrap().is_empty());
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn sockets_of_one_name_are_taken_in_their_order_whatever_the_other_options() {
    let (set, mut ports) = (Sockets::new(), Vec::new());
    for _ in 0..3 {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        ports.push(socket.local_addr().unwrap());
        set.insert("tcp:0:interface=127.0.0.1:backlog=7", socket);
    }
    let server = Server::new()
        .sockets(set.clone())
        .listen(Endpoint::loopback(0).reuse_port(true), echo())
        .listen(Endpoint::loopback(0), echo())
        .start()
        .await
        .unwrap();
    assert_eq!(tcp_address(&server, 0), ports[0]);
    assert_eq!(tcp_address(&server, 1), ports[1]);
    assert_eq!(set.unclaimed(), ["tcp:0:interface=127.0.0.1"]);
    assert!(TcpStream::connect(ports[2]).await.is_ok());
    assert_eq!(set.close_unclaimed(), ["tcp:0:interface=127.0.0.1"]);
    assert!(set.unclaimed().is_empty());
    assert!(TcpStream::connect(ports[2]).await.is_err());
    let handed: Vec<_> = set.hand_over().unwrap();
    let handed = handed.into_iter().map(|(_, socket)| {
        let socket = TcpListener::from(socket);
        socket.local_addr().unwrap()
    });
    assert_eq!(handed.collect::<Vec<_>>(), ports[..2]);
    drop(server);
}

/// What systemd or a launcher gave to the old process is handed over under the name of its endpoint.
#[tokio::test]
async fn inherited_and_abstract_sockets_are_handed_over_too() {
    let set = Sockets::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let name = format!("unix:@cyclone-sockets-{}", std::process::id());
    set.insert("systemd:web", tcp.try_clone().unwrap());
    set.insert("systemd:1", tcp.try_clone().unwrap());
    set.insert("fd:3", tcp);
    let endpoints: Vec<Endpoint> = [
        "systemd:web:nodelay=0",
        "systemd:1",
        "fd:3:backlog=9",
        &name,
    ]
    .map(|text| text.parse().unwrap())
    .into();
    let old = Server::new()
        .sockets(set.clone())
        .listen_all(endpoints.clone(), echo());
    let old = old.start().await.unwrap();
    assert_eq!(tcp_address(&old, 2), address);
    let names: Vec<_> = set
        .hand_over()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["systemd:web", "systemd:1", "fd:3", &name]);
    let new = Server::new()
        .sockets(inherited(&set))
        .listen_all(endpoints, echo());
    let new = new.start().await.unwrap();
    assert_eq!(new.local_addresses(), old.local_addresses());
    old.shutdown();
    within(old.wait()).await;
    within(greeted(address)).await;
    drop(new);
}

#[tokio::test]
async fn what_cannot_be_listened_with_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let silent = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    );
    let table: [(OwnedFd, &str); 4] = [
        (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "no stream"),
        (File::open("/dev/null").unwrap().into(), "no socket"),
        (silent.unwrap(), "does not listen"),
        (unix.into(), "no TCP socket"),
    ];
    for (socket, message) in table {
        let set = Sockets::new();
        set.insert("tcp:1", socket);
        let server = Server::new().sockets(set).listen(Endpoint::tcp(1), echo());
        let error = server.start().await.unwrap_err();
        assert!(error.is_bind());
        assert!(cause(&error).contains(message), "{}", cause(&error));
    }
    let set = Sockets::new();
    set.insert(
        format!("unix:{}", path.display()),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let server = Server::new()
        .sockets(set)
        .listen(Endpoint::unix(&path), echo());
    let error = server.start().await.unwrap_err();
    assert!(cause(&error).contains("no Unix domain socket"));
}

/// A cleaner of temporary files may have been there.
#[tokio::test]
async fn a_socket_whose_file_is_gone_is_not_taken_over_and_the_reason_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let set = Sockets::new();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    set.insert(format!("unix:{}", path.display()), listener);
    std::fs::remove_file(&path).unwrap();
    let server = Server::new()
        .sockets(set)
        .listen(Endpoint::unix(&path), echo());
    let error = server.start().await.unwrap_err();
    assert!(error.is_bind());
    let cause = cause(&error);
    assert!(cause.contains("its file is gone"), "{cause}");
}

#[tokio::test]
async fn a_bound_server_has_its_sockets_and_starts_nothing() {
    let started = Arc::new(AtomicUsize::new(0));
    let starts = Arc::clone(&started);
    let bound = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .service(Counted(starts))
        .bind()
        .await
        .unwrap();
    let address = bound.local_addresses()[0].socket_addr().unwrap();
    let mut early = TcpStream::connect(address).await.unwrap();
    assert_eq!(started.load(Ordering::Relaxed), 0);
    assert!(bound.handle().registry().is_empty());
    let server = bound.start().await.unwrap();
    assert_eq!(started.load(Ordering::Relaxed), 1);
    within(greeting(&mut early)).await;
    within(ping(&mut early)).await;
    assert_eq!(tcp_address(&server, 0), address);
    drop(server);

    let bound = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .bind()
        .await
        .unwrap();
    let address = bound.local_addresses()[0].socket_addr().unwrap();
    drop(bound);
    assert!(TcpStream::connect(address).await.is_err());
}

struct Counted(Arc<AtomicUsize>);

impl cyclone_core::Service for Counted {
    fn name(&self) -> &str {
        "counted"
    }

    async fn start(
        &self,
        _context: &cyclone_core::ServiceContext,
    ) -> Result<(), cyclone_core::ServiceError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::test]
async fn a_server_told_to_end_before_its_start_serves_what_is_queued_and_ends() {
    let bound = Server::new()
        .listen(Endpoint::loopback(0), polite())
        .bind()
        .await
        .unwrap();
    let address = bound.local_addresses()[0].socket_addr().unwrap();
    let mut queued = TcpStream::connect(address).await.unwrap();
    bound.handle().shutdown();
    let server = bound.start().await.unwrap();
    assert_eq!(within(rest(&mut queued)).await, "hibye");
    let report = within(server.wait()).await;
    assert_eq!((report.drained, report.cut.len()), (1, 0));
}

/// The factory has state of its own, so that two would be seen.
#[tokio::test]
async fn endpoints_that_are_listened_on_together_share_one_factory() {
    let (ids, mut seen) = mpsc::unbounded_channel();
    let served = AtomicUsize::new(0);
    let factory = protocol_fn("counting", move |_connection: Connection| {
        ids.send(served.fetch_add(1, Ordering::Relaxed)).unwrap();
        async { Ok(()) }
    });
    let server = Server::new()
        .listen_all((0..3).map(|_| Endpoint::loopback(0)), factory)
        .listen_all([], echo())
        .start()
        .await
        .unwrap();
    assert_eq!(server.local_addresses().len(), 3);
    for listener in 0..3 {
        TcpStream::connect(tcp_address(&server, listener))
            .await
            .unwrap();
        assert_eq!(within(seen.recv()).await, Some(listener));
    }
}
