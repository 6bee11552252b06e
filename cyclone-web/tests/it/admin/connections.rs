//! What is told as JSON, and the end of a connection.

use cyclone_core::{Endpoint, Server};
use cyclone_web::admin::{Admin, MAX_LISTED_CONNECTIONS};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{address, ask, json, send};

#[tokio::test]
async fn the_status_and_the_connections_are_told_as_json() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), Admin::new().application())
        .version("1.2.3")
        .on_stop("<script>", || async { Ok(()) })
        .max_connections(50)
        .start()
        .await
        .unwrap();
    let at = address(&server, 0);
    let idle = TcpStream::connect(at).await.unwrap();
    while server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    let status = json(at, "/status.json").await;
    assert_eq!(status["version"], "1.2.3");
    assert_eq!(status["readiness"]["state"], "ready");
    assert_eq!(status["connections"]["open"], 2);
    assert_eq!(status["connections"]["limit"], 50);
    assert_eq!(status["connections"]["protocols"][0]["protocol"], "http");
    assert_eq!(status["listeners"][0]["address"], at.to_string());
    assert_eq!(status["services"][0]["path"], "<script>");
    assert_eq!(status["services"][0]["health"]["state"], "up");
    assert_eq!(status["limits"][0]["name"], "connections");
    assert_eq!(status["process"]["pid"], std::process::id());
    assert_eq!(status["sources"][0]["kind"], "http");

    let all = json(at, "/connections").await;
    assert_eq!(all["open"], 2);
    let peer = idle.local_addr().unwrap().to_string();
    let list = all["connections"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[1]["peer"], peer);
    assert_eq!(list[1]["id"], 1);
    for (target, count) in [
        ("/connections?limit=1", 1),
        ("/connections?limit=0", 0),
        ("/connections?limit=2&protocol=http", 2),
        ("/connections?protocol=websocket", 0),
    ] {
        let list = json(at, target).await;
        assert_eq!(
            list["connections"].as_array().unwrap().len(),
            count,
            "{target}"
        );
    }
    let (head, body) = ask(at, "/connections?limit=many").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert_eq!(body, "`limit` is no number\n");
}

#[tokio::test]
async fn no_more_connections_are_listed_than_the_limit() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), Admin::new().application())
        .max_connections(MAX_LISTED_CONNECTIONS + 20)
        .start()
        .await
        .unwrap();
    let at = address(&server, 0);
    let mut idle = Vec::new();
    // With the one that asks: just under, at and just over.
    for open in [
        MAX_LISTED_CONNECTIONS - 1,
        MAX_LISTED_CONNECTIONS,
        MAX_LISTED_CONNECTIONS + 1,
    ] {
        while idle.len() < open - 1 {
            idle.push(TcpStream::connect(at).await.unwrap());
        }
        while server.registry().len() != open - 1 {
            tokio::task::yield_now().await;
        }
        let list = json(at, "/connections?limit=100000").await;
        let listed = list["connections"].as_array().unwrap().len();
        assert_eq!(listed, open.min(MAX_LISTED_CONNECTIONS));
        assert_eq!(list["open"], open);
        while server.registry().len() != open - 1 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_connection_is_closed_only_by_who_sends_the_header() {
    let admin = Admin::new();
    let server = Server::new()
        .listen(Endpoint::loopback(0), admin.application())
        .listen(
            Endpoint::loopback(0),
            admin.clone().read_only().application(),
        )
        .start()
        .await
        .unwrap();
    let at = address(&server, 0);
    let mut idle = TcpStream::connect(at).await.unwrap();
    while server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    let close = |at, id: &str, headers: &str| {
        // What was seen before a restart is the number of somebody else after it.
        let (id, peer) = id.split_once('?').unwrap_or((id, ""));
        let request = format!(
            "POST /connections/{id}/close?{peer} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n"
        );
        async move { send(at, &request).await }
    };
    let header = "x-cyclone-admin: 1\r\n";
    for (at, id, headers, status) in [
        (at, "1", "", "403"),
        (
            at,
            "1",
            "x-cyclone-admin: 1\r\norigin: http://evil.example\r\n",
            "403",
        ),
        (
            at,
            "1",
            "x-cyclone-admin: 1\r\nsec-fetch-site: cross-site\r\n",
            "403",
        ),
        (address(&server, 1), "1", header, "403"),
        (at, "77777", header, "404"),
        (at, "1?peer=192.0.2.1:1", header, "404"),
        (at, "x", header, "404"),
    ] {
        let (head, _) = close(at, id, headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{id} {headers}: {head}"
        );
    }
    let (head, _) = send(
        at,
        "GET /connections/1/close HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        head.starts_with("HTTP/1.1 405 ") && head.contains("allow: POST"),
        "{head}"
    );
    assert_eq!(server.registry().snapshot()[0].id().get(), 1);
    let same_origin =
        "x-cyclone-admin: 1\r\norigin: http://localhost\r\nsec-fetch-site: same-origin\r\n";
    let own = format!("1?peer={}", idle.local_addr().unwrap());
    let (head, body) = close(at, &own, same_origin).await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!(body, "");
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
}
