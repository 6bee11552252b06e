//! A bottle that runs, and the application it becomes.

use cyclone_core::{Endpoint, Server};
use cyclone_web::bottle::{Bottle, rule};
use cyclone_web::{Application, CurrentUser, RequestContext, Result, url};

use super::{answer, ask, named, unused};
use crate::support::{exchange, listen};

#[tokio::test]
async fn a_bottle_is_served() {
    let bottle = Bottle::new().get("/hello/<name>", named!("hello")).post(
        "/form",
        async |cx: &mut RequestContext| {
            let name = cx.argument("name")?;
            cx.json(&[name])
        },
    );
    let (_server, address) = listen(bottle.application()).await;
    let get = b"GET /hello/you HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert!(exchange(address, get).await.ends_with("hello name=you"));
    let post = b"POST /form HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 8\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\nname=you";
    assert!(exchange(address, post).await.ends_with("[\"you\"]"));
}

/// It would serve until the process is told to end; that it cannot listen it says at once.
#[tokio::test]
async fn to_run_is_to_listen() {
    let taken = Server::new().listen(Endpoint::loopback(0), Application::new());
    let taken = taken.start().await.unwrap();
    let port = taken.local_addresses()[0].socket_addr().unwrap().port();
    let bottle = Bottle::new().get("/", unused);
    assert!(bottle.run(Endpoint::loopback(port)).await.is_err());
}

/// cyclone's `create_app` with `more_handlers` and settings.
#[tokio::test]
async fn routes_and_settings_of_an_application_come_first() {
    async fn user(_cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
        Ok(Some(CurrentUser::new("somebody")))
    }
    let application = Application::new()
        .current_user(user)
        .get(url("/app/{x}").name("app"), named!("application"))
        .get("/only-get", unused);
    let app = Bottle::with_application(application)
        .get(rule("/app/<x>").name("bottle"), named!("never"))
        .post("/only-get", unused)
        .get("/user", async |cx: &mut RequestContext| {
            let user = cx.require_user::<&str>()?;
            let link = cx.reverse_url("app", &[&1])?;
            cx.text(format!("{user} {link}"))
        })
        .application();
    assert_eq!(answer(&app, "/app/1").await, "application x=1");
    assert_eq!(answer(&app, "/user").await, "somebody /app/1");
    assert_eq!(ask(&app, "POST", "/only-get").await.status(), 405);
    let converted: Application = Bottle::new().get("/", named!("converted")).into();
    assert_eq!(answer(&converted, "/").await, "converted");
}

/// Another site cannot have a body read, let alone a function called.
#[cfg(feature = "security")]
#[tokio::test]
async fn requests_of_other_sites_are_refused_before_their_body() {
    let application = Application::new().xsrf(cyclone_web::Xsrf::new());
    let app = Bottle::with_application(application)
        .post(rule("/form").body_limit(3), unused)
        .application();
    for (site, status) in [("cross-site", 403), ("same-origin", 413)] {
        let mut post = crate::support::post("/form", "text/plain", "abcd");
        post.headers_mut()
            .insert("sec-fetch-site", site.parse().unwrap());
        let response = crate::support::call(&app, post).await;
        assert_eq!(response.status(), status, "{site}");
    }
}
