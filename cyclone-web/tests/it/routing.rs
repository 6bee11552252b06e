//! Which handler a request finds, and with what.

use cyclone_web::{
    Application, Error, OriginalUri, RequestContext, RequestHandler, Response, Result, url,
};
use http::{Method, Request, StatusCode, header};

use crate::support::{call, get, text};

async fn show(cx: &mut RequestContext) -> Result {
    let value = cx.path_argument("value")?;
    cx.text(format!("{} {value}", cx.method()))
}

fn request(method: &str, target: &str) -> Request<cyclone_web::Body> {
    let mut request = get(target);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    request
}

#[tokio::test]
async fn parameters_are_decoded_once() {
    let app = Application::new()
        .get("/one/{value}", show)
        .get("/part/{value}.json", show)
        .get("/rest/{*value}", show);
    let table = [
        ("/one/a", "GET a"),
        ("/one/a%2Fb", "GET a/b"),
        ("/one/a%252Fb", "GET a%2Fb"),
        ("/one/a+b", "GET a+b"),
        ("/one/%C3%A9", "GET \u{e9}"),
        ("/one/..", "GET .."),
        ("/part/x.json", "GET x"),
        ("/rest/a/b/", "GET a/b/"),
        ("/rest/a%2Fb/c", "GET a/b/c"),
        ("/rest//a", "GET /a"),
    ];
    for (target, expected) in table {
        let response = call(&app, get(target)).await;
        assert_eq!(text(&response), expected, "{target}");
    }
    for target in [
        "/one/",
        "/one/a/b",
        "/one",
        "/rest/",
        "/rest",
        "/part/x.xml",
    ] {
        assert_eq!(
            call(&app, get(target)).await.status(),
            StatusCode::NOT_FOUND,
            "{target}"
        );
    }
    for target in ["/one/%ff", "/one/%C3", "/rest/a/%ff"] {
        assert_eq!(
            call(&app, get(target)).await.status(),
            StatusCode::BAD_REQUEST,
            "{target}"
        );
    }
}

#[tokio::test]
async fn literals_come_before_parameters_and_rests() {
    let app = Application::new()
        .get("/{*value}", async |cx: &mut RequestContext| cx.text("rest"))
        .get("/p/{value}", async |cx: &mut RequestContext| {
            cx.text("parameter")
        })
        .get("/p/literal", async |cx: &mut RequestContext| {
            cx.text("literal")
        })
        .get("/p/{value}/x", async |cx: &mut RequestContext| {
            cx.text("below")
        });
    for (target, expected) in [
        ("/p/literal", "literal"),
        ("/p/literals", "parameter"),
        ("/p/litera", "parameter"),
        ("/p/literal/", "rest"),
        ("/p/literal/x", "below"),
        ("/p/a/x", "below"),
        ("/p/a/y", "rest"),
        ("/p", "rest"),
        ("/p/", "rest"),
        ("/a/b", "rest"),
    ] {
        assert_eq!(text(&call(&app, get(target)).await), expected, "{target}");
    }
}

struct Any;

impl RequestHandler for Any {
    const SUPPORTED_METHODS: &'static [Method] = &[Method::POST, Method::QUERY];

    async fn post(&self, cx: &mut RequestContext) -> Result {
        cx.text("handler POST")
    }

    async fn query(&self, cx: &mut RequestContext) -> Result {
        cx.text("handler QUERY")
    }
}

struct Everything;

impl RequestHandler for Everything {
    async fn default(&self, cx: &mut RequestContext) -> Result {
        cx.text(format!("default {}", cx.method()))
    }
}

fn methods(response: &http::Response<bytes::Bytes>) -> Vec<&str> {
    let allow = response.headers()[header::ALLOW].to_str().unwrap();
    let mut methods: Vec<_> = allow.split(", ").collect();
    methods.sort_unstable();
    methods
}

#[tokio::test]
async fn methods_find_their_handler_or_are_told_which_there_are() {
    let app = Application::new()
        .get("/get/{value}", show)
        .on(
            Method::from_bytes(b"BREW").unwrap(),
            "/pot",
            async |cx: &mut RequestContext| cx.text("brewed"),
        )
        .get("/both", async |cx: &mut RequestContext| cx.text("function"))
        .route("/both", Any)
        .route("/any", Any)
        .route("/everything", Everything);
    let table = [
        ("GET", "/get/a", 200),
        ("HEAD", "/get/a", 200),
        ("POST", "/get/a", 405),
        ("OPTIONS", "/get/a", 204),
        ("QUERY", "/get/a", 405),
        ("BREW", "/get/a", 405),
        ("BREW", "/pot", 200),
        ("GET", "/pot", 405),
        ("GET", "/both", 200),
        ("HEAD", "/both", 200),
        ("POST", "/both", 200),
        ("QUERY", "/both", 200),
        ("PUT", "/both", 405),
        ("GET", "/any", 405),
        ("BREW", "/any", 405),
        ("TRACE", "/any", 405),
        ("OPTIONS", "/everything", 200),
        ("BREW", "/everything", 405),
        ("BREW", "/none", 404),
        ("OPTIONS", "/none", 404),
    ];
    for (method, target, status) in table {
        let response = call(&app, request(method, target)).await;
        assert_eq!(response.status(), status, "{method} {target}");
        assert_eq!(
            response.headers().contains_key(header::ALLOW),
            matches!(status, 204 | 405),
            "{method} {target}"
        );
    }
    assert_eq!(
        methods(&call(&app, request("POST", "/get/a")).await),
        ["GET", "HEAD", "OPTIONS"]
    );
    assert_eq!(
        methods(&call(&app, request("GET", "/pot")).await),
        ["BREW", "OPTIONS"]
    );
    assert_eq!(
        methods(&call(&app, request("GET", "/any")).await),
        ["POST", "QUERY"]
    );
}

