//! Routes, arguments, answers and errors.

use cyclone_core::{Context, Endpoint, Server};
use cyclone_web::{
    Application, Error, RequestContext, RequestHandler, Response, Result, SetCookie, url,
};
use http::{Method, StatusCode, header};

use crate::support::{call, get, listen, post, text};

struct Hello;
impl RequestHandler for Hello {
    const SUPPORTED_METHODS: &'static [Method] = &[Method::GET, Method::HEAD, Method::POST];

    async fn get(&self, cx: &mut RequestContext) -> Result {
        let name = cx.argument("name")?;
        cx.text(format!("hello, {name}"))
    }

    async fn post(&self, cx: &mut RequestContext) -> Result {
        let names = cx.arguments("name")?;
        cx.json(&names)
    }
}

fn app() -> Application {
    Application::new().route("/", Hello)
}

#[tokio::test]
async fn arguments_come_from_query_and_form() {
    let app = app();
    let response = call(&app, get("/?name=%20ada%20&name=grace%20")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(&response), "hello, grace");
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    let form = post(
        "/?name=q",
        "application/x-www-form-urlencoded",
        "name=a+b&name=c",
    );
    assert_eq!(text(&call(&app, form).await), r#"["q","a b","c"]"#);
}

#[tokio::test]
async fn a_missing_argument_is_a_400_that_names_it() {
    let response = call(&app(), get("/")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(&response).contains("name"), "{}", text(&response));
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_method_not_supported_405_with_allow() {
    let app = app().get("/f", async |cx: &mut RequestContext| cx.text("f"));
    assert_eq!(
        call(&app, get("/none")).await.status(),
        StatusCode::NOT_FOUND
    );
    for (path, allowed) in [("/", "GET, HEAD, POST"), ("/f", "GET, HEAD, OPTIONS")] {
        let mut request = get(path);
        *request.method_mut() = Method::DELETE;
        let response = call(&app, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], allowed);
    }
}

async fn user(cx: &mut RequestContext) -> Result {
    let id: u32 = cx.path::<std::collections::HashMap<String, u32>>()?["id"];
    let here = cx.reverse_url("user", &[&id])?;
    cx.text(here)
}

#[tokio::test]
async fn path_parameters_are_typed_and_reversed() {
    let app = Application::new().get(url("/user/{id}").name("user"), user);
    assert_eq!(text(&call(&app, get("/user/7")).await), "/user/7");
    assert_eq!(
        call(&app, get("/user/x")).await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(app.reverse_url("user", &[&"a b"]).unwrap(), "/user/a%20b");
    assert!(app.reverse_url("nobody", &[]).is_err());
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Point {
    x: i32,
    y: i32,
}

async fn point(cx: &mut RequestContext) -> Result {
    let point: Point = cx.json_body().await?;
    cx.json(&point)
}

#[tokio::test]
async fn json_bodies_are_checked_in_steps() {
    let app = Application::new().post("/", point);
    let table = [
        ("application/json", r#"{"x":1,"y":2}"#, 200),
        ("application/json", r#"{"x":1}"#, 422),
        ("application/json", r#"{"x":1"#, 400),
        ("text/plain", r#"{"x":1,"y":2}"#, 415),
    ];
    for (media, body, status) in table {
        let response = call(&app, post("/", media, body)).await;
        assert_eq!(response.status(), status, "{body}: {}", text(&response));
    }
}

#[tokio::test]
async fn query_and_form_are_typed_too() {
    let app = Application::new()
        .get("/", async |cx: &mut RequestContext| {
            let point: Point = cx.query()?;
            cx.json(&point)
        })
        .post("/", async |cx: &mut RequestContext| {
            let point: Point = cx.form().await?;
            cx.json(&point)
        });
    assert_eq!(
        text(&call(&app, get("/?x=1&y=-2")).await),
        r#"{"x":1,"y":-2}"#
    );
    let response = call(&app, get("/?x=1&y=z")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(&response).contains('y'));
    let form = post("/", "application/x-www-form-urlencoded", "x=3&y=4");
    assert_eq!(text(&call(&app, form).await), r#"{"x":3,"y":4}"#);
    let other = post("/", "text/plain", "x=3&y=4");
    assert_eq!(
        call(&app, other).await.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

#[tokio::test]
async fn a_body_has_a_limit_per_route_just_under_at_and_over() {
    let app = Application::new().post(url("/").body_limit(10), async |cx: &mut RequestContext| {
        let body = cx.body().await?;
        cx.text(body.len().to_string())
    });
    for (length, status) in [(9, 200), (10, 200), (11, 413)] {
        let request = post("/", "text/plain", "x".repeat(length));
        assert_eq!(call(&app, request).await.status(), status, "{length}");
    }
}

/// CVE-2012-2374: a header value with a line break must not reach the client.
#[tokio::test]
async fn header_injection_is_an_error_in_the_handler() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.set_header("x-name", "a\r\nset-cookie: b=c")?;
        cx.text("never")
    });
    let response = call(&app, get("/")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!response.headers().contains_key("x-name"));
    assert!(!text(&response).contains("set-cookie"));
}

/// CVE-2023-28370: no redirect that we compute leaves the host.
#[tokio::test]
async fn redirects_stay_on_their_host() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        let target = cx.argument("to")?;
        cx.redirect(&target)
    });
    let table = [
        ("/a", "/a"),
        ("//evil.example/x", "/evil.example/x"),
        (r"/%5Cevil.example", "/evil.example"),
        (r"%5C%5Cevil.example", "/evil.example"),
        ("/%09/evil.example", "/evil.example"),
        ("https://other.example/", "https://other.example/"),
    ];
    for (to, location) in table {
        let response = call(&app, get(&format!("/?to={to}"))).await;
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(response.headers()[header::LOCATION], location, "{to}");
    }
}

#[tokio::test]
async fn cookies_are_read_and_set() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        let seen = cx.cookie("seen").unwrap_or_default();
        cx.set_cookie(SetCookie::new("seen", "1"))?;
        cx.set_cookie(SetCookie::new("seen", "2"))?;
        cx.clear_cookie("old")?;
        cx.text(seen)
    });
    let mut request = get("/");
    request
        .headers_mut()
        .insert(header::COOKIE, "a=b; seen=yes".parse().unwrap());
    let response = call(&app, request).await;
    assert_eq!(text(&response), "yes");
    let cookies: Vec<_> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .collect();
    assert_eq!(cookies.len(), 2);
    assert!(cookies[0].to_str().unwrap().starts_with("seen=2;"));
    assert!(cookies[1].to_str().unwrap().starts_with("old=;"));
}

struct Custom;
impl RequestHandler for Custom {
    fn set_default_headers(&self, cx: &mut RequestContext) {
        cx.response_headers_mut()
            .insert("x-default", http::HeaderValue::from_static("yes"));
    }

    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        match cx.optional_argument("stop")? {
            Some(_) => cx.text("stopped").map(Some),
            None => Ok(None),
        }
    }

    async fn get(&self, cx: &mut RequestContext) -> Result {
        cx.write("this is not sent");
        Err(Error::new(StatusCode::IM_A_TEAPOT).message("<short & stout>"))
    }

    async fn write_error(&self, cx: &mut RequestContext, error: &Error) -> Result {
        let message = error.client_message().unwrap_or("?").to_owned();
        cx.text(format!("custom {}: {message}", error.status().as_u16()))
    }
}

