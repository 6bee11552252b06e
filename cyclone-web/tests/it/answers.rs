//! Ways to end a request: early, with an error page, with a reason phrase; `OPTIONS` and 405; bodies in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cyclone_web::{
    Application, Body, Error, MAX_REASON, RequestContext, RequestHandler, Response, Result, url,
};
use futures_util::stream;
use http::{Method, Request, StatusCode, header};

use crate::support::{call, exchange, get, listen, post, text};

fn ask(method: Method, target: &str) -> Request<Body> {
    let mut request = get(target);
    *request.method_mut() = method;
    request
}

fn allowed(response: &http::Response<Bytes>) -> Vec<&str> {
    let allow = response.headers()[header::ALLOW].to_str().unwrap();
    let mut methods: Vec<_> = allow.split(", ").filter(|name| !name.is_empty()).collect();
    methods.sort_unstable();
    methods
}

/// Ends the request far below its handler.
async fn deep(cx: &mut RequestContext) -> Result<u32> {
    match cx.raw_query() {
        Some("written") => {
            cx.set_status(StatusCode::ACCEPTED);
            cx.write("early ");
            Err(Error::finish(cx.text("exit")?))
        }
        Some("brought") => {
            let brought = http::Response::builder()
                .status(203)
                .body(Body::from("brought"))?;
            Err(Error::finish(brought))
        }
        Some("redirect") => Err(Error::finish(cx.redirect("/elsewhere")?)),
        Some("flushed") => {
            cx.write("a");
            cx.flush().await?;
            cx.write("b");
            Err(Error::finish(cx.finish()?))
        }
        _ => Ok(7),
    }
}

struct Deep(Arc<AtomicUsize>);

impl RequestHandler for Deep {
    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        if cx.header("x-early").is_some() {
            return Err(Error::finish(cx.text("prepared")?));
        }
        Ok(None)
    }

    async fn get(&self, cx: &mut RequestContext) -> Result {
        let number = deep(cx).await?;
        cx.text(format!("whole {number}"))
    }

    async fn put(&self, cx: &mut RequestContext) -> Result {
        cx.send_error(StatusCode::CONFLICT)
    }

    async fn write_error(&self, cx: &mut RequestContext, error: &Error) -> Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        if cx.raw_query() == Some("finish") {
            return Err(Error::finish(cx.text("finished the page")?));
        }
        cx.text(format!("page of {}", error.status().as_u16()))
    }
}

#[tokio::test]
async fn a_request_ends_early_from_any_depth_and_without_an_error() {
    let errors = Arc::new(AtomicUsize::new(0));
    let app = Application::new()
        .route("/handler", Deep(Arc::clone(&errors)))
        .get("/function", async |cx: &mut RequestContext| {
            let number = deep(cx).await?;
            cx.text(format!("whole {number}"))
        });
    for path in ["/handler", "/function"] {
        for (query, status, body) in [
            ("?written", 202, "early exit"),
            ("?brought", 203, "brought"),
            ("?redirect", 302, ""),
            ("?flushed", 200, "ab"),
            ("", 200, "whole 7"),
        ] {
            let response = call(&app, get(&format!("{path}{query}"))).await;
            let got = (response.status().as_u16(), text(&response));
            assert_eq!(got, (status, body), "{path}{query}");
        }
    }
    let mut early = get("/handler");
    early.headers_mut().insert("x-early", "1".parse().unwrap());
    assert_eq!(text(&call(&app, early).await), "prepared");
    assert_eq!(errors.load(Ordering::Relaxed), 0);
    // An error page may end itself too.
    let response = call(&app, ask(Method::PUT, "/handler?finish")).await;
    let got = (response.status().as_u16(), text(&response));
    assert_eq!(got, (409, "finished the page"));
}

#[tokio::test]
async fn send_error_goes_to_the_page_of_the_handler() {
    let errors = Arc::new(AtomicUsize::new(0));
    let app = Application::new().route("/", Deep(Arc::clone(&errors)));
    let response = call(&app, ask(Method::PUT, "/")).await;
    assert_eq!(
        (response.status().as_u16(), text(&response)),
        (409, "page of 409")
    );
    assert_eq!(errors.load(Ordering::Relaxed), 1);
}

struct PostOnly(Arc<AtomicUsize>);

impl RequestHandler for PostOnly {
    const SUPPORTED_METHODS: &'static [Method] = &[Method::POST, Method::OPTIONS];

    async fn prepare(&self, _cx: &mut RequestContext) -> Result<Option<Response>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    async fn post(&self, cx: &mut RequestContext) -> Result {
        cx.text("posted")
    }
}

async fn plain(cx: &mut RequestContext) -> Result {
    cx.text("function")
}

