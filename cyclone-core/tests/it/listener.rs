#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use cyclone_core::{Endpoint, Server, ServerError};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use crate::support::{echo, greeting, ping, polite, rest, within};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn kind(error: &ServerError) -> io::ErrorKind {
    let source = std::error::Error::source(error).unwrap();
    source.downcast_ref::<io::Error>().unwrap().kind()
}

/// The names in a folder: no draft of a socket may stay behind.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_unix_socket_has_its_permissions_and_its_file_goes_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    for (endpoint, bits) in [
        (Endpoint::unix(&path), 0o660),
        (Endpoint::unix(&path).mode(0o600), 0o600),
        (Endpoint::unix(&path).mode(0o777), 0o777),
    ] {
        let server = Server::new()
            .listen(endpoint, polite())
            .start()
            .await
            .unwrap();
        assert_eq!(mode(&path), bits);
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
        assert_eq!(names(folder.path()), ["app.sock"]);
        let mut peer = UnixStream::connect(&path).await.unwrap();
        within(greeting(&mut peer)).await;
        server.shutdown();
        assert_eq!(within(rest(&mut peer)).await, "bye");
        assert!(within(server.wait()).await.is_clean());
        assert!(names(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn the_socket_of_a_dead_server_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    // Closing a socket does not remove its file: this is what a killed process leaves.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Server::new()
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap();
    let mut peer = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut peer)).await;
    drop(server);
}

#[tokio::test]
async fn a_live_server_keeps_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new()
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let error = Server::new()
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap_err();
    assert!(error.is_bind());
    assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    let mut peer = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut peer)).await;
    within(ping(&mut peer)).await;
    drop(server);
}

#[tokio::test]
async fn a_live_server_whose_queue_is_full_keeps_its_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let _busy = socket.listen(0).unwrap();
    let _queued = UnixStream::connect(&path).await.unwrap();
    let error = Server::new()
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap_err();
    assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
    assert!(path.exists());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    fs::write(&path, "precious").unwrap();
    // An editor's copy under the name that drafts had once.
    fs::write(folder.path().join("app.sock~"), "older").unwrap();
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    for taken in [&path, &link, folder.path()] {
        let error = Server::new()
            .listen(Endpoint::unix(taken), echo())
            .start()
            .await
            .unwrap_err();
        assert_eq!(
            kind(&error),
            io::ErrorKind::AddrInUse,
            "{}",
            taken.display()
        );
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    let server = Server::new()
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap();
    server.shutdown();
    within(server.wait()).await;
    assert_eq!(names(folder.path()), ["app.sock~", "link.sock"]);
}

#[tokio::test]
async fn the_file_of_a_successor_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let first = Server::new()
        .listen(Endpoint::unix(&path), polite())
        .start()
        .await
        .unwrap();
    let mut old = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut old)).await;
    // An operator makes room for the successor while the first still runs.
    fs::remove_file(&path).unwrap();
    let second = Server::new()
        .listen(Endpoint::unix(&path), echo())
        .start()
        .await
        .unwrap();
    first.shutdown();
    within(first.wait()).await;
    assert_eq!(within(rest(&mut old)).await, "bye");
    let mut new = UnixStream::connect(&path).await.unwrap();
    within(greeting(&mut new)).await;
    drop(second);
    let mut end = [0];
    assert_eq!(within(new.read(&mut end)).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = Server::new()
        .listen(Endpoint::unix(folder.path().join("none/app.sock")), echo())
        .start()
        .await
        .unwrap_err();
    assert_eq!(kind(&error), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn ipv6_and_shared_ports_work() {
    let first = Server::new()
        .listen(
            "tcp:0:interface=127.0.0.1:reuseport=1".parse().unwrap(),
            echo(),
        )
        .start()
        .await
        .unwrap();
    let address = first.local_addresses()[0].socket_addr().unwrap();
    let shared = Endpoint::from(address).reuse_port(true);
    let second = Server::new().listen(shared, echo()).start().await.unwrap();
    assert_eq!(second.local_addresses(), first.local_addresses());
    let error = Server::new()
        .listen(address.into(), echo())
        .start()
        .await
        .unwrap_err();
    assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
    drop((first, second));

    // Where the machine has no IPv6 there is nothing to see.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let server = Server::new()
            .listen(r"tcp:0:interface=\:\:1".parse().unwrap(), echo())
            .start()
            .await
            .unwrap();
        let address = server.local_addresses()[0].socket_addr().unwrap();
        assert!(address.is_ipv6());
        within(crate::support::greeted(address)).await;
    }
}
