//! The page and its events.

use cyclone_core::{Endpoint, Server};
use cyclone_web::Application;
use cyclone_web::admin::{Admin, MAX_ADMIN_VIEWERS};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{address, ask, read_until, send};

#[tokio::test]
async fn the_page_is_whole_and_runs_nothing_but_its_own_script() {
    let admin = Admin::new().application();
    let app = Application::new().mount("/ops/admin", admin.clone());
    let server = Server::new()
        .listen(Endpoint::loopback(0), admin)
        .listen(Endpoint::loopback(0), app)
        .start()
        .await
        .unwrap();
    let mut nonces = Vec::new();
    for (listener, target) in [(0, "/"), (1, "/ops/admin/")] {
        let (head, body) = ask(address(&server, listener), target).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let (_, rest) = head.split_once("script-src 'nonce-").unwrap();
        let (nonce, _) = rest.split_once('\'').unwrap();
        assert_eq!(body.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        assert!(!body.contains("{{"));
        assert!(head.contains("default-src 'none'; "), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        nonces.push(nonce.to_owned());
    }
    assert_ne!(nonces[0], nonces[1]);
    // What it names is relative to itself, so it has to end with a slash.
    let (head, _) = ask(address(&server, 1), "/ops/admin").await;
    assert!(
        head.starts_with("HTTP/1.1 302 ") && head.contains("location: ./admin/"),
        "{head}"
    );
}

#[tokio::test]
async fn the_event_stream_tells_the_status_every_second_and_ends_with_the_server() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), Admin::new().application())
        .start()
        .await
        .unwrap();
    let at = address(&server, 0);
    let mut viewer = TcpStream::connect(at).await.unwrap();
    viewer
        .write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut seen = String::new();
    read_until(&mut viewer, &mut seen, "event: status\n").await;
    assert!(
        seen.contains("content-type: text/event-stream\r\n"),
        "{seen}"
    );
    assert!(seen.contains("event: history\ndata: []\n\n"), "{seen}");
    while seen.matches("event: status\n").count() < 2 {
        let length = seen.len();
        let mut next = String::new();
        read_until(&mut viewer, &mut next, "event: status\n").await;
        seen.push_str(&next);
        assert!(seen.len() > length);
    }
    let event = seen.split("event: status\ndata: ").nth(1).unwrap();
    let event = event.split("\n\n").next().unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["status"]["connections"]["open"], 1);
    assert_eq!(event["connections"][0]["protocol"], "http");
    assert_eq!(event["read_only"], false);
    assert!(event["point"]["at_s"].as_f64().is_some());
    // Who comes later sees what was before.
    let mut second = TcpStream::connect(at).await.unwrap();
    second
        .write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut later = String::new();
    read_until(&mut second, &mut later, "event: status\n").await;
    assert!(
        later.contains("event: history\ndata: [{\"at_s\":"),
        "{later}"
    );
    server.shutdown();
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    let mut rest = Vec::new();
    viewer.read_to_end(&mut rest).await.unwrap();
    assert!(String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn viewers_just_under_at_and_over_the_limit() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), Admin::new().application())
        .start()
        .await
        .unwrap();
    let at = address(&server, 0);
    let mut viewers = Vec::new();
    for _ in 0..MAX_ADMIN_VIEWERS {
        let mut viewer = TcpStream::connect(at).await.unwrap();
        viewer
            .write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut seen = String::new();
        read_until(&mut viewer, &mut seen, "event: status\n").await;
        viewers.push(viewer);
    }
    let (head, _) = ask(at, "/events").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    // Who does not stay is no viewer.
    let (head, _) = send(
        at,
        "HEAD / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let first = server.registry().snapshot()[0].id();
    assert!(server.registry().close(first));
    while server.registry().len() == MAX_ADMIN_VIEWERS {
        tokio::task::yield_now().await;
    }
    let mut viewer = TcpStream::connect(at).await.unwrap();
    viewer
        .write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut viewer, &mut String::new(), "event: status\n").await;
}
