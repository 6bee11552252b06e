//! HTTP over TLS.

mod swap;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::tls::{ClientAuth, ClientTls, SelfSigned, ServerTls, TlsStream};
use cyclone_core::{Endpoint, ProtocolFactory, RunningServer, Server};
use cyclone_web::{Application, Body, Http, RequestContext, Result};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A server of TLS, and who trusts it.
struct Site {
    server: RunningServer,
    made: SelfSigned,
}

impl Site {
    async fn new(factory: impl ProtocolFactory) -> Self {
        let made = SelfSigned::new(["localhost"]).unwrap();
        let auth = ClientAuth::optional_pem(made.certificate_pem());
        let tls = ServerTls::builder()
            .identity(made.identity())
            .client_auth(auth);
        let endpoint = Endpoint::loopback(0).tls(tls.build().unwrap());
        let server = Server::new()
            .listen(endpoint, factory)
            .shutdown_deadline(Duration::from_secs(5));
        let server = server.start().await.unwrap();
        Self { server, made }
    }

    fn address(&self) -> SocketAddr {
        self.server.local_addresses()[0].socket_addr().unwrap()
    }

    /// A connection that offers these protocols.
    async fn connect(&self, alpn: &[&str]) -> TlsStream {
        let client = ClientTls::builder().roots_pem(self.made.certificate_pem());
        let client = client
            .alpn(alpn.iter().copied())
            .identity(self.made.identity());
        let stream = TcpStream::connect(self.address()).await.unwrap();
        client
            .build()
            .unwrap()
            .connect("localhost", stream)
            .await
            .unwrap()
    }
}

async fn within<F: Future>(work: F) -> F::Output {
    timeout(Duration::from_secs(30), work)
        .await
        .expect("the test hangs")
}

async fn about(cx: &mut RequestContext) -> Result {
    let client = cx.peer().tls().and_then(|tls| tls.peer_certificate());
    let text = format!(
        "{} {:?} {} {:?}",
        cx.scheme(),
        cx.version(),
        client.map_or("nobody", |one| one.common_name().unwrap_or("?")),
        cx.peer().tls().and_then(|tls| tls.server_name()),
    );
    cx.text(text)
}

fn app() -> Application {
    Application::new().get("/about", about).post("/echo", echo)
}

async fn echo(cx: &mut RequestContext) -> Result {
    let body = cx
        .take_body()
        .collect()
        .await
        .map_err(|error| cyclone_web::Error::internal(error.to_string()))?;
    cx.write(body.to_bytes());
    cx.finish()
}

