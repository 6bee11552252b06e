//! What a client can make the server hold.

use bytes::Bytes;
use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _};
use cyclone_web::{Application, Error, RequestContext, RequestHandler, Result};
use http_body_util::BodyExt as _;

use super::Client;

/// Keeps every piece of a request body to its end, as libraries do that put a body together, and answers with the
/// number of pieces of memory that these are in.
struct Hoard;

impl RequestHandler for Hoard {
    const STREAM_BODY: bool = true;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        let mut body = cx.take_body();
        let mut pieces: Vec<Bytes> = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.extend(frame.map_err(Error::from)?.into_data());
        }
        let breaks = pieces
            .windows(2)
            .filter(|pair| pair[0].as_ptr_range().end != pair[1].as_ptr());
        cx.text(format!("{} {}", pieces.len(), breaks.count() + 1))
    }
}

/// A body that comes byte by byte takes no buffer for each of them.
#[tokio::test]
async fn small_pieces_of_a_large_body_share_their_memory() {
    const SMALL: usize = 1000;
    const LARGE: usize = 256 * 1024;
    let app = Application::new().route("/", Hoard);
    let (connection, io) = Connection::in_memory();
    let protocol = app.build(connection.peer()).unwrap();
    let mut client = Client {
        io,
        server: tokio::spawn(protocol.run(connection)),
        rest: Vec::new(),
    };
    let length = SMALL + LARGE;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
    for _ in 0..SMALL {
        tokio::task::yield_now().await;
        client.send("x").await;
    }
    tokio::task::yield_now().await;
    let answer = client.exchange("x".repeat(LARGE)).await;
    let (pieces, places) = answer.body.split_once(' ').unwrap();
    assert!(pieces.parse::<usize>().unwrap() >= SMALL, "{answer:?}");
    assert!(places.parse::<usize>().unwrap() <= 10, "{answer:?}");
}
