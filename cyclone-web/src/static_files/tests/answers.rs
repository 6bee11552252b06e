use super::*;

#[tokio::test]
async fn a_file_is_answered_with_everything_a_cache_needs() {
    let site = Site::new(&[("a.html", b"hello"), ("big.bin", &large())]);
    for (name, size, content_type) in [
        ("a.html", 5, "text/html; charset=utf-8"),
        ("big.bin", large().len(), "application/octet-stream"),
    ] {
        let reply = site.get(name).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, fs::read(site.path(name)).unwrap());
        assert_eq!(reply.header("content-length"), size.to_string());
        assert_eq!(reply.header("content-type"), content_type);
        assert_eq!(reply.header("last-modified"), MODIFIED);
        assert_eq!(reply.header("accept-ranges"), "bytes");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(reply.header("etag").starts_with('"'));
        assert_eq!(reply.header("cache-control"), "");
        assert_eq!(reply.header("vary"), "");

        let head = site.send(Method::HEAD, name, &[]).await;
        assert_eq!((head.status, &head.headers), (reply.status, &reply.headers));
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn only_get_and_head_are_allowed() {
    let site = Site::new(&[("a.html", b"hello")]);
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ] {
        let reply = site.send(method, "a.html", &[]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("allow")),
            (405, "GET, HEAD")
        );
    }
}

#[tokio::test]
async fn content_types_are_guessed() {
    let site = Site::new(&[]);
    for (name, expected) in [
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.JSON", "application/json"),
        ("a.png", "image/png"),
        ("a.svg", "image/svg+xml"),
        ("a.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.tar.gz", "application/gzip"),
        ("a.unknown", "application/octet-stream"),
        ("README", "application/octet-stream"),
    ] {
        site.write(name, b"x");
        assert_eq!(
            site.get(name).await.header("content-type"),
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn conditional_requests() {
    let site = Site::new(&[("a.txt", b"hello"), ("big.bin", &large())])
        .with(|files| files.cache_control(HeaderValue::from_static("max-age=60")));
    for name in ["a.txt", "big.bin"] {
        let first = site.get(name).await;
        let etag = first.header("etag");
        for headers in [
            vec![("if-none-match", etag)],
            vec![("if-none-match", "*")],
            vec![("if-modified-since", MODIFIED)],
            // The tag decides, not the date.
            vec![
                ("if-none-match", etag),
                ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ],
        ] {
            let reply = site.get_with(name, &headers).await;
            assert_eq!(reply.status, 304, "{headers:?}");
            assert!(reply.body.is_empty());
            assert_eq!(reply.header("etag"), etag);
            assert_eq!(reply.header("cache-control"), "max-age=60");
            assert_eq!(reply.header("content-type"), "");
            assert_eq!(reply.header("content-length"), "");
        }
        for (headers, status) in [
            (
                vec![
                    ("if-none-match", "\"other\""),
                    ("if-modified-since", MODIFIED),
                ],
                200,
            ),
            (vec![("if-match", etag)], 200),
            (vec![("if-match", "\"other\"")], 412),
            (
                vec![("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT")],
                412,
            ),
            (vec![("if-unmodified-since", MODIFIED)], 200),
        ] {
            let reply = site.get_with(name, &headers).await;
            assert_eq!(reply.status, status, "{headers:?}");
            assert_eq!(reply.body.is_empty(), status == 412);
        }
    }
}

#[tokio::test]
async fn directories_and_default_files() {
    let plain = Site::new(&[("docs/index.html", b"docs"), ("a.txt", b"a")]);
    assert_eq!(plain.status("docs").await, 403);
    assert_eq!(plain.status("docs/").await, 403);
    assert_eq!(plain.status("").await, 403);
    assert_eq!(plain.status("a.txt/").await, 404);
    assert_eq!(plain.status("none/").await, 404);

    let site = plain.with(|files| files.default_filename("index.html"));
    site.write("index.html", b"home");
    fs::create_dir(site.path("empty")).unwrap();
    for (path, location) in [
        ("docs", "./docs/"),
        ("docs?a=1&b", "./docs/?a=1&b"),
        ("d%6fcs", "./d%6fcs/"),
        ("empty", "./empty/"),
    ] {
        let reply = site.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("location")),
            (301, location),
            "{path}"
        );
    }
    assert_eq!(site.get("docs/").await.text(), "docs");
    assert_eq!(site.get("").await.text(), "home");
    assert_eq!(
        site.get("docs/").await.header("content-type"),
        "text/html; charset=utf-8"
    );
    assert_eq!(site.status("empty/").await, 404);
    assert_eq!(site.status("a.txt/").await, 404);
    // The route may end before the slash.
    let reply = site
        .send_uri(Method::GET, &Uri::from_static("/static"), "", &[])
        .await;
    assert_eq!(reply.header("location"), "./static/");
}

#[tokio::test]
async fn empty_files() {
    let site = Site::new(&[("empty.txt", b"")]);
    for headers in [
        vec![],
        vec![("range", "bytes=0-")],
        vec![("range", "bytes=-5")],
    ] {
        let reply = site.get_with("empty.txt", &headers).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("content-length")),
            (200, "0")
        );
        assert!(reply.body.is_empty());
    }
}

#[tokio::test]
async fn a_service_for_any_server() {
    use tower::ServiceExt as _;
    let site = Site::new(&[("docs/a.txt", b"hello")]);
    let request = http::Request::get("/docs/a.txt").body(()).unwrap();
    let response = site.files.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "hello");
}

#[test]
fn the_root_can_be_checked_at_start() {
    let site = Site::new(&[("a", b"")]);
    site.files.check().unwrap();
    assert!(StaticFiles::new(site.path("a")).check().is_err());
    assert!(StaticFiles::new(site.path("none")).check().is_err());
    assert!(site.files.root().is_absolute());
}
