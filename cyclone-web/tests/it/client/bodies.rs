use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cyclone_web::client::{Client, ClientErrorKind, Outcome};
use cyclone_web::{Application, Body, Limits, RequestContext, RequestHandler, Result};
use futures_util::stream;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use super::{Written, client, ok, within};
use crate::support::listen;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
}

#[tokio::test]
async fn json_and_forms_both_ways() {
    let server = Written::always(ok("{\"x\":7}"), false).await;
    let client = client(|builder| builder);
    let sent = client
        .post(server.url("/?a=b"))
        .query([("c d", "é&")])
        .json(&Point { x: 3 });
    let response = within(sent.send()).await.unwrap();
    assert_eq!(
        within(response.json::<Point>()).await.unwrap(),
        Point { x: 7 }
    );
    let sent = client.post(server.url("/")).form([("a b", "&"), ("c", "")]);
    let response = within(sent.send()).await.unwrap();
    let error = within(response.json::<Vec<u8>>()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Decode);
    let seen = server.seen();
    assert!(
        seen[0]
            .1
            .starts_with("POST /?a=b&c+d=%C3%A9%26 HTTP/1.1\r\n"),
        "{}",
        seen[0].1
    );
    assert!(seen[0].1.contains("content-type: application/json\r\n"));
    assert!(seen[0].1.ends_with("\r\n\r\n{\"x\":3}"));
    assert!(seen[1].1.ends_with("\r\n\r\na+b=%26&c="));
}

#[tokio::test]
async fn framing_is_ours() {
    // Passing on the headers of a client must not let it end our request where it likes.
    let server = Written::always(ok(""), false).await;
    let client = client(|builder| builder);
    let sent = client
        .post(server.url("/"))
        .header("content-length", "1")
        .header("transfer-encoding", "chunked")
        .header("connection", "close, x-secret")
        .header("proxy-connection", "keep-alive")
        .header("upgrade", "websocket")
        .header("te", "trailers")
        .header("x-a", "b")
        .body("abc");
    within(sent.send()).await.unwrap();
    within(client.post(server.url("/")).send()).await.unwrap();
    let seen = server.seen();
    let head = seen[0].1.to_ascii_lowercase();
    for name in [
        "transfer-encoding",
        "connection",
        "upgrade",
        "\r\nte:",
        "content-length: 1",
    ] {
        assert!(!head.contains(name), "{name} in {head}");
    }
    assert!(head.contains("content-length: 3\r\n") && head.contains("x-a: b\r\n"));
    assert!(seen[1].1.contains("content-length: 0\r\n"), "{}", seen[1].1);
    for (name, value) in [("x a", "b"), ("x-a", "b\r\nc: d"), ("x-a", "\0"), ("", "")] {
        let sent = client.get(server.url("/")).header(name, value).send();
        let error = within(sent).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ClientErrorKind::Request, Outcome::NotSent)
        );
    }
    assert_eq!(server.seen().len(), 2);
}

/// Counts what it was asked for.
fn counted(pieces: usize, size: usize) -> (Body, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let piece = Bytes::from(vec![b'x'; size]);
    let pieces = stream::iter((0..pieces).map(move |_| {
        count.fetch_add(size, Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece.clone())
    }));
    (Body::from_stream(pieces), given)
}

#[tokio::test]
async fn both_directions_stream_and_wait() {
    async fn echo(cx: &mut RequestContext) -> Result {
        let mut body = cx.take_body();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                cx.write(data);
                cx.flush().await?;
            }
        }
        cx.finish()
    }
    let app = Application::new()
        .limits(Limits::new().body(u64::MAX))
        .post("/", echo);
    let (_server, address) = listen(app).await;
    let client = client(|builder| builder.body_limit(None));
    const TOTAL: usize = 256 * 1024 * 1024;
    let (body, given) = counted(TOTAL / 65_536, 65_536);
    let sent = client
        .post(format!("http://{address}/"))
        .stream(body)
        .send();
    let mut response = within(sent).await.unwrap();
    let first = within(response.chunk()).await.unwrap().unwrap();
    // Nobody reads: after a while nothing more is asked for.
    let mut before = usize::MAX;
    while before != given.load(Ordering::Relaxed) {
        before = given.load(Ordering::Relaxed);
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
    assert!(before < TOTAL / 4, "{before} bytes were taken");
    let mut length = first.len();
    while let Some(piece) = within(response.chunk()).await.unwrap() {
        length += piece.len();
    }
    assert_eq!(length, TOTAL);
}

#[tokio::test]
async fn body_is_passed_on_to_a_client_of_ours() {
    let other = Written::always(ok(&"x".repeat(100_000)), false).await;
    let url = other.url("/");
    struct Relay(Client, String);
    impl RequestHandler for Relay {
        async fn get(&self, _cx: &mut RequestContext) -> Result {
            let response = self.0.get(&self.1).send().await?;
            Ok(http::Response::new(response.into_body()).into())
        }
    }
    let app = Application::new().route("/", Relay(client(|builder| builder), url));
    let (_server, address) = listen(app).await;
    let response = client(|builder| builder)
        .get(format!("http://{address}/"))
        .send();
    let text = within(within(response).await.unwrap().text())
        .await
        .unwrap();
    assert_eq!(text.len(), 100_000);
}

#[tokio::test]
async fn source_that_fails_is_told() {
    let server = Written::always(ok(""), false).await;
    let pieces = stream::iter([Ok("abc"), Err(std::io::Error::other("no disk"))]);
    let sent = client(|builder| builder)
        .post(server.url("/"))
        .stream(Body::from_stream(pieces));
    let error = within(sent.send()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ClientErrorKind::Upload, Outcome::Unknown)
    );
    assert_eq!(error.status(), 500);
}

#[tokio::test]
async fn reader_reads_to_the_end_and_tells_what_was_cut() {
    let server = Written::always(ok("hello world"), false).await;
    let client = client(|builder| builder);
    let mut reader = within(client.get(server.url("/")).send())
        .await
        .unwrap()
        .into_reader();
    let mut text = String::new();
    within(reader.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "hello world");
    let server = Written::always("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", true).await;
    let mut reader = within(client.get(server.url("/")).send())
        .await
        .unwrap()
        .into_reader();
    let error = within(reader.read_to_string(&mut text)).await.unwrap_err();
    assert!(error.to_string().contains("too soon"), "{error}");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let server = Written::new(|request| match request.split(' ').next() {
        Some("HEAD") => (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99999999999\r\n\r\n"
                .to_vec(),
            false,
        ),
        Some("PUT") => (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false),
        _ => (
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n".to_vec(),
            false,
        ),
    })
    .await;
    let client = client(|builder| builder);
    for (method, status) in [("HEAD", 200), ("PUT", 204), ("GET", 304)] {
        let sent = client
            .request(method.parse().unwrap(), server.url("/"))
            .send();
        let response = within(sent).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(client.idle_connections(), 1, "{method}: given back at once");
        assert_eq!(within(response.bytes()).await.unwrap(), "");
    }
    assert!(server.seen().iter().all(|(connection, _)| *connection == 0));
}

#[tokio::test]
async fn text_is_utf8_without_a_mark() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n\xef\xbb\xbfa\xffb".to_vec();
    let server = Written::always(answer, false).await;
    let response = within(client(|builder| builder).get(server.url("/")).send())
        .await
        .unwrap();
    assert_eq!(within(response.text()).await.unwrap(), "a\u{fffd}b");
}
