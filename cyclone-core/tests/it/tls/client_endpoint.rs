//! Clients connect to endpoints over TLS.

use std::time::Duration;

use cyclone_core::tls::{ClientTls, SelfSigned, ServerTls};
use cyclone_core::{ClientEndpoint, Endpoint, Server};
use tokio::net::TcpListener;

use crate::support::{echo, greeting, ping, tcp_address, within};

#[tokio::test]
async fn endpoints_of_both_sides_meet() {
    let made = SelfSigned::new(["localhost", "example.org"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (roots, socket) = (
        folder.path().join("roots.pem"),
        folder.path().join("app.sock"),
    );
    std::fs::write(&roots, made.certificate_pem()).unwrap();
    let tls = ServerTls::builder()
        .identity(made.identity())
        .build()
        .unwrap();
    let server = Server::new()
        .listen(Endpoint::loopback(0).tls(tls.clone()), echo())
        .listen(Endpoint::unix(&socket).tls(tls), echo());
    let server = server.start().await.unwrap();
    let port = tcp_address(&server, 0).port();
    let client = ClientTls::builder().roots_file(&roots).build().unwrap();
    let (socket, roots) = (socket.display(), roots.display());
    for endpoint in [
        ClientEndpoint::tcp("localhost", port).tls(client.clone()),
        ClientEndpoint::tcp("127.0.0.1", port)
            .tls(client)
            .server_name("example.org"),
        format!("tls:localhost:{port}:roots={roots}")
            .parse()
            .unwrap(),
        format!("tls:127.0.0.1:{port}:name=example.org:roots={roots}")
            .parse()
            .unwrap(),
        format!("unix:{socket}:name=example.org:roots={roots}")
            .parse()
            .unwrap(),
    ] {
        let mut connection = within(endpoint.connect()).await.unwrap();
        within(greeting(&mut connection)).await;
        within(ping(&mut connection)).await;
        let tls = connection.peer().tls().unwrap();
        assert!(tls.peer_certificate().is_some());
        assert!(connection.transport().as_tls().is_some());
    }
    // The address is not in the certificate.
    let endpoint = format!("tls:127.0.0.1:{port}:roots={roots}");
    let error = within(endpoint.parse::<ClientEndpoint>().unwrap().connect()).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(error.tried().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn handshake_counts_into_the_time() {
    let made = SelfSigned::new(["localhost"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = ClientTls::builder()
        .roots_pem(made.certificate_pem())
        .build()
        .unwrap();
    let endpoint = ClientEndpoint::tcp("127.0.0.1", port).tls(client);
    let endpoint = endpoint.timeout(Duration::from_secs(2));
    let begun = tokio::time::Instant::now();
    let error = endpoint.connect().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(3),
        "{took:?}"
    );
}