/// One request on a connection of its own, in the version that was agreed upon.
async fn send(site: &Site, alpn: &[&str], request: Request<Body>) -> (StatusCode, Version, Bytes) {
    let stream = site.connect(alpn).await;
    let response = if stream.info().alpn() == Some(b"h2") {
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .handshake(TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (status, version) = (response.status(), response.version());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, version, body)
}

fn get(path: &str) -> Request<Body> {
    let uri = format!("https://localhost{path}");
    let request = Request::get(uri).header("host", "localhost");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn version_is_that_of_the_negotiation() {
    let site = Site::new(app()).await;
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1", "h2"][..], Version::HTTP_2),
        (&["h2"][..], Version::HTTP_2),
        (&["http/1.1"][..], Version::HTTP_11),
        (&[][..], Version::HTTP_11),
    ] {
        let (status, seen, body) = within(send(&site, alpn, get("/about"))).await;
        assert_eq!((status, seen), (StatusCode::OK, version), "{alpn:?}");
        let text = format!("https {version:?} cyclone development certificate Some(\"localhost\")");
        assert_eq!(body, text);
    }
}

#[tokio::test]
async fn scheme_without_tls_is_http() {
    let (server, address) = crate::support::listen(app()).await;
    let request = b"GET /about HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = within(crate::support::exchange(address, request)).await;
    assert!(answer.ends_with("http HTTP/1.1 nobody None"), "{answer}");
    drop(server);
}

#[tokio::test]
async fn tower_services_find_the_certificate_in_the_peer() {
    async fn who(request: axum::extract::Request) -> String {
        let peer = request.extensions().get::<cyclone_core::Peer>().unwrap();
        let client = peer.tls().unwrap().peer_certificate().unwrap();
        client.common_name().unwrap().to_owned()
    }
    let router = axum::Router::new().route("/", axum::routing::get(who));
    let site = Site::new(Http::new(router)).await;
    for alpn in [&["h2"][..], &["http/1.1"][..]] {
        let (_, _, body) = within(send(&site, alpn, get("/"))).await;
        assert_eq!(body, "cyclone development certificate");
    }
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    let site = Site::new(app().limits(cyclone_web::Limits::default())).await;
    let mut bytes = vec![0; 700_000];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    for alpn in [&["h2"][..], &["http/1.1"][..]] {
        for size in [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, bytes.len()] {
            let body = Bytes::copy_from_slice(&bytes[..size]);
            let request = Request::post("https://localhost/echo").header("host", "localhost");
            let request = request.body(Body::from(body.clone())).unwrap();
            let (status, _, answer) = within(send(&site, alpn, request)).await;
            assert_eq!(status, StatusCode::OK);
            assert!(answer == body, "{alpn:?} {size}");
        }
    }
}

/// RFC 9113, section 3.2: who wants HTTP/2 over TLS says so in the handshake, and who said so speaks it.
#[tokio::test]
async fn what_was_agreed_upon_is_spoken() {
    let site = Site::new(app()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let request = b"GET /about HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    for (alpn, sent, expected) in [
        (&["http/1.1"][..], &preface[..], "HTTP/1.1 505 "),
        (&[][..], &preface[..], "HTTP/1.1 505 "),
        (&["h2"][..], &request[..], "HTTP/1.1 400 "),
        (&["http/1.1"][..], &request[..], "HTTP/1.1 200 "),
    ] {
        let mut stream = site.connect(alpn).await;
        within(async {
            stream.write_all(sent).await.unwrap();
            stream.flush().await.unwrap();
            let mut answer = Vec::new();
            stream
                .read_to_end(&mut answer)
                .await
                .expect("an announced end");
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(answer.starts_with(expected), "{alpn:?}: {answer}");
        })
        .await;
    }
}

/// A preface that comes byte by byte is still one.
#[tokio::test]
async fn preface_in_pieces_is_http2() {
    let site = Site::new(app()).await;
    let mut stream = site.connect(&["h2"]).await;
    within(async {
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
            stream.write_all(&[*byte]).await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[3], 4, "SETTINGS");
    })
    .await;
}

/// A response that breaks off must not look whole: no `close_notify` (RFC 8446, 6.1; RFC 9112, 9.8).
#[tokio::test]
async fn broken_response_ends_without_close_notify() {
    async fn breaks(_: axum::extract::Request) -> axum::response::Response {
        let chunks = [Ok("half "), Err(std::io::Error::other("on purpose"))];
        let body =
            StreamBody::new(futures_util::stream::iter(chunks.map(|chunk| {
                chunk.map(|text| http_body::Frame::data(Bytes::from(text)))
            })));
        axum::response::Response::new(axum::body::Body::new(body))
    }
    let router = axum::Router::new().route("/", axum::routing::get(breaks));
    let site = Site::new(Http::new(router)).await;
    // Without chunks only the end of the connection tells the length; with them the last one is missing.
    for (request, is_chunked) in [
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", true),
    ] {
        let mut stream = site.connect(&["http/1.1"]).await;
        within(async {
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let mut answer = Vec::new();
            let ended = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("half "), "{answer}");
            assert!(is_chunked || ended.is_err(), "{request}");
            assert!(!answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
        })
        .await;
    }
}

/// Connections that rest are told to go, each in its own words.
#[tokio::test]
async fn shutdown_announces_the_end() {
    let site = Site::new(app()).await;
    let mut http1 = site.connect(&["http/1.1"]).await;
    let http2 = TokioIo::new(site.connect(&["h2"]).await);
    within(async {
        let request = b"GET /about HTTP/1.1\r\nhost: x\r\n\r\n";
        http1.write_all(request).await.unwrap();
        http1.flush().await.unwrap();
        let mut answer = [0; 12];
        http1.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (mut sender, connection) = builder.handshake(http2).await.unwrap();
        let driving = tokio::spawn(connection);
        let response = sender.send_request(get("/about")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        drop(response);

        site.server.shutdown();
        let mut rest = Vec::new();
        http1.read_to_end(&mut rest).await.expect("close_notify");
        driving.await.unwrap().expect("GOAWAY and close_notify");
        let report = site.server.wait().await;
        assert!(report.is_clean(), "{report}");
    })
    .await;
}

/// Half of a request, then the end of the client's direction: the answer still comes.
#[tokio::test]
async fn client_may_close_its_direction_first() {
    let site = Site::new(app()).await;
    let mut stream = site.connect(&["http/1.1"]).await;
    within(async {
        stream
            .write_all(b"GET /about HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    })
    .await;
}
