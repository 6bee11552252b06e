//! Who a request is from, and the way to the login.

use std::sync::atomic::{AtomicUsize, Ordering};

use cyclone_web::{
    Application, CurrentUser, Error, RequestContext, RequestHandler, Response, Result, url,
};
use http::{Method, Request, StatusCode};

use super::with_headers;
use crate::support::{call, get, text};

#[derive(Debug, serde::Serialize)]
struct User {
    name: String,
}

fn named(name: impl Into<String>) -> CurrentUser {
    CurrentUser::new(User { name: name.into() })
}

/// Waits, as for a database.
async fn by_cookie(cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
    tokio::task::yield_now().await;
    match cx.cookie("user").as_deref() {
        Some("broken") => Err(Error::new(StatusCode::SERVICE_UNAVAILABLE)),
        name => Ok(name.map(named)),
    }
}

async fn name(cx: &mut RequestContext) -> Result {
    match cx.current_user::<User>() {
        Some(user) => cx.text(user.name.clone()),
        None => cx.text("nobody"),
    }
}

struct Page;
impl RequestHandler for Page {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        name(cx).await
    }
    async fn post(&self, cx: &mut RequestContext) -> Result {
        name(cx).await
    }
}

/// Knows its users by itself.
struct ByHeader;
impl RequestHandler for ByHeader {
    const AUTHENTICATED: bool = true;

    async fn current_user(&self, cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
        tokio::task::yield_now().await;
        Ok(cx.header("x-user").map(named))
    }
    async fn get(&self, cx: &mut RequestContext) -> Result {
        name(cx).await
    }
}

/// Says in `prepare` who it is, as Tornado advises.
struct InPrepare;
impl RequestHandler for InPrepare {
    const AUTHENTICATED: bool = true;

    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        if cx.header("x-user").is_some() {
            cx.set_current_user(named("prepared"));
        } else {
            cx.clear_current_user();
        }
        Ok(None)
    }
    async fn get(&self, cx: &mut RequestContext) -> Result {
        name(cx).await
    }
    async fn post(&self, cx: &mut RequestContext) -> Result {
        name(cx).await
    }
}

const ADA: &[(&str, &str)] = &[("cookie", "user=ada")];

