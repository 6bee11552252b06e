//! The limits of a request head: just under, at and just over.

use cyclone_web::{Body, Limits};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{GET, hello, serve};

/// Sends `request` and expects `status`.
async fn expect(limits: Limits, request: String, status: u16) {
    let mut client = serve(limits, hello);
    let length = request.len();
    client.send(request).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, status, "{length} bytes");
    if status == 200 {
        assert_eq!(client.exchange(GET).await.status, 200);
    } else {
        assert!(answer.closes());
        client.finish().await;
        assert!(client.is_closed().await);
    }
}

/// A request of exactly `size` bytes, in header fields of at most 8000 bytes.
fn sized(size: usize) -> String {
    let mut head = "GET / HTTP/1.1\r\nhost: a\r\n".to_owned();
    while size - head.len() - 2 > 8000 {
        head.push_str(&format!("x: {}\r\n", "y".repeat(7000)));
    }
    let rest = size - head.len() - 2 - "x: \r\n".len();
    head.push_str(&format!("x: {}\r\n\r\n", "y".repeat(rest)));
    assert_eq!(head.len(), size);
    head
}

#[tokio::test]
async fn header_section() {
    const DEFAULT: usize = 64 * 1024;
    for (size, status) in [
        (DEFAULT - 1, 200),
        (DEFAULT, 200),
        (DEFAULT + 1, 431),
        (2 * DEFAULT, 431),
    ] {
        expect(Limits::default(), sized(size), status).await;
    }
    for (size, status) in [(999, 200), (1000, 200), (1001, 431)] {
        expect(Limits::new().header_section(1000), sized(size), status).await;
    }
    const MORE: usize = 256 * 1024;
    for (size, status) in [(MORE - 1, 200), (MORE, 200), (MORE + 1, 431)] {
        expect(Limits::new().header_section(MORE), sized(size), status).await;
    }
}

/// A head that never ends costs no more memory than the limit.
#[tokio::test]
async fn an_endless_header_section_is_refused_at_the_limit() {
    let mut client = serve(Limits::default(), hello);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n").await;
    let line = format!("x: {}\r\n", "y".repeat(1017));
    for _ in 0..65 {
        client.send(&line).await;
    }
    assert_eq!(client.answer().await.status, 431);
}

/// Empty lines before a request are few (RFC 9112 section 2.2 asks for one).
#[tokio::test]
async fn empty_lines() {
    for (count, fine) in [(1, true), (7, true), (8, true), (9, false), (40_000, false)] {
        for has_request in [true, false] {
            let mut client = serve(Limits::default(), hello);
            client.send("\r\n".repeat(count)).await;
            if has_request {
                client.send(GET).await;
            } else if fine {
                continue;
            }
            assert_eq!(
                client.answer().await.status,
                if fine { 200 } else { 400 },
                "{count}"
            );
        }
    }
}

fn with_fields(count: usize) -> String {
    format!(
        "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(count - 1)
    )
}

#[tokio::test]
async fn header_count() {
    for (count, status) in [(99, 200), (100, 200), (101, 431)] {
        expect(Limits::default(), with_fields(count), status).await;
    }
    for (count, status) in [(2, 200), (3, 200), (4, 431)] {
        expect(Limits::new().header_count(3), with_fields(count), status).await;
    }
    for (count, status) in [(199, 200), (200, 200), (201, 431)] {
        expect(Limits::new().header_count(200), with_fields(count), status).await;
    }
}

/// What no `HeaderMap` holds is refused, whatever the limits say, rather than lost.
#[tokio::test]
async fn the_most_that_the_types_hold() {
    let limits = Limits::new()
        .header_section(1 << 20)
        .header_line(1 << 20)
        .header_count(1 << 20);
    for (count, status) in [(24_575, 200), (24_576, 200), (24_577, 431), (40_000, 431)] {
        expect_seen(&limits, with_fields(count), count, status).await;
    }
    for (length, status) in [(65_534, 200), (65_535, 200), (65_536, 431)] {
        let name = "x".repeat(length);
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{name}: y\r\n\r\n");
        expect_seen(&limits, request, 2, status).await;
    }
}

/// Sends `request` and expects `status`, and a handler that sees `count` fields.
async fn expect_seen(limits: &Limits, request: String, count: usize, status: u16) {
    let client = serve(limits.clone(), |request: Request<Body>| async move {
        Response::new(Body::from(request.headers().len().to_string()))
    });
    // The buffer between the two is smaller than the request.
    let (mut reader, mut writer) = tokio::io::split(client.io);
    let write = tokio::spawn(async move {
        let _ = writer.write_all(request.as_bytes()).await;
    });
    let mut answer = [0; 4096];
    let read = reader.read(&mut answer).await.unwrap();
    let answer = std::str::from_utf8(&answer[..read]).unwrap();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{count}: {answer}"
    );
    if status == 200 {
        assert!(answer.ends_with(&format!("\r\n\r\n{count}")), "{answer}");
    }
    drop((reader, write));
}

fn with_line(length: usize) -> String {
    format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "y".repeat(length - 1)
    )
}

#[tokio::test]
async fn header_line() {
    for (length, status) in [(16 * 1024 - 1, 200), (16 * 1024, 200), (16 * 1024 + 1, 431)] {
        expect(Limits::default(), with_line(length), status).await;
    }
    for (length, status) in [(9, 200), (10, 200), (11, 431)] {
        expect(Limits::new().header_line(10), with_line(length), status).await;
    }
}

/// A request line of `length` bytes.
fn with_target(length: usize) -> String {
    let target = "y".repeat(length - "GET / HTTP/1.1".len());
    format!("GET /{target} HTTP/1.1\r\nhost: a\r\n\r\n")
}

#[tokio::test]
async fn request_line() {
    for (length, status) in [
        (8000, 200),
        (16 * 1024 - 1, 200),
        (16 * 1024, 200),
        (16 * 1024 + 1, 414),
        (60 * 1024, 414),
    ] {
        expect(Limits::default(), with_target(length), status).await;
    }
    for (length, status) in [(99, 200), (100, 200), (101, 414)] {
        expect(Limits::new().request_line(100), with_target(length), status).await;
    }
    // The authority of the absolute form counts.
    let request = "GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n";
    for (limit, status) in [(23, 200), (22, 200), (21, 414)] {
        expect(
            Limits::new().request_line(limit),
            request.to_owned(),
            status,
        )
        .await;
    }
}
