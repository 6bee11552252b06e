//! Forms that are read before their handler, or when it asks.

use cyclone_web::{Application, MultipartConfig, RequestContext, RequestHandler, Response, Result};
use http::StatusCode;

use super::{MULTIPART, field, file, form};
use crate::support::{call, post, text};

async fn show(cx: &mut RequestContext) -> Result {
    let name = cx.arguments("name")?.join(",");
    let mut files = Vec::new();
    for file in cx.files() {
        let bytes = file.bytes().await?;
        let place = if file.is_in_memory() {
            "memory"
        } else {
            "disk"
        };
        files.push(format!(
            "{}={}:{}:{place}",
            file.name(),
            file.file_name(),
            bytes.escape_ascii()
        ));
    }
    cx.text(format!("{name}|{}", files.join(",")))
}

fn sample() -> String {
    form(&[
        field("name", " Ada\u{1} "),
        file("photo", "a.png", "small"),
        file("none", "", ""),
        field("name", "\u{e9}"),
        file("photo", "b.png", "larger content"),
        file("unnamed", "", "x"),
    ])
}

#[tokio::test]
async fn fields_are_arguments_and_files_are_files() {
    let config = MultipartConfig::new().file_in_memory(5);
    let app = Application::new().multipart(config).post("/", show);
    let response = call(&app, post("/?name=q", MULTIPART, sample())).await;
    assert_eq!(
        text(&response),
        "q,Ada,\u{e9}|photo=a.png:small:memory,photo=b.png:larger content:disk,unnamed=:x:memory"
    );
    // Other bodies are left alone.
    let response = call(&app, post("/", "multipart/mixed; boundary=b", sample())).await;
    assert_eq!(text(&response), "|");
}

#[tokio::test]
async fn files_by_name() {
    let app = Application::new().multipart(MultipartConfig::new()).post(
        "/",
        async |cx: &mut RequestContext| {
            assert_eq!(cx.file("photo")?.file_name(), "a.png");
            assert_eq!(cx.file("photo")?.content_type(), Some("text/plain"));
            assert!(cx.optional_file("none").is_none());
            cx.file("other")?;
            cx.finish()
        },
    );
    let response = call(&app, post("/", MULTIPART, sample())).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(&response).contains("Missing file other"));
}

/// Unless the application says so, nothing is read before somebody asks.
#[tokio::test]
async fn forms_are_read_when_asked() {
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        assert!(cx.files().is_empty());
        assert!(cx.form_arguments().is_none());
        cx.read_multipart().await?;
        cx.read_multipart().await?;
        show(cx).await
    });
    let response = call(&app, post("/", MULTIPART, sample())).await;
    assert!(text(&response).starts_with("Ada,\u{e9}|photo=a.png:small:memory,"));
    // No form is nothing to read.
    let response = call(&app, post("/", "text/plain", sample())).await;
    assert_eq!(text(&response), "|");
}

#[tokio::test]
async fn forms_as_types() {
    #[derive(serde::Deserialize)]
    struct Person {
        name: String,
        age: u8,
    }
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        let Person { name, age } = cx.form().await?;
        cx.text(format!("{name} {age}"))
    });
    let body = form(&[
        field("name", "Ada"),
        field("age", "36"),
        file("f", "x", "y"),
    ]);
    let response = call(&app, post("/", MULTIPART, body)).await;
    assert_eq!(text(&response), "Ada 36");
    let body = form(&[field("name", "Ada")]);
    let response = call(&app, post("/", MULTIPART, body)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

/// `prepare` sees the form, and a handler that streams its body does not.
#[tokio::test]
async fn forms_are_read_before_prepare() {
    struct Early;
    impl RequestHandler for Early {
        async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
            let name = cx.argument("name")?;
            cx.text(name).map(Some)
        }
    }
    struct Streams;
    impl RequestHandler for Streams {
        const STREAM_BODY: bool = true;
        async fn post(&self, cx: &mut RequestContext) -> Result {
            assert!(cx.form_arguments().is_none() && cx.files().is_empty());
            cx.text("streams")
        }
    }
    let app = Application::new()
        .multipart(MultipartConfig::new())
        .route("/early", Early)
        .route("/streams", Streams);
    assert_eq!(
        text(&call(&app, post("/early", MULTIPART, sample())).await),
        "\u{e9}"
    );
    assert_eq!(
        text(&call(&app, post("/streams", MULTIPART, sample())).await),
        "streams"
    );
}

/// The body is used up: nobody takes a part of it, or nothing, for the whole.
#[tokio::test]
async fn the_body_of_a_form_that_was_read_is_gone() {
    let app = Application::new().multipart(MultipartConfig::new()).post(
        "/",
        async |cx: &mut RequestContext| {
            assert!(cx.body().await.is_err());
            assert!(cx.multipart().is_err());
            cx.text(cx.argument("name")?)
        },
    );
    assert_eq!(
        text(&call(&app, post("/", MULTIPART, sample())).await),
        "\u{e9}"
    );
    // The other way round the body is there for both.
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        let bytes = cx.body().await?;
        cx.read_multipart().await?;
        cx.text(format!("{} {}", bytes.len(), cx.files().len()))
    });
    let expected = format!("{} 3", sample().len());
    assert_eq!(
        text(&call(&app, post("/", MULTIPART, sample())).await),
        expected
    );
}

#[tokio::test]
async fn boundaries_that_are_none() {
    let app = Application::new()
        .multipart(MultipartConfig::new())
        .post("/", show);
    for (media, status) in [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=\"\"", 400),
        ("multipart/form-data; boundary=\"a\u{e9}\"", 400),
        ("multipart/form-data; boundary=\"a \"", 400),
        // No media type, so no form either.
        ("multipart/form-data; boundary=", 200),
        ("multipart/form-data; boundary=a; boundary=b", 200),
    ] {
        let response = call(&app, post("/", media, sample())).await;
        assert_eq!(response.status(), status, "{media}");
    }
}

/// CVE-2025-47287: a line in the log for each malformed part. Here the first one ends the form.
#[tokio::test]
async fn cve_2025_47287_the_first_malformed_part_ends_the_form() {
    let app = Application::new()
        .multipart(MultipartConfig::new())
        .post("/", show);
    let broken = "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n".to_owned();
    let many = vec![broken; 50];
    let response = call(&app, post("/", MULTIPART, form(&many))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let message = "the content-disposition of a part is missing or malformed";
    assert!(text(&response).contains(message), "{}", text(&response));
}
