//! Tokens in the forms of templates.

use cyclone_web::{Application, RequestContext, Result, Templates, Values, Xsrf};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::{call, get, text};

async fn whole(cx: &mut RequestContext) -> Result {
    cx.render("form.html", ())
}

async fn none(cx: &mut RequestContext) -> Result {
    cx.render("none.html", ())
}

async fn streamed(cx: &mut RequestContext) -> Result {
    let values = Values::new().later("user", async { Ok("Ada") });
    cx.render_stream("late.html", values).await
}

fn application() -> Application {
    let form = "{% macro form() %}<form>{{ xsrf_form_html() }}</form>{% endmacro %}";
    let templates = Templates::from_sources([
        (
            "form.html",
            format!(
                "{form}{{{{ form() }}}}{{{{ modules.xsrf_form_html() }}}}<i data-t=\"{{{{ xsrf_token }}}}\">"
            ),
        ),
        (
            "late.html",
            format!("{form}<p>{{{{ user }}}}{{{{ form() }}}}"),
        ),
        ("none.html", "none".to_owned()),
    ]);
    Application::new()
        .templates(templates.unwrap())
        .xsrf(Xsrf::new())
        .get("/", whole)
        .get("/none", none)
        .get("/streamed", streamed)
}

fn token(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"_xsrf\" value=\"").unwrap();
    rest.split('"').next().unwrap()
}

#[tokio::test]
async fn forms_have_the_token_of_the_cookie() {
    let app = application();
    let response = call(&app, get("/")).await;
    let page = text(&response);
    let token = token(page);
    assert!(token.starts_with("2|"), "{page}");
    let field = format!("<input type=\"hidden\" name=\"_xsrf\" value=\"{token}\"/>");
    assert_eq!(
        page,
        format!("<form>{field}</form>{field}<i data-t=\"{token}\">")
    );
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("_xsrf="), "{cookie}");

    // A page without a form sets none.
    let response = call(&app, get("/none")).await;
    assert!(!response.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn a_stream_sets_the_cookie_before_the_form_comes() {
    let response = application().oneshot(get("/streamed")).await.unwrap();
    assert!(response.headers().contains_key("set-cookie"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let page = std::str::from_utf8(&body).unwrap();
    assert!(
        page.starts_with("<p>Ada<form><input") && token(page).starts_with("2|"),
        "{page}"
    );
}
