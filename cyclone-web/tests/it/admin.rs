//! The admin pages over sockets: health as it changes, metrics after known traffic, the event stream, closing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{
    Endpoint, Health, HealthReporter, RunningServer, Server, Service, ServiceContext, ServiceError,
};
use cyclone_web::admin::{Admin, MAX_LISTED_CONNECTIONS};
use cyclone_web::{Application, RequestContext};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::exchange;

mod live;

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

/// A service that is ready, and as well, as the test says.
struct Database {
    is_ready: Arc<Notify>,
    health: Arc<HealthReporter>,
}

impl Service for Database {
    fn name(&self) -> &str {
        "db"
    }
    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        self.is_ready.notified().await;
        cx.ready();
        cx.stopping().await;
        Ok(())
    }
    fn health(&self) -> Health {
        self.health.current()
    }
    fn reports_ready(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn readiness_goes_from_starting_over_ready_and_down_to_draining() {
    let (is_ready, is_done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let health = Arc::new(HealthReporter::new(Health::Up));
    let wait = Arc::clone(&is_done);
    let app = Application::new()
        .resource_notify(wait)
        .mount("/admin", Admin::new().application());
    let server = Server::new()
        .listen(Endpoint::loopback(0), app)
        .service(Database {
            is_ready: Arc::clone(&is_ready),
            health: Arc::clone(&health),
        })
        .ready_requires("db")
        .start()
        .await
        .unwrap();
    let at = address(&server, 0);

    let (head, body) = ask(at, "/admin/ready").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("content-type: text/plain; charset=utf-8"));
    assert_eq!(body, "starting\n");
    let (head, body) = ask(at, "/admin/ready?verbose").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(
        body,
        r#"{"ready":false,"state":"starting","waiting_for":["db"]}"#
    );
    assert_eq!(ask(at, "/admin/live").await.1, "live\n");

    is_ready.notify_one();
    server
        .handle()
        .wait_ready(Duration::from_secs(30))
        .await
        .unwrap();
    let (head, body) = ask(at, "/admin/ready").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "ready\n");
    assert_eq!(
        ask(at, "/admin/ready?verbose").await.1,
        r#"{"ready":true,"state":"ready"}"#
    );

    health.set(Health::Down("gone".to_owned()));
    let (head, body) = ask(at, "/admin/ready?verbose").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let expected =
        r#"{"ready":false,"state":"down","down":{"db":{"state":"down","reason":"gone"}}}"#;
    assert_eq!(body, expected);
    // It lives all the same.
    assert!(ask(at, "/admin/live").await.0.starts_with("HTTP/1.1 200 "));
    health.set(Health::Degraded("slow".to_owned()));
    assert_eq!(ask(at, "/admin/ready").await.1, "ready\n");

    // While the server drains, what has begun is served, and who asks on an open connection is told.
    let mut busy = TcpStream::connect(at).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut slow = String::new();
    read_until(&mut busy, &mut slow, "first").await;
    let mut open = TcpStream::connect(at).await.unwrap();
    let request = b"GET /admin/ready HTTP/1.1\r\nhost: localhost\r\n\r\n";
    open.write_all(request).await.unwrap();
    let mut seen = String::new();
    read_until(&mut open, &mut seen, "ready\n").await;
    server.shutdown();
    open.write_all(request).await.unwrap();
    read_until(&mut open, &mut seen, "draining\n").await;
    assert!(seen.contains("HTTP/1.1 503 "), "{seen}");
    is_done.notify_one();
    read_until(&mut busy, &mut slow, "last").await;
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

/// Test handlers that wait for the test.
trait Slow {
    fn resource_notify(self, done: Arc<Notify>) -> Self;
}

struct SlowHandler(Arc<Notify>);

impl cyclone_web::RequestHandler for SlowHandler {
    async fn get(&self, cx: &mut RequestContext) -> cyclone_web::Result {
        cx.write("first");
        cx.flush().await?;
        self.0.notified().await;
        cx.write("last");
        cx.finish()
    }
}

impl Slow for Application {
    fn resource_notify(self, done: Arc<Notify>) -> Self {
        self.route("/slow", SlowHandler(done))
    }
}

async fn hello(cx: &mut RequestContext) -> cyclone_web::Result {
    cx.text("hello")
}

#[tokio::test]
async fn metrics_are_right_after_known_traffic_without_a_recorder() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), Application::new().get("/", hello))
        .listen(Endpoint::loopback(0), Admin::new().application())
        .start()
        .await
        .unwrap();
    for target in ["/", "/", "/", "/none"] {
        ask(address(&server, 0), target).await;
    }
    while !server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    let (head, text) = ask(address(&server, 1), "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    for sample in [
        "cyclone_http_requests_total{method=\"GET\",status=\"200\"} 3",
        "cyclone_http_requests_total{method=\"GET\",status=\"404\"} 1",
        "cyclone_http_request_duration_seconds_count 4",
        // This one.
        "cyclone_http_requests_in_progress 1",
        "cyclone_connections_open{protocol=\"http\"} 1",
        "cyclone_connections_accepted_total 5",
        "cyclone_ready 1",
    ] {
        assert!(
            text.lines().any(|line| line == sample),
            "{sample} in {text}"
        );
    }
    assert!(text.ends_with('\n'));
}

#[tokio::test]
async fn metrics_of_a_recorder_have_those_of_the_program_too() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let rendered = recorder.handle();
    // The thread's own, as other tests count too.
    let recorder: &'static _ = Box::leak(Box::new(recorder));
    let _local = metrics::set_default_local_recorder(recorder);
    metrics::counter!("shop_orders_total").increment(7);
    let admin = Admin::new().metrics_from(move || rendered.render());
    let server = Server::new()
        .listen(Endpoint::loopback(0), Application::new().get("/", hello))
        .listen(Endpoint::loopback(0), admin.application())
        .start()
        .await
        .unwrap();
    for _ in 0..3 {
        ask(address(&server, 0), "/").await;
    }
    while !server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    let (head, text) = ask(address(&server, 1), "/metrics").await;
    assert!(
        head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    for sample in [
        "shop_orders_total 7",
        "cyclone_http_requests_total{method=\"GET\",status=\"200\"} 3",
        "cyclone_http_request_duration_seconds_count 3",
        "cyclone_connections_accepted_total 4",
        "cyclone_connections_open{protocol=\"http\"} 1",
    ] {
        assert!(
            text.lines().any(|line| line == sample),
            "{sample} in {text}"
        );
    }
}

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
        let request = format!(
            "POST /connections/{id}/close HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n"
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
    let (head, body) = close(at, "1", same_origin).await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!(body, "");
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
}
