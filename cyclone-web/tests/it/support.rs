//! A server with one application, and clients of it.

use std::net::SocketAddr;

use bytes::Bytes;
use cyclone_core::{Endpoint, ProtocolFactory, RunningServer, Server};
use cyclone_web::{Application, Body};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

/// Sends one request through the application as a `tower::Service` and reads the whole response.
pub(crate) async fn call(app: &Application, request: Request<Body>) -> Response<Bytes> {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, body)
}

pub(crate) fn get(target: &str) -> Request<Body> {
    Request::get(target)
        .header("host", "test")
        .body(Body::empty())
        .unwrap()
}

pub(crate) fn post(target: &str, media: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(target)
        .header("host", "test")
        .header("content-type", media)
        .body(body.into())
        .unwrap()
}

pub(crate) fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

/// A server on a free port of the loopback interface.
pub(crate) async fn listen(factory: impl ProtocolFactory) -> (RunningServer, SocketAddr) {
    let server = Server::new().listen(Endpoint::loopback(0), factory);
    let server = server.start().await.unwrap();
    let address = server.local_addresses()[0].socket_addr().unwrap();
    (server, address)
}

/// Sends bytes, reads until the server closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}
