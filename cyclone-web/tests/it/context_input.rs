//! Reading the request: arguments and bodies at their limits.

use cyclone_core::{Context as _, Peer, Session};
use cyclone_web::{Application, Limits, RequestContext, RequestHandler, Result, url};
use http::{Method, StatusCode};
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
