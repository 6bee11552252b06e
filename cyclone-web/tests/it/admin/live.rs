//! The live page, its events, and several servers shown as one.

use cyclone_core::{Endpoint, Server};
use cyclone_web::Application;
use cyclone_web::admin::{Admin, MAX_ADMIN_VIEWERS};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{address, ask, hello, json, read_until, send};

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

#[tokio::test]
async fn several_servers_are_shown_as_one() {
    let other = Server::new()
        .listen(Endpoint::loopback(0), Application::new().get("/", hello))
        .on_stop("job", || async { Ok(()) })
        .start()
        .await
        .unwrap();
    let mut idle = TcpStream::connect(address(&other, 0)).await.unwrap();
    while other.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    let first = other.handle().clone();
    let admin = Admin::new().servers(move |resources| {
        let own = resources.get::<cyclone_core::ServerHandle>().unwrap();
        vec![own.clone(), first.clone()]
    });
    let server = Server::new()
        .listen(Endpoint::loopback(0), admin.application())
        .start()
        .await
        .unwrap();
    let at = address(&server, 0);
    let status = json(at, "/status.json").await;
    assert_eq!(status["servers"], 2);
    assert_eq!(status["connections"]["open"], 2);
    assert_eq!(status["connections"]["protocols"][0]["open"], 2);
    assert_eq!(status["listeners"].as_array().unwrap().len(), 2);
    assert_eq!(status["services"][1]["name"], "server 2");
    assert_eq!(status["services"][1]["parts"][0]["path"], "job");
    let names: Vec<_> = status["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["connections · 1", "open files", "connections · 2"]);
    let (_, text) = ask(at, "/metrics").await;
    for sample in [
        "cyclone_connections_open{protocol=\"http\",server=\"1\"} 1",
        "cyclone_connections_open{protocol=\"http\",server=\"2\"} 1",
        "cyclone_service_up{service=\"job\",server=\"2\"} 1",
    ] {
        assert!(
            text.lines().any(|line| line == sample),
            "{sample} in {text}"
        );
    }
    assert_eq!(text.matches("\ncyclone_process_threads ").count(), 1);
    let list = json(at, "/connections").await;
    assert_eq!(list["open"], 2);
    assert_eq!(list["connections"][1]["server"], 2);
    assert_eq!(list["connections"][1]["id"], 1);
    for (target, status) in [
        ("/connections/1/close?server=0", "404"),
        ("/connections/1/close?server=3", "404"),
        ("/connections/1/close?server=x", "404"),
        ("/connections/1/close?server=2", "204"),
    ] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: localhost\r\nx-cyclone-admin: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let (head, _) = send(at, &request).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target}: {head}"
        );
    }
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
    assert_eq!(ask(at, "/ready").await.1, "ready\n");
    // A second server tells how the first one drains.
    other.shutdown();
    assert_eq!(ask(at, "/ready").await.1, "draining\n");
}
