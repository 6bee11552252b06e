use super::*;

const YEAR: &str = "public, max-age=31536000, immutable";

#[tokio::test]
async fn a_version_is_cached_for_a_year_only_when_it_is_that_version() {
    let site = Site::new(&[("a b.js", b"one"), ("big.bin", &large())]);
    for (name, encoded) in [("a b.js", "a%20b.js"), ("big.bin", "big.bin")] {
        let url = site.files.static_url(name);
        let version = site.files.version(name).unwrap();
        assert_eq!(url, format!("/static/{encoded}?v={version}"));
        let path = url.strip_prefix("/static/").unwrap();
        let reply = site.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("cache-control")),
            (200, YEAR)
        );
        let conditional = [("if-none-match", reply.header("etag"))];
        let reply = site.get_with(path, &conditional).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("cache-control")),
            (304, YEAR)
        );

        // During a deployment: this server has another version than the page was made with.
        let reply = site.get(&format!("{encoded}?v=0123")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("cache-control")),
            (200, "no-cache")
        );
        assert_eq!(site.get(encoded).await.header("cache-control"), "");
        assert_eq!(
            site.get(&format!("{encoded}?x=v&av={version}"))
                .await
                .header("cache-control"),
            ""
        );
    }
    assert_eq!(
        site.files.static_url("/a b.js"),
        site.files.static_url("a b.js")
    );
}

#[test]
fn urls_of_what_is_not_there_have_no_version() {
    let site = Site::new(&[("d/a", b"")]).with(|files| files.url_prefix("https://cdn.example/s/"));
    assert_eq!(
        site.files.static_url("none.js"),
        "https://cdn.example/s/none.js"
    );
    assert_eq!(site.files.static_url("d"), "https://cdn.example/s/d");
    assert_eq!(
        site.files.static_url("../x?&\""),
        "https://cdn.example/s/../x%3F%26%22"
    );
    assert!(
        site.files
            .static_url("d/a")
            .starts_with("https://cdn.example/s/d/a?v=")
    );
}

#[tokio::test(start_paused = true)]
async fn the_version_is_that_of_the_content() {
    let site = Site::new(&[("a.js", b"one"), ("b.js", b"one"), ("c.js", b"two")]);
    let version = |name: &str| site.files.version(name).unwrap();
    assert_eq!(version("a.js"), version("b.js"));
    assert_ne!(version("a.js"), version("c.js"));
    assert_eq!(version("a.js").len(), 32);
    let before = version("a.js");
    site.write_at("a.js", b"two", modified() + Duration::from_secs(1));
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(version("a.js"), before);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(version("a.js"), version("c.js"));
}

fn site() -> Site {
    Site::new(&[
        ("a.js", b"plain"),
        ("a.js.br", b"brotli"),
        ("a.js.gz", b"gzip!"),
    ])
}

#[tokio::test]
async fn precompressed_files_are_served_to_those_who_accept_them() {
    let site = site();
    // Off by default.
    let accept = [("accept-encoding", "gzip, br")];
    let reply = site.get_with("a.js", &accept).await;
    assert_eq!((reply.text(), reply.header("vary")), ("plain", ""));

    let site = site.with(|files| files.precompressed(true));
    let mut etags = Vec::new();
    for (accept, body, encoding) in [
        ("gzip, br", "brotli", "br"),
        ("gzip", "gzip!", "gzip"),
        ("gzip;q=0, br;q=0", "plain", ""),
        ("deflate", "plain", ""),
    ] {
        let accept = [("accept-encoding", accept)];
        let reply = site.get_with("a.js", &accept).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, body));
        assert_eq!(reply.header("content-encoding"), encoding);
        assert_eq!(reply.header("vary"), "accept-encoding");
        assert_eq!(
            reply.header("content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(reply.header("content-length"), body.len().to_string());
        etags.push(reply.header("etag").to_owned());
        let etag = etags.last().unwrap();
        let conditional = [accept[0], ("if-none-match", etag)];
        let reply = site.get_with("a.js", &conditional).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("vary")),
            (304, "accept-encoding")
        );
        let range = [accept[0], ("range", "bytes=1-2"), ("if-range", etag)];
        let reply = site.get_with("a.js", &range).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (206, &body[1..3]));
        assert_eq!(reply.header("content-encoding"), encoding);
        let head = site.send(Method::HEAD, "a.js", &accept).await;
        assert_eq!(head.header("content-encoding"), encoding);
    }
    assert_eq!(etags[2], etags[3]);
    etags.dedup();
    assert_eq!(etags.len(), 3);
    // The version is that of the file, whatever its coding.
    let url = site.files.static_url("a.js");
    let reply = site
        .get_with(url.strip_prefix("/static/").unwrap(), &accept)
        .await;
    assert_eq!(
        (reply.text(), reply.header("cache-control")),
        ("brotli", YEAR)
    );
    // Asked for by its own name it is a file like any other.
    let reply = site.get_with("a.js.gz", &accept).await;
    assert_eq!(
        (
            reply.header("content-encoding"),
            reply.header("content-type")
        ),
        ("", "application/gzip")
    );
}

#[tokio::test]
async fn a_large_precompressed_file_is_streamed() {
    let site = Site::new(&[("a.js", b"plain"), ("a.js.gz", &large())]);
    let site = site.with(|files| files.precompressed(true));
    let reply = site.get_with("a.js", &[("accept-encoding", "gzip")]).await;
    assert_eq!((reply.status.as_u16(), reply.body), (200, large()));
}

#[tokio::test(start_paused = true)]
async fn stale_and_vanished_siblings_are_not_used() {
    let site = site().with(|files| files.precompressed(true));
    site.write_at("a.js.br", b"old", modified() - Duration::from_secs(1));
    let accept = [("accept-encoding", "gzip, br")];
    assert_eq!(site.get_with("a.js", &accept).await.text(), "gzip!");
    fs::remove_file(site.path("a.js.gz")).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let reply = site.get_with("a.js", &accept).await;
    assert_eq!((reply.text(), reply.header("vary")), ("plain", ""));
    site.write("a.js.br", b"brotli");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(site.get_with("a.js", &accept).await.text(), "brotli");
}
