//! Connections that leave HTTP by way of the engine itself: `cyclone_core::upgrade`.

use cyclone_core::Session;
use cyclone_core::upgrade::{OnUpgrade, Upgraded};
use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _};
use cyclone_web::{Application, Body, Ending, RequestContext, Response, Result};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Client, GET};

const UPGRADE: &str =
    "GET /echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

/// Serves an application on one connection.
fn serve() -> Client {
    let app = Application::new()
        .get("/", async |cx: &mut RequestContext| cx.text("home"))
        .get("/echo", echo)
        .get("/forget", forget)
        .get("/decline", async |cx: &mut RequestContext| cx.text("no"))
        .get("/early", early)
        .get("/offer", offer)
        .post("/offer", offer);
    serve_app(&app)
}

fn serve_app(app: &Application) -> Client {
    let (connection, io) = Connection::in_memory_with(Session::detached());
    let protocol = app.build(connection.peer()).unwrap();
    Client {
        io,
        server: tokio::spawn(protocol.run(connection)),
        rest: Vec::new(),
    }
}

fn switching() -> Response {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", "upgrade".parse().unwrap());
    headers.insert("upgrade", "echo".parse().unwrap());
    Response::from(response)
}

async fn echo(cx: &mut RequestContext) -> Result {
    let upgrade = cx.extensions_mut().remove::<OnUpgrade>().unwrap();
    tokio::spawn(async move {
        let mut upgraded: Upgraded = upgrade.await.unwrap();
        let mut buffer = [0; 7];
        while let Ok(count @ 1..) = upgraded.read(&mut buffer).await {
            upgraded.write_all(&buffer[..count]).await.unwrap();
        }
        upgraded.shutdown().await.unwrap();
    });
    Ok(switching())
}

/// Says 101 without anybody to take over.
async fn forget(cx: &mut RequestContext) -> Result {
    cx.extensions_mut().remove::<OnUpgrade>();
    Ok(switching())
}

/// Says whether the connection is to be had.
async fn offer(cx: &mut RequestContext) -> Result {
    let offer = cx.extensions().get::<OnUpgrade>().is_some();
    cx.text(offer.to_string())
}

/// Answers with what only comes before an answer.
async fn early(cx: &mut RequestContext) -> Result {
    cx.set_status(StatusCode::EARLY_HINTS);
    cx.finish()
}

async fn expect_echo(client: &mut Client, bytes: &str) {
    let mut got = std::mem::take(&mut client.rest);
    while got.len() < bytes.len() {
        assert!(client.io.read_buf(&mut got).await.unwrap() > 0);
    }
    assert_eq!(got, bytes.as_bytes());
}

/// Bytes that came with the request are the first of the new protocol; answers to earlier requests go before.
#[tokio::test]
async fn a_connection_is_taken_over_at_every_split() {
    let bytes = format!("{GET}{UPGRADE}GET / HTTP/1.1\r\n\r\n");
    for split in 1..bytes.len() {
        let mut client = serve();
        client.send(&bytes[..split]).await;
        tokio::task::yield_now().await;
        client.send(&bytes[split..]).await;
        assert_eq!(client.answer().await.body, "home");
        let answer = client.answer().await;
        assert_eq!(answer.status, 101, "split at {split}");
        assert_eq!(answer.header("upgrade"), Some("echo"));
        assert_eq!(answer.header("connection"), Some("upgrade"));
        assert_eq!(answer.header("content-length"), None);
        expect_echo(&mut client, "GET / HTTP/1.1\r\n\r\n").await;
        client.send("last").await;
        client.finish().await;
        expect_echo(&mut client, "last").await;
        assert!(client.is_closed().await);
        client.server.await.unwrap().unwrap();
    }
}

/// RUSTSEC-2026-0033: when the server declines the upgrade, what follows is the next request.
#[tokio::test]
async fn bytes_after_a_declined_upgrade_are_http() {
    let mut client = serve();
    let declined = UPGRADE.replace("/echo", "/decline");
    client.send(format!("{declined}{GET}")).await;
    assert_eq!(client.answer().await.body, "no");
    assert_eq!(client.answer().await.body, "home");
}

/// RFC 9110 section 7.8: HTTP/1.1, and both fields. A body would stand between the request and the other protocol.
#[tokio::test]
async fn only_a_proper_request_offers_its_connection() {
    const OFFER: &str = "connection: Upgrade\r\nupgrade: echo\r\n";
    for (line, fields, body, offered) in [
        ("GET /offer HTTP/1.1", OFFER.to_owned(), "", "true"),
        (
            "GET /offer HTTP/1.1",
            OFFER.replace("Upgrade", "keep-alive, upgrade"),
            "",
            "true",
        ),
        ("GET /offer HTTP/1.0", OFFER.to_owned(), "", "false"),
        (
            "GET /offer HTTP/1.1",
            OFFER.replace("Upgrade", "keep-alive"),
            "",
            "false",
        ),
        (
            "GET /offer HTTP/1.1",
            "connection: upgrade\r\n".to_owned(),
            "",
            "false",
        ),
        (
            "POST /offer HTTP/1.1",
            format!("{OFFER}content-length: 0\r\n"),
            "",
            "true",
        ),
        (
            "POST /offer HTTP/1.1",
            format!("{OFFER}content-length: 1\r\n"),
            "a",
            "false",
        ),
        (
            "POST /offer HTTP/1.1",
            format!("{OFFER}transfer-encoding: chunked\r\n"),
            "0\r\n\r\n",
            "false",
        ),
    ] {
        let mut client = serve();
        let answer = client
            .exchange(format!("{line}\r\nhost: a\r\n{fields}\r\n{body}"))
            .await;
        assert_eq!(answer.body, offered, "{line} {fields}");
    }
}

/// A 101 that nobody stands behind, or nobody asked for: a fault of the handler, and the client gets an answer.
#[tokio::test]
async fn a_response_that_is_none_is_an_error() {
    for request in [
        UPGRADE.replace("/echo", "/forget"),
        "GET /forget HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        // Neither HTTP/1.0 nor a request with a body can switch.
        UPGRADE.replace("/echo HTTP/1.1", "/forget HTTP/1.0"),
        UPGRADE
            .replace("/echo", "/forget")
            .replace("\r\n\r\n", "\r\ncontent-length: 1\r\n\r\nx"),
    ] {
        let mut client = serve();
        let answer = client.exchange(&request).await;
        assert_eq!(answer.status, 500, "{request:?}");
        assert!(answer.closes());
        client.finish().await;
        assert!(client.is_closed().await);
    }
}

/// However the handler says that it switches, or that it does what cannot be done.
#[tokio::test]
async fn the_end_of_a_response_without_a_body_is_told() {
    for (target, status, ending) in [
        ("/written", 101, Ending::Complete),
        ("/early", 500, Ending::Complete),
    ] {
        let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let app = Application::new()
            .get("/written", async |cx: &mut RequestContext| {
                let upgrade = cx.extensions_mut().remove::<OnUpgrade>().unwrap();
                tokio::spawn(upgrade);
                cx.set_status(StatusCode::SWITCHING_PROTOCOLS);
                cx.finish()
            })
            .get("/early", early)
            .log_request(move |_cx, finish| ends.send(finish.ending).unwrap());
        let mut client = serve_app(&app);
        let answer = client.exchange(UPGRADE.replace("/echo", target)).await;
        assert_eq!(answer.status, status);
        assert_eq!(ended.recv().await, Some(ending), "{target}");
    }
}
