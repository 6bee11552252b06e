//! Several servers as one.

use cyclone_core::{Endpoint, Server};
use cyclone_web::Application;
use cyclone_web::admin::Admin;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{address, ask, hello, json, send};

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
