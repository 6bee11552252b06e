//! Health as it changes.

use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{
    Endpoint, Health, HealthReporter, Server, Service, ServiceContext, ServiceError,
};
use cyclone_web::admin::Admin;
use cyclone_web::{Application, RequestContext};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::{address, ask, read_until};

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
        .route("/slow", SlowHandler(wait))
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

/// Answers in two parts; with the second it waits for the test.
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
