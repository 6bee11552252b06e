//! Routers in routers, mounts, fallbacks.

use std::convert::Infallible;

use cyclone_core::{Endpoint, Server};
use cyclone_web::{Application, Body, RequestContext, RequestHandler, Result, Router, url};
use http::{Request, Response};

use super::{answer, named, refused, request, unused};
use crate::support::call;

struct Handler;
impl RequestHandler for Handler {
    async fn default(&self, cx: &mut RequestContext) -> Result {
        cx.text(format!("handler {}", cx.method()))
    }
}

#[tokio::test]
async fn routers_nest_in_routers() {
    let deep = Router::new()
        .get("/", named!("deep root"))
        .get(url("/{id}").name("deep"), named!("deep"))
        .route("/handler", Handler);
    let middle = Router::new()
        .nest("/deep/", deep)
        .get("/", named!("middle"));
    let app = Application::new()
        .nest("/m", middle)
        .nest("", Router::new().get("/", named!("root")));
    for (target, expected) in [
        ("/", "root"),
        ("/m/", "middle"),
        ("/m", "404"),
        ("/m/deep/", "deep root"),
        ("/m/deep/7", "deep id=7"),
        ("/m/deep/handler", "handler GET"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
    assert_eq!(app.reverse_url("deep", &[&7]).unwrap(), "/m/deep/7");
    let response = call(&app, request("PUT", "h", "/m/deep/handler")).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn every_method_has_a_function_in_a_router() {
    let router = Router::new()
        .get("/", named!("GET"))
        .post("/", named!("POST"))
        .put("/", named!("PUT"))
        .patch("/", named!("PATCH"))
        .delete("/", named!("DELETE"))
        .on(http::Method::QUERY, "/", named!("QUERY"));
    let app = Application::new().nest("/x", router);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"] {
        let response = call(&app, request(method, "h", "/x/")).await;
        assert_eq!(super::said(&response), method);
    }
}

#[test]
fn a_prefix_is_a_path_without_parameters() {
    for prefix in ["/{x}", "x"] {
        refused(|| Application::new().nest(prefix, Router::new().get("/", unused)));
        refused(|| Application::new().mount(prefix, Application::new()));
    }
}

async fn links(cx: &mut RequestContext) -> Result {
    let link = cx.reverse_url("item", &[&"a b"])?;
    cx.text(link)
}

fn inner() -> Application {
    Application::new()
        .get("/", links)
        .get(url("/item/{id}").name("item"), unused)
}

/// A link that a mounted application makes has to come back to it.
#[tokio::test]
async fn links_of_mounted_applications_have_the_prefix() {
    let app = Application::new()
        .mount("/shop", inner())
        .mount("/a", Application::new().mount("/b", inner()))
        .nest("/n", Router::new().mount("/m", inner()));
    for (target, expected) in [
        ("/shop", "/shop/item/a%20b"),
        ("/shop/", "/shop/item/a%20b"),
        ("/a/b/", "/a/b/item/a%20b"),
        ("/n/m", "/n/m/item/a%20b"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
    assert_eq!(
        answer(&Application::new().mount("/", inner()), "/").await,
        "/item/a%20b"
    );
}

#[tokio::test]
async fn routes_of_mounted_applications_are_reversed_from_outside() {
    let app = Application::new()
        .mount("/a", Application::new().mount("/b", inner()))
        .get(url("/own").name("own"), unused);
    assert_eq!(app.reverse_url("item", &[&7]).unwrap(), "/a/b/item/7");
    let shadowed = app.get(url("/mine/{id}").name("item"), unused);
    assert_eq!(shadowed.reverse_url("item", &[&7]).unwrap(), "/mine/7");
    assert!(shadowed.reverse_url("none", &[]).is_err());
}

struct Missing;

/// Somebody who mounts an application need not know what it needs.
#[tokio::test]
async fn what_a_mounted_application_requires_is_required() {
    let needy = || Application::new().requires::<Missing>().get("/", unused);
    let start = async |app: Application, resource: bool| {
        let server = Server::new().listen(Endpoint::loopback(0), app);
        let server = if resource {
            server.resource(Missing)
        } else {
            server
        };
        server.start().await.map(drop)
    };
    for app in [
        Application::new().mount("/in", needy()),
        Application::new().mount("/a", Application::new().mount("/b", needy())),
        Application::new().nest("/n", Router::new().mount("/in", needy())),
        Application::new().host("a.example", Router::new().mount("/in", needy())),
        Application::new().fallback(needy()),
    ] {
        let error = start(app.clone(), false).await.unwrap_err();
        let error = format!("{error:?}");
        assert!(error.contains("Missing"), "{error}");
        start(app, true).await.unwrap();
    }
}

#[tokio::test]
async fn a_fallback_answers_what_nobody_else_does() {
    let service = tower::service_fn(async |request: Request<Body>| {
        let text = format!("{} {}", request.method(), request.uri());
        Ok::<_, Infallible>(Response::new(text))
    });
    let app = Application::new()
        .get("/{x}", named!("own"))
        .fallback(service);
    assert_eq!(answer(&app, "/a").await, "own x=a");
    assert_eq!(answer(&app, "/a/b?c").await, "GET /a/b?c");
    assert_eq!(answer(&app, "/").await, "GET /");
    let response = call(&app, request("DELETE", "h", "/a/b")).await;
    assert_eq!(super::said(&response), "DELETE /a/b");
    assert_eq!(call(&app, request("DELETE", "h", "/a")).await.status(), 405);
}

/// Templates make the same links as handlers.
#[cfg(feature = "templates")]
#[tokio::test]
async fn links_in_templates_of_mounted_applications_have_the_prefix() {
    use cyclone_web::Templates;
    let folder = tempfile::tempdir().unwrap();
    let template = "{{ reverse_url('item', 7, page=2) }} {{ static_url('a.txt') }}";
    std::fs::write(folder.path().join("page.txt"), template).unwrap();
    std::fs::write(folder.path().join("a.txt"), "a").unwrap();
    async fn page(cx: &mut RequestContext) -> Result {
        let direct = cx.static_url("a.txt")?;
        let rendered = cx.render_string("page.txt", ())?;
        assert!(rendered.ends_with(&direct), "{rendered} {direct}");
        cx.text(rendered)
    }
    let inner = inner()
        .templates(Templates::from_directory(folder.path()).unwrap())
        .static_files("/static", folder.path())
        .get("/page", page);
    let app = Application::new().mount("/shop", inner);
    let links = answer(&app, "/shop/page").await;
    let (item, file) = links.split_once(' ').unwrap();
    assert_eq!(item, "/shop/item/7?page=2");
    assert!(file.starts_with("/shop/static/a.txt?v="), "{file}");
    assert_eq!(answer(&app, file).await, "a");
}
