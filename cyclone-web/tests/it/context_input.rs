//! Reading the request: arguments and bodies at their limits.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Context as _, Peer, Session};
use cyclone_web::{
    Application, Body, Limits, RequestContext, RequestHandler, Response, Result, url,
};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;

use crate::support::{call, exchange, get, listen, post, text};

const FORM: &str = "application/x-www-form-urlencoded";

async fn arguments(cx: &mut RequestContext) -> Result {
    let last = cx.optional_argument("x")?;
    let all = cx.arguments("x")?.join(",");
    cx.text(format!("{last:?} {all}"))
}

/// As Tornado: one pool, the query before the form, the last one wins, white space and control characters off.
#[tokio::test]
async fn arguments_are_one_pool() {
    let app = Application::new().get("/", arguments).post("/", arguments);
    let table = [
        ("/", "", "None "),
        ("/?x", "", r#"Some("") "#),
        ("/?x=1&x=2", "", r#"Some("2") 1,2"#),
        ("/?x=1", "x=2&x=3", r#"Some("3") 1,2,3"#),
        ("/?x=1", "y=2", r#"Some("1") 1"#),
        ("/?x=+a%20b%09", "", r#"Some("a b") a b"#),
        ("/?x=a%00b", "", r#"Some("a b") a b"#),
        ("/?x=%C3%A9", "", "Some(\"\u{e9}\") \u{e9}"),
    ];
    for (target, form, expected) in table {
        let response = call(&app, post(target, FORM, form)).await;
        assert_eq!(text(&response), expected, "{target} {form}");
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_a_400() {
    let app = Application::new().get("/", arguments).post("/", arguments);
    for target in ["/?x=%", "/?x=%zz", "/?x=%ff"] {
        assert_eq!(
            call(&app, get(target)).await.status(),
            StatusCode::BAD_REQUEST,
            "{target}"
        );
    }
    for form in ["x=%", "x=%zz", "x=%ff"] {
        let response = call(&app, post("/", FORM, form)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{form}");
    }
}

#[tokio::test]
async fn a_thousand_arguments_and_one_more() {
    let app = Application::new().get("/", arguments).post("/", arguments);
    for (count, status) in [(999, 200), (1000, 200), (1001, 400)] {
        let many = vec!["x"; count].join("&");
        let response = call(&app, get(&format!("/?{many}"))).await;
        assert_eq!(response.status(), status, "{count} in the query");
        let response = call(&app, post("/", FORM, many)).await;
        assert_eq!(response.status(), status, "{count} in the form");
    }
}

fn chunked(media: &str, body: &str) -> Vec<u8> {
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    for byte in body.chars() {
        request.push_str(&format!("1\r\n{byte}\r\n"));
    }
    request.push_str("0\r\n\r\n");
    request.into_bytes()
}

fn declared(media: &str, body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn read_body(cx: &mut RequestContext) -> Result {
    let body = cx.body().await?;
    cx.text(body)
}

struct Streamed;

impl RequestHandler for Streamed {
    const STREAM_BODY: bool = true;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        assert!(cx.form_arguments().is_none());
        let mut body = cx.take_body();
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            all.extend_from_slice(&frame?.into_data().unwrap_or_default());
        }
        cx.text(all)
    }
}

/// The limit of the route, below and above that of the application, for forms and for other bodies, declared
/// and chunked, read at once and streamed.
#[tokio::test]
async fn the_limit_of_the_route_holds() {
    for (application, route) in [(20, Some(8)), (4, Some(8)), (8, None)] {
        let spec = || match route {
            Some(bytes) => url("/").body_limit(bytes),
            None => url("/"),
        };
        let limits = Limits::new().body(application);
        let read = Application::new()
            .limits(limits.clone())
            .post(spec(), read_body);
        let streamed = Application::new().limits(limits).route(spec(), Streamed);
        for app in [read, streamed] {
            let (_server, address) = listen(app).await;
            for media in [FORM, "text/plain"] {
                for (body, status) in [("x=34567", 200), ("x=345678", 200), ("x=3456789", 413)] {
                    for request in [declared(media, body), chunked(media, body)] {
                        let answer = exchange(address, &request).await;
                        assert!(
                            answer.starts_with(&format!("HTTP/1.1 {status} ")),
                            "{application} {route:?} {media} {body}: {answer}"
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_may_be_asked_for_twice() {
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        let first = cx.body().await?;
        let second = cx.body().await?;
        assert_eq!(first, second);
        let third = cx.take_body().collect().await?.to_bytes();
        assert_eq!(first, third);
        cx.text(first)
    });
    assert_eq!(
        text(&call(&app, post("/", "text/plain", "once")).await),
        "once"
    );
}

#[tokio::test]
async fn a_taken_request_has_everything_but_leaves_the_context_usable() {
    let app = Application::new().post("/{id}", async |cx: &mut RequestContext| {
        cx.extensions_mut().insert(7_u32);
        let request = cx.take_request();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "/a?x=1");
        assert_eq!(request.headers()["x-test"], "1");
        assert_eq!(request.extensions().get::<u32>(), Some(&7));
        assert!(request.extensions().get::<Session>().is_some());
        assert!(request.extensions().get::<Peer>().is_some());
        let body = request.into_body().collect().await?.to_bytes();
        assert_eq!(body, "body");
        assert_eq!(cx.header("x-test"), Some("1"));
        assert_eq!(cx.path_argument("id")?, "a");
        assert_eq!(cx.argument("x")?, "1");
        assert!(cx.extensions().get::<u32>().is_none());
        let again = cx.take_request();
        assert!(again.extensions().get::<Session>().is_some());
        assert!(again.into_body().collect().await?.to_bytes().is_empty());
        let _ = cx.resources();
        cx.text("fine")
    });
    let mut request = post("/a?x=1", "text/plain", "body");
    request.headers_mut().insert("x-test", "1".parse().unwrap());
    assert_eq!(text(&call(&app, request).await), "fine");
}

fn slow_post(chunks: [&'static str; 2]) -> Request<Body> {
    let pause = stream::once(tokio::time::sleep(Duration::from_secs(10))).map(|()| Bytes::new());
    let [first, second] = chunks;
    let body = stream::iter([Bytes::from_static(first.as_bytes())])
        .chain(pause)
        .chain(stream::iter([Bytes::from_static(second.as_bytes())]))
        .map(Ok::<_, Infallible>);
    post("/", "text/plain", Body::from_stream(body))
}

/// The documentation of `body`: what was read is lost and the next call fails. Half a body must not pass for
/// a whole one.
#[tokio::test(start_paused = true)]
async fn a_body_whose_reading_was_given_up_is_no_body() {
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        assert!(cx.body().now_or_never().is_none());
        let rest = cx.body().await;
        let text = match rest {
            Ok(rest) => format!("took {rest:?} for the whole"),
            Err(_) => "failed".to_owned(),
        };
        cx.text(text)
    });
    let response = call(&app, slow_post(["first ", "second"])).await;
    assert_eq!(text(&response), "failed");
}

/// The documentation of `BodyError`: a body that failed stays failed.
#[tokio::test]
async fn a_body_that_failed_stays_failed() {
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        let first = cx.body().await.is_err();
        let second = cx.body().await.is_err();
        cx.text(format!("{first} {second}"))
    });
    let body = stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::other("on purpose")),
    ]);
    let response = call(&app, post("/", "text/plain", Body::from_stream(body))).await;
    assert_eq!(text(&response), "true true");
}

/// A path that nobody serves is 404, and the method nobody serves 405, whatever the body: it is not even read.
#[tokio::test]
async fn what_is_refused_anyway_is_refused_before_its_body_is_read() {
    let app = Application::new()
        .get("/", arguments)
        .static_files("/static/", std::env::temp_dir());
    for (target, status) in [("/none", 404), ("/", 405), ("/static/x", 405)] {
        let form = post(target, FORM, "x=%zz");
        assert_eq!(call(&app, form).await.status(), status, "{target}");
    }
    let (_server, address) = listen(app).await;
    let request = format!(
        "POST /none HTTP/1.1\r\nHost: h\r\nContent-Type: {FORM}\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    let answer = exchange(address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

/// The documentation of `set_body_limit`: the route's limit unless called.
#[tokio::test]
async fn prepare_may_raise_the_limit() {
    struct Raised;
    impl RequestHandler for Raised {
        async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
            cx.set_body_limit(100);
            Ok(None)
        }
        async fn post(&self, cx: &mut RequestContext) -> Result {
            let body = cx.body().await?;
            cx.text(body)
        }
    }
    let app = Application::new().route(url("/").body_limit(4), Raised);
    let response = call(&app, post("/", "text/plain", "longer")).await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// An application inside another does not loosen the limits of the server.
#[tokio::test]
async fn a_mounted_application_does_not_raise_the_limit() {
    let inner = Application::new().post("/", read_body);
    let app = Application::new()
        .limits(Limits::new().body(4))
        .mount("/in", inner);
    let (_server, address) = listen(app).await;
    let request = String::from_utf8(declared("text/plain", "longer")).unwrap();
    let answer = exchange(address, request.replace("POST / ", "POST /in ").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

/// A mount that fails knows what its client accepts, and the log what it sent.
#[tokio::test]
async fn the_headers_of_the_request_outlive_a_mount() {
    let failing = tower::service_fn(async |_: Request<Body>| {
        Err::<http::Response<Body>, _>(std::io::Error::other("on purpose"))
    });
    let app = Application::new().mount("/in", failing);
    let mut request = get("/in");
    request
        .headers_mut()
        .insert(header::ACCEPT, "application/json".parse().unwrap());
    let response = call(&app, request).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
}
