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
#[tokio::test(start_paused = true)]
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

/// A client that has a new certificate, or is trusted again, has to be able to say so: a session that was refused once
/// would be refused for as long as the client remembers it.
#[tokio::test(start_paused = true)]
async fn refused_session_is_not_resumed_again() {
    for version in VERSIONS {
        for tickets in [true, false] {
            let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
            let folder = tempfile::tempdir().unwrap();
            let revoked = folder.path().join("crl.pem");
            std::fs::write(&revoked, clients.revocation_list(&[])).unwrap();
            let auth = ClientAuth::required_pem(clients.pem()).revocation_list(&revoked);
            let server = server(&servers.server(&["example.org"]))
                .client_auth(auth)
                .session_tickets(tickets)
                .build()
                .unwrap();
            let client_of = |name, serial| {
                let issued = clients.issue(Request::client(name).serial(serial));
                let client = client(&servers).versions([version]);
                client.identity(issued.identity()).build().unwrap()
            };
            let (alice, bob) = (client_of("alice", 7), client_of("bob", 8));
            let what = format!("{version}, tickets {tickets}");
            for client in [&alice, &bob] {
                assert!(!visit(&server, client, "example.org").await);
                assert!(visit(&server, client, "example.org").await);
            }

            std::fs::write(&revoked, clients.revocation_list(&[7])).unwrap();
            server.reload().unwrap();
            let (near, far) = tokio::io::duplex(64 * 1024);
            let refusing = async { server.accept(near).await.unwrap_err() };
            let refused = async {
                let mut far = alice.connect("example.org", far).await.unwrap();
                assert!(far.info().is_resumed(), "{what}");
                // An end, and none that looks like an attack.
                let mut text = Vec::new();
                assert_eq!(far.read_to_end(&mut text).await.unwrap(), 0, "{what}");
            };
            let (error, ()) = within(async { tokio::join!(refusing, refused) }).await;
            assert_eq!(error.kind(), HandshakeErrorKind::Certificate, "{what}");

            std::fs::write(&revoked, clients.revocation_list(&[])).unwrap();
            server.reload().unwrap();
            assert!(!visit(&server, &alice, "example.org").await, "{what}");
            assert!(visit(&server, &alice, "example.org").await, "{what}");
            // The price: the others have to do one as well, once.
            assert!(!visit(&server, &bob, "example.org").await, "{what}");
            assert!(visit(&server, &bob, "example.org").await, "{what}");
        }
    }
}