#[tokio::test]
async fn the_user_of_the_application_is_known_to_handlers_and_functions() {
    let app = Application::new()
        .current_user(by_cookie)
        .route("/handler", Page)
        .get("/function", name);
    for target in ["/handler", "/function"] {
        assert_eq!(text(&call(&app, get(target)).await), "nobody");
        let response = call(&app, with_headers(get(target), ADA)).await;
        assert_eq!(text(&response), "ada", "{target}");
        let broken = with_headers(get(target), &[("cookie", "user=broken")]);
        let response = call(&app, broken).await;
        assert_eq!(
            response.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_handler_is_asked_before_the_application() {
    let app = Application::new()
        .current_user(by_cookie)
        .route("/", ByHeader);
    let both = with_headers(get("/"), &[("cookie", "user=ada"), ("x-user", "grace")]);
    assert_eq!(text(&call(&app, both).await), "grace");
    assert_eq!(text(&call(&app, with_headers(get("/"), ADA)).await), "ada");
    let alone = Application::new().route("/", ByHeader);
    let grace = with_headers(get("/"), &[("x-user", "grace")]);
    assert_eq!(text(&call(&alone, grace).await), "grace");
    assert_eq!(
        call(&alone, get("/")).await.status(),
        StatusCode::FORBIDDEN,
        "no login"
    );
}

#[tokio::test]
async fn prepare_may_say_who_it_is() {
    let app = Application::new()
        .current_user(by_cookie)
        .login_url("/login")
        .route("/", InPrepare);
    let response = call(&app, with_headers(get("/"), &[("x-user", "")])).await;
    assert_eq!(text(&response), "prepared");
    let response = call(&app, with_headers(get("/"), ADA)).await;
    assert_eq!(response.status(), StatusCode::FOUND, "prepare forgot him");
}

/// A layer in front of the application may know the user.
#[tokio::test]
async fn a_layer_may_say_who_it_is() {
    let app = Application::new()
        .current_user(by_cookie)
        .get(url("/").authenticated(), name);
    let mut request = with_headers(get("/"), ADA);
    request.extensions_mut().insert(named("layer"));
    assert_eq!(text(&call(&app, request).await), "layer");
}

#[tokio::test]
async fn visitors_are_sent_to_the_login_and_back() {
    let app = Application::new()
        .current_user(by_cookie)
        .login_url("/login")
        .get(url("/function").authenticated(), name)
        .post(url("/function").authenticated(), name)
        .route(url("/handler").authenticated(), Page)
        .route("/own", InPrepare);
    for target in ["/function", "/handler", "/own"] {
        let location = |method: Method, target: String| {
            let app = app.clone();
            let request = Request::builder().method(method).uri(target);
            async move {
                let request = request.header("host", "site.example");
                let response = call(&app, request.body(cyclone_web::Body::empty()).unwrap()).await;
                let location = response.headers().get("location").cloned();
                let location = location.map(|location| location.to_str().unwrap().to_owned());
                (response.status(), location)
            }
        };
        let encoded = target.replace('/', "%2F");
        let login = Some(format!("/login?next={encoded}%3Fa%3D1%262%26c%3D%2520%2B"));
        let with_query = format!("{target}?a=1&2&c=%20+");
        for method in [Method::GET, Method::HEAD] {
            let answer = location(method, with_query.clone()).await;
            assert_eq!(answer, (StatusCode::FOUND, login.clone()), "{target}");
        }
        let answer = location(Method::POST, with_query).await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, None), "{target}");
    }
    for target in ["/function", "/handler"] {
        assert_eq!(
            text(&call(&app, with_headers(get(target), ADA)).await),
            "ada"
        );
    }
}

#[tokio::test]
async fn next_is_absolute_when_the_login_is_and_absent_when_it_has_a_query() {
    for (login, expected) in [
        ("/login", "/login?next=%2Finbox%3Fa"),
        (
            "https://sso.example/login",
            "https://sso.example/login?next=http%3A%2F%2Ftest%2Finbox%3Fa",
        ),
        ("/login?from=inbox", "/login?from=inbox"),
        ("https://sso.example/?x", "https://sso.example/?x"),
    ] {
        let app = Application::new()
            .login_url(login)
            .get(url("/inbox").authenticated(), name);
        let response = call(&app, get("/inbox?a")).await;
        assert_eq!(response.headers()["location"], expected);
    }
}

#[tokio::test]
async fn a_login_returns_to_this_site_only() {
    async fn login(cx: &mut RequestContext) -> Result {
        let next = cx.next_url("/home")?;
        cx.redirect(&next)
    }
    let app = Application::new().get("/login", login);
    for (query, location) in [
        ("", "/home"),
        ("next=%2Finbox%3Fa%3D1", "/inbox?a=1"),
        ("next=http%3A%2F%2Ftest%2Finbox", "http://test/inbox"),
        ("next=//evil.example", "/home"),
        ("next=/%5Cevil.example", "/home"),
        ("next=%2F%09%2Fevil.example", "/home"),
        ("next=https%3A%2F%2Fevil.example", "/home"),
        ("next=javascript%3Aalert(1)", "/home"),
        ("next=", "/home"),
    ] {
        let response = call(&app, get(&format!("/login?{query}"))).await;
        assert_eq!(response.headers()["location"], location, "{query}");
    }
}

#[tokio::test]
async fn a_function_requires_a_user_where_it_needs_one() {
    async fn half(cx: &mut RequestContext) -> Result {
        if cx.optional_argument("public")?.is_some() {
            return cx.text("public");
        }
        let user = cx.require_user::<User>()?;
        cx.text(user.name.clone())
    }
    let app = Application::new()
        .current_user(by_cookie)
        .login_url("/login")
        .get("/", half);
    assert_eq!(text(&call(&app, get("/?public=1")).await), "public");
    assert_eq!(text(&call(&app, with_headers(get("/"), ADA)).await), "ada");
    let sent = call(&app, get("/")).await;
    assert_eq!(sent.headers()["location"], "/login?next=%2F");
}

/// A mistake in the program is no way in, and no endless redirect.
#[tokio::test]
async fn a_user_of_another_type_is_an_error() {
    async fn wrong(cx: &mut RequestContext) -> Result {
        let is_known = cx.has_current_user() && cx.current_user::<String>().is_none();
        let refused = cx.require_user::<String>().map(drop).unwrap_err().status();
        cx.text(format!("{is_known} {}", refused.as_u16()))
    }
    let app = Application::new()
        .current_user(by_cookie)
        .login_url("/login")
        .get("/", wrong);
    let response = call(&app, with_headers(get("/"), ADA)).await;
    assert_eq!(text(&response), "true 500");
    assert_eq!(text(&call(&app, get("/")).await), "false 302");
}

static ASKED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn the_user_is_asked_for_once_and_only_where_somebody_wants_to_know() {
    async fn counting(cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        by_cookie(cx).await
    }
    struct Cheap;
    impl RequestHandler for Cheap {
        const FIND_USER: bool = false;
        async fn get(&self, cx: &mut RequestContext) -> Result {
            name(cx).await
        }
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a file").unwrap();
    let app = Application::new()
        .current_user(counting)
        .static_files("/static/", folder.path())
        .route("/cheap", Cheap)
        .route(url("/page").authenticated(), Page);
    let asked = || ASKED.swap(0, Ordering::Relaxed);
    for (target, times) in [
        ("/static/a.txt", 0),
        ("/unknown", 0),
        ("/cheap", 0),
        ("/page", 1),
    ] {
        call(&app, with_headers(get(target), ADA)).await;
        assert_eq!(asked(), times, "{target}");
    }
}

#[test]
fn templates_see_of_a_user_what_he_shows() {
    let hidden = named("ada");
    assert_eq!(hidden.to_json().unwrap(), serde_json::json!(true));
    let visible = CurrentUser::visible(User {
        name: "ada".to_owned(),
    });
    assert_eq!(
        visible.to_json().unwrap(),
        serde_json::json!({"name": "ada"})
    );
    assert_eq!(visible.get::<User>().unwrap().name, "ada");
    assert!(visible.get::<String>().is_none());
    assert!(!format!("{visible:?}").contains("ada"));
}
