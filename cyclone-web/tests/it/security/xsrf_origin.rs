//! Requests of other origins, and what is not checked.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use cyclone_web::{Application, Body, BodyError, Xsrf};
use http::{Method, Request, StatusCode};
use http_body::Frame;

use super::with_headers;
use super::xsrf::{app, done, send, visit};
use crate::support::{call, get, text};

/// The rows of Tornado 6.6 (`cross_origin_protection`), with and without a token.
#[tokio::test]
async fn a_request_of_another_origin_is_refused_whatever_token_it_has() {
    let rows: &[(&[(&'static str, &str)], bool)] = &[
        (&[], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "")], false),
        (&[("sec-fetch-site", "Same-Origin")], false),
        (
            &[
                ("sec-fetch-site", "none"),
                ("origin", "https://evil.example"),
            ],
            true,
        ),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://site.example"),
            ],
            false,
        ),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://app.example"),
            ],
            true,
        ),
        (
            &[
                ("sec-fetch-site", "same-site"),
                ("origin", "https://App.Example"),
            ],
            true,
        ),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://app.example"),
            ],
            false,
        ),
        (&[("origin", "https://site.example")], true),
        (&[("origin", "http://SITE.example")], true),
        (&[("origin", "https://app.example")], true),
        (&[("origin", "https://site.example:8443")], false),
        (&[("origin", "https://site.example.evil.example")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
        (&[("origin", "")], false),
        (&[("origin", "site.example")], false),
        (&[("origin", "ftp://site.example")], false),
        (
            &[
                ("origin", "https://site.example"),
                ("origin", "https://evil.example"),
            ],
            false,
        ),
    ];
    let both = app(Xsrf::new().trusted_origin("https://app.example"));
    let (cookie, token) = visit(&both).await;
    let jar = format!("_xsrf={cookie}");
    let tokenless = app(Xsrf::new()
        .without_tokens()
        .trusted_origin("https://app.example"));
    let tornado_6_5 = app(Xsrf::new().without_origins());
    for (headers, passes) in rows {
        let status = |passes| {
            if passes {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            }
        };
        let mut with_token = headers.to_vec();
        with_token.extend([("cookie", &*jar), ("x-xsrftoken", &*token)]);
        let answered = send(&both, Method::POST, "/", &with_token).await;
        assert_eq!(answered.status(), status(*passes), "{headers:?}");
        let answered = send(&both, Method::POST, "/", headers).await;
        assert_eq!(answered.status(), StatusCode::FORBIDDEN, "{headers:?}");
        let answered = send(&tokenless, Method::POST, "/", headers).await;
        assert_eq!(answered.status(), status(*passes), "{headers:?}");
        let answered = send(&tornado_6_5, Method::POST, "/", &with_token).await;
        assert_eq!(answered.status(), StatusCode::OK, "{headers:?}");
    }
}

/// A port that is that of the scheme need not be named.
#[tokio::test]
async fn an_origin_is_compared_by_host_and_port() {
    let app = app(Xsrf::new().without_tokens());
    for (origin, host, status) in [
        ("https://site.example", "site.example:443", 200),
        ("http://site.example", "site.example:80", 200),
        ("http://site.example", "site.example:443", 403),
        ("https://site.example:8443", "site.example:8443", 200),
        ("http://[::1]:8888", "[::1]:8888", 200),
        ("http://[::1]", "[::1]:8888", 403),
    ] {
        let request = Request::post("/")
            .header("host", host)
            .header("origin", origin);
        let response = call(&app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), status, "{origin} {host}");
    }
}

/// A body that nobody may read.
struct Untouched;
impl http_body::Body for Untouched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        panic!("the body was read");
    }
}

/// An upload of another site costs its head, and no more.
#[tokio::test]
async fn another_origin_is_refused_before_its_body_is_read() {
    let app = app(Xsrf::new());
    for target in ["/", "/handler", "/streaming"] {
        let request = Request::post(target)
            .header("host", "site.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "cross-site")
            .body(Body::new(Untouched))
            .unwrap();
        let response = call(&app, request).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{target}");
    }
}

/// What is mounted protects itself: it reads its body, and knows its clients.
#[tokio::test]
async fn a_mounted_service_is_not_checked() {
    let inner = Application::new().post("/", done);
    let guarded = Application::new().xsrf(Xsrf::new()).post("/", done);
    let app = app(Xsrf::new())
        .mount("/free", inner)
        .mount("/guarded", guarded);
    let free = send(&app, Method::POST, "/free/", &[]).await;
    assert_eq!(text(&free), "done");
    let guarded = send(&app, Method::POST, "/guarded/", &[]).await;
    assert_eq!(guarded.status(), StatusCode::FORBIDDEN);
}

/// The token of a multipart form is found when forms are read before handlers.
#[cfg(feature = "multipart")]
#[tokio::test]
async fn a_multipart_form_has_its_token_in_a_field() {
    let app = app(Xsrf::new()).multipart(cyclone_web::MultipartConfig::default());
    let (cookie, token) = visit(&app).await;
    let jar = format!("_xsrf={cookie}");
    for (token, status) in [(&*token, StatusCode::OK), ("2|x", StatusCode::FORBIDDEN)] {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"_xsrf\"\r\n\r\n{token}\r\n--x--\r\n"
        );
        let request = crate::support::post("/handler", "multipart/form-data; boundary=x", body);
        let response = call(&app, with_headers(request, &[("cookie", &jar)])).await;
        assert_eq!(response.status(), status);
    }
    let page = with_headers(get("/token"), &[("cookie", &jar)]);
    assert!(text(&call(&app, page).await).starts_with("2|"));
}
