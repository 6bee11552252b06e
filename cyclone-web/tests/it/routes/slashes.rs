//! Slashes at the end of paths.

use cyclone_web::{Application, RequestContext, RequestHandler, Response, Result, Router, Slashes};

use super::{answer, named, request, said, unused};
use crate::support::call;

fn app(slashes: Slashes) -> Application {
    Application::new()
        .slashes(slashes)
        .get("/", named!("root"))
        .get("/with/", named!("with"))
        .get("/without", named!("without"))
        .get("/both", named!("both 1"))
        .get("/both/", named!("both 2"))
        .get("/p/{x}", named!("parameter"))
        .get("/q/{x}/", named!("slashed"))
        .host("a.example", Router::new().get("/host/", named!("host")))
}

#[tokio::test]
async fn the_policy_decides_about_the_other_form() {
    for (target, strict, redirect, ignore) in [
        ("/with/", "with", "with", "with"),
        ("/with", "404", "301 /with/", "with"),
        ("/with?a=b", "404", "301 /with/?a=b", "with"),
        ("/without/", "404", "301 /without", "without"),
        ("/without//", "404", "404", "404"),
        ("/both", "both 1", "both 1", "both 1"),
        ("/both/", "both 2", "both 2", "both 2"),
        ("/p/v/", "404", "301 /p/v", "parameter x=v"),
        ("/q/v", "404", "301 /q/v/", "slashed x=v"),
        ("/", "root", "root", "root"),
        ("/none", "404", "404", "404"),
        ("/none/", "404", "404", "404"),
    ] {
        assert_eq!(
            answer(&app(Slashes::Strict), target).await,
            strict,
            "{target}"
        );
        assert_eq!(
            answer(&app(Slashes::Redirect), target).await,
            redirect,
            "{target}"
        );
        assert_eq!(
            answer(&app(Slashes::Ignore), target).await,
            ignore,
            "{target}"
        );
    }
}

#[tokio::test]
async fn other_methods_are_not_led_on() {
    let app = Application::new().post("/x/", unused).get("/x/", unused);
    let redirect = app.clone().slashes(Slashes::Redirect);
    let ignore = app.slashes(Slashes::Ignore);
    assert_eq!(
        call(&redirect, request("POST", "h", "/x")).await.status(),
        404
    );
    assert_eq!(
        said(&call(&redirect, request("HEAD", "h", "/x")).await),
        "301 /x/"
    );
    assert_eq!(
        call(&ignore, request("POST", "h", "/x")).await.status(),
        200
    );
    assert_eq!(call(&ignore, request("PUT", "h", "/x")).await.status(), 405);
}

#[tokio::test]
async fn hosts_have_slashes_too() {
    let app = app(Slashes::Redirect);
    let at = async |host| said(&call(&app, request("GET", host, "/host")).await);
    assert_eq!(at("a.example").await, "301 /host/");
    assert_eq!(at("b.example").await, "404");
}

/// The slash that was not there belongs to no parameter.
#[cfg(feature = "regex")]
#[tokio::test]
async fn parameters_end_where_the_path_does() {
    use cyclone_web::regex;
    let app = Application::new()
        .slashes(Slashes::Ignore)
        .get(regex("/x(/.*)"), named!("rest"))
        .get(regex("/y(?P<a>/?)(?P<b>z)?/"), named!("some"));
    assert_eq!(answer(&app, "/x/a").await, "rest 1=/a");
    assert_eq!(answer(&app, "/x").await, "rest 1=");
    assert_eq!(answer(&app, "/y").await, "some a=");
}

/// `//host/` is another host.
#[tokio::test]
async fn the_redirect_stays_on_its_host() {
    let app = Application::new()
        .slashes(Slashes::Redirect)
        .get("/{*rest}", unused)
        .get("/{a}/{b}/", unused);
    let _ = answer(&app, "//evil.example").await;
    let app = Application::new()
        .slashes(Slashes::Redirect)
        .get("/{a}/evil.example/", unused)
        .get("//evil.example/", unused);
    assert_eq!(answer(&app, "//evil.example").await, "301 /evil.example/");
}

struct Add;
impl RequestHandler for Add {
    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        cx.add_slash()
    }
    async fn default(&self, cx: &mut RequestContext) -> Result {
        cx.text("added")
    }
}

struct Remove;
impl RequestHandler for Remove {
    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        cx.remove_slash()
    }
    async fn default(&self, cx: &mut RequestContext) -> Result {
        cx.text("removed")
    }
}

/// Tornado's decorators; cyclone's `removeslash` sent the root to itself for ever.
#[tokio::test]
async fn handlers_add_and_remove_slashes() {
    let app = Application::new()
        .route("/add", Add)
        .route("/add/", Add)
        .route("/remove", Remove)
        .route("/remove/", Remove)
        .route("/remove//", Remove)
        .route("/", Remove);
    for (method, target, expected) in [
        ("GET", "/add?a=b", "301 /add/?a=b"),
        ("HEAD", "/add", "301 /add/"),
        ("GET", "/add/", "added"),
        ("POST", "/add", "404"),
        ("POST", "/add/", "added"),
        ("GET", "/remove/?a=b", "301 /remove?a=b"),
        ("GET", "/remove//", "301 /remove"),
        ("GET", "/remove", "removed"),
        ("PUT", "/remove/", "404"),
        ("GET", "/", "removed"),
    ] {
        let response = call(&app, request(method, "h", target)).await;
        assert_eq!(said(&response), expected, "{method} {target}");
    }
}
