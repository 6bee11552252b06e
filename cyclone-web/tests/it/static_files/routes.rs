//! Files at addresses of their own, and what an application says of its files.

use std::fs;
use std::time::Duration;

use cyclone_web::{Application, StaticFiles};
use http::{HeaderValue, StatusCode};
use tempfile::TempDir;

use crate::support::{call, get, post, text};

fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["favicon.ico", "robots.txt", "a b%.txt", "app.js"] {
        fs::write(directory.path().join(name), name).unwrap();
    }
    directory
}

/// Tornado's `static_path`.
#[tokio::test]
async fn favicon_and_robots_are_where_they_are_looked_for() {
    let directory = directory();
    let app = Application::new().static_path(directory.path());
    for name in ["favicon.ico", "robots.txt"] {
        for target in [format!("/{name}"), format!("/static/{name}")] {
            let response = call(&app, get(&target)).await;
            assert_eq!((response.status(), text(&response)), (StatusCode::OK, name));
            assert!(response.headers().contains_key("etag"));
        }
    }
    let refused = call(&app, post("/robots.txt", "text/plain", "x")).await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    let empty = tempfile::tempdir().unwrap();
    let app = Application::new().static_path(empty.path());
    assert_eq!(
        call(&app, get("/favicon.ico")).await.status(),
        StatusCode::NOT_FOUND
    );
}

/// The name is the file's, not one of an address.
#[tokio::test]
async fn a_file_has_an_address_of_its_own() {
    let directory = directory();
    let files = StaticFiles::new(directory.path());
    let app = Application::new().static_file("/x", &files, "a b%.txt");
    assert_eq!(text(&call(&app, get("/x")).await), "a b%.txt");
    let app = Application::new().static_file("/x", &files, "../secret");
    assert_eq!(call(&app, get("/x")).await.status(), StatusCode::FORBIDDEN);
}

/// Tornado's `get_cache_time` and `set_extra_headers`, `make_static_url` beside them.
#[tokio::test]
async fn hooks_say_how_long_files_are_kept_and_what_else_they_have() {
    let directory = directory();
    let files = StaticFiles::new(directory.path())
        .cache_control(HeaderValue::from_static("no-cache"))
        .cache_time(|file| {
            assert!(file.modified.is_some() && file.size > 0);
            let is_script = file
                .content_type
                .to_str()
                .unwrap()
                .starts_with("text/javascript");
            is_script.then_some(Duration::from_secs(60))
        })
        .extra_headers(|file, headers| {
            let path = HeaderValue::from_str(file.path).unwrap();
            headers.insert("x-path", path);
            headers.insert("etag", HeaderValue::from_static("\"mine\""));
            headers.insert("content-length", HeaderValue::from_static("1"));
            if file.path == "robots.txt" {
                headers.insert("content-type", HeaderValue::from_static("text/x-robots"));
            }
        });
    let url = files.static_url("app.js");
    let app = Application::new().static_files_with("/static", files);
    let script = call(&app, get("/static/app.js")).await;
    assert_eq!(script.headers()["cache-control"], "public, max-age=60");
    assert_eq!(script.headers()["x-path"], "app.js");
    assert_eq!(script.headers()["content-length"], "6");
    assert_ne!(script.headers()["etag"], "\"mine\"");
    let versioned = call(&app, get(&url)).await;
    assert_eq!(
        versioned.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
    assert_eq!(versioned.headers()["x-path"], "app.js");
    let robots = call(&app, get("/static/robots.txt")).await;
    assert_eq!(robots.headers()["cache-control"], "no-cache");
    assert_eq!(robots.headers()["content-type"], "text/x-robots");

    // RFC 9110, section 15.4.5.
    let mut again = get("/static/app.js");
    again
        .headers_mut()
        .insert("if-none-match", script.headers()["etag"].clone());
    let unchanged = call(&app, again).await;
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(unchanged.headers()["cache-control"], "public, max-age=60");
    assert_eq!(unchanged.headers()["x-path"], "app.js");
    for name in ["content-type", "content-length", "accept-ranges"] {
        assert!(!unchanged.headers().contains_key(name), "{name}");
    }
    let mut part = get("/static/app.js");
    part.headers_mut()
        .insert("range", HeaderValue::from_static("bytes=0-1"));
    let part = call(&app, part).await;
    assert_eq!(
        (part.headers()["x-path"].to_str().unwrap(), text(&part)),
        ("app.js", "ap")
    );
}
