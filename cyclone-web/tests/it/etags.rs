//! Entity tags of answers, and requests with conditions.

use bytes::Bytes;
use cyclone_web::{Application, Body, ETag, RequestContext, RequestHandler, Result, url};
use http::{HeaderMap, Request, Response, header};

use crate::support::{call, exchange, get, listen, text};

async fn page(cx: &mut RequestContext) -> Result {
    cx.set_header("content-language", "en")?;
    cx.set_header("cache-control", "no-cache")?;
    cx.set_cookie(cyclone_web::SetCookie::new("seen", "1"))?;
    cx.text("the page")
}

fn asking(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get("/");
    for (name, value) in headers {
        let name: header::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

fn tag(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ETAG).map(|tag| tag.to_str().unwrap())
}

/// The SHA-256 of `the page`, cut to 128 bits.
const TAG: &str = "\"aafdd3f20726bac0993d94996c006d70\"";

async fn answer(app: &Application, headers: &[(&str, &str)]) -> Response<Bytes> {
    call(app, asking(headers)).await
}

#[tokio::test]
async fn answers_are_tagged_where_it_is_switched_on_only() {
    struct Off;
    impl RequestHandler for Off {
        const ETAG: Option<bool> = Some(false);
        async fn get(&self, cx: &mut RequestContext) -> Result {
            cx.text("the page")
        }
    }
    struct On;
    impl RequestHandler for On {
        const ETAG: Option<bool> = Some(true);
        async fn get(&self, cx: &mut RequestContext) -> Result {
            cx.text("the page")
        }
    }
    let routes = |app: Application| {
        app.get("/", page)
            .get(url("/on").etag(true), page)
            .get(url("/off").etag(false), page)
            .route("/handler-off", Off)
            .route("/handler-on", On)
            .route(url("/over-off").etag(true), Off)
            .route(url("/over-on").etag(false), On)
    };
    let unset = routes(Application::new());
    let on = routes(Application::new()).etag(true);
    for (path, by_default, switched_on) in [
        ("/", false, true),
        ("/on", true, true),
        ("/off", false, false),
        ("/handler-off", false, false),
        ("/handler-on", true, true),
        ("/over-off", true, true),
        ("/over-on", false, false),
        ("/nothing", false, false),
    ] {
        for (app, expected) in [(&unset, by_default), (&on, switched_on)] {
            let response = call(app, get(path)).await;
            assert_eq!(tag(response.headers()).is_some(), expected, "{path}");
        }
    }
    let alone = Application::new().route("/", On);
    assert_eq!(tag(answer(&alone, &[]).await.headers()), Some(TAG));
}

/// RFC 9110 section 13.1.2: weak comparison, lists, `*`.
#[tokio::test]
async fn a_client_that_has_the_answer_gets_a_304_without_what_describes_a_body() {
    let app = Application::new().get("/", page).etag(true);
    let whole = answer(&app, &[]).await;
    assert_eq!(tag(whole.headers()), Some(TAG));
    assert_eq!(text(&whole), "the page");
    let weak = format!("W/{TAG}");
    let list = format!("\"other\", {weak}, \"third\"");
    for (value, status) in [
        (TAG, 304),
        (&weak, 304),
        (&list, 304),
        ("*", 304),
        ("\"other\"", 200),
        // A substring is no match, as it was in cyclone.
        ("\"aafdd3f20726bac0\"", 200),
        ("aafdd3f20726bac0993d94996c006d70", 200),
        ("", 200),
    ] {
        let response = answer(&app, &[("if-none-match", value)]).await;
        assert_eq!(response.status(), status, "{value}");
        let headers = response.headers();
        assert_eq!(tag(headers), Some(TAG), "{value}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert!(headers.contains_key(header::SET_COOKIE));
        if status == 304 {
            assert_eq!(text(&response), "");
            for gone in ["content-type", "content-language", "content-length"] {
                assert!(!headers.contains_key(gone), "{gone}");
            }
        }
    }
    // In two lines.
    let response = answer(&app, &[("if-none-match", "\"a\""), ("if-none-match", TAG)]).await;
    assert_eq!(response.status(), 304);
    // RFC 9110 section 13.1.1.
    let response = answer(&app, &[("if-match", "\"other\"")]).await;
    assert_eq!((response.status().as_u16(), text(&response)), (412, ""));
    assert_eq!(answer(&app, &[("if-match", TAG)]).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_a_plain_answer_has_no_tag() {
    struct Verbs;
    impl RequestHandler for Verbs {
        async fn get(&self, cx: &mut RequestContext) -> Result {
            match cx.raw_query() {
                Some("flush") => {
                    cx.write("the ");
                    cx.flush().await?;
                    cx.write("page");
                    cx.finish()
                }
                Some("foreign") => Ok(Response::new(Body::from("the page")).into()),
                Some("status") => {
                    cx.set_status(http::StatusCode::ACCEPTED);
                    cx.text("the page")
                }
                Some("fails") => cx.send_error(http::StatusCode::IM_A_TEAPOT),
                _ => cx.text("the page"),
            }
        }
        async fn post(&self, cx: &mut RequestContext) -> Result {
            cx.text("the page")
        }
    }
    let app = Application::new().route("/", Verbs).etag(true);
    for target in ["/?flush", "/?foreign", "/?status", "/?fails"] {
        let mut request = get(target);
        let any = http::HeaderValue::from_static("*");
        request.headers_mut().insert(header::IF_NONE_MATCH, any);
        let response = call(&app, request).await;
        assert_eq!(tag(response.headers()), None, "{target}");
        assert_ne!(response.status(), 304, "{target}");
    }
    let mut request = get("/");
    *request.method_mut() = http::Method::POST;
    assert_eq!(tag(call(&app, request).await.headers()), None);
    let mut request = get("/");
    *request.method_mut() = http::Method::HEAD;
    assert_eq!(tag(call(&app, request).await.headers()), Some(TAG));
}

/// Makes tags in ways of its own.
struct Own;
impl RequestHandler for Own {
    fn compute_etag(&self, cx: &RequestContext, body: &[u8]) -> Option<ETag> {
        match cx.raw_query() {
            Some("none") => None,
            Some("panics") => panic!("on purpose"),
            Some("length") => ETag::weak(&body.len().to_string()).ok(),
            _ => ETag::strong("v7").ok(),
        }
    }

    async fn get(&self, cx: &mut RequestContext) -> Result {
        match cx.raw_query() {
            Some("set") => cx.set_header("etag", "\"mine\"")?,
            Some("date") => cx.set_header("last-modified", "Fri, 01 Jan 2021 00:00:00 GMT")?,
            _ => {}
        }
        cx.text("own")
    }

    async fn head(&self, cx: &mut RequestContext) -> Result {
        cx.finish()
    }
}

#[tokio::test]
async fn a_handler_makes_its_own_tags() {
    // On a route that is switched, a wrapper stands before the handler.
    for spec in [url("/"), url("/").etag(true)] {
        let app = Application::new().route(spec, Own).etag(true);
        for (target, expected) in [
            ("/", Some("\"v7\"")),
            ("/?none", None),
            ("/?panics", None),
            ("/?length", Some("W/\"3\"")),
            ("/?set", Some("\"mine\"")),
        ] {
            let response = call(&app, get(target)).await;
            assert_eq!(tag(response.headers()), expected, "{target}");
            assert_eq!(text(&response), "own");
            if let Some(tag) = expected {
                let mut again = get(target);
                again
                    .headers_mut()
                    .insert(header::IF_NONE_MATCH, tag.parse().unwrap());
                assert_eq!(call(&app, again).await.status(), 304, "{target}");
            }
        }
        let mut since = get("/?date");
        let date = http::HeaderValue::from_static("Sat, 02 Jan 2021 00:00:00 GMT");
        since.headers_mut().insert(header::IF_MODIFIED_SINCE, date);
        assert_eq!(call(&app, since).await.status(), 304);
        // Nobody knows what `GET` would have written.
        let mut head = get("/");
        *head.method_mut() = http::Method::HEAD;
        assert_eq!(tag(call(&app, head).await.headers()), None);
    }
}

#[tokio::test]
async fn a_304_goes_over_a_connection_that_is_kept() {
    let app = Application::new().get("/", page).etag(true);
    let (server, address) = listen(app).await;
    let ask = format!("GET / HTTP/1.1\r\nhost: a\r\nif-none-match: {TAG}\r\n\r\n");
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = exchange(address, format!("{ask}{last}").as_bytes()).await;
    let (first, second) = answers.split_once("\r\n\r\n").unwrap();
    assert!(
        first.starts_with("HTTP/1.1 304 Not Modified\r\n"),
        "{first}"
    );
    assert!(!first.contains("content-"), "{first}");
    assert!(second.starts_with("HTTP/1.1 200 OK\r\n"), "{second}");
    assert!(second.ends_with("\r\n\r\nthe page"), "{second}");
    server.shutdown();
    server.wait().await;
}
