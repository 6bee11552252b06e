//! The server on a free port.

use cyclone_core::Server;
use cyclone_web::test::{TestClientBuilder, TestServer};
use cyclone_web::{Application, Http};

use super::{Store, app, stored};
use crate::support::exchange;

#[tokio::test]
async fn a_server_of_its_own_with_a_client_that_keeps_cookies() {
    let server = TestServer::start(app()).await.unwrap();
    let client = server.client();
    let me = client.get("/login").follow_redirects(1).await.unwrap();
    assert_eq!(me.text(), "alice");
    assert_eq!(
        client.signed_cookie("user").unwrap().as_deref(),
        Some("alice")
    );
    // A foreign client comes by the address.
    let request = "GET /me HTTP/1.0\r\nhost: x\r\n\r\n";
    let answer = exchange(server.address(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.0 401 "), "{answer}");
    assert_eq!(server.url("/me"), format!("http://{}/me", server.address()));
    let other = TestClientBuilder::for_address(server.address()).build();
    assert_eq!(other.get(server.url("/me")).await.unwrap().status(), 401);
    let counted = server.running().registry().accepted();
    assert!(counted >= 4, "{counted}");
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_server_with_fakes_for_what_it_needs() {
    let app = Application::new().requires::<Store>().get("/", stored);
    assert!(
        TestServer::start(app.clone())
            .await
            .unwrap_err()
            .missing_resource()
            .is_some()
    );
    let composed = Server::new()
        .resource(Store("real"))
        .named_resource("other", Store("other"));
    let server = TestServer::start_on(composed.resource(Store("fake")), app);
    let server = server.await.unwrap();
    assert_eq!(
        server.client().get("/").await.unwrap().text(),
        "fake, other"
    );
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "axum" }));
    let foreign = TestServer::start_protocol(Server::new(), Http::new(router));
    let foreign = foreign.await.unwrap();
    assert_eq!(foreign.client().get("/").await.unwrap().text(), "axum");
}
