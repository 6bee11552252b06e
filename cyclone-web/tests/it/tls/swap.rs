//! New certificates while clients are served: no request fails.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cyclone_core::tls::{ClientTls, ClientTlsBuilder, Identity, SelfSigned, ServerTls};
use cyclone_core::{Endpoint, Server};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{app, get, within};

/// Clients at once: some keep their connection, the others make one for each request.
const CLIENTS: usize = 8;
const REQUESTS: usize = 80;
const SWAPS: u64 = 5;

struct Load {
    address: std::net::SocketAddr,
    tls: ClientTlsBuilder,
    done: AtomicUsize,
}

impl Load {
    /// Sends requests, `each` on one connection, and says which certificates it saw.
    async fn client(self: Arc<Self>, alpn: &'static str, each: usize) -> Vec<String> {
        let mut seen = Vec::new();
        let mut left = REQUESTS;
        let mut tls = self.tls.clone().build().unwrap();
        while left > 0 {
            if left.is_multiple_of(2) {
                // It forgets its sessions, so that it is shown a certificate.
                tls = self.tls.clone().build().unwrap();
            }
            let stream = TcpStream::connect(self.address).await.unwrap();
            let stream = tls.connect("localhost", stream).await.unwrap();
            seen.extend(
                stream
                    .info()
                    .peer_certificate()
                    .map(|one| one.serial().to_owned()),
            );
            assert_eq!(stream.info().alpn(), Some(alpn.as_bytes()));
            let mut batch = each.min(left);
            left -= batch;
            let stream = TokioIo::new(stream);
            if alpn == "h2" {
                let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
                let (mut sender, connection) = builder.handshake(stream).await.unwrap();
                let driving = tokio::spawn(connection);
                while batch > 0 {
                    let response = sender.send_request(get("/about")).await.unwrap();
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.unwrap();
                    self.done.fetch_add(1, Ordering::Relaxed);
                    batch -= 1;
                }
                driving.abort();
            } else {
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                while batch > 0 {
                    sender.ready().await.unwrap();
                    let response = sender.send_request(get("/about")).await.unwrap();
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.unwrap();
                    self.done.fetch_add(1, Ordering::Relaxed);
                    batch -= 1;
                }
            }
        }
        seen
    }
}

/// Puts a new certificate where the old one was, in one step.
fn put(path: &Path) -> SelfSigned {
    // The old one has other names for a moment, so that a new one is made.
    SelfSigned::kept_in(path, ["localhost", "127.0.0.1"]).unwrap();
    SelfSigned::kept_in(path, ["localhost"]).unwrap()
}

/// Acceptance: a certificate swap under load fails no request, and the new certificate is served afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_swap_under_load_fails_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.pem");
    // All certificates are made before, as the clients have to trust each of them.
    let certificates: Vec<(SelfSigned, Vec<u8>)> = (0..=SWAPS)
        .map(|_| {
            let made = put(&path);
            let pem = std::fs::read(&path).unwrap();
            (made, pem)
        })
        .collect();
    std::fs::write(&path, &certificates[0].1).unwrap();
    let tls = ServerTls::builder()
        .identity(Identity::file(&path))
        .build()
        .unwrap();
    let server = Server::new()
        .listen(Endpoint::loopback(0).tls(tls.clone()), app())
        .start()
        .await
        .unwrap();
    let address = server.local_addresses()[0].socket_addr().unwrap();
    let load = |alpn: &'static str| {
        let mut client = ClientTls::builder().alpn([alpn]);
        for (made, _) in &certificates {
            client = client.roots_pem(made.certificate_pem());
        }
        Arc::new(Load {
            address,
            tls: client,
            done: AtomicUsize::new(0),
        })
    };
    let (http1, http2) = (load("http/1.1"), load("h2"));
    let mut clients = tokio::task::JoinSet::new();
    for index in 0..CLIENTS {
        let each = if index % 4 < 2 { 1 } else { REQUESTS };
        match index % 2 {
            0 => clients.spawn(Arc::clone(&http1).client("http/1.1", each)),
            _ => clients.spawn(Arc::clone(&http2).client("h2", each)),
        };
    }
    let all = CLIENTS * REQUESTS;
    let done = || http1.done.load(Ordering::Relaxed) + http2.done.load(Ordering::Relaxed);
    let swapping = async {
        for (swap, (_, pem)) in (1_usize..).zip(&certificates[1..]) {
            // Each at its place in the middle of the load.
            while done() < all * swap / (certificates.len() + 1) {
                tokio::task::yield_now().await;
            }
            let draft = path.with_extension("new");
            std::fs::write(&draft, pem).unwrap();
            std::fs::rename(&draft, &path).unwrap();
            tls.reload().unwrap();
        }
        assert!(done() < all, "the swaps were in the middle");
    };
    within(swapping).await;
    let mut seen = std::collections::BTreeSet::new();
    while let Some(client) = within(clients.join_next()).await {
        seen.extend(client.unwrap());
    }
    assert_eq!(done(), all);
    assert!(seen.len() > 2, "clients saw {} certificates", seen.len());
    assert_eq!(tls.state().generation, 1 + SWAPS);

    let client = load("http/1.1").tls.clone().build().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = within(client.connect("localhost", stream)).await.unwrap();
    let newest = tls.certificates()[0].clone();
    assert_eq!(stream.info().peer_certificate(), Some(&newest));
    drop(server);
}
