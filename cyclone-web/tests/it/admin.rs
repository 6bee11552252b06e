//! The admin pages over sockets.

use std::net::SocketAddr;

use cyclone_core::RunningServer;
use cyclone_web::RequestContext;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::exchange;

mod connections;
mod health;
mod live;
mod metrics;
mod servers;

fn address(server: &RunningServer, listener: usize) -> SocketAddr {
    server.local_addresses()[listener].socket_addr().unwrap()
}

/// Asks on a connection of its own; head and body.
async fn ask(at: SocketAddr, target: &str) -> (String, String) {
    send(
        at,
        &format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
    )
    .await
}

async fn send(at: SocketAddr, request: &str) -> (String, String) {
    let answer = exchange(at, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn json(at: SocketAddr, target: &str) -> Value {
    let (head, body) = ask(at, target).await;
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

/// Reads until the text has come.
async fn read_until(stream: &mut TcpStream, seen: &mut String, text: &str) {
    let mut buffer = [0; 4096];
    while !seen.contains(text) {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "`{text}` is not in {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
}

async fn hello(cx: &mut RequestContext) -> cyclone_web::Result {
    cx.text("hello")
}