/// RFC 9110 section 15.5.6: `Allow` has all that the resource supports.
#[tokio::test]
async fn a_405_names_functions_beside_the_handler_and_comes_before_prepare() {
    let prepared = Arc::new(AtomicUsize::new(0));
    let app = Application::new()
        .get("/both", plain)
        .put("/both", plain)
        .route("/both", PostOnly(Arc::clone(&prepared)))
        .get("/functions", plain);
    let response = call(&app, ask(Method::DELETE, "/both")).await;
    assert_eq!(response.status(), 405);
    assert_eq!(
        allowed(&response),
        ["GET", "HEAD", "OPTIONS", "POST", "PUT"]
    );
    for method in [Method::DELETE, Method::TRACE, "BREW".parse().unwrap()] {
        assert_eq!(call(&app, ask(method, "/both")).await.status(), 405);
    }
    assert_eq!(prepared.load(Ordering::Relaxed), 0);
    let response = call(&app, ask(Method::POST, "/functions")).await;
    assert_eq!(response.status(), 405);
    assert_eq!(allowed(&response), ["GET", "HEAD", "OPTIONS"]);
    assert_eq!(
        text(&call(&app, ask(Method::POST, "/both")).await),
        "posted"
    );
    assert_eq!(prepared.load(Ordering::Relaxed), 1);
    // Whatever the method, a path that is not there is a 404.
    assert_eq!(
        call(&app, ask(Method::TRACE, "/nowhere")).await.status(),
        404
    );
}

/// RFC 9110 section 9.3.7.
#[tokio::test]
async fn options_names_the_methods() {
    struct All;
    impl RequestHandler for All {
        async fn default(&self, cx: &mut RequestContext) -> Result {
            cx.text("anything")
        }
    }
    let files = tempfile::tempdir().unwrap();
    let app = Application::new()
        .get("/both", plain)
        .route("/both", PostOnly(Arc::default()))
        .post("/functions", plain)
        .static_files("/static", files.path())
        .route("/all", All);
    for (path, methods) in [
        ("/both", &["GET", "HEAD", "OPTIONS", "POST"][..]),
        ("/functions", &["OPTIONS", "POST"]),
        ("/static/x", &["GET", "HEAD", "OPTIONS"]),
    ] {
        let response = call(&app, ask(Method::OPTIONS, path)).await;
        assert_eq!(response.status(), 204, "{path}");
        assert_eq!(allowed(&response), methods, "{path}");
        assert_eq!(text(&response), "");
    }
    let response = call(&app, ask(Method::OPTIONS, "/all")).await;
    assert_eq!(text(&response), "anything");
    assert_eq!(
        call(&app, ask(Method::OPTIONS, "/nowhere")).await.status(),
        404
    );
    let (server, address) = listen(app).await;
    let all = b"OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = exchange(address, all).await;
    assert!(
        answer.starts_with("HTTP/1.1 204 No Content\r\n"),
        "{answer}"
    );
    server.shutdown();
    server.wait().await;
}

#[tokio::test]
async fn a_reason_phrase_of_its_own_is_sent_by_http1() {
    let app = Application::new()
        .get("/", async |cx: &mut RequestContext| {
            cx.set_status_with_reason(StatusCode::OK, "All Right")?;
            cx.text("x")
        })
        .get("/changed", async |cx: &mut RequestContext| {
            cx.set_status_with_reason(StatusCode::OK, "All Right")?;
            cx.set_status(StatusCode::ACCEPTED);
            cx.text("x")
        })
        .get("/brought", async |cx: &mut RequestContext| {
            cx.set_status_with_reason(StatusCode::CREATED, "Made")?;
            Ok(http::Response::builder()
                .status(201)
                .body(Body::from("x"))?
                .into())
        })
        .get("/error", async |_cx: &mut RequestContext| {
            Err(Error::new(StatusCode::NOT_FOUND).reason("Gone <fishing>"))
        });
    let (server, address) = listen(app).await;
    for (path, line) in [
        ("/", "HTTP/1.1 200 All Right\r\n"),
        ("/changed", "HTTP/1.1 202 Accepted\r\n"),
        ("/brought", "HTTP/1.1 201 Made\r\n"),
        ("/error", "HTTP/1.1 404 Gone <fishing>\r\n"),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\n\r\nGET /changed HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        );
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.starts_with(line), "{path}: {answer}");
        // What follows on the connection is whole.
        assert!(
            answer.contains("HTTP/1.1 202 Accepted\r\n"),
            "{path}: {answer}"
        );
        assert!(!answer.contains("<h1>404: Gone <"), "{answer}");
    }
    server.shutdown();
    server.wait().await;
}

