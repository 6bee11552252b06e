//! Bodies that come compressed.

use std::io::Write as _;

use bytes::Bytes;
use cyclone_web::{Application, Body, Limits, RequestContext, RequestHandler, Result, url};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::stream;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;

use crate::support::{call, post, text};

const FORM: &str = "application/x-www-form-urlencoded";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn encoded(target: &str, media: &str, coding: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = post(target, media, body);
    let coding = coding.parse().unwrap();
    request
        .headers_mut()
        .insert(header::CONTENT_ENCODING, coding);
    request
}

struct Streams;

impl RequestHandler for Streams {
    const STREAM_BODY: bool = true;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        let mut body = cx.take_body();
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            all.extend_from_slice(&frame?.into_data().unwrap_or_default());
        }
        cx.text(all)
    }
}

async fn whole(cx: &mut RequestContext) -> Result {
    let body = cx.body().await?;
    cx.text(body)
}

async fn argument(cx: &mut RequestContext) -> Result {
    cx.text(cx.argument("x")?)
}

fn app() -> Application {
    let mounted = tower::service_fn(async |request: Request<Body>| {
        let (parts, body) = request.into_parts();
        assert!(!parts.headers.contains_key(header::CONTENT_ENCODING));
        assert!(!parts.headers.contains_key(header::CONTENT_LENGTH));
        let consumed = parts.headers["x-consumed-content-encoding"].clone();
        let body = body.collect().await?.to_bytes();
        let text = format!("{} {}", consumed.to_str().unwrap(), body.escape_ascii());
        Ok::<_, cyclone_web::BodyError>(http::Response::new(Body::from(text)))
    });
    Application::new()
        .decompress_requests(true)
        .post("/whole", whole)
        .post("/form", argument)
        .route("/streams", Streams)
        .mount("/mounted", mounted)
}

/// Tornado's `decompress_request`.
#[tokio::test]
async fn whatever_reads_it_the_body_is_expanded() {
    for (coding, compress) in [
        ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
        ("x-gzip", gzip),
        ("GZIP", gzip),
        ("deflate", zlib),
    ] {
        for target in ["/whole", "/streams"] {
            let request = encoded(target, "text/plain", coding, compress(b"content"));
            let response = call(&app(), request).await;
            assert_eq!(text(&response), "content", "{coding} {target}");
        }
        let response = call(&app(), encoded("/form", FORM, coding, compress(b"x=1"))).await;
        assert_eq!(text(&response), "1", "{coding}");
        let mut request = encoded("/mounted/x", "text/plain", coding, compress(b"content"));
        request
            .headers_mut()
            .insert(header::CONTENT_LENGTH, "7".parse().unwrap());
        let response = call(&app(), request).await;
        assert_eq!(text(&response), format!("{coding} content"));
    }
    let response = call(&app(), encoded("/whole", "text/plain", "identity", "plain")).await;
    assert_eq!(text(&response), "plain");
}

#[tokio::test]
async fn what_comes_in_pieces() {
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    for (coding, compressed) in [("gzip", gzip(&content)), ("deflate", zlib(&content))] {
        for size in [1, 7, 1000] {
            let pieces: Vec<_> = compressed
                .chunks(size)
                .map(Bytes::copy_from_slice)
                .collect();
            let pieces = pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
            let body = Body::from_stream(stream::iter(pieces));
            let response = call(&app(), encoded("/whole", "text/plain", coding, body)).await;
            assert!(response.body() == &content, "{coding} {size}");
        }
    }
}

/// Off unless it is asked for.
#[tokio::test]
async fn without_the_setting_nothing_is_expanded() {
    let app = Application::new().post("/", whole);
    let compressed = gzip(b"content");
    let response = call(&app, encoded("/", "text/plain", "gzip", compressed.clone())).await;
    assert_eq!(response.body(), &compressed);
}

