//! Clients that connect.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cyclone_core::{Address, ClientEndpoint, ConnectError, Connection, Endpoint, Server};
use rustix::net::sockopt;
use tokio::net::{TcpListener, UnixListener};

use crate::support::{echo, greeting, ping, tcp_address, within};

async fn connect(endpoint: &ClientEndpoint) -> Connection {
    within(endpoint.connect()).await.unwrap()
}

async fn error(endpoint: &str) -> ConnectError {
    let endpoint: ClientEndpoint = endpoint.parse().unwrap();
    within(endpoint.connect()).await.unwrap_err()
}

/// A port at which nobody listens.
fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn servers_of_every_kind_are_reached_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap();
    let address = tcp_address(&server, 0);
    for endpoint in [
        ClientEndpoint::from(address),
        ClientEndpoint::tcp("127.0.0.1", address.port()),
        // It usually has an address of IPv6 too, at which nobody listens.
        ClientEndpoint::tcp("localhost", address.port()),
    ] {
        let mut connection = connect(&endpoint).await;
        within(greeting(&mut connection)).await;
        within(ping(&mut connection)).await;
        assert_eq!(connection.peer().remote(), &Address::Tcp(address));
        assert!(connection.transport().as_tcp().unwrap().nodelay().unwrap());
        let seen = server.registry().snapshot().pop().unwrap();
        assert_eq!(seen.peer().remote(), connection.peer().local());
    }
    let mut connection = connect(&ClientEndpoint::unix(&path)).await;
    within(greeting(&mut connection)).await;
    within(ping(&mut connection)).await;
    assert_eq!(connection.peer().remote(), &Address::Unix(Some(path)));
    assert_eq!(connection.peer().local(), &Address::Unix(None));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_abstract_socket_is_reached_by_its_name() {
    let name = format!(
        "cyclone-client-{}-{}",
        std::process::id(),
        fastrand::u64(..)
    );
    let server = Server::new().listen(Endpoint::unix_abstract(&name), echo());
    let server = server.start().await.unwrap();
    let endpoint: ClientEndpoint = format!("unix:@{name}").parse().unwrap();
    let mut connection = connect(&endpoint).await;
    within(greeting(&mut connection)).await;
    assert_eq!(
        connection.peer().remote().to_string(),
        format!("unix:@{name}")
    );
    drop(server);
}

#[tokio::test]
async fn options_are_those_of_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = ClientEndpoint::from(listener.local_addr().unwrap())
        .bind_address(Ipv4Addr::new(127, 0, 0, 9))
        .no_delay(false)
        .keep_alive(Duration::from_secs(60));
    let connection = connect(&endpoint).await;
    assert_eq!(
        connection.peer().local().to_string().split(':').next(),
        Some("127.0.0.9")
    );
    let stream = connection.transport().as_tcp().unwrap();
    assert!(!stream.nodelay().unwrap());
    assert!(sockopt::socket_keepalive(stream).unwrap());
    assert_eq!(
        sockopt::tcp_keepidle(stream).unwrap(),
        Duration::from_secs(60)
    );
    assert_eq!(
        sockopt::tcp_keepintvl(stream).unwrap(),
        Duration::from_secs(20)
    );
}

#[tokio::test]
async fn errors_name_the_endpoint_each_address_and_what_may_help() {
    let closed = closed_port();
    let refused = error(&format!("tcp:127.0.0.1:{}", closed.port())).await;
    let text = refused.to_string();
    let expected = format!("{closed}: connection refused, nobody listens");
    assert!(text.contains(&format!(
        "cannot connect to `tcp:127.0.0.1:{}`",
        closed.port()
    )));
    assert!(text.ends_with(&expected), "{text}");
    assert!(!refused.is_timeout() && !refused.is_unknown_host());
    let tried: Vec<_> = refused.tried().collect();
    assert_eq!(tried.len(), 1);
    assert_eq!(tried[0].0, &Address::Tcp(closed));
    assert_eq!(tried[0].1.kind(), ErrorKind::ConnectionRefused);
    assert!(refused.source().is_some());

    // RFC 6761 section 6.4: there is no such name anywhere.
    let unknown = error("tcp:no-such-host.invalid:80").await;
    assert!(unknown.is_unknown_host());
    assert_eq!(unknown.tried().count(), 0);
    let text = unknown.to_string();
    assert!(
        text.contains("`tcp:no-such-host.invalid:80`: no address to try"),
        "{text}"
    );

    let other_family = error(&format!(
        r"tcp:127.0.0.1:{}:bindAddress=\:\:1",
        closed.port()
    ))
    .await;
    let text = other_family.to_string();
    assert!(
        text.contains("no address of the family of `bindAddress`"),
        "{text}"
    );

    let foreign = format!("tcp:127.0.0.1:{}:bindAddress=192.0.2.1", closed.port());
    let text = error(&foreign).await.to_string();
    assert!(
        text.contains("is `bindAddress` one of this machine?"),
        "{text}"
    );

    let text = error("unix:/no/such/app.sock").await.to_string();
    assert!(
        text.ends_with("unix:/no/such/app.sock: there is no such socket"),
        "{text}"
    );
}

#[tokio::test]
async fn a_full_queue_and_a_dead_socket_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let listener: UnixListener = socket.listen(0).unwrap();
    let endpoint = ClientEndpoint::unix(&path);
    let _queued = connect(&endpoint).await;
    let text = endpoint.connect().await.unwrap_err().to_string();
    assert!(text.ends_with("the server's queue is full"), "{text}");
    drop(listener);
    let text = endpoint.connect().await.unwrap_err().to_string();
    assert!(
        text.ends_with("connection refused, nobody listens"),
        "{text}"
    );
}

/// A socket that listens and whose queue is full answers no more.
#[tokio::test]
async fn a_silent_server_is_given_up_on_in_time() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _queued = connect(&ClientEndpoint::from(address)).await;
    let limit = Duration::from_millis(50);
    let endpoint = ClientEndpoint::from(address).timeout(limit);
    let silent = within(endpoint.connect()).await.unwrap_err();
    assert!(silent.is_timeout());
    let text = silent.to_string();
    assert!(
        text.ends_with(&format!("{address}: no answer in time")),
        "{text}"
    );
}
