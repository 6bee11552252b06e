//! Hooks, plugins, error pages, mounts.

use cyclone_web::bottle::{Bottle, Next, Plugin, abort, redirect, rule};
use cyclone_web::{Application, Error, RequestContext, Response, Result};
use http::{StatusCode, Version};

use super::{answer, ask, named, request, unused};
use crate::support::{call, text};

/// What hooks and plugins have seen, in the order they did.
#[derive(Clone, Default)]
struct Trail(Vec<String>);

fn leave(cx: &mut RequestContext, step: &str) {
    let mut trail = cx.extensions().get::<Trail>().cloned().unwrap_or_default();
    trail.0.push(step.to_owned());
    cx.extensions_mut().insert(trail);
}

fn show(cx: &mut RequestContext) -> Result<()> {
    let trail = cx.extensions().get::<Trail>().cloned().unwrap_or_default();
    cx.set_header("x-trail", trail.0.join(" "))
}

struct Layer(&'static str);

impl Plugin for Layer {
    fn name(&self) -> &str {
        self.0
    }

    async fn call(&self, cx: &mut RequestContext, next: Next<'_>) -> Result {
        leave(cx, &format!("{}(", self.0));
        let answered = next.run(cx).await;
        leave(cx, &format!("){}", self.0));
        answered
    }
}

struct Wall;

impl Plugin for Wall {
    fn name(&self) -> &str {
        "wall"
    }

    async fn call(&self, _cx: &mut RequestContext, _next: Next<'_>) -> Result {
        Err(abort(StatusCode::FORBIDDEN, "walled off"))
    }
}

async fn function(cx: &mut RequestContext) -> Result {
    leave(cx, "function");
    cx.text("done")
}

fn traced() -> Bottle {
    Bottle::new()
        .before_request(async |cx: &mut RequestContext| {
            leave(cx, "before1");
            Ok(())
        })
        .before_request(async |cx: &mut RequestContext| {
            leave(cx, "before2");
            cx.set_header("x-before", "1")
        })
        .after_request(async |cx: &mut RequestContext| {
            leave(cx, "after1");
            show(cx)
        })
        .after_request(async |cx: &mut RequestContext| {
            leave(cx, "after2");
            Ok(())
        })
}

async fn trail(app: &Application, target: &str) -> String {
    let response = ask(app, "GET", target).await;
    let trail = response.headers().get("x-trail");
    trail.map_or("", |trail| trail.to_str().unwrap()).to_owned()
}

#[tokio::test]
async fn plugins_are_layers_and_hooks_are_around_them() {
    let app = traced()
        .install(Layer("a"))
        .get("/", function)
        .install(Layer("b"))
        .install(Layer("gone"))
        .uninstall("gone")
        .get(rule("/own").apply(Layer("own")), function)
        .get(rule("/skip").skip("a"), function)
        .get(rule("/bare").apply(Layer("own")).skip_all(), function)
        .application();
    for (target, expected) in [
        ("/", "before1 before2 a( b( function )b )a after2 after1"),
        (
            "/own",
            "before1 before2 a( b( own( function )own )b )a after2 after1",
        ),
        ("/skip", "before1 before2 b( function )b after2 after1"),
        ("/bare", "before1 before2 function after2 after1"),
        ("/none", "before1 before2 after2 after1"),
    ] {
        assert_eq!(trail(&app, target).await, expected, "{target}");
    }
}

#[tokio::test]
async fn a_plugin_need_not_call_the_function() {
    let app = Bottle::new().install(Wall).get("/", unused).application();
    let response = ask(&app, "GET", "/").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(text(&response).contains("walled off"));
    assert_eq!(answer(&app, "/none").await, "404");
}

#[tokio::test]
async fn hooks_that_fail_are_the_answer() {
    let app = Bottle::new()
        .before_request(async |cx: &mut RequestContext| match cx.request_path() {
            "/closed" => Err(abort(StatusCode::FORBIDDEN, "closed")),
            _ => Ok(()),
        })
        .after_request(async |cx: &mut RequestContext| match cx.request_path() {
            "/after" => Err(abort(StatusCode::IM_A_TEAPOT, "after")),
            _ => Ok(()),
        })
        .get(["/closed", "/after", "/open"], named!("open"))
        .application();
    assert_eq!(answer(&app, "/closed").await, "403");
    assert_eq!(answer(&app, "/after").await, "418");
    assert_eq!(answer(&app, "/open").await, "open");
}

async fn lost(cx: &mut RequestContext, error: &Error) -> Result {
    cx.set_header("x-page", "lost")?;
    cx.text(format!(
        "lost: {}",
        error.client_message().unwrap_or_default()
    ))
}

async fn failing(_cx: &mut RequestContext, _error: &Error) -> Result {
    Err(Error::internal("the page fails"))
}

fn pages() -> Application {
    traced()
        .error(StatusCode::NOT_FOUND, lost)
        .error(StatusCode::METHOD_NOT_ALLOWED, lost)
        .error(StatusCode::INTERNAL_SERVER_ERROR, lost)
        .error(StatusCode::FORBIDDEN, failing)
        .get("/gone", async |cx: &mut RequestContext| {
            cx.write("never seen");
            cx.set_header("x-never", "1")?;
            Err(abort(StatusCode::NOT_FOUND, "gone"))
        })
        .get("/panic", async |cx: &mut RequestContext| {
            assert!(cx.request_path().is_empty(), "on purpose");
            cx.finish()
        })
        .get("/forbidden", async |_cx: &mut RequestContext| {
            Err::<Response, _>(abort(StatusCode::FORBIDDEN, "no"))
        })
        .get("/conflict", async |_cx: &mut RequestContext| {
            Err::<Response, _>(abort(StatusCode::CONFLICT, "<both>"))
        })
        .application()
}

#[tokio::test]
async fn every_status_may_have_its_page() {
    let app = pages();
    for (method, target, status, body) in [
        ("GET", "/gone", 404, "lost: gone"),
        ("GET", "/none", 404, "lost: "),
        ("PUT", "/gone", 405, "lost: "),
        ("GET", "/panic", 500, "lost: "),
    ] {
        let response = ask(&app, method, target).await;
        assert_eq!(response.status(), status, "{target}");
        assert_eq!(text(&response), body, "{target}");
        assert_eq!(response.headers()["x-page"], "lost");
        assert!(!response.headers().contains_key("x-never"));
        assert!(response.headers().contains_key("x-trail"));
        assert_eq!(response.headers().contains_key("allow"), status == 405);
    }
}

#[tokio::test]
async fn errors_without_a_page_have_the_usual_one() {
    let app = pages();
    let response = ask(&app, "GET", "/conflict").await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert!(text(&response).contains("&lt;both&gt;"));
    assert!(response.headers().contains_key("x-trail"));
    let response = ask(&app, "GET", "/forbidden").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!text(&response).contains("fails"));
}

