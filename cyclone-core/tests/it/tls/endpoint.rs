//! TLS on the endpoints of a server.

use std::time::Duration;

use cyclone_core::tls::{ClientAuth, ClientTls, Identity, SelfSigned, ServerTls, TlsErrorKind};
use cyclone_core::{Connection, Endpoint, ProtocolFactory, RunningServer, Server, protocol_fn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::authority::Authority;
use super::{client, server};
use crate::support::{echo, greeting, ping, tcp_address, within};

/// Says what it knows of its peer.
fn who() -> impl ProtocolFactory {
    protocol_fn("who", |mut connection: Connection| async move {
        let tls = connection.peer().tls().map(|tls| {
            let client = tls.peer_certificate().and_then(|one| one.common_name());
            format!("{:?} {:?} {}", tls.server_name(), client, tls.version())
        });
        let text = tls.unwrap_or_else(|| "no TLS".to_owned());
        connection.write_all(text.as_bytes()).await?;
        connection.shutdown().await
    })
}

async fn text(server: &RunningServer, listener: usize, tls: &ClientTls) -> String {
    let stream = TcpStream::connect(tcp_address(server, listener))
        .await
        .unwrap();
    let mut stream = tls.connect("example.org", stream).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn peer_knows_what_was_agreed_upon() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (certificate, key) = authority.server(&["example.org"]).write(path, "server");
    let trusted = path.join("ca.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();
    let typed = ServerTls::builder()
        .identity(Identity::files(&certificate, &key))
        .client_auth(ClientAuth::optional(&trusted))
        .build()
        .unwrap();
    let string = format!(
        "tls:0:interface=127.0.0.1:cert={}:key={}:ca={}:client=optional:versions=1.2",
        certificate.display(),
        key.display(),
        trusted.display(),
    );
    let running = Server::new()
        .listen(Endpoint::loopback(0).tls(typed), who())
        .listen(string.parse().unwrap(), who())
        .listen(Endpoint::loopback(0), who())
        .start()
        .await
        .unwrap();
    let nobody = client(&authority).build().unwrap();
    let alice = client(&authority).identity(authority.client("alice").identity());
    let alice = alice.build().unwrap();
    within(async {
        assert_eq!(
            text(&running, 0, &nobody).await,
            r#"Some("example.org") None TLSv1.3"#
        );
        let of_alice = r#"Some("example.org") Some("alice") TLSv1.3"#;
        assert_eq!(text(&running, 0, &alice).await, of_alice);
        let of_alice = r#"Some("example.org") Some("alice") TLSv1.2"#;
        assert_eq!(text(&running, 1, &alice).await, of_alice);
        let mut plain = TcpStream::connect(tcp_address(&running, 2)).await.unwrap();
        let mut text = String::new();
        plain.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "no TLS");
    })
    .await;
}

#[tokio::test]
async fn handshakes_stand_in_the_registry_and_end_with_the_server() {
    let authority = Authority::new("authority");
    let tls = server(&authority.server(&["example.org"])).build().unwrap();
    let running = Server::new()
        .listen(Endpoint::loopback(0).tls(tls), echo())
        .shutdown_deadline(Duration::from_millis(10))
        .start()
        .await
        .unwrap();
    let address = tcp_address(&running, 0);
    let mut silent = TcpStream::connect(address).await.unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let client = client(&authority).build().unwrap();
    let mut stream = within(client.connect("example.org", stream)).await.unwrap();
    within(greeting(&mut stream)).await;
    within(ping(&mut stream)).await;
    let counts = running.registry().counts();
    assert_eq!(
        (counts.get("echo"), counts.get("opening")),
        (Some(&1), Some(&1))
    );
    running.shutdown();
    let report = within(running.wait()).await;
    assert_eq!(report.cut.len(), 2, "{report}");
    assert_eq!(within(silent.read(&mut [0])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn refused_handshakes_are_counted() {
    let authority = Authority::new("authority");
    let tls = server(&authority.server(&["example.org"])).build().unwrap();
    let endpoint = Endpoint::loopback(0).tls(tls);
    let running = Server::new()
        .listen(endpoint, echo())
        .start()
        .await
        .unwrap();
    let mut stream = TcpStream::connect(tcp_address(&running, 0)).await.unwrap();
    within(async {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer.len(), 7, "an alert");
        drop(stream);
        running.registry().wait_empty().await;
    })
    .await;
    assert_eq!(running.registry().refused(), 1);
}

#[tokio::test]
async fn unix_socket_can_have_tls_too() {
    let made = SelfSigned::new(["example.org"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let tls = ServerTls::builder()
        .identity(made.identity())
        .build()
        .unwrap();
    let endpoint = Endpoint::unix(&path).tls(tls);
    let _running = Server::new()
        .listen(endpoint, echo())
        .start()
        .await
        .unwrap();
    let client = ClientTls::builder()
        .roots_pem(made.certificate_pem())
        .build()
        .unwrap();
    let stream = UnixStream::connect(&path).await.unwrap();
    let mut stream = within(client.connect("example.org", stream)).await.unwrap();
    within(greeting(&mut stream)).await;
}

#[tokio::test]
async fn broken_certificate_keeps_the_server_from_starting() {
    let endpoint: Endpoint = "tls:0:cert=/nowhere/server.pem".parse().unwrap();
    let error = Server::new()
        .listen(endpoint, echo())
        .start()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot serve TLS on `tls:0:cert=/nowhere/server.pem`"
    );
    assert_eq!(error.tls_error().unwrap().kind(), TlsErrorKind::File);
    assert!(!error.is_bind());
}

/// The server itself keeps certificates up to date, and their health is that of a service.
#[tokio::test]
async fn server_reloads_the_certificates_of_its_endpoints() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority
        .server(&["example.org"])
        .write(folder.path(), "server");
    let tls = ServerTls::builder()
        .identity(Identity::files(certificate, key))
        .reload_interval(Duration::from_millis(10))
        .build()
        .unwrap();
    let mut watch = tls.watch();
    let endpoint = Endpoint::loopback(0).tls(tls);
    let running = Server::new()
        .listen(endpoint, echo())
        .start()
        .await
        .unwrap();
    let services = running.handle().services();
    assert_eq!(services[0].name, "tls tcp:0:interface=127.0.0.1");
    assert!(services[0].health.is_up(), "{}", services[0].health);
    authority
        .server(&["example.org"])
        .write(folder.path(), "server");
    within(watch.wait_for(|state| state.generation > 1))
        .await
        .unwrap();
}