/// RFC 9110 15.5.16: what would do is in `Accept-Encoding`.
#[tokio::test]
async fn other_codings_are_refused() {
    for coding in [
        "br",
        "gzip, gzip",
        "gzip,",
        "compress",
        "",
        "identity, gzip",
    ] {
        let response = call(&app(), encoded("/whole", "text/plain", coding, "x")).await;
        assert_eq!(
            response.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{coding}"
        );
        assert_eq!(response.headers()[header::ACCEPT_ENCODING], "gzip, deflate");
    }
    let mut twice = encoded("/whole", "text/plain", "gzip", gzip(b"x"));
    twice
        .headers_mut()
        .append(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    assert_eq!(
        call(&app(), twice).await.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

/// Tornado 6.6: what follows the end of the compressed data is no part of it. Another member of gzip is (RFC 1952 2.2).
#[tokio::test]
async fn broken_bodies() {
    for (coding, compressed) in [("gzip", gzip(b"content")), ("deflate", zlib(b"content"))] {
        for length in 1..compressed.len() {
            let cut = compressed[..length].to_vec();
            let response = call(&app(), encoded("/whole", "text/plain", coding, cut)).await;
            assert_eq!(
                response.status(),
                StatusCode::BAD_REQUEST,
                "{coding} {length}"
            );
        }
        for more in [&b"x"[..], b"\0", b"\x1f\x8b"] {
            let longer = [&compressed[..], more].concat();
            let response = call(&app(), encoded("/whole", "text/plain", coding, longer)).await;
            assert_eq!(
                response.status(),
                StatusCode::BAD_REQUEST,
                "{coding} {more:?}"
            );
        }
        let mut damaged = compressed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let response = call(&app(), encoded("/whole", "text/plain", coding, damaged)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{coding}");
    }
    let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
    let response = call(&app(), encoded("/whole", "text/plain", "gzip", members)).await;
    assert_eq!(text(&response), "one two");
}

/// CVE-2026-49855, the other way round: the limit is that of what comes out, and of what goes in.
#[tokio::test]
async fn cve_2026_49855_the_limit_holds_for_the_expanded_size() {
    let app = |limit: u64| {
        Application::new()
            .decompress_requests(true)
            .limits(Limits::new().body(1 << 30))
            .post(url("/whole").body_limit(limit), whole)
            .route(url("/streams").body_limit(limit), Streams)
    };
    for (length, status) in [(99_999, 200), (100_000, 200), (100_001, 413)] {
        for target in ["/whole", "/streams"] {
            for (coding, body) in [
                ("gzip", gzip(&vec![0; length])),
                ("deflate", zlib(&vec![0; length])),
            ] {
                let request = encoded(target, "text/plain", coding, body);
                let response = call(&app(100_000), request).await;
                assert_eq!(response.status(), status, "{coding} {length} {target}");
            }
        }
    }
    // A gigabyte of it, in a megabyte.
    let bomb = gzip(&vec![0; 100 << 20]);
    let response = call(&app(1 << 20), encoded("/whole", "text/plain", "gzip", bomb)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // Members with nothing in them, without end.
    let nothing = gzip(b"").repeat(10_000);
    let limit = nothing.len() as u64 - 1;
    let response = call(
        &app(limit),
        encoded("/whole", "text/plain", "gzip", nothing.clone()),
    )
    .await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let response = call(
        &app(limit + 1),
        encoded("/whole", "text/plain", "gzip", nothing),
    )
    .await;
    assert_eq!(text(&response), "");
}

/// The handler may raise the limit: both of them.
#[tokio::test]
async fn a_raised_limit_holds_for_both_sizes() {
    struct Raises;
    impl RequestHandler for Raises {
        const STREAM_BODY: bool = true;
        async fn post(&self, cx: &mut RequestContext) -> Result {
            cx.set_body_limit(1000);
            whole(cx).await
        }
    }
    let app = Application::new()
        .decompress_requests(true)
        .route(url("/").body_limit(1), Raises);
    for (length, status) in [(1000, 200), (1001, 413)] {
        let body = gzip(&vec![b'x'; length]);
        let response = call(&app, encoded("/", "text/plain", "gzip", body)).await;
        assert_eq!(response.status(), status, "{length}");
    }
}
