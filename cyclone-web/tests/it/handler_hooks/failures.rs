//! Hooks and bodies that fail: whatever breaks, every end is told, once and truly.

use cyclone_web::Ending;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::{Act, Told, probe};
use crate::support::{call, exchange, get, listen};

#[tokio::test]
async fn a_panic_in_set_default_headers_is_a_500() {
    let mut probe = probe(Act::PanicInDefaults);
    let (_server, address) = listen(probe.app.clone()).await;
    let answer = exchange(
        address,
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer:?}");
    let told = probe.told().await;
    assert!(
        matches!(told[0], Told::Finished(500, Ending::Complete, _)),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_panic_in_on_connection_close_does_not_silence_on_finish() {
    let mut probe = probe(Act::PanicInClose);
    drop(tower_service::Service::call(
        &mut probe.app.clone(),
        get("/"),
    ));
    probe.assert_told(499, Ending::Disconnected, 0);
}

#[tokio::test]
async fn a_panic_in_on_finish_does_not_silence_the_log() {
    let mut probe = probe(Act::PanicInFinish);
    call(&probe.app, get("/")).await;
    probe.assert_told(200, Ending::Complete, 6);
}

/// `Disconnected` and `on_connection_close` are for clients that went away.
#[tokio::test]
async fn a_body_that_fails_midway_is_aborted() {
    let mut probe = probe(Act::ForeignFails);
    let response = probe.app.clone().oneshot(get("/")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    probe.assert_told(200, Ending::Aborted, 4);
}

/// hyper drops a body when its `content-length` is reached, without asking for the end.
#[tokio::test]
async fn a_stream_with_a_length_is_complete_when_that_is_reached() {
    let mut probe = probe(Act::ForeignWithLength);
    let (_server, address) = listen(probe.app.clone()).await;
    let answer = exchange(
        address,
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.ends_with("whole"), "{answer}");
    let told = probe.told().await;
    assert_eq!(told[0], Told::Finished(200, Ending::Complete, 5));
}

#[tokio::test]
async fn the_status_that_was_sent_is_told() {
    let mut probe = probe(Act::FlushThenStatus);
    let response = call(&probe.app, get("/")).await;
    assert_eq!(response.status(), StatusCode::OK);
    probe.assert_told(200, Ending::Complete, 7);
}

#[tokio::test]
async fn a_large_answer_that_nobody_reads_is_not_complete() {
    let mut probe = probe(Act::Large);
    let (_server, address) = listen(probe.app.clone()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 64];
    client.read_exact(&mut some).await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    let told = probe.told().await;
    assert_eq!(told[0], Told::Closed, "{told:?}");
}

#[tokio::test]
async fn headers_of_the_error_win_over_default_headers() {
    let probe = probe(Act::Fail);
    let response = call(&probe.app, get("/")).await;
    let both: Vec<_> = response.headers().get_all("x-both").iter().collect();
    assert_eq!(both, ["error"]);
}

#[tokio::test]
async fn the_plain_page_has_the_default_headers() {
    let probe = probe(Act::FailInWriteError);
    let response = call(&probe.app, get("/")).await;
    assert_eq!(response.headers()["x-default"], "1");
}
