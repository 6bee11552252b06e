//! Connections that leave HTTP.

use std::time::Duration;

use cyclone_core::Session;
use cyclone_web::{Body, Limits};
use http::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::{Client, GET, serve, serve_in};

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

/// Switches to an echo when the path asks for it.
async fn echo(mut request: Request<Body>) -> Response<Body> {
    if request.uri().path() != "/" {
        return Response::new(Body::from(request.uri().path().to_owned()));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 100];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
        let _ = stream.shutdown().await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
    headers.insert(header::UPGRADE, "echo".parse().unwrap());
    response
}

async fn expect_echo(client: &mut Client, bytes: &str) {
    let mut got = std::mem::take(&mut client.rest);
    while got.len() < bytes.len() {
        assert!(client.io.read_buf(&mut got).await.unwrap() > 0);
    }
    assert_eq!(got, bytes.as_bytes());
}

/// Bytes that came with the request go to the new protocol; limits of HTTP do not hold in it.
#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_gets_every_byte() {
    let mut client = serve(Limits::default(), echo);
    client
        .send(format!("{UPGRADE}GET / HTTP/1.1\r\n\r\n"))
        .await;
    assert_eq!(client.answer().await.status, 101);
    expect_echo(&mut client, "GET / HTTP/1.1\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(10_000)).await;
    client.send("later").await;
    expect_echo(&mut client, "later").await;
    client.send("last").await;
    client.finish().await;
    expect_echo(&mut client, "last").await;
    assert!(client.is_closed().await);
    client.server.await.unwrap().unwrap();
}

/// hyper gives the connection away after the last answer to a request that could have switched protocols, whether
/// it did or not: an answer that waits for those to pipelined requests would be lost.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_refused_upgrade_is_sent_whatever_follows() {
    let connect = "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n";
    let close = "GET /x HTTP/1.1\r\nhost: a\r\nupgrade: echo\r\nconnection: upgrade, close\r\n\r\n";
    for (request, status) in [(connect, 501), (close, 200)] {
        for before in ["", "GET /y HTTP/1.1\r\nhost: a\r\n\r\n"] {
            for after in ["", "\r\n", "x", GET] {
                let mut client = serve(Limits::default(), echo);
                client.send(format!("{before}{request}{after}")).await;
                if !before.is_empty() {
                    assert_eq!(client.answer().await.status, 200);
                }
                let answer = client.answer().await;
                assert_eq!(answer.status, status, "{before:?} {request:?} {after:?}");
                assert!(answer.closes());
                client.finish().await;
                assert!(client.is_closed().await);
            }
        }
    }
}

#[tokio::test]
async fn an_upgrade_works_at_every_split() {
    let bytes = format!("{UPGRADE}abc");
    for split in 1..bytes.len() {
        let mut client = serve(Limits::default(), echo);
        client.send(&bytes[..split]).await;
        tokio::task::yield_now().await;
        client.send(&bytes[split..]).await;
        assert_eq!(client.answer().await.status, 101, "split at {split}");
        expect_echo(&mut client, "abc").await;
    }
}

/// RUSTSEC-2026-0033: when the server declines the upgrade, what follows is the next request.
#[tokio::test]
async fn bytes_after_a_declined_upgrade_are_http() {
    let mut client = serve(Limits::default(), echo);
    let declined = UPGRADE.replace("GET / ", "GET /no ");
    client
        .send(format!("{declined}{}", GET.replace("GET / ", "GET /next ")))
        .await;
    assert_eq!(client.answer().await.body, "/no");
    assert_eq!(client.answer().await.body, "/next");
}

/// hyper takes the end of a connection for the upgrade that was offered earlier, and gives it away at once.
#[tokio::test]
async fn the_last_answer_after_a_declined_upgrade_is_not_lost() {
    let declined = UPGRADE.replace("GET / ", "GET /no ");
    for last in ["GET / HTTP/1.1\r\n\r\n", "GET /next HTTP/1.0\r\n\r\n"] {
        let mut client = serve(Limits::default(), echo);
        // More than hyper reads at once: it tells our stream that others may follow.
        let more = GET.repeat(1000);
        client.send(format!("{declined}{last}{more}")).await;
        assert_eq!(client.answer().await.body, "/no");
        assert!(!client.answer().await.body.is_empty(), "{last:?}");
        assert!(client.is_closed().await);
    }
}

/// Nor does HTTP/1.0 upgrade (RFC 9110 section 7.8).
#[tokio::test]
async fn http_1_0_does_not_upgrade() {
    let mut client = serve(Limits::default(), |mut request: Request<Body>| async move {
        let upgrade = hyper::upgrade::on(&mut request).await;
        Response::new(Body::from(upgrade.is_err().to_string()))
    });
    let request = UPGRADE.replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(client.exchange(request).await.body, "true");
}

/// The server knows the connection as long as it lives, and ends it when it is cut.
#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_cut_with_its_session() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Default::default(), draining.clone(), cut.clone());
    let mut client = serve_in(session, Limits::default(), echo);
    assert_eq!(client.exchange(UPGRADE).await.status, 101);
    draining.cancel();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!client.server.is_finished());
    client.send("a").await;
    expect_echo(&mut client, "a").await;
    cut.cancel();
    assert!(client.is_closed().await);
    client.server.await.unwrap().unwrap_err();
}

/// As the server does it: by dropping the future that serves the connection.
#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_ends_with_its_server_future() {
    let mut client = serve(Limits::default(), echo);
    assert_eq!(client.exchange(UPGRADE).await.status, 101);
    client.server.abort();
    assert!(client.is_closed().await);
}
