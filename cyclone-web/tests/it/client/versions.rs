use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cyclone_core::tls::{ClientTls, SelfSigned, ServerTls};
use cyclone_core::{Endpoint, RunningServer, Server};
use cyclone_web::client::{Client, ClientErrorKind, Outcome, Proxies};
use cyclone_web::{Application, RequestContext, RequestHandler, Result};
use http::Version;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Written, client, redirect, within};
use crate::support::listen;

async fn about(cx: &mut RequestContext) -> Result {
    let port = cx
        .peer()
        .remote()
        .socket_addr()
        .map_or(0, |address| address.port());
    let host = cx.host().unwrap_or_default().to_owned();
    let text = format!("{:?} {host} {port}", cx.version());
    cx.text(text)
}

async fn secure(app: Application) -> (RunningServer, SocketAddr, SelfSigned) {
    let made = SelfSigned::new(["localhost"]).unwrap();
    let tls = ServerTls::builder()
        .identity(made.identity())
        .build()
        .unwrap();
    let server = Server::new().listen(Endpoint::loopback(0).tls(tls), app);
    let server = server.start().await.unwrap();
    let address = server.local_addresses()[0].socket_addr().unwrap();
    (server, address, made)
}

fn trusting(made: &SelfSigned, http2: bool) -> Client {
    let tls = ClientTls::builder().roots_pem(made.certificate_pem());
    client(|builder| builder.tls(tls).http2(http2))
}

async fn text(client: &Client, url: &str) -> String {
    let response = within(client.get(url).send()).await.unwrap();
    within(response.text()).await.unwrap()
}

#[tokio::test]
async fn version_is_what_both_speak() {
    let (_server, address, made) = secure(Application::new().get("/", about)).await;
    let url = format!("https://localhost:{}/", address.port());
    for (http2, version) in [(true, Version::HTTP_2), (false, Version::HTTP_11)] {
        let client = trusting(&made, http2);
        let response = within(client.get(&url).send()).await.unwrap();
        assert_eq!(response.version(), version);
        let first = within(response.text()).await.unwrap();
        assert!(
            first.starts_with(&format!("{version:?} localhost")),
            "{first}"
        );
        assert_eq!(text(&client, &url).await, first, "the same connection");
        assert_eq!(client.open_connections(), 1);
    }
}

#[tokio::test]
async fn server_that_nobody_vouches_for_gets_nothing() {
    let (_server, address, _made) = secure(Application::new().get("/", about)).await;
    let other = SelfSigned::new(["localhost"]).unwrap();
    let client = trusting(&other, true);
    let error = within(
        client
            .get(format!("https://localhost:{}/", address.port()))
            .send(),
    )
    .await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ClientErrorKind::Tls, Outcome::NotSent)
    );
    let named = SelfSigned::new(["localhost"]).unwrap();
    let client = trusting(&named, true);
    let error = within(
        client
            .get(format!("https://127.0.0.1:{}/", address.port()))
            .send(),
    )
    .await;
    assert_eq!(error.unwrap_err().kind(), ClientErrorKind::Tls);
}

struct Gated(Arc<Semaphore>);

impl RequestHandler for Gated {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        self.0
            .acquire()
            .await
            .map(tokio::sync::SemaphorePermit::forget)?;
        about(cx).await
    }
}

fn gated(gate: &Arc<Semaphore>) -> Application {
    Application::new().route("/", Gated(Arc::clone(gate)))
}

