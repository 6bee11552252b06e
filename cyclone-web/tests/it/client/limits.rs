use std::io::Write as _;

use cyclone_web::client::{ClientErrorKind, MAX_CLIENT_FIELDS, MAX_INFORMATIONAL, Outcome};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Written, client, ok, within};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn body_under_at_and_over_the_limit() {
    let client = client(|builder| builder.body_limit(1_000));
    for (length, fits) in [(999, true), (1_000, true), (1_001, false)] {
        let body = "x".repeat(length);
        let chunked = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
        );
        let until_close = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
        for (answer, closes) in [
            (ok(&body), false),
            (chunked.into(), false),
            (until_close.into(), true),
        ] {
            let is_declared = answer.windows(14).any(|bytes| bytes == b"content-length");
            let server = Written::always(answer, closes).await;
            let read = async {
                let response = client.get(server.url("/")).send().await?;
                assert!(fits || !is_declared, "what is declared is not begun");
                response.bytes().await
            };
            match within(read).await {
                Ok(bytes) => assert!(fits && bytes.len() == length, "{length}"),
                Err(error) => {
                    assert!(!fits, "{length} {error}");
                    assert_eq!(error.kind(), ClientErrorKind::TooLarge { limit: 1_000 });
                    assert_eq!(error.outcome(), Outcome::Answered);
                }
            }
        }
    }
}

#[tokio::test]
async fn cve_2026_49855_expanded_body_under_at_and_over_the_limit() {
    let client = client(|builder| builder.body_limit(100_000));
    for (length, fits) in [(99_999, true), (100_000, true), (100_001, false)] {
        let bytes = vec![b'x'; length];
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&bytes).unwrap();
        for (coding, body) in [("gzip", gzip(&bytes)), ("deflate", zlib.finish().unwrap())] {
            assert!(body.len() < 1_000);
            let server = Written::always(coded(coding, &body), false).await;
            let response = within(client.get(server.url("/")).send()).await.unwrap();
            assert_eq!(response.header("x-consumed-content-encoding"), Some(coding));
            assert_eq!(response.header("content-length"), None);
            match within(response.bytes()).await {
                Ok(read) => assert!(fits && read == bytes, "{length}"),
                Err(error) => {
                    assert!(!fits, "{length} {error}");
                    assert_eq!(error.kind(), ClientErrorKind::TooLarge { limit: 100_000 });
                }
            }
        }
    }
}

#[tokio::test]
async fn broken_codings_are_told_and_unknown_ones_left() {
    let client = client(|builder| builder);
    let whole = gzip(b"hello");
    for broken in [&b"no gzip at all"[..], &whole[..whole.len() - 1]] {
        let server = Written::always(coded("gzip", broken), false).await;
        let response = within(client.get(server.url("/")).send()).await.unwrap();
        let error = within(response.bytes()).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Coding, "{error}");
    }
    let server = Written::always(coded("br", b"as it is"), false).await;
    let response = within(client.get(server.url("/")).send()).await.unwrap();
    assert_eq!(response.header("content-encoding"), Some("br"));
    assert_eq!(within(response.text()).await.unwrap(), "as it is");
    assert!(
        server.seen()[0]
            .1
            .contains("accept-encoding: gzip, deflate\r\n")
    );

    let server = Written::always(coded("gzip", &whole), false).await;
    let response = within(client.get(server.url("/")).decompress(false).send())
        .await
        .unwrap();
    assert_eq!(within(response.bytes()).await.unwrap(), whole);
    assert!(!server.seen()[0].1.contains("accept-encoding"));
    let empty = Written::always(coded("gzip", b""), false).await;
    let response = within(client.get(empty.url("/")).send()).await.unwrap();
    assert_eq!(within(response.bytes()).await.unwrap(), "");
}

#[tokio::test]
async fn head_under_at_and_over_the_limit() {
    const LIMIT: usize = 20_000;
    let client = client(|builder| builder.head_limit(LIMIT));
    let frame = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: \r\n\r\n";
    for (length, fits) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
        let filler = "x".repeat(length - frame.len());
        let answer = frame.replace("x: ", &format!("x: {filler}"));
        assert_eq!(answer.len(), length);
        let server = Written::always(answer, false).await;
        match within(client.get(server.url("/")).send()).await {
            Ok(_) => assert!(fits, "{length}"),
            Err(error) => {
                assert!(!fits, "{length} {error}");
                let limit = LIMIT as u64;
                assert_eq!(error.kind(), ClientErrorKind::TooLarge { limit }, "{error}");
                assert_eq!(error.outcome(), Outcome::Answered);
            }
        }
    }
}

#[tokio::test]
async fn fields_under_at_and_over_the_limit() {
    for (more, fits) in [(-1, true), (0, true), (1, false)] {
        let count = usize::try_from(MAX_CLIENT_FIELDS as isize + more).unwrap();
        let fields = "x: y\r\n".repeat(count - 1);
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n");
        let server = Written::always(answer, false).await;
        let sent = within(client(|builder| builder).get(server.url("/")).send()).await;
        assert_eq!(sent.is_ok(), fits, "{count} {sent:?}");
    }
}

#[tokio::test]
async fn responses_of_1xx_under_at_and_over_the_limit() {
    for (more, fits) in [(-1, true), (0, true), (1, false)] {
        let count = usize::try_from(MAX_INFORMATIONAL as isize + more).unwrap();
        let before = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(count);
        // Only they come first: the last response would hide that there were too many.
        let server = Written::always([&before[..], &ok("end")].concat(), false).await;
        let sent = within(client(|builder| builder).get(server.url("/")).send()).await;
        assert_eq!(sent.is_ok(), fits, "{count} {sent:?}");
    }
}
