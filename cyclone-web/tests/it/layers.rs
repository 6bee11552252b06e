//! An application behind layers of tower-http, and of one's own.

use std::convert::Infallible;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cyclone_web::{Application, Body, Ending, Http, RequestContext, Result};
use flate2::read::GzDecoder;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::support::{get, listen, text};

const LINE: &str = "a line that is repeated\n";

async fn page(cx: &mut RequestContext) -> Result {
    cx.text(LINE.repeat(1000))
}

/// Two pieces, the second when the first has arrived.
async fn events(cx: &mut RequestContext) -> Result {
    cx.set_header("content-type", "text/event-stream")?;
    cx.write(format!("data: {LINE}\n"));
    cx.flush().await?;
    std::future::pending::<()>().await;
    cx.finish()
}

async fn ask<S, B>(service: S, request: Request<Body>) -> Response<Bytes>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, body)
}

fn with(mut request: Request<Body>, name: &'static str, value: &'static str) -> Request<Body> {
    let headers = request.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
    request
}

#[tokio::test]
async fn compression() {
    let app = Application::new()
        .etag(true)
        .get("/", page)
        .get("/events", events);
    let layered = CompressionLayer::new().layer(app);
    let plain = ask(layered.clone(), get("/")).await;
    assert_eq!(text(&plain), LINE.repeat(1000));
    let zipped = ask(layered.clone(), with(get("/"), "accept-encoding", "gzip")).await;
    assert_eq!(zipped.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(zipped.headers()[header::VARY], "accept-encoding");
    let mut whole = String::new();
    GzDecoder::new(&zipped.body()[..])
        .read_to_string(&mut whole)
        .unwrap();
    assert_eq!(whole, LINE.repeat(1000));
    // The tag is that of the page, and comes back.
    let tag = zipped.headers()[header::ETAG].clone();
    let mut again = with(get("/"), "accept-encoding", "gzip");
    again.headers_mut().insert(header::IF_NONE_MATCH, tag);
    let again = ask(layered.clone(), again).await;
    assert_eq!((again.status().as_u16(), text(&again)), (304, ""));
    // Events are not held back.
    let request = with(get("/events"), "accept-encoding", "gzip");
    let mut response = layered.clone().oneshot(request).await.unwrap();
    assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    let first = response.body_mut().frame().await.unwrap().unwrap();
    assert!(first.into_data().unwrap().starts_with(b"data: "));
    // A server of ours serves it.
    let (server, address) = listen(Http::new(layered)).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request =
        b"GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request)
        .await
        .unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)
        .await
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..200]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(answer.len() < 1000);
    server.shutdown();
    server.wait().await;
}

#[tokio::test]
async fn cors() {
    let app = Application::new().get("/", page).post("/", page);
    let origin = "https://app.example".parse::<HeaderValue>().unwrap();
    let cors = CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::POST]);
    let layered = cors.layer(app);
    let mut preflight = with(get("/"), "origin", "https://app.example");
    *preflight.method_mut() = Method::OPTIONS;
    let preflight = with(preflight, "access-control-request-method", "POST");
    let response = ask(layered.clone(), preflight).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-methods"], "POST");
    for path in ["/", "/nowhere"] {
        let request = with(get(path), "origin", "https://app.example");
        let response = ask(layered.clone(), request).await;
        let allowed = &response.headers()["access-control-allow-origin"];
        assert_eq!(allowed, "https://app.example", "{path}");
    }
}

#[tokio::test]
async fn trace() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&seen);
    let app = Application::new().get("/", page);
    let trace = TraceLayer::new_for_http().on_response(
        move |response: &Response<Body>, _latency: Duration, _span: &tracing::Span| {
            theirs.lock().unwrap().push(response.status().as_u16());
        },
    );
    let layered = trace.layer(app);
    for path in ["/", "/nowhere"] {
        ask(layered.clone(), get(path)).await;
    }
    assert_eq!(*seen.lock().unwrap(), [200, 404]);
}

/// The handler is dropped, and the log told so.
#[tokio::test(start_paused = true)]
async fn timeout() {
    let logged = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&logged);
    let app = Application::new()
        .get("/", page)
        .get("/slow", async |cx: &mut RequestContext| {
            tokio::time::sleep(Duration::from_secs(60)).await;
            cx.text("late")
        })
        .log_request(move |_cx, finish| {
            let line = (finish.status.as_u16(), finish.ending);
            theirs.lock().unwrap().push(line);
        });
    let limit = Duration::from_secs(10);
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limit);
    let layered = timeout.layer(app);
    assert_eq!(ask(layered.clone(), get("/")).await.status(), 200);
    let begun = tokio::time::Instant::now();
    assert_eq!(ask(layered, get("/slow")).await.status(), 504);
    assert!(begun.elapsed() < Duration::from_secs(11));
    let lines = logged.lock().unwrap().clone();
    assert_eq!(
        lines,
        [(200, Ending::Complete), (499, Ending::Disconnected)]
    );
}

/// What Tornado calls an output transform.
#[tokio::test]
async fn a_transform_of_ones_own() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        for piece in ["one ", "two"] {
            cx.write(piece);
            cx.flush().await?;
        }
        cx.finish()
    });
    let loud = ServiceExt::<Request<Body>>::map_response(app, |response: Response<Body>| {
        response.map(|body| {
            body.map_frame(|frame| frame.map_data(|data| Bytes::from(data.to_ascii_uppercase())))
        })
    });
    assert_eq!(text(&ask(loud.clone(), get("/")).await), "ONE TWO");
    let (server, address) = listen(Http::new(loud)).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = crate::support::exchange(address, request).await;
    assert!(
        answer.contains("ONE ") && answer.contains("TWO"),
        "{answer}"
    );
    server.shutdown();
    server.wait().await;
}