#[tokio::test]
async fn exchanges_on_a_connection_under_at_and_over_the_limit() {
    for (count, connections) in [(3, 1), (4, 1), (5, 2), (9, 2)] {
        let gate = Arc::new(Semaphore::new(0));
        let (_server, address) = listen(gated(&gate)).await;
        let client = client(|builder| {
            builder
                .http2_prior_knowledge(true)
                .streams(4)
                .connections_per_host(2)
        });
        let url = format!("http://{address}/");
        let mut sent = JoinSet::new();
        for _ in 0..count {
            let (client, url) = (client.clone(), url.clone());
            sent.spawn(async move { text(&client, &url).await });
        }
        gate.add_permits(count);
        let mut seen = std::collections::HashSet::new();
        while let Some(done) = within(sent.join_next()).await {
            let done = done.unwrap();
            assert!(done.starts_with("HTTP/2"), "{done}");
            seen.insert(done);
        }
        assert!(seen.len() <= connections, "{count} {seen:?}");
        assert!(client.open_connections() <= connections);
    }
}

#[tokio::test]
async fn https_does_not_lead_to_http_unless_allowed() {
    let plain = Written::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let away = plain.url("/");
    struct Away(String);
    impl RequestHandler for Away {
        async fn get(&self, cx: &mut RequestContext) -> Result {
            cx.redirect(&self.0)
        }
    }
    let app = Application::new().route("/", Away(away));
    let (_server, address, made) = secure(app).await;
    let url = format!("https://localhost:{}/", address.port());
    let error = within(trusting(&made, true).get(&url).send())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Redirect);
    assert!(plain.seen().is_empty());
    let tls = ClientTls::builder().roots_pem(made.certificate_pem());
    let client = client(|builder| builder.tls(tls).allow_downgrade(true));
    assert_eq!(within(client.get(&url).send()).await.unwrap().status(), 200);
    // The other way needs no leave.
    let up = Written::always(redirect(308, &url), false).await;
    let error = within(client.get(up.url("/")).redirects(1).send())
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ClientErrorKind::Redirect,
        "the second redirect is over the limit"
    );
}

/// A proxy that makes tunnels, and how many it made.
async fn tunnels() -> (SocketAddr, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            use tokio::io::AsyncWriteExt as _;
            let (mut client, _) = listener.accept().await.unwrap();
            let request = super::read_request(&mut client).await.unwrap();
            let target = request
                .split(' ')
                .nth(1)
                .unwrap()
                .replace("site.test", "127.0.0.1");
            let mut server = TcpStream::connect(target).await.unwrap();
            client
                .write_all(b"HTTP/1.1 200 Fine\r\nx: y\r\n\r\n")
                .await
                .unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            open.spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, made, serving)
}

#[tokio::test]
async fn https_goes_through_a_tunnel_with_the_server_itself() {
    let (_server, address, made) = secure(Application::new().get("/", about)).await;
    let (proxy, count, _serving) = tunnels().await;
    let tls = ClientTls::builder().roots_pem(made.certificate_pem());
    let proxies = Proxies::all(&format!("http://{proxy}")).unwrap();
    let client = client(|builder| builder.tls(tls).proxies(proxies));
    let url = format!("https://localhost:{}/", address.port());
    let first = text(&client, &url).await;
    assert!(first.starts_with("HTTP/2"), "{first}");
    assert_eq!(text(&client, &url).await, first);
    assert_eq!(count.load(Ordering::Relaxed), 1, "the tunnel is used again");
}

/// A server of the `h2` crate that refuses the first request and says goodbye to the second.
#[tokio::test]
async fn refused_stream_and_goodbye_are_not_sent_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        for turn in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut number = 0;
            while let Some(Ok((_request, mut respond))) = connection.accept().await {
                number += 1;
                if turn == 0 && number == 2 {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                    continue;
                }
                let response = http::Response::new(());
                let mut body = respond.send_response(response, false).unwrap();
                body.send_data(Bytes::from(format!("{turn}")), true)
                    .unwrap();
            }
        }
    });
    let client = client(|builder| builder.http2_prior_knowledge(true));
    assert_eq!(text(&client, &url).await, "0");
    let error = within(client.post(&url).body("x").retries(0).send()).await;
    // The connection was there before, so even a POST that was refused goes to another one at once.
    assert_eq!(within(error.unwrap().text()).await.unwrap(), "1");
}
