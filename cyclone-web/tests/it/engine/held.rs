//! Bodies that are late, or in other hands, and clients that have said all they had to say.

use std::time::Duration;

use cyclone_web::{Body, Limits};
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};

use super::{mirror, serve};

const CHUNKED_HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

/// What a client has sent before it closes its side counts, however much of it waits.
#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_side_gets_every_answer() {
    async fn slow(request: Request<Body>) -> Response<Body> {
        sleep(Duration::from_secs(3)).await;
        mirror(request).await
    }
    let mut client = serve(Limits::default(), slow);
    client.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client
        .send("POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
        .await;
    client.send("GET /3 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.finish().await;
    for body in ["GET /1 ", "POST /2 abc", "GET /3 "] {
        assert_eq!(client.answer().await.body, body);
    }
    assert!(client.is_closed().await);
}

/// The connection goes on as soon as somebody elsewhere lets go of the last body.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_elsewhere_holds_no_longer() {
    async fn delegate(request: Request<Body>) -> Response<Body> {
        let answer = Response::new(Body::from(request.uri().to_string()));
        tokio::spawn(async move {
            sleep(Duration::from_secs(1)).await;
            drop(request);
        });
        answer
    }
    let mut client = serve(Limits::default(), delegate);
    let next = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";
    client.send(format!("{CHUNKED_HEAD}0\r\n\r\n{next}")).await;
    assert_eq!(client.answer().await.body, "/");
    let start = Instant::now();
    assert_eq!(client.answer().await.body, "/next");
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

/// A handler that has been told that the body takes too long may take its time to answer.
#[tokio::test(start_paused = true)]
async fn a_late_body_may_be_answered_slowly() {
    async fn slow(request: Request<Body>) -> Response<Body> {
        let answer = mirror(request).await;
        sleep(Duration::from_secs(100)).await;
        answer
    }
    let mut client = serve(Limits::default(), slow);
    client.send(CHUNKED_HEAD).await;
    assert_eq!(client.answer().await.status, 408);
}

/// Once the answer has begun, a client that waits to be told to go on is told nothing: it would read it as a part of
/// the answer.
#[tokio::test(start_paused = true)]
async fn nothing_comes_between_the_pieces_of_an_answer() {
    async fn stream(request: Request<Body>) -> Response<Body> {
        let first = futures_util::stream::iter(["a".to_owned()]);
        let second = futures_util::stream::once(async move {
            sleep(Duration::from_secs(1)).await;
            let body = request.into_body().collect().await.unwrap();
            body.to_bytes().len().to_string()
        });
        let items = first.chain(second).map(Ok::<_, std::io::Error>);
        Response::new(Body::from_stream(items))
    }
    let mut client = serve(Limits::default(), stream);
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await;
    sleep(Duration::from_secs(2)).await;
    client.send("abc").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.body), (200, "a3"));
}
