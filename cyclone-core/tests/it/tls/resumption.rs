//! Sessions that go on.

use cyclone_core::tls::{ClientAuth, ClientTls, HandshakeErrorKind, ServerTls, TlsVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::authority::{Authority, Request};
use super::{client, handshake, server};
use crate::support::within;

const VERSIONS: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

/// Connects, says something, so that tickets arrive, and tells whether an earlier session went on.
async fn visit(server: &ServerTls, client: &ClientTls, name: &str) -> bool {
    let (near, far) = within(handshake(server, client, name)).await;
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    near.write_all(b"x").await.unwrap();
    near.shutdown().await.unwrap();
    let mut text = Vec::new();
    within(far.read_to_end(&mut text)).await.unwrap();
    assert_eq!(near.info().is_resumed(), far.info().is_resumed());
    far.info().is_resumed()
}

#[tokio::test]
async fn second_visit_resumes_with_tickets_and_with_stored_sessions() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org", "example.com"]);
    for version in VERSIONS {
        for (tickets, sessions, resumes) in [
            (true, 0, true),
            (false, 8, true),
            (true, 8, true),
            (false, 0, false),
        ] {
            let server = server(&certificate)
                .session_tickets(tickets)
                .sessions(sessions)
                .build()
                .unwrap();
            let client = client(&authority).versions([version]).build().unwrap();
            let what = format!("{version}, tickets {tickets}, sessions {sessions}");
            assert!(!visit(&server, &client, "example.org").await, "{what}");
            assert_eq!(
                visit(&server, &client, "example.org").await,
                resumes,
                "{what}"
            );
            // RFC 6066, section 3: not under another name.
            assert!(!visit(&server, &client, "example.com").await, "{what}");
        }
    }
}

#[tokio::test]
async fn stored_sessions_are_bounded() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let server = server(&certificate)
        .session_tickets(false)
        .sessions(2)
        .build()
        .unwrap();
    let visitor = || {
        client(&authority)
            .versions([TlsVersion::V1_2])
            .build()
            .unwrap()
    };
    let (first, second, third) = (visitor(), visitor(), visitor());
    for visitor in [&first, &second] {
        assert!(!visit(&server, visitor, "example.org").await);
    }
    assert!(visit(&server, &first, "example.org").await, "at the limit");
    assert!(!visit(&server, &third, "example.org").await);
    assert!(visit(&server, &third, "example.org").await);
    assert!(
        !visit(&server, &first, "example.org").await,
        "one had to go"
    );
}

#[tokio::test]
async fn session_outlives_a_reload() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority
        .server(&["example.org"])
        .write(folder.path(), "server");
    let server = ServerTls::from_files(certificate, key).unwrap();
    let client = client(&authority).build().unwrap();
    assert!(!visit(&server, &client, "example.org").await);
    server.reload().unwrap();
    assert!(visit(&server, &client, "example.org").await);
}

/// A resumed client shows no certificate; what it showed before is checked again, against what is trusted now.
#[tokio::test]
async fn resumed_client_is_checked_again() {
    for version in VERSIONS {
        for tickets in [true, false] {
            let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
            let folder = tempfile::tempdir().unwrap();
            let (trusted, revoked) = (folder.path().join("ca.pem"), folder.path().join("crl.pem"));
            std::fs::write(&trusted, clients.pem()).unwrap();
            std::fs::write(&revoked, clients.revocation_list(&[])).unwrap();
            let auth = ClientAuth::required(&trusted).revocation_list(&revoked);
            let server = server(&servers.server(&["example.org"]))
                .client_auth(auth)
                .session_tickets(tickets)
                .build()
                .unwrap();
            let alice = clients.issue(Request::client("alice").serial(7));
            let client = client(&servers)
                .versions([version])
                .identity(alice.identity());
            let client = client.build().unwrap();
            assert!(!visit(&server, &client, "example.org").await);
            assert!(visit(&server, &client, "example.org").await);

            std::fs::write(&revoked, clients.revocation_list(&[7])).unwrap();
            server.reload().unwrap();
            let (near, _far) = within(handshake(&server, &client, "example.org")).await;
            assert_eq!(
                near.unwrap_err().kind(),
                HandshakeErrorKind::Certificate,
                "{version}"
            );

            std::fs::write(&revoked, clients.revocation_list(&[])).unwrap();
            std::fs::write(&trusted, Authority::new("clients").pem()).unwrap();
            server.reload().unwrap();
            let (near, _far) = within(handshake(&server, &client, "example.org")).await;
            assert!(
                near.is_err(),
                "{version}: the authority is not trusted any more"
            );
        }
    }
}
