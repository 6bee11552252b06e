//! Transports that keep bytes until they are flushed, as TLS does.

use std::time::Duration;

use cyclone_core::upgrade::OnUpgrade;
use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _, Session, Transport};
use cyclone_web::{Application, Body, RequestContext, Response, Result};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::time::{Instant, timeout};

use super::{Client, GET};

/// Bytes on their way between client and server: far fewer than an answer has.
const WAY_BYTES: usize = 16;

fn serve() -> Client {
    let app = Application::new()
        .get("/", async |cx: &mut RequestContext| cx.text("home"))
        .get("/last", async |cx: &mut RequestContext| {
            cx.close_connection();
            cx.text("last")
        })
        .get("/switch", switch);
    let (ours, io) = tokio::io::duplex(WAY_BYTES);
    let session = Session::detached();
    let transport = Transport::other(BufStream::new(ours));
    let connection = Connection::new(transport, session.peer().clone(), session);
    let protocol = app.build(connection.peer()).unwrap();
    Client {
        io,
        server: tokio::spawn(protocol.run(connection)),
        rest: Vec::new(),
    }
}

/// Switches to a protocol in which the client speaks first.
async fn switch(cx: &mut RequestContext) -> Result {
    let upgrade = cx.extensions_mut().remove::<OnUpgrade>().unwrap();
    tokio::spawn(async move {
        let mut upgraded = upgrade.await.unwrap();
        let mut byte = [0];
        upgraded.read_exact(&mut byte).await.unwrap();
        upgraded.write_all(&byte).await.unwrap();
        upgraded.shutdown().await.unwrap();
    });
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Ok(Response::from(response))
}

/// Time enough for everything but the limits of a connection.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(1), work).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_flushed_to_its_end() {
    let mut client = serve();
    for _ in 0..3 {
        let answer = soon(client.exchange(GET)).await;
        assert_eq!(answer.body, "home");
    }
    let last = "GET /last HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(soon(client.exchange(last)).await.body, "last");
    assert!(soon(client.is_closed()).await);
}

/// The client does not speak before it has read that it may.
#[tokio::test(start_paused = true)]
async fn a_switch_of_protocols_is_flushed_before_the_connection_is_given_away() {
    let mut client = serve();
    let request = "GET /switch HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let answer = soon(client.exchange(request)).await;
    assert_eq!(answer.status, 101);
    client.send("x").await;
    assert_eq!(soon(client.io.read_u8()).await.unwrap(), b'x');
}

/// What is flushed is no answer that the client has taken.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped() {
    for target in ["/", "/last"] {
        let mut client = serve();
        let start = Instant::now();
        client
            .send(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        client.server.await.unwrap().unwrap_err();
        assert_eq!(start.elapsed().as_secs(), 60, "{target}");
    }
}
