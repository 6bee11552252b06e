//! Forms part by part.

use std::convert::Infallible;

use bytes::Bytes;
use cyclone_web::{
    Application, Body, MediaType, Multipart, MultipartConfig, MultipartErrorKind, RequestContext,
    RequestHandler, Result,
};
use futures_util::{FutureExt as _, stream};
use http::StatusCode;

use super::{MULTIPART, field, file, form};
use crate::support::{call, exchange, listen, post, text};

struct Streams;

impl RequestHandler for Streams {
    const STREAM_BODY: bool = true;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        let mut form = cx.multipart()?;
        let mut seen = Vec::new();
        while let Some(mut part) = form.next_part().await? {
            let name = part.name().to_owned();
            let mut length = 0;
            match name.as_str() {
                "skip" => {}
                "half" => length = part.chunk().await?.unwrap_or_default().len(),
                "text" => length = part.text().await?.len(),
                "save" => length = usize::try_from(part.save().await?.len())?,
                _ => {
                    while let Some(piece) = part.chunk().await? {
                        length += piece.len();
                    }
                    assert!(part.chunk().await?.is_none());
                }
            }
            seen.push(format!("{name}={length}"));
        }
        assert!(form.next_part().await?.is_none());
        cx.text(seen.join(" "))
    }
}

fn app() -> Application {
    Application::new()
        .multipart(MultipartConfig::new().file_in_memory(4))
        .route("/", Streams)
}

fn in_pieces(body: &str, size: usize) -> Body {
    let pieces: Vec<Bytes> = body
        .as_bytes()
        .chunks(size)
        .map(Bytes::copy_from_slice)
        .collect();
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}

#[tokio::test]
async fn parts_are_read_skipped_and_saved() {
    let body = form(&[
        field("skip", "0123456789"),
        field("half", "0123456789"),
        field("text", "0123456789"),
        file("save", "x", "0123456789"),
        file("all", "y", "0123456789"),
        field("skip", ""),
    ]);
    let whole = call(&app(), post("/", MULTIPART, body.clone())).await;
    assert_eq!(text(&whole), "skip=0 half=10 text=10 save=10 all=10 skip=0");
    let pieces = call(&app(), post("/", MULTIPART, in_pieces(&body, 1))).await;
    assert_eq!(text(&pieces), "skip=0 half=1 text=10 save=10 all=10 skip=0");
}

/// Off the wire, chunked (row 29 of the checklist), and the connection is good for a next request.
#[tokio::test]
async fn chunked_on_a_connection_that_is_kept() {
    let body = form(&[field("all", &"x".repeat(1000))]);
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    for piece in body.as_bytes().chunks(37) {
        let piece = std::str::from_utf8(piece).unwrap();
        request += &format!("{:x}\r\n{piece}\r\n", piece.len());
    }
    request += "0\r\n\r\n";
    request += "GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let (_server, address) = listen(app()).await;
    let answers = exchange(address, request.as_bytes()).await;
    assert!(answers.contains("all=1000"), "{answers}");
    assert!(answers.contains("HTTP/1.1 404 "), "{answers}");
}

#[tokio::test]
async fn what_is_no_form() {
    for (media, status) in [
        ("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "multipart/mixed; boundary=b",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("multipart/form-data", StatusCode::BAD_REQUEST),
    ] {
        let response = call(&app(), post("/", media, form(&[]))).await;
        assert_eq!(response.status(), status, "{media}");
    }
    // Cut at any place it is a 400, though the handler says nothing of it.
    let body = form(&[field("all", "x"), file("save", "x", "0123456789")]);
    for length in 0..body.len() - 2 {
        let response = call(&app(), post("/", MULTIPART, body[..length].to_owned())).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{length}");
    }
}

#[tokio::test]
async fn a_form_is_taken_once() {
    let app = Application::new().post("/", async |cx: &mut RequestContext| {
        let first = cx.multipart()?;
        assert!(cx.multipart().is_err());
        assert!(cx.body().await.is_err());
        drop(first);
        cx.text("once")
    });
    assert_eq!(
        text(&call(&app, post("/", MULTIPART, form(&[]))).await),
        "once"
    );
}

/// Anywhere, without a context: the body of any server of `http`.
#[tokio::test]
async fn a_form_that_failed_stays_failed() {
    let media: MediaType = MULTIPART.parse().unwrap();
    let config = MultipartConfig::new().field(3).file(5);
    let body = form(&[
        field("a", "abc"),
        file("b", "x", "12345"),
        field("c", "abcd"),
    ]);
    let mut form = Multipart::new(body.into(), media.boundary().unwrap(), &config).unwrap();
    let part = form.next_part().await.unwrap().unwrap();
    assert_eq!(part.bytes().await.unwrap(), "abc");
    let part = form.next_part().await.unwrap().unwrap();
    assert_eq!(part.save().await.unwrap().bytes().await.unwrap(), "12345");
    let part = form.next_part().await.unwrap().unwrap();
    let refused = part.bytes().await.unwrap_err();
    let limit = MultipartErrorKind::FieldTooLarge { limit: 3 };
    assert_eq!(refused.kind(), limit);
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(form.next_part().await.unwrap_err().kind(), limit);
}

/// A future that is dropped while it waits loses nothing.
#[tokio::test]
async fn giving_up_a_wait_loses_nothing() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let pieces = stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(piece), receiver))
    });
    let body = Body::from_stream(Box::pin(pieces));
    let mut form = Multipart::new(body, "b", &MultipartConfig::new()).unwrap();
    let text = super::form(&[field("a", "content")]);
    let mut bytes = text.bytes();
    let mut part = loop {
        if let Some(part) = form.next_part().now_or_never() {
            break part.unwrap().unwrap();
        }
        sender
            .send(Bytes::from(vec![bytes.next().unwrap()]))
            .unwrap();
    };
    let mut content = Vec::new();
    loop {
        if let Some(chunk) = part.chunk().now_or_never() {
            match chunk.unwrap() {
                Some(chunk) => content.extend_from_slice(&chunk),
                None => break,
            }
            continue;
        }
        sender
            .send(Bytes::from(vec![bytes.next().unwrap()]))
            .unwrap();
    }
    assert_eq!(content, b"content");
}