/// A phrase from elsewhere has neither a line end for the head nor markup for the page.
#[tokio::test]
async fn cve_2025_67724_a_reason_phrase_cannot_leave_its_line() {
    let app = Application::new()
        .get("/set", async |cx: &mut RequestContext| {
            let reason = cx.argument("reason")?;
            cx.set_status_with_reason(StatusCode::OK, &reason)?;
            cx.text("x")
        })
        .get("/error", async |cx: &mut RequestContext| {
            let reason = cx.argument("reason")?;
            Err(Error::new(StatusCode::BAD_REQUEST).reason(reason))
        });
    let (server, address) = listen(app).await;
    let longest = "r".repeat(MAX_REASON);
    for (reason, is_sound) in [
        ("a%0D%0Ax-injected:1", false),
        ("a%0Ax-injected:1", false),
        ("a%7Fb", false),
        ("a%09b", false),
        ("caf%C3%A9", false),
        (&format!("{longest}r"), false),
        (&longest, true),
        ("a%20b", true),
        ("%3Cscript%3E", true),
    ] {
        for path in ["/set", "/error"] {
            let request = format!(
                "GET {path}?reason={reason} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
            );
            let answer = exchange(address, request.as_bytes()).await;
            let line = answer.lines().next().unwrap();
            let expected = match (path, is_sound) {
                ("/set", false) => "HTTP/1.1 500 Internal Server Error".to_owned(),
                ("/error", false) => "HTTP/1.1 400 Bad Request".to_owned(),
                (path, _) => {
                    let code = if path == "/set" { 200 } else { 400 };
                    let reason = reason.replace("%20", " ");
                    let reason = reason.replace("%3C", "<").replace("%3E", ">");
                    format!("HTTP/1.1 {code} {reason}")
                }
            };
            assert_eq!(line, expected, "{path} {reason}");
            assert!(!answer.contains("\nx-injected"), "{answer}");
            let (_head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(!body.contains("<script>"), "{body}");
        }
    }
    server.shutdown();
    server.wait().await;
}

#[derive(Clone, Default)]
struct Seen(Vec<Bytes>);

struct Pieces;

impl RequestHandler for Pieces {
    const DATA_RECEIVED: bool = true;

    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        cx.set_body_limit(8);
        cx.extensions_mut().insert(Seen::default());
        Ok(None)
    }

    async fn data_received(&self, cx: &mut RequestContext, chunk: Bytes) -> Result<()> {
        if chunk.as_ref() == b"bad" {
            return Err(Error::bad_request("a bad piece"));
        }
        tokio::task::yield_now().await;
        cx.extensions_mut()
            .get_or_insert_default::<Seen>()
            .0
            .push(chunk);
        Ok(())
    }

    async fn post(&self, cx: &mut RequestContext) -> Result {
        assert!(cx.body().await?.is_empty());
        let seen = cx.extensions().get::<Seen>().cloned().unwrap_or_default();
        cx.text(seen.0.join(&b'|'))
    }
}

#[tokio::test]
async fn data_received_gets_a_body_in_pieces_before_the_method() {
    let app = Application::new().route("/", Pieces);
    let send = async |pieces: &'static [&'static str]| {
        let pieces = pieces
            .iter()
            .map(|piece| Ok::<_, std::io::Error>(Bytes::from(*piece)));
        let body = Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()));
        let response = call(&app, post("/", "application/x-www-form-urlencoded", body)).await;
        (response.status().as_u16(), text(&response).to_owned())
    };
    assert_eq!(
        send(&["a=1", "&", "b=2"]).await,
        (200, "a=1|&|b=2".to_owned())
    );
    assert_eq!(send(&[]).await, (200, String::new()));
    assert_eq!(send(&["12345678"]).await.0, 200);
    assert_eq!(send(&["1234", "56789"]).await.0, 413);
    assert_eq!(send(&["1", "bad", "2"]).await.0, 400);
    let (server, address) = listen(app.clone()).await;
    let declared = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n";
    assert!(
        exchange(address, declared)
            .await
            .starts_with("HTTP/1.1 413 ")
    );
    server.shutdown();
    server.wait().await;
}

/// cyclone's `serialize_lists`: there is no array that a page of another site could read by a `<script>`.
#[tokio::test]
async fn lists_are_json_as_any_value() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.json(&[Some(1), None, Some(3)])
    });
    let response = call(&app, get("/")).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(text(&response), "[1,null,3]");
}

#[tokio::test]
async fn query_and_body_are_there_as_they_came() {
    let app = Application::new().post(url("/raw"), async |cx: &mut RequestContext| {
        let query = cx.raw_query().unwrap_or("none").to_owned();
        let body = cx.body().await?;
        cx.write(query);
        cx.write(" ");
        cx.write(body);
        cx.finish()
    });
    let form = "application/x-www-form-urlencoded";
    for (target, body, expected) in [
        ("/raw?a=%20+&&b", "c=%31&c", "a=%20+&&b c=%31&c"),
        ("/raw", "x", "none x"),
        ("/raw?", "", " "),
    ] {
        let response = call(&app, post(target, form, body)).await;
        assert_eq!(text(&response), expected, "{target}");
        let (server, address) = listen(app.clone()).await;
        let length = body.len();
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
        server.shutdown();
        server.wait().await;
    }
}