#[tokio::test]
async fn urls_are_reversed_so_that_they_come_back() {
    let app = Application::new()
        .get(url("/one/{value}").name("one"), show)
        .get(url("/part/{value}.json").name("part"), show)
        .get(url("/rest/{*value}").name("rest"), show);
    for name in ["one", "part", "rest"] {
        for value in [
            "a",
            "a b",
            "a%2Fb",
            "\u{e9}",
            "?",
            "#",
            "a;b=c",
            "\"<>\\^`{|}",
            "%",
            "+",
            "a:b@c",
            "\u{202e}",
        ] {
            let target = app.reverse_url(name, &[&value]).unwrap();
            assert!(target.is_ascii(), "{target}");
            let response = call(&app, get(&target)).await;
            assert_eq!(text(&response), format!("GET {value}"), "{target}");
        }
    }
    let slashed = app.reverse_url("one", &[&"a/b"]).unwrap();
    assert_eq!(slashed, "/one/a%2Fb");
    assert_eq!(app.reverse_url("rest", &[&"a/b"]).unwrap(), "/rest/a/b");
    assert!(app.reverse_url("one", &[]).is_err());
    assert!(app.reverse_url("none", &[]).is_err());
}

async fn targets(cx: &mut RequestContext) -> Result {
    let original = cx.extensions().get::<OriginalUri>();
    let original = original.map(|original| original.0.to_string());
    cx.text(format!("{} {}", cx.uri(), original.unwrap_or_default()))
}

#[tokio::test]
async fn mounts_answer_with_and_without_a_slash() {
    for prefix in ["/in", "/in/"] {
        let inner = Application::new()
            .get("/", targets)
            .get("/{*rest}", targets);
        let app = Application::new()
            .mount(prefix, inner)
            .get("/in/side", async |cx: &mut RequestContext| {
                cx.text("outside")
            });
        let table = [
            ("/in", "/ /in"),
            ("/in?x=1", "/?x=1 /in?x=1"),
            ("/in/", "/ /in/"),
            ("/in/a?x=%2F", "/a?x=%2F /in/a?x=%2F"),
            ("/in//a", "//a /in//a"),
            ("/in/%69n", "/%69n /in/%69n"),
            ("/in/side", "outside"),
        ];
        for (target, expected) in table {
            assert_eq!(
                text(&call(&app, get(target)).await),
                expected,
                "{prefix} {target}"
            );
        }
        assert_eq!(
            call(&app, get("/inn")).await.status(),
            StatusCode::NOT_FOUND
        );
        assert_eq!(call(&app, get("/")).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_mount_at_the_root_gets_what_nobody_else_does() {
    let inner = Application::new()
        .get("/", targets)
        .get("/{*rest}", targets);
    let app = Application::new()
        .get("/mine", async |cx: &mut RequestContext| cx.text("mine"))
        .mount("/", inner);
    for (target, expected) in [("/mine", "mine"), ("/", "/ /"), ("/a/b", "/a/b /a/b")] {
        assert_eq!(text(&call(&app, get(target)).await), expected, "{target}");
    }
}

#[tokio::test]
async fn mounts_get_every_method() {
    let inner = tower::service_fn(async |request: Request<cyclone_web::Body>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(request.method().to_string()))
    });
    let app = Application::new().mount("/in", inner);
    for method in ["OPTIONS", "QUERY", "BREW", "TRACE", "DELETE"] {
        assert_eq!(text(&call(&app, request(method, "/in/x")).await), method);
    }
}

struct Lost;

impl RequestHandler for Lost {
    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        cx.set_header("x-lost", "1")?;
        Err(Error::not_found().message("lost"))
    }
}

#[tokio::test]
async fn the_default_handler_answers_what_no_route_does() {
    let app = Application::new().get("/", targets).default_handler(Lost);
    for (method, target) in [("GET", "/none"), ("BREW", "/none"), ("OPTIONS", "/none/")] {
        let response = call(&app, request(method, target)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert!(text(&response).contains("lost"));
    }
    assert_eq!(
        call(&app, request("POST", "/")).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

/// A path that cannot match is a mistake in the program.
#[tokio::test]
async fn a_pattern_begins_with_a_slash() {
    let built = std::panic::catch_unwind(|| Application::new().get("hello", targets));
    assert!(built.is_err());
}

/// A request carries `%C3%BC`: a pattern that says `ü` would never match.
#[tokio::test]
async fn a_literal_is_written_as_requests_have_it() {
    for pattern in ["/\u{fc}ber", "/a b"] {
        let built = std::panic::catch_unwind(|| Application::new().get(pattern, targets));
        assert!(built.is_err(), "{pattern}");
    }
}

/// `//host` in a link is another host.
#[tokio::test]
async fn a_reversed_url_stays_on_its_host() {
    let app = Application::new().get(url("/{*value}").name("rest"), show);
    assert!(
        !app.reverse_url("rest", &[&"/evil.example"])
            .unwrap()
            .starts_with("//")
    );
}

#[tokio::test]
async fn a_mount_has_no_parameters() {
    let inner = Application::new().get("/", targets);
    let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Application::new().mount("/{tenant}/in", inner)
    }));
    assert!(built.is_err(), "it would see whole paths");
}