#[tokio::test]
async fn prepare_may_answer_and_write_error_is_the_handlers() {
    let app = Application::new().route("/", Custom);
    let response = call(&app, get("/?stop=1")).await;
    assert_eq!(text(&response), "stopped");
    let response = call(&app, get("/")).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers()["x-default"], "yes");
    assert_eq!(text(&response), "custom 418: <short & stout>");
}

#[tokio::test]
async fn the_default_error_page_escapes_and_speaks_json_when_asked() {
    let app = Application::new().get("/", async |_: &mut RequestContext| {
        Err::<Response, _>(Error::bad_request("<b>"))
    });
    let response = call(&app, get("/")).await;
    assert!(text(&response).contains("<p>&lt;b&gt;</p>"));
    let mut request = get("/");
    request
        .headers_mut()
        .insert(header::ACCEPT, "application/json".parse().unwrap());
    let response = call(&app, request).await;
    assert_eq!(
        text(&response),
        r#"{"error":"Bad Request","message":"<b>","status":400}"#
    );
}

/// The text of an error of ours stays in the log (reliability: a body never shows the message).
#[tokio::test]
async fn errors_of_ours_and_panics_are_500_without_their_text() {
    let app = Application::new()
        .get("/error", async |_: &mut RequestContext| {
            Err::<Response, _>(std::io::Error::other("secret").into())
        })
        .get("/panic", async |cx: &mut RequestContext| {
            if cx.uri().path() == "/panic" {
                panic!("secret");
            }
            cx.finish()
        });
    for path in ["/error", "/panic"] {
        let response = call(&app, get(path)).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!text(&response).contains("secret"));
    }
}

#[tokio::test]
async fn a_204_and_a_304_have_no_body_and_no_type() {
    let app = Application::new().get("/{status}", async |cx: &mut RequestContext| {
        let status = cx.path_argument("status")?;
        cx.set_status(StatusCode::from_bytes(status.as_bytes())?);
        cx.text("dropped")
    });
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let response = call(&app, get(&format!("/{}", status.as_u16()))).await;
        assert_eq!(response.status(), status);
        assert!(response.body().is_empty());
        assert!(!response.headers().contains_key(header::CONTENT_TYPE));
    }
}

struct Counter(u32);

#[tokio::test]
async fn a_declared_resource_is_checked_when_the_server_starts() {
    let app = || {
        Application::new()
            .requires::<Counter>()
            .get("/", async |cx: &mut RequestContext| {
                let counter: &Counter = cx.resources().get()?;
                let number = counter.0.to_string();
                cx.text(number)
            })
    };
    let without = Server::new().listen(Endpoint::loopback(0), app());
    let error = without.start().await.unwrap_err();
    assert!(error.missing_resource().is_some());
    let with = Server::new()
        .listen(Endpoint::loopback(0), app())
        .resource(Counter(7));
    let server = with.start().await.unwrap();
    let address = server.local_addresses()[0].socket_addr().unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = crate::support::exchange(address, request).await;
    assert!(answer.ends_with("\r\n\r\n7"), "{answer}");
}

#[tokio::test]
async fn several_requests_share_a_connection() {
    let (_server, address) = listen(app()).await;
    let request = b"GET /?name=a HTTP/1.1\r\nHost: h\r\n\r\nGET /?name=b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = crate::support::exchange(address, request).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(answer.ends_with("hello, b"));
}

#[tokio::test]
#[should_panic(expected = "route `/a/{y}`")]
async fn clashing_routes_are_found_at_the_start() {
    let function = async |cx: &mut RequestContext| cx.finish();
    let _ = Application::new()
        .get("/a/{x}", function)
        .get("/a/{y}", function);
}
