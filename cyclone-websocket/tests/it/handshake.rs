//! Handshakes as bytes, through whole servers.

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use cyclone_websocket::{Config, HandshakeErrorKind, WebSocketService, upgrade};
use http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Raw, echoes, frame, opened, request, serve_axum, serve_core, serve_hyper};

async fn status(request: &str, change: impl Fn(String) -> String) -> (u16, String) {
    let (makes, _reports) = echoes(Config::new());
    let address = serve_hyper(makes).await;
    let request = change(request.replace("HOST", &address.to_string()));
    let (_raw, head) = Raw::send(address, &request).await;
    (head[9..12].parse().unwrap(), head)
}

#[tokio::test]
async fn statuses_on_the_wire() {
    let good = request("127.0.0.1:1".parse().unwrap()).replace("127.0.0.1:1", "HOST");
    let table: &[(&str, &str, u16)] = &[
        ("", "", 101),
        ("GET", "POST", 405),
        ("Upgrade: websocket\r\n", "", 400),
        ("Upgrade: websocket", "Upgrade: h2c", 400),
        ("Upgrade: websocket", "upgrade: foo, WEBSOCKET", 101),
        ("Connection: Upgrade\r\n", "", 400),
        ("Connection: Upgrade", "Connection: close", 400),
        (
            "Connection: Upgrade",
            "connection: Keep-Alive, upgrade",
            101,
        ),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dG9vIHNob3J0", 400),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Version: 13", "Version: 8", 426),
        ("\r\n\r\n", "\r\nOrigin: http://HOST\r\n\r\n", 101),
        ("\r\n\r\n", "\r\nOrigin: http://evil.example\r\n\r\n", 403),
        ("\r\n\r\n", "\r\nOrigin: null\r\n\r\n", 403),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a b\r\n\r\n", 400),
        ("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc", 400),
    ];
    for (old, new, want) in table {
        let request = if old.is_empty() {
            good.clone()
        } else {
            assert!(good.contains(old), "{old}");
            good.replacen(old, new, 1)
        };
        let (status, head) = status(&request, |it| it).await;
        assert_eq!(status, *want, "{old:?} -> {new:?}: {head}");
        let head = head.to_ascii_lowercase();
        match status {
            101 => assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=")),
            426 => assert!(head.contains("sec-websocket-version: 13")),
            405 => assert!(head.contains("allow: get")),
            _ => {}
        }
    }
}

#[tokio::test]
async fn subprotocols_are_negotiated() {
    for (offered, chosen) in [("x, echo", Some("echo")), ("x", None)] {
        let (makes, mut reports) = echoes(Config::new());
        let address = serve_axum(makes).await;
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        let offered = http::HeaderValue::from_static(offered);
        request
            .headers_mut()
            .insert("sec-websocket-protocol", offered);
        match tokio_tungstenite::connect_async(request).await {
            Ok((_client, response)) => {
                assert_eq!(
                    response.headers()["sec-websocket-protocol"],
                    chosen.unwrap()
                );
            }
            // This client wants one of those that it offers.
            Err(error) => assert!(chosen.is_none(), "{error}"),
        }
        opened(&mut reports).await;
    }
}

/// RUSTSEC-2026-0033: bytes behind the request belong to the WebSocket, once there is one.
#[tokio::test]
async fn frames_sent_with_the_request_are_not_lost() {
    let (makes, _reports) = echoes(Config::new());
    for address in [
        serve_axum(makes.clone()).await,
        serve_hyper(makes.clone()).await,
        serve_core(makes).await,
    ] {
        let mut bytes = request(address).into_bytes();
        bytes.extend(frame(0x81, "early"));
        bytes.extend(frame(0x88, ""));
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes)
            .await
            .unwrap();
        let mut raw = Raw { stream };
        let rest = raw.rest().await;
        let frames = b"\r\n\r\n\x81\x05early\x88\x00";
        assert!(rest.ends_with(frames), "{rest:?}");
    }
}

#[tokio::test]
async fn without_a_connection_to_upgrade_it_is_500() {
    let request = || {
        http::Request::get("/")
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap()
    };
    let (makes, _reports) = echoes(Config::new());
    let error = upgrade(&mut request(), makes.handler()).unwrap_err();
    assert_eq!(error.kind(), HandshakeErrorKind::NotUpgradable);
    let mut service = WebSocketService::new(move |_: &Parts| makes.handler());
    let response = tower_service::Service::call(&mut service, request())
        .await
        .unwrap();
    assert_eq!(response.status(), 500);
}

/// The client goes away between its request and the end of the upgrade: nothing stays behind.
#[tokio::test]
async fn a_client_that_leaves_during_the_handshake() {
    let (makes, mut reports) = echoes(Config::new());
    let address = serve_hyper(makes).await;
    let request = request(address);
    for count in (0..request.len()).step_by(7) {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let part = &request.as_bytes()[..count];
        tokio::io::AsyncWriteExt::write_all(&mut stream, part)
            .await
            .unwrap();
    }
    // A whole one still works, and is the only one.
    let _raw = Raw::connect(address).await;
    opened(&mut reports).await;
    assert!(reports.try_recv().is_err());
}

/// A server that upgrades and then does not answer: the session gives up, and its handler is dropped.
#[tokio::test]
async fn an_upgrade_that_is_not_completed_in_time() {
    let (makes, mut reports) = echoes(Config::new().upgrade_timeout(Duration::from_millis(50)));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let makes = Mutex::new(Some(makes));
        let service = service_fn(|mut request: http::Request<hyper::body::Incoming>| {
            let makes = makes.lock().unwrap().take().unwrap();
            upgrade(&mut request, makes.handler()).unwrap();
            std::future::pending::<Result<http::Response<String>, Infallible>>()
        });
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request(address).as_bytes())
        .await
        .unwrap();
    assert!(reports.recv().await.is_none());
    server.abort();
}

/// A server that answers something else than the 101, or whose connection breaks: the handler is dropped.
#[tokio::test]
async fn an_upgrade_that_the_server_gives_up() {
    let (makes, mut reports) = echoes(Config::new());
    let (sender, on_upgrade) = cyclone_core::upgrade::channel();
    let mut request = http::Request::get("/")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .extension(on_upgrade)
        .body(())
        .unwrap();
    upgrade(&mut request, makes.handler()).unwrap();
    drop(makes);
    assert!(sender.is_awaited());
    drop(sender);
    assert!(reports.recv().await.is_none());
}
