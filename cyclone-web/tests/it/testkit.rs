//! The client and the server for tests, on an application of their own.

mod log;
mod protocols;
mod requests;
mod server;
mod time;

use cyclone_core::Context as _;
use cyclone_web::{Application, Error, RequestContext, Result};
use http::StatusCode;

/// What a handler needs, and a test gives it another of.
struct Store(&'static str);

/// Answers every method with what came.
async fn echo(cx: &mut RequestContext) -> Result {
    let method = cx.method().clone();
    let media = cx.header("content-type").unwrap_or("-").to_owned();
    let body = cx.body().await?;
    let query = cx.uri().query().unwrap_or("-").to_owned();
    let body = String::from_utf8_lossy(&body);
    cx.text(format!("{method} {query} {media} {body}"))
}

async fn login(cx: &mut RequestContext) -> Result {
    cx.set_signed_cookie("user", "alice")?;
    cx.redirect("/me")
}

async fn logout(cx: &mut RequestContext) -> Result {
    cx.clear_cookie("user")?;
    cx.text("bye")
}

async fn me(cx: &mut RequestContext) -> Result {
    match cx.signed_cookie("user")? {
        Some(user) => cx.text(user),
        None => Err(Error::new(StatusCode::UNAUTHORIZED)),
    }
}

async fn stored(cx: &mut RequestContext) -> Result {
    let text = cx.resources().get::<Store>()?.0;
    let named = cx.resources().get_named::<Store>("other")?.0;
    cx.text(format!("{text}, {named}"))
}

async fn upload(cx: &mut RequestContext) -> Result {
    cx.read_multipart().await?;
    let title = cx.argument("title")?;
    let file = cx.file("photo")?;
    let (name, media) = (file.file_name(), file.content_type().unwrap_or_default());
    let content = file.bytes().await?;
    let answer = format!("{title}: {name} {media} {content:?}");
    cx.text(answer)
}

async fn redirected(cx: &mut RequestContext) -> Result {
    let status = cx.path_argument("status")?.parse().unwrap();
    cx.redirect_with(
        StatusCode::from_u16(status).unwrap(),
        "../echo?from=moved#here",
    )
}

async fn in_circles(cx: &mut RequestContext) -> Result {
    cx.redirect("/circle")
}

async fn away(cx: &mut RequestContext) -> Result {
    cx.redirect("https://elsewhere.example/")
}

async fn form(cx: &mut RequestContext) -> Result {
    let field = cx.xsrf_form_html()?;
    cx.html(field)
}

async fn changed(cx: &mut RequestContext) -> Result {
    cx.text("changed")
}

async fn address(cx: &mut RequestContext) -> Result {
    let (ip, host) = (cx.remote_ip(), cx.host());
    let answer = format!("{ip:?} {host:?}");
    cx.text(answer)
}

fn app() -> Application {
    Application::new()
        .cookie_secret("a secret of the tests of this kit")
        .get("/echo", echo)
        .post("/echo", echo)
        .put("/echo", echo)
        .patch("/echo", echo)
        .delete("/echo", echo)
        .get("/login", login)
        .get("/logout", logout)
        .get("/me", me)
        .get("/address", address)
        .post("/upload", upload)
        .get("/moved/{status}", redirected)
        .post("/moved/{status}", redirected)
        .get("/circle", in_circles)
        .get("/away", away)
}
