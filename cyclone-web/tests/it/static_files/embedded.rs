//! Files that are part of the program.

use cyclone_web::rust_embed::RustEmbed;
use cyclone_web::{Application, StaticFiles};
use http::{HeaderMap, Method, StatusCode};

use crate::support::{call, get, text};

#[derive(RustEmbed)]
#[crate_path = "cyclone_web::rust_embed"]
#[folder = "tests/it/static_files/assets"]
struct Assets;

const ON_DISK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/static_files/assets");

fn app(files: StaticFiles) -> Application {
    let files = files.default_filename("index.html").precompressed(true);
    Application::new()
        .static_file("/robots.txt", &files, "robots.txt")
        .static_files_with("/static", files)
}

/// Whatever is asked for, and however: the program answers as the disk does.
#[tokio::test]
async fn embedded_files_are_served_as_those_of_a_directory() {
    let (embedded, disk) = (
        app(StaticFiles::embedded::<Assets>()),
        app(StaticFiles::new(ON_DISK)),
    );
    let version = StaticFiles::new(ON_DISK).static_url("app.js");
    assert!(version.contains("?v="));
    for target in [
        "/static/app.js",
        version.as_str(),
        "/static/app.js?v=other",
        "/static/sub",
        "/static/sub/",
        "/static/sub/deep/file.txt",
        "/static/sub/deep",
        "/static/sub/deep/",
        "/static/su",
        "/static/",
        "/static/nothing",
        "/static/../Cargo.toml",
        "/static/%2e%2e/embedded.rs",
        "/static/sub%2f..%2fapp.js",
        "/static/app.js/",
        "/robots.txt",
    ] {
        for header in [
            "range: bytes=1-2",
            "accept-encoding: br",
            "if-none-match: *",
            "x: y",
        ] {
            let request = || {
                let (name, value) = header.split_once(": ").unwrap();
                let mut request = get(target);
                let value = value.parse().unwrap();
                request
                    .headers_mut()
                    .insert(http::HeaderName::from_static(name), value);
                request
            };
            let (one, other) = (
                call(&embedded, request()).await,
                call(&disk, request()).await,
            );
            assert_eq!(one.status(), other.status(), "{target} {header}");
            assert_eq!(one.body(), other.body(), "{target} {header}");
            let but_date = |headers: &HeaderMap| {
                let mut headers = headers.clone();
                headers.remove("date");
                headers
            };
            assert_eq!(
                but_date(one.headers()),
                but_date(other.headers()),
                "{target} {header}"
            );
        }
    }
}

#[tokio::test]
async fn embedded_files_have_versions_and_no_root() {
    let files = StaticFiles::embedded::<Assets>();
    files.check().unwrap();
    assert_eq!(files.root().as_os_str(), "");
    let url = files.static_url("app.js");
    assert_eq!(url, StaticFiles::new(ON_DISK).static_url("app.js"));
    // What is part of the program takes no room of the memory: it is kept however large it is.
    let small = files.clone().cache_size(8 << 10);
    let (uri, headers) = (
        http::Uri::from_static("/static/large.txt"),
        HeaderMap::new(),
    );
    for _ in 0..2 {
        let served = small.serve(&Method::GET, &uri, "large.txt", &headers);
        let response = served.await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-length"], "20000");
    }
    assert_eq!(small.statistics().hits, 1);
    let app = Application::new().static_files_with("/static", files);
    let response = call(&app, get(&url)).await;
    assert_eq!(text(&response), "go()\n");
    assert_eq!(
        response.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
}