/// Half a response is no place for a page.
#[tokio::test]
async fn a_stream_that_fails_is_broken_off() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let app = traced()
        .error(StatusCode::INTERNAL_SERVER_ERROR, lost)
        .get("/", async |cx: &mut RequestContext| {
            cx.write("half");
            cx.flush().await?;
            Err::<Response, _>(Error::internal("on purpose"))
        })
        .application();
    let response = app.oneshot(request("GET", "/")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn hooks_and_pages_are_around_mounts_and_rules_behind_them() {
    let inner = Bottle::new()
        .get("/", named!("inner root"))
        .get("/<x>", named!("inner"))
        .application();
    let app = traced()
        .install(Wall)
        .get(rule("/in/<x>").skip_all(), named!("never"))
        .get(rule("/out/<x>").skip_all(), named!("outer"))
        .mount("/in/", inner)
        .application();
    for (target, expected) in [
        ("/in", "inner root"),
        ("/in/", "inner root"),
        ("/in/a", "inner x=a"),
        ("/in/a/b", "404"),
        ("/out/a", "outer x=a"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
        let response = ask(&app, "GET", target).await;
        assert_eq!(response.headers()["x-before"], "1", "{target}");
        // The extensions went into the mount.
        assert!(
            trail(&app, target).await.ends_with("after2 after1"),
            "{target}"
        );
    }
}

#[tokio::test]
async fn merged_rules_keep_their_plugins_and_filters() {
    let part = Bottle::new()
        .filter("yes", "yes|ja")
        .install(Layer("part"))
        .get("/part/<answer:yes>", function);
    let twice = Bottle::new()
        .install(Layer("middle"))
        .get("/middle", function)
        .merge(part);
    let app = traced()
        .install(Layer("own"))
        .get("/own", function)
        .merge(twice)
        .application();
    for (target, expected) in [
        ("/own", "before1 before2 own( function )own after2 after1"),
        (
            "/middle",
            "before1 before2 middle( function )middle after2 after1",
        ),
        (
            "/part/ja",
            "before1 before2 part( function )part after2 after1",
        ),
    ] {
        assert_eq!(trail(&app, target).await, expected, "{target}");
    }
}

/// 303 is younger than HTTP/1.0.
#[tokio::test]
async fn a_redirect_depends_on_the_version() {
    let app = Bottle::new()
        .get("/", async |cx: &mut RequestContext| redirect(cx, "/there"))
        .application();
    for (version, status) in [
        (Version::HTTP_10, 302),
        (Version::HTTP_11, 303),
        (Version::HTTP_2, 303),
    ] {
        let mut request = request("GET", "/");
        *request.version_mut() = version;
        let response = call(&app, request).await;
        assert_eq!(response.status(), status, "{version:?}");
        assert_eq!(response.headers()["location"], "/there");
    }
}
