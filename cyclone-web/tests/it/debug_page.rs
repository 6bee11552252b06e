//! The error page in debug mode, and without it.

use std::io;

use cyclone_web::{Application, Body, Error, RequestContext, Result};
use http::{Request, StatusCode};

use crate::support::{call, text};

/// An error with another one behind it.
#[derive(Debug)]
struct Outer(io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the <outer> cause")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn fails() -> std::result::Result<(), Outer> {
    Err(Outer(io::Error::other("the inner cause")))
}

async fn by_question_mark(cx: &mut RequestContext) -> Result {
    fails()?; // the marked line
    cx.finish()
}

fn app() -> Application {
    Application::new()
        .get("/cause", by_question_mark)
        .get("/log", async |_cx: &mut RequestContext| {
            Err(Error::new(StatusCode::FORBIDDEN)
                .log("the log line")
                .message("told"))
        })
        .get("/panic", async |_cx: &mut RequestContext| -> Result {
            panic!("what it said");
        })
}

fn request(target: &str, accept: &str) -> Request<Body> {
    let mut request = Request::get(target)
        .header("host", "test")
        .header("accept", accept);
    for (name, value) in [
        ("authorization", "Basic c2VjcmV0"),
        ("proxy-authorization", "s1-secret"),
        ("cookie", "session=s2-secret"),
        ("x-xsrftoken", "s3-secret"),
        ("x-api-key", "s4-secret"),
        (
            "referer",
            "http://user:s5-secret@other/path?token=s6-secret&page=2",
        ),
        ("x-plain", "<plain>"),
    ] {
        request = request.header(name, value);
    }
    request.body(Body::empty()).unwrap()
}

const SECRETS: [&str; 8] = [
    "c2VjcmV0",
    "s1-secret",
    "s2-secret",
    "s3-secret",
    "s4-secret",
    "s5-secret",
    "s6-secret",
    "s7-secret",
];

/// What only a programmer may see.
const DETAILS: [&str; 8] = [
    "outer",
    "inner cause",
    "the log line",
    "what it said",
    "debug_page.rs",
    "marked line",
    "x-plain",
    "request",
];

#[tokio::test]
async fn the_page_tells_of_causes_place_and_request_in_debug_mode() {
    let app = app().debug(true);
    let response = call(
        &app,
        request("/cause?page=1&%74oken=s7-secret&flag", "text/html"),
    )
    .await;
    let page = text(&response);
    assert_eq!(response.status(), 500);
    for expected in [
        "the &lt;outer&gt; cause",
        "the inner cause",
        "debug_page.rs:",
        "fails()?; // the marked line",
        "GET /cause?page=1&amp;%74oken=(redacted)&amp;flag HTTP/1.1",
        "authorization: (redacted)",
        "cookie: (redacted)",
        "referer: http://other/path?token=(redacted)&amp;page=2",
        "x-plain: &lt;plain&gt;",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    for secret in SECRETS {
        assert!(!page.contains(secret), "{secret} is in {page}");
    }
    let page = call(&app, request("/panic", "text/html")).await;
    assert!(text(&page).contains("the handler panicked: what it said"));
    let response = call(&app, request("/log", "application/json")).await;
    let page: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(page["message"], "told");
    assert_eq!(page["debug"]["what"], serde_json::json!(["the log line"]));
    assert!(
        page["debug"]["where"]
            .as_str()
            .unwrap()
            .contains("debug_page.rs:")
    );
    for secret in SECRETS {
        assert!(!text(&response).contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn nothing_of_it_is_shown_unless_debug_mode_is_on() {
    for app in [app(), app().debug(false), app().debug(true).debug(false)] {
        for path in ["/cause", "/log", "/panic", "/nowhere"] {
            for accept in ["text/html", "application/json"] {
                let response =
                    call(&app, request(&format!("{path}?token=s7-secret"), accept)).await;
                assert!(response.status().as_u16() >= 400);
                for detail in DETAILS.iter().chain(&SECRETS) {
                    assert!(!text(&response).contains(detail), "{detail}");
                }
            }
        }
    }
}
