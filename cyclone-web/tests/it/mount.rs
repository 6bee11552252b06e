//! Foreign services inside an application, and an application inside foreign servers.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get as axum_get, post as axum_post};
use cyclone_core::{Endpoint, Server, Session};
use cyclone_web::{Application, Http, OriginalUri, RequestContext};
use http::StatusCode;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::support::{call, exchange, get, listen, post, text};

fn router() -> Router {
    Router::new()
        .route(
            "/hello/{name}",
            axum_get(async |Path(name): Path<String>| format!("axum {name}")),
        )
        .route("/", axum_get(async || "axum root"))
        .route("/echo", axum_post(async |body: String| body))
        .route(
            "/original",
            axum_get(async |request: axum::extract::Request| {
                let original = request.extensions().get::<OriginalUri>().unwrap();
                original.0.to_string()
            }),
        )
        .route(
            "/session",
            axum_get(async |request: axum::extract::Request| {
                let session = request.extensions().get::<Session>().unwrap();
                session.protocol()
            }),
        )
}

fn app() -> Application {
    Application::new()
        .get("/", async |cx: &mut RequestContext| cx.text("cyclone"))
        .mount("/axum", router())
}

#[tokio::test]
async fn an_axum_router_is_mounted_below_a_prefix() {
    let app = app();
    let table = [
        ("/", "cyclone"),
        ("/axum", "axum root"),
        ("/axum/", "axum root"),
        ("/axum/hello/a%20b", "axum a b"),
        ("/axum/original?x=1", "/axum/original?x=1"),
    ];
    for (path, expected) in table {
        assert_eq!(text(&call(&app, get(path)).await), expected, "{path}");
    }
    let echo = post("/axum/echo", "text/plain", "to axum and back");
    assert_eq!(text(&call(&app, echo).await), "to axum and back");
    assert_eq!(
        call(&app, get("/axum/none")).await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        call(&app, get("/axumx")).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_session_reaches_a_mounted_service() {
    let (_server, address) = listen(app()).await;
    let request = b"GET /axum/session HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(address, request).await;
    assert!(answer.ends_with("http"), "{answer}");
}

#[tokio::test]
async fn axum_nests_an_application() {
    let inner = Application::new().get("/hi/{name}", async |cx: &mut RequestContext| {
        let name = cx.path_argument("name")?;
        cx.text(format!("hi {name}"))
    });
    let outer = Router::new()
        .nest_service("/app", inner)
        .with_state(())
        .fallback(async |State(()): State<()>| "axum fallback");
    let (_server, address) = listen(Http::new(outer)).await;
    for (path, expected) in [("/app/hi/you", "hi you"), ("/other", "axum fallback")] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.ends_with(expected), "{answer}");
    }
}

#[tokio::test]
async fn tower_layers_wrap_an_application() {
    let layered = ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::overriding(
            http::HeaderName::from_static("x-layer"),
            http::HeaderValue::from_static("tower"),
        ))
        .service(app());
    let server = Server::new().listen(Endpoint::loopback(0), Http::new(layered));
    let server = server.start().await.unwrap();
    let address = server.local_addresses()[0].socket_addr().unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(address, request).await;
    assert!(answer.contains("x-layer: tower\r\n"), "{answer}");
}

#[tokio::test]
async fn an_application_is_mounted_in_an_application() {
    let inner = Application::new().get("/x", async |cx: &mut RequestContext| cx.text("inner"));
    let app = Application::new().mount("/a", Application::new().mount("/b", inner));
    assert_eq!(text(&call(&app, get("/a/b/x")).await), "inner");
}
