//! Sockets of every kind that an endpoint can name.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, io};

use cyclone_core::{
    Address, Connection, Endpoint, ProtocolFactory, RunningServer, Server, ServerError, protocol_fn,
};
use rustix::net::sockopt;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use crate::support::{echo, foreign, greeted, greeting, rest, tcp_address, within};

/// Says who the peer is and which options the socket has.
fn telling() -> impl ProtocolFactory {
    protocol_fn("telling", |mut connection: Connection| async move {
        let mut text = format!("{} > {}", connection.peer(), connection.peer().local());
        if let Some(stream) = connection.transport().as_tcp() {
            let (idle, probes) = (
                sockopt::tcp_keepidle(stream)?,
                sockopt::tcp_keepcnt(stream)?,
            );
            text += &format!(
                " nodelay={} keepalive={} {}+{}*{}",
                stream.nodelay()?,
                sockopt::socket_keepalive(stream)?,
                idle.as_secs(),
                probes,
                sockopt::tcp_keepintvl(stream)?.as_secs(),
            );
        }
        connection.write_all(text.as_bytes()).await
    })
}

async fn start(endpoint: &str) -> RunningServer {
    let endpoint = endpoint.parse().unwrap();
    Server::new()
        .listen(endpoint, telling())
        .start()
        .await
        .unwrap()
}

async fn error(endpoint: Endpoint) -> (ErrorKind, String) {
    let server = Server::new().listen(endpoint, echo());
    let error: ServerError = server.start().await.unwrap_err();
    assert!(error.is_bind());
    let source = error.source().unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    (source.kind(), format!("{error}: {source}"))
}

async fn told(address: SocketAddr) -> String {
    let mut stream = within(TcpStream::connect(address)).await.unwrap();
    within(rest(&mut stream)).await
}

/// Where the machine has no IPv6 there is nothing to see.
fn has_ipv6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[tokio::test]
async fn one_socket_takes_both_families_and_shows_ipv4_as_such() {
    if !has_ipv6() {
        return;
    }
    let server = start(r"tcp:0:interface=\:\:").await;
    let port = tcp_address(&server, 0).port();
    assert_eq!(
        server.local_addresses()[0].to_string(),
        format!("[::]:{port}")
    );
    let of_v4 = told(([127, 0, 0, 1], port).into()).await;
    assert!(of_v4.starts_with("127.0.0.1:"), "{of_v4}");
    assert!(of_v4.contains(&format!(" > 127.0.0.1:{port} ")), "{of_v4}");
    let of_v6 = told((Ipv6Addr::LOCALHOST, port).into()).await;
    assert!(of_v6.starts_with("[::1]:"), "{of_v6}");
    assert!(of_v6.contains(&format!(" > [::1]:{port} ")), "{of_v6}");
}

#[tokio::test]
async fn ipv6_alone_leaves_the_port_of_ipv4_to_others() {
    if !has_ipv6() {
        return;
    }
    let v6 = Server::new().listen(Endpoint::tcp6(0), telling());
    let v6 = v6.start().await.unwrap();
    let port = tcp_address(&v6, 0).port();
    let refused = TcpStream::connect(("127.0.0.1", port)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let both = Endpoint::tcp(port).interface(Ipv6Addr::UNSPECIFIED);
    let v4 = Server::new().listen(Endpoint::tcp(port), telling());
    let v4 = v4.start().await.unwrap();
    assert!(
        told(([127, 0, 0, 1], port).into())
            .await
            .starts_with("127.0.0.1")
    );
    assert!(
        told((Ipv6Addr::LOCALHOST, port).into())
            .await
            .starts_with("[::1]")
    );
    drop(v6);
    let (kind, message) = error(both).await;
    assert_eq!(kind, ErrorKind::AddrInUse);
    assert!(
        message.contains("`v6only=1` asks for IPv6 alone"),
        "{message}"
    );
    drop(v4);
}

#[tokio::test]
async fn options_of_tcp_are_those_of_accepted_sockets() {
    let plain = start("tcp:0:interface=127.0.0.1").await;
    let text = told(tcp_address(&plain, 0)).await;
    assert!(text.contains(" nodelay=true keepalive=false "), "{text}");
    for (options, expected) in [
        ("keepalive=60", " nodelay=true keepalive=true 60+3*20"),
        ("keepalive=1", " nodelay=true keepalive=true 1+3*1"),
        (
            "keepalive=32767",
            " nodelay=true keepalive=true 32767+3*10922",
        ),
        (
            "nodelay=0:keepalive=9",
            " nodelay=false keepalive=true 9+3*3",
        ),
    ] {
        let server = start(&format!("tcp:0:interface=127.0.0.1:{options}")).await;
        let text = told(tcp_address(&server, 0)).await;
        assert!(text.ends_with(expected), "{text}");
    }
}

/// The kernel holds one connection more than the backlog says (listen(2)); the next gets no answer.
#[tokio::test]
async fn the_backlog_bounds_the_queue() {
    let bound = Server::new()
        .listen(Endpoint::loopback(0).backlog(1), echo())
        .bind()
        .await
        .unwrap();
    let address = bound.local_addresses()[0].socket_addr().unwrap();
    let mut queued = Vec::new();
    for _ in 0..2 {
        queued.push(within(TcpStream::connect(address)).await.unwrap());
    }
    let over = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address));
    assert!(over.await.is_err(), "the queue is full");
    let server = bound.start().await.unwrap();
    for stream in &mut queued {
        within(greeting(stream)).await;
    }
    drop(server);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_abstract_socket_has_a_name_and_no_file() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("cyclone-test-{}-{}", std::process::id(), fastrand::u64(..));
    let server = start(&format!("unix:@{name}")).await;
    assert_eq!(
        server.local_addresses()[0],
        Address::Abstract(name.clone().into_bytes())
    );
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let connect = || std::os::unix::net::UnixStream::connect_addr(&address);
    let stream = connect().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut stream = UnixStream::from_std(stream).unwrap();
    assert_eq!(
        within(rest(&mut stream)).await,
        format!("unix: > unix:@{name}")
    );
    let (kind, message) = error(Endpoint::unix_abstract(&name)).await;
    assert_eq!(kind, ErrorKind::AddrInUse);
    assert!(
        message.contains("another socket has this name"),
        "{message}"
    );
    server.shutdown();
    within(server.wait()).await;
    assert!(connect().is_err());

    for (length, fits) in [(106, true), (107, true), (108, false)] {
        let name = format!("{name:x<length$}");
        let server = Server::new().listen(Endpoint::unix_abstract(name), echo());
        assert_eq!(server.start().await.is_ok(), fits, "{length}");
    }
}

