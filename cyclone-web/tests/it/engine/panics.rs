//! Services and bodies of other libraries that panic.

use std::convert::Infallible;

use bytes::Bytes;
use cyclone_web::{Body, Limits};
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use tokio::io::AsyncReadExt as _;

use super::{Client, GET, mirror, serve};

/// Panics when the path asks for it, in the service or in the body of its response.
async fn panicking(request: Request<Body>) -> Response<Body> {
    match request.uri().path() {
        "/service" => panic!("on purpose"),
        "/body" => {
            let items = stream::iter(0..2).map(|item| {
                assert_eq!(item, 0, "on purpose");
                Ok::<_, Infallible>(Bytes::from("a"))
            });
            Response::new(Body::from_stream(items))
        }
        _ => mirror(request).await,
    }
}

fn start() -> Client {
    serve(Limits::default(), panicking)
}

/// The answers to requests before it are not lost, and the next ones are served.
#[tokio::test]
async fn a_service_that_panics_is_answered_for() {
    let mut client = start();
    let panics = GET.replace("GET / ", "GET /service ");
    client.send(format!("{GET}{panics}{GET}")).await;
    assert_eq!(client.answer().await.status, 200);
    let answer = client.answer().await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("purpose"));
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_body_that_panics_breaks_the_response_off() {
    let mut client = start();
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    let panics = GET.replace("GET / ", "GET /body ");
    client.send(panics).await;
    let mut bytes = Vec::new();
    client.io.read_to_end(&mut bytes).await.unwrap();
    assert!(!bytes.ends_with(b"0\r\n\r\n"));
    client.server.await.unwrap().unwrap_err();
}
