//! Programs of others that send the header; a machine without them has the other tests.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::process::{Child, Stdio};

use cyclone_core::proxy_protocol::ProxyHeader;
use cyclone_core::{Connection, Endpoint, ProtocolFactory, ProxyProtocol, Server, protocol_fn};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::exchange;
use crate::support::{foreign, tcp_address, within};

/// Tells HTTP clients, and whoever sends an empty line, who they are.
fn who() -> impl ProtocolFactory {
    protocol_fn("who", |connection: Connection| async move {
        let peer = connection.peer().clone();
        let id = peer.proxy_header().and_then(ProxyHeader::unique_id);
        let id = String::from_utf8_lossy(id.unwrap_or_default()).into_owned();
        let remote = peer.remote().ip().map(|ip| ip.to_string());
        let text = format!(
            "{} {} {id}",
            remote.unwrap_or_default(),
            peer.proxy().is_some()
        );
        let mut stream = BufStream::new(connection);
        let mut line = String::from("unread");
        while !line.trim().is_empty() {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    })
}

#[tokio::test]
async fn curl_claims_its_own_address() {
    let endpoint = Endpoint::loopback(0).proxy(ProxyProtocol::v1());
    let server = Server::new().listen(endpoint, who()).start().await.unwrap();
    let url = format!("http://{}/", tcp_address(&server, 0));
    let run = move || {
        let mut curl = foreign("CYCLONE_TEST_CURL");
        curl.args(["--silent", "--show-error", "--max-time", "20"]);
        curl.args(["--noproxy", "*", "--haproxy-protocol", &url])
            .output()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "127.0.0.1 true ", "{:?}", output.stderr);
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// HAProxy with one listener for each of these options of its `server` line, and where they are.
fn haproxy(folder: &std::path::Path, servers: &[(SocketAddr, &str)]) -> (Stopped, Vec<SocketAddr>) {
    let (mut text, mut listeners) = (String::from("defaults\n mode tcp\n"), Vec::new());
    for what in ["connect", "client", "server"] {
        text += &format!(" timeout {what} 20s\n");
    }
    for (number, (server, options)) in servers.iter().enumerate() {
        // Bound here, so that nobody else gets the port, and whoever connects early waits.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
        let descriptor = listener.as_raw_fd();
        text += &format!("listen of{number}\n bind fd@{descriptor}\n unique-id-format the-id\n");
        text += &format!(" server one {server} {options}\n");
        listeners.push(listener);
    }
    let file = folder.join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let mut command = foreign("CYCLONE_TEST_HAPROXY");
    command.arg("-db").arg("-f").arg(file).stderr(Stdio::null());
    let process = command.spawn().unwrap();
    let addresses = listeners.iter().map(|it| it.local_addr().unwrap());
    (Stopped(process), addresses.collect())
}

#[tokio::test]
async fn haproxy_tells_of_its_clients_in_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new()
        .listen(Endpoint::loopback(0).proxy(ProxyProtocol::v1()), who())
        .listen(Endpoint::loopback(0).proxy(ProxyProtocol::v2()), who())
        .start()
        .await
        .unwrap();
    let (v1, v2) = (tcp_address(&server, 0), tcp_address(&server, 1));
    let servers = [
        (v1, "send-proxy"),
        (v2, "send-proxy-v2"),
        (v2, "send-proxy-v2 proxy-v2-options unique-id,crc32c"),
    ];
    let (_haproxy, addresses) = haproxy(folder.path(), &servers);
    for (address, id) in addresses.into_iter().zip(["", "", "the-id"]) {
        // Another loopback address than that of HAProxy itself.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        let stream: TcpStream = within(socket.connect(address)).await.unwrap();
        let told = exchange(stream, b"\r\n").await;
        assert!(
            told.ends_with(&format!("\r\n127.0.0.9 true {id}")),
            "{told}"
        );
    }
}
