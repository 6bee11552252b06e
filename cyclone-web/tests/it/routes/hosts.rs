//! Hosts and custom matchers.

use cyclone_web::{Application, Body, Redirect, RequestContext, Router};
use http::Request;

use super::{named, request, said};
use crate::support::{call, exchange, listen};

async fn at(app: &Application, host: &str, target: &str) -> String {
    said(&call(app, request("GET", host, target)).await)
}

fn app() -> Application {
    Application::new()
        .get("/", named!("everywhere"))
        .get("/only", named!("only everywhere"))
        .host(
            "example.com",
            Router::new()
                .get("/", named!("example"))
                .get("/{x}", named!("below")),
        )
        .host("*.example.com", Router::new().get("/", named!("sub")))
        .host(
            "api.example.com",
            Router::new()
                .get("/", named!("never"))
                .get("/v", named!("api")),
        )
        .host("[2001:db8::1]", Router::new().get("/", named!("six")))
        .get("/later", named!("later"))
}

#[tokio::test]
async fn hosts_come_first_and_all_that_match_are_searched() {
    let app = app();
    for (host, target, expected) in [
        ("example.com", "/", "example"),
        ("EXAMPLE.COM:8888", "/", "example"),
        ("example.com.", "/", "example"),
        ("example.com", "/a", "below x=a"),
        ("example.com", "/a/b", "404"),
        ("api.example.com", "/", "sub"),
        ("api.example.com", "/v", "api"),
        ("www.example.com", "/v", "404"),
        ("other.example", "/", "everywhere"),
        ("other.example", "/only", "only everywhere"),
        ("example.com", "/only", "below x=only"),
        ("api.example.com", "/later", "later"),
        ("[2001:db8::1]", "/", "six"),
        ("[2001:DB8:0:0::1]:8080", "/", "six"),
        ("[2001:db8::2]:8080", "/", "everywhere"),
    ] {
        assert_eq!(at(&app, host, target).await, expected, "{host} {target}");
    }
}

/// An absolute target names the host, whatever the header says (RFC 9112, 3.2.2).
#[tokio::test]
async fn the_host_is_that_of_the_target() {
    let (_server, address) = listen(app()).await;
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n", "six"),
        (
            "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n",
            "example",
        ),
        ("GET / HTTP/1.0\r\n", "everywhere"),
    ] {
        let head = format!("{head}Connection: close\r\n\r\n");
        let answer = exchange(address, head.as_bytes()).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
    }
}

#[tokio::test]
async fn the_default_host_is_for_what_found_nothing_unless_a_proxy_knows_better() {
    let app = Application::new()
        .host("example.com", Router::new().get("/", named!("example")))
        .host("other.example", Router::new().get("/o", named!("other")))
        .default_host("example.com:80");
    for (host, target, expected) in [
        ("localhost:8888", "/", "example"),
        ("127.0.0.1", "/", "example"),
        ("other.example", "/o", "other"),
        ("other.example", "/", "example"),
        ("localhost", "/none", "404"),
    ] {
        assert_eq!(at(&app, host, target).await, expected, "{host} {target}");
    }
    let proxied = async |method: &str, host: &str, target: &str| {
        let request = Request::builder().method(method).uri(target);
        let request = request
            .header("host", host)
            .header("X-Real-Ip", "192.0.2.1");
        said(&call(&app, request.body(Body::empty()).unwrap()).await)
    };
    for (method, host, target, expected) in [
        ("GET", "localhost", "/", "302 http://example.com:80/"),
        ("HEAD", "localhost", "/x", "302 http://example.com:80/"),
        ("POST", "localhost", "/", "404"),
        ("GET", "example.com", "/", "example"),
        ("GET", "example.com", "/none", "404"),
        ("GET", "other.example", "/", "404"),
    ] {
        assert_eq!(
            proxied(method, host, target).await,
            expected,
            "{method} {host} {target}"
        );
    }
}

/// The host that the redirect leads to would send it on again.
#[tokio::test]
async fn a_default_host_without_routes_is_no_redirect() {
    let app = Application::new()
        .host("example.com", Router::new().get("/", named!("example")))
        .default_host("nobody.example");
    let mut request = request("GET", "localhost", "/");
    request
        .headers_mut()
        .insert("x-real-ip", "192.0.2.1".parse().unwrap());
    assert_eq!(said(&call(&app, request).await), "404");
}

#[tokio::test]
async fn a_matcher_sees_the_request() {
    let app = Application::new()
        .get("/", named!("old"))
        .when(
            |request| request.header("x-version") == Some("2"),
            Router::new().get("/", named!("new")),
        )
        .when(
            |request| request.uri().query() == Some("beta") && request.method() == "GET",
            Router::new().host("example.com", Router::new().get("/", named!("beta"))),
        )
        .when(
            |request| {
                request
                    .peer()
                    .remote()
                    .ip()
                    .is_some_and(|ip| ip.is_loopback())
            },
            Router::new().get("/local", named!("local")),
        );
    assert_eq!(at(&app, "h", "/").await, "old");
    assert_eq!(at(&app, "example.com", "/?beta").await, "beta");
    assert_eq!(at(&app, "h", "/?beta").await, "old");
    let mut new = request("GET", "h", "/");
    new.headers_mut().insert("x-version", "2".parse().unwrap());
    assert_eq!(said(&call(&app, new).await), "new");
    assert_eq!(at(&app, "h", "/local").await, "404");
    let (_server, address) = listen(app).await;
    let head = b"GET /local HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert!(exchange(address, head).await.ends_with("local"));
}

#[tokio::test]
async fn a_method_is_looked_for_in_every_group() {
    let app = Application::new()
        .host("a.example", Router::new().get("/", named!("get")))
        .post("/", named!("post"));
    for (method, status) in [("GET", 200), ("POST", 200), ("PUT", 405)] {
        let response = call(&app, request(method, "a.example", "/")).await;
        assert_eq!(response.status(), status, "{method}");
    }
    assert_eq!(
        call(&app, request("GET", "b.example", "/")).await.status(),
        405
    );
}

#[tokio::test]
async fn mounts_and_handlers_belong_to_hosts_too() {
    async fn whole(cx: &mut RequestContext) -> cyclone_web::Result {
        cx.text(cx.uri().to_string())
    }
    let inner = Application::new().get("/{*rest}", whole);
    let app = Application::new().host(
        "a.example",
        Router::new()
            .mount("/in", inner)
            .route("/old", Redirect::permanent("/new")),
    );
    assert_eq!(at(&app, "a.example", "/in/x").await, "/x");
    assert_eq!(at(&app, "b.example", "/in/x").await, "404");
    assert_eq!(at(&app, "a.example", "/old").await, "301 /new");
}

#[cfg(feature = "regex")]
#[tokio::test]
async fn hosts_are_expressions_too() {
    use cyclone_web::HostPattern;
    let app = Application::new().host(
        HostPattern::regex(r"(www\.)?example\.(com|org)"),
        Router::new().get("/", named!("any")),
    );
    for (host, expected) in [
        ("www.example.org:80", "any"),
        ("example.com", "any"),
        ("example.com.evil.example", "404"),
    ] {
        assert_eq!(at(&app, host, "/").await, expected, "{host}");
    }
}
