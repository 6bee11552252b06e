//! Arguments of the query and of the form, apart and together.

use cyclone_web::{Application, RequestContext, Result};
use http::StatusCode;

use crate::support::{call, get, post, text};

const FORM: &str = "application/x-www-form-urlencoded";

/// Tornado's `get_query_argument` and `get_body_argument`.
#[tokio::test]
async fn query_and_body_apart() {
    async fn both(cx: &mut RequestContext) -> Result {
        let query = cx.query_argument("x")?;
        let body = cx.body_argument("x")?;
        cx.text(format!("{query}|{body}"))
    }
    let app = Application::new().get("/", both).post("/", both);
    let response = call(&app, post("/?x=1&x=+2+", FORM, "x=3&x=+4+")).await;
    assert_eq!(text(&response), "2|4");
    for (target, form) in [("/", "x=1"), ("/?x=1", "y=1"), ("/?x=1", "")] {
        let response = call(&app, post(target, FORM, form)).await;
        assert_eq!(
            response.status(),
            StatusCode::BAD_REQUEST,
            "{target} {form}"
        );
        assert!(text(&response).contains("Missing argument x"));
    }
    let response = call(&app, get("/?x=1")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

/// Tornado's `strip=False`; control characters go all the same.
#[tokio::test]
async fn white_space_may_be_kept() {
    async fn unstripped(cx: &mut RequestContext) -> Result {
        let last = cx.unstripped_argument("x")?;
        let all = cx.unstripped_arguments("x")?;
        cx.text(format!("{last:?} {all:?}"))
    }
    let app = Application::new().post("/", unstripped);
    for (target, form, expected) in [
        ("/", "", "None []"),
        ("/?x=+1+", "", r#"Some(" 1 ") [" 1 "]"#),
        (
            "/?x=+1+&x=2",
            "x=+3%01",
            r#"Some(" 3 ") [" 1 ", "2", " 3 "]"#,
        ),
    ] {
        let response = call(&app, post(target, FORM, form)).await;
        assert_eq!(text(&response), expected, "{target} {form}");
    }
    let response = call(&app, post("/?x=%", FORM, "y=1")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

/// Row 25 of the checklist: both as they came.
#[tokio::test]
async fn the_raw_query_and_the_raw_body() {
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        let query = cx.uri().query().unwrap_or_default().to_owned();
        let body = cx.body().await?;
        cx.text(format!("{query}|{}", body.escape_ascii()))
    });
    let response = call(&app, post("/?a=%20&&b", FORM, "a=%20&&b")).await;
    assert_eq!(text(&response), "a=%20&&b|a=%20&&b");
}
