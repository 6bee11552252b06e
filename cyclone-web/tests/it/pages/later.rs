//! Values that are yet to come, streamed pages, and templates of others.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cyclone_web::{Application, Error, RequestContext, Result, Templates, Values};
use futures_util::stream;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::support::{call, get, text};

fn application() -> Application {
    let templates = Templates::from_sources([
        ("head.html", "<head></head><body>{{ title }}:"),
        (
            "page.html",
            "{% include 'head.html' %}{% if user %}{{ user.name }}{% endif %}-{{ count + 1 }}{% for n in list %}[{{ n }}]{% endfor %}",
        ),
        (
            "attempt.html",
            "{% call attempt('no') %}{{ user }}{% endcall %}",
        ),
        ("rows.html", "<table>{{ rows }}</table>{{ rows }}"),
        ("row.html", "<tr>{{ a }}{{ _('x') }}</tr>"),
        ("unsteady.html", "{{ unsteady() }}{{ user }}"),
    ]);
    let calls = AtomicUsize::new(0);
    let templates = templates
        .unwrap()
        .function("unsteady", move || calls.fetch_add(1, Ordering::Relaxed));
    Application::new()
        .templates(templates)
        .get("/async", whole)
        .get("/attempt", attempt)
        .get("/error", error)
        .get("/rows", rows)
        .get("/rows-streamed", rows_streamed)
        .get("/unsteady", unsteady)
}

#[derive(serde::Serialize)]
struct User {
    name: &'static str,
}

async fn whole(cx: &mut RequestContext) -> Result {
    let (tell, told) = oneshot::channel();
    let values = Values::of(std::collections::HashMap::from([("title", "<T>")]))
        // The second ends first, so they have to run at the same time.
        .later("user", async move {
            told.await.ok();
            Ok(User { name: "Ada" })
        })
        .later("count", async move {
            let _ = tell.send(());
            Ok(1)
        })
        .later("unused", std::future::pending::<Result<u8>>())
        .set("list", [1, 2]);
    cx.render_async("page.html", values).await
}

async fn attempt(cx: &mut RequestContext) -> Result {
    let values = Values::new().later("user", async { Ok("yes") });
    cx.render_async("attempt.html", values).await
}

async fn error(cx: &mut RequestContext) -> Result {
    let values = Values::new().later("user", async { Err::<u8, _>(Error::not_found()) });
    cx.render_async("attempt.html", values).await
}

fn some_rows() -> Values<'static> {
    let rows = ["<1>", "2", "3"].map(|a| Ok(std::collections::HashMap::from([("a", a)])));
    Values::new().rows("rows", "row.html", stream::iter(rows))
}

async fn rows(cx: &mut RequestContext) -> Result {
    cx.render_async("rows.html", some_rows()).await
}

async fn rows_streamed(cx: &mut RequestContext) -> Result {
    cx.render_stream("rows.html", some_rows()).await
}

async fn unsteady(cx: &mut RequestContext) -> Result {
    let values = Values::new().later("user", async { Ok(1) });
    cx.render_stream("unsteady.html", values).await
}

#[tokio::test]
async fn a_page_waits_for_what_it_comes_to() {
    let app = application();
    let page = "<head></head><body>&lt;T&gt;:Ada-2[1][2]";
    assert_eq!(text(&call(&app, get("/async")).await), page);
    assert_eq!(text(&call(&app, get("/attempt")).await), "yes");
    assert_eq!(call(&app, get("/error")).await.status(), 404);
}

#[tokio::test]
async fn rows_are_printed_one_by_one() {
    let app = application();
    let page = "<table><tr>&lt;1&gt;x</tr><tr>2x</tr><tr>3x</tr></table>";
    assert_eq!(text(&call(&app, get("/rows")).await), page);
    let mut response = app.oneshot(get("/rows-streamed")).await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let mut chunks = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let data = frame.unwrap().into_data().unwrap();
        chunks.push(String::from_utf8(data.to_vec()).unwrap());
    }
    let expected = [
        "<table><tr>&lt;1&gt;x</tr>",
        "<tr>2x</tr>",
        "<tr>3x</tr>",
        "</table>",
    ];
    assert_eq!(chunks, expected);
}

#[tokio::test]
async fn a_streamed_page_arrives_before_its_values() {
    let (tell, told) = oneshot::channel::<()>();
    let told = Arc::new(tokio::sync::Mutex::new(Some(told)));
    let templates = Templates::from_sources([(
        "page.html",
        "<head></head><body>{{ title }}: {{ user }}</body>",
    )]);
    struct Page(Arc<tokio::sync::Mutex<Option<oneshot::Receiver<()>>>>);
    impl cyclone_web::RequestHandler for Page {
        async fn get(&self, cx: &mut RequestContext) -> Result {
            let told = self.0.lock().await.take().unwrap();
            let user = async move {
                told.await.ok();
                Ok("<Ada>")
            };
            let values = Values::new().set("title", "T").later("user", user);
            cx.render_stream("page.html", values).await
        }
    }
    let app = Application::new()
        .templates(templates.unwrap())
        .route("/", Page(told));
    let mut response = app.oneshot(get("/")).await.unwrap();
    let first = response
        .body_mut()
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert_eq!(first, "<head></head><body>T: ");
    tell.send(()).unwrap();
    let rest = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(rest, "&lt;Ada&gt;</body>");
}

#[tokio::test]
async fn what_has_been_sent_may_not_change() {
    let response = application().oneshot(get("/unsteady")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

struct Shown(bool);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<h1>")?;
        if self.0 {
            f.write_str("shown")
        } else {
            Err(fmt::Error)
        }
    }
}

#[tokio::test]
async fn whatever_displays_itself_is_a_template() {
    async fn good(cx: &mut RequestContext) -> Result {
        cx.render_display(Shown(true))
    }
    async fn bad(cx: &mut RequestContext) -> Result {
        cx.render_display(Shown(false))
    }
    let app = Application::new().get("/good", good).get("/bad", bad);
    let response = call(&app, get("/good")).await;
    assert_eq!(text(&response), "<h1>shown");
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    assert_eq!(call(&app, get("/bad")).await.status(), 500);
}