#[tokio::test]
async fn the_path_of_a_unix_socket_has_a_limit_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (length, fits) in [(106, true), (107, true), (108, false)] {
        let mut path = folder.path().as_os_str().to_str().unwrap().to_owned() + "/";
        path = format!("{path:x<length$}");
        let server = Server::new().listen(Endpoint::unix(&path), echo()).start();
        match server.await {
            Ok(server) => {
                assert!(fits);
                drop(UnixStream::connect(&path).await.unwrap());
                drop(server);
            }
            Err(refused) => {
                assert!(!fits, "{refused}");
                let (_, message) = error(Endpoint::unix(&path)).await;
                assert!(message.contains("more than 107 bytes"), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn a_unix_socket_is_given_to_its_owner_and_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let own = Endpoint::unix(&path)
        .owner(user.as_raw().to_string())
        .group(group.as_raw().to_string());
    let server = Server::new().listen(own, echo()).start().await.unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.uid(), found.gid()), (user.as_raw(), group.as_raw()));
    drop(server);

    let path = folder.path().join("given.sock");
    let given = Endpoint::unix(&path)
        .owner("4711")
        .group("65534")
        .mode(0o606);
    if user.is_root() {
        let server = Server::new().listen(given, echo()).start().await.unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (4711, 65534));
        assert_eq!(found.mode() & 0o777, 0o606);
        drop(server);
    } else {
        let (kind, message) = error(given).await;
        assert_eq!(kind, ErrorKind::PermissionDenied);
        assert!(message.contains("only root may give a socket"), "{message}");
        assert!(!path.exists());
    }
    let path = folder.path().join("nobody.sock");
    let nobody = Endpoint::unix(&path).owner("no-such-user");
    let (_, message) = error(nobody).await;
    assert!(
        message.contains("no user `no-such-user` in /etc/passwd"),
        "{message}"
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn errors_name_the_endpoint_and_what_may_help() {
    let server = Server::new().listen(Endpoint::loopback(0), echo());
    let server = server.start().await.unwrap();
    let port = tcp_address(&server, 0).port();
    let (kind, message) = error(Endpoint::loopback(port)).await;
    assert_eq!(kind, ErrorKind::AddrInUse);
    let start = format!("cannot listen on `tcp:{port}:interface=127.0.0.1`: address in use: ");
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains("`reuseport=1`"), "{message}");

    let (kind, message) = error(Endpoint::tcp(0).interface([192, 0, 2, 1])).await;
    assert_eq!(kind, ErrorKind::AddrNotAvailable);
    assert!(message.contains("no interface of this machine has the address 192.0.2.1"));

    let (kind, message) = error(Endpoint::unix("/no/such/folder/app.sock")).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(
        message.contains("there is no folder `/no/such/folder`"),
        "{message}"
    );
    drop(server);
}

/// netcat of OpenBSD, which knows Unix domain sockets.
#[tokio::test]
async fn netcat_talks_through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new().listen(Endpoint::unix(&path), echo());
    let server = server.start().await.unwrap();
    let run = move || {
        let mut nc = foreign("CYCLONE_TEST_NC");
        let nc = nc.args(["-N", "-U"]).arg(path);
        let mut nc = nc.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        nc.stdin.take().unwrap().write_all(b"hello")?;
        nc.wait_with_output()
    };
    let output = within(tokio::task::spawn_blocking(run)).await.unwrap();
    assert_eq!(output.unwrap().stdout, b"hihello");
    drop(server);
}

#[tokio::test]
async fn several_kinds_of_endpoint_serve_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new()
        .listen_all([Endpoint::loopback(0), Endpoint::loopback(0)], echo())
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap();
    let first = within(greeted(tcp_address(&server, 0))).await;
    let second = within(greeted(tcp_address(&server, 1))).await;
    let mut third = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut third)).await;
    assert_eq!(server.registry().len(), 3);
    drop((first, second));
}
