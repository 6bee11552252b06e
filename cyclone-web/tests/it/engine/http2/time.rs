//! Every time limit of an HTTP/2 connection, under a paused clock.

use std::io;

use bytes::Bytes;
use cyclone_web::{Body, Limits};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};

use super::{assert_elapsed, connect, connect_with, request, seconds};
use crate::engine::{hello, mirror, serve};

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_answered_with_408() {
    let mut http2 = connect(serve(Limits::default(), mirror)).await;
    let stalled = Body::from_stream(futures_util::stream::pending::<Result<Bytes, io::Error>>());
    let start = Instant::now();
    let response = http2
        .send(request("POST", "http://a/", stalled))
        .await
        .unwrap();
    assert_eq!(response.status(), 408);
    assert_elapsed(start, seconds(60));
    // The stream has failed, not the connection.
    assert_eq!(http2.get("http://a/").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_answered_with_408() {
    use futures_util::StreamExt as _;
    let mut http2 = connect(serve(Limits::default(), mirror)).await;
    let slow = futures_util::stream::iter(0..100).then(|_| async {
        sleep(seconds(7)).await;
        Ok::<_, io::Error>(Bytes::from("x"))
    });
    let start = Instant::now();
    let response = http2
        .send(request("POST", "http://a/", Body::from_stream(slow)))
        .await
        .unwrap();
    assert_eq!(response.status(), 408);
    assert_elapsed(start, seconds(60));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_keep_alive() {
    let mut http2 = connect(serve(Limits::default(), hello)).await;
    for _ in 0..3 {
        assert_eq!(http2.get("http://a/").await.1, "hello");
        sleep(seconds(59)).await;
    }
    assert_eq!(http2.get("http://a/").await.1, "hello");
    let start = Instant::now();
    http2.client.await.unwrap().unwrap();
    assert_elapsed(start, seconds(60));
    http2.server.await.unwrap().unwrap();
}

/// It answers no pings.
#[tokio::test(start_paused = true)]
async fn a_dead_client_is_found_out() {
    let start = Instant::now();
    let mut client = serve(Limits::default(), hello);
    client
        .send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let _ = client.server.await.unwrap();
    assert_elapsed(start, seconds(40));
}
async fn large(_request: Request<Body>) -> Response<Body> {
    let items = (0..64).map(|_| Ok::<_, io::Error>(Bytes::from(vec![b'x'; 16 * 1024])));
    Response::new(Body::from_stream(futures_util::stream::iter(items)))
}

/// The client answers pings and opens no window.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped() {
    for whole in [false, true] {
        let client = serve(Limits::default(), move |request| async move {
            if whole {
                Response::new(Body::from(vec![b'x'; 1024 * 1024]))
            } else {
                large(request).await
            }
        });
        let mut http2 = connect_with(client, 65_535).await;
        let start = Instant::now();
        let _response = http2
            .send(request("GET", "http://a/", Body::empty()))
            .await
            .unwrap();
        http2.server.await.unwrap().unwrap_err();
        assert_elapsed(start, seconds(60));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_served() {
    for whole in [false, true] {
        let client = serve(Limits::default(), move |request| async move {
            if whole {
                Response::new(Body::from(vec![b'x'; 1024 * 1024]))
            } else {
                large(request).await
            }
        });
        let mut http2 = connect_with(client, 65_535).await;
        let mut response = http2
            .send(request("GET", "http://a/", Body::empty()))
            .await
            .unwrap();
        let mut total = 0;
        while let Some(frame) = response.body_mut().frame().await {
            total += frame.unwrap().data_ref().unwrap().len();
            sleep(seconds(2)).await;
        }
        assert_eq!(total, 1024 * 1024);
    }
}

/// An event stream may be silent for long.
#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_left_alone() {
    let client = serve(Limits::default(), |_request| async {
        use futures_util::StreamExt as _;
        let items = futures_util::stream::iter(["a", "b"]).then(|item| async move {
            sleep(seconds(1000)).await;
            Ok::<_, io::Error>(Bytes::from(item))
        });
        Response::new(Body::from_stream(items))
    });
    let mut http2 = connect(client).await;
    assert_eq!(http2.get("http://a/").await.1, "ab");
}
