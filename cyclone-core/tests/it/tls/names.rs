//! The certificate by the name that the client asks for (RFC 6066, section 3).

use std::sync::Arc;

use cyclone_core::tls::{ClientTls, HandshakeErrorKind, Identity, ServerTls, SniPolicy};
use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::authority::{Authority, Request};
use super::{client, connected, handshake, server};
use crate::support::within;

/// Three certificates; the common name says which is which.
fn three(authority: &Authority, policy: SniPolicy) -> ServerTls {
    let issued = |names: &[&str], name: &str| {
        let request = Request::server(names).common_name(name);
        authority.issue(request).identity()
    };
    ServerTls::builder()
        .identity(issued(&["default.example", "127.0.0.1"], "default"))
        .identity(issued(&["Example.org"], "exact"))
        .identity(issued(&["*.example.org"], "wildcard"))
        .sni(policy)
        .build()
        .unwrap()
}

/// The common name of the certificate that a client is shown, whatever it thinks of it.
async fn shown(server: &ServerTls, client: &ClientTls, name: &str) -> Option<String> {
    let (_, far) = within(handshake(server, client, name)).await;
    let far = far.ok()?;
    far.info()
        .peer_certificate()?
        .common_name()
        .map(str::to_owned)
}

#[tokio::test]
async fn certificate_is_that_of_the_name() {
    let authority = Authority::new("authority");
    let client = client(&authority).build().unwrap();
    for policy in [SniPolicy::Any, SniPolicy::Known, SniPolicy::Required] {
        let server = three(&authority, policy);
        for (name, common_name) in [
            ("default.example", "default"),
            ("example.org", "exact"),
            ("EXAMPLE.ORG", "exact"),
            ("a.example.org", "wildcard"),
            ("b.Example.Org", "wildcard"),
        ] {
            let shown = shown(&server, &client, name).await;
            assert_eq!(shown.as_deref(), Some(common_name), "{policy:?} {name}");
        }
    }
}

/// `expected`: the client sees the default certificate, or the alert `unrecognized_name` (112).
async fn first_answer(server: &ServerTls, hello_name: &str) -> Vec<u8> {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let hello = client_hello(hello_name).await;
    let speaking = async {
        far.write_all(&hello).await.unwrap();
        let mut answer = vec![0; 7];
        far.read_exact(&mut answer).await.unwrap();
        drop(far);
        answer
    };
    let (_, answer) = within(async { tokio::join!(server.accept(near), speaking) }).await;
    answer
}

/// The first message of a client.
async fn client_hello(name: &str) -> Vec<u8> {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let client = ClientTls::builder().roots_pem(Authority::new("any").pem());
    let client = client.build().unwrap();
    let mut hello = vec![0; 64 * 1024];
    tokio::select! {
        _ = client.connect(name, near) => panic!("nobody answered"),
        read = far.read(&mut hello) => hello.truncate(read.unwrap()),
    }
    hello
}

#[tokio::test]
async fn unknown_and_absent_names_follow_the_policy() {
    const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
    let authority = Authority::new("authority");
    // Clients send no name for an address.
    let cases = [
        (SniPolicy::Any, "unknown.example", true),
        (SniPolicy::Any, "a.b.example.org", true),
        (SniPolicy::Any, "127.0.0.1", true),
        (SniPolicy::Known, "unknown.example", false),
        (SniPolicy::Known, "a.b.example.org", false),
        (SniPolicy::Known, "org", false),
        (SniPolicy::Known, "127.0.0.1", true),
        (SniPolicy::Required, "unknown.example", false),
        (SniPolicy::Required, "127.0.0.1", false),
    ];
    for (policy, name, served) in cases {
        let server = three(&authority, policy);
        let answer = first_answer(&server, name).await;
        assert_eq!(answer == ALERT, !served, "{policy:?} {name}: {answer:?}");
        // 22 is a handshake record: ServerHello.
        assert_eq!(answer[0] == 22, served, "{policy:?} {name}: {answer:?}");
    }
}

#[tokio::test]
async fn error_names_the_unknown_name() {
    let authority = Authority::new("authority");
    let (server, client) = (
        three(&authority, SniPolicy::Known),
        client(&authority).build().unwrap(),
    );
    let (near, far) = within(handshake(&server, &client, "unknown.example")).await;
    let near = near.unwrap_err();
    assert_eq!(near.kind(), HandshakeErrorKind::UnknownName);
    assert_eq!(
        near.to_string(),
        "no certificate for the name `unknown.example`"
    );
    assert_eq!(far.unwrap_err().kind(), HandshakeErrorKind::Rejected);
}

#[tokio::test]
async fn given_names_count_more_than_those_in_the_certificate() {
    let authority = Authority::new("authority");
    let other = authority.server(&["inside.example", "given.example"]);
    let other = other.identity().names(["given.example."]);
    let server = server(&authority.server(&["default.example"]));
    let server = server
        .identity(other)
        .sni(SniPolicy::Known)
        .build()
        .unwrap();
    let client = client(&authority).build().unwrap();
    assert!(shown(&server, &client, "given.example").await.is_some());
    assert!(shown(&server, &client, "inside.example").await.is_none());
    for bad in ["*", "*.*.example", "f*.example", "127.0.0.1", "a b", ""] {
        let identity = authority.server(&["x.example"]).identity().names([bad]);
        let error = ServerTls::builder().identity(identity).build().unwrap_err();
        assert!(
            error.to_string().contains("is no name of a server"),
            "{bad}: {error}"
        );
    }
}

#[tokio::test]
async fn certificate_without_a_name_can_only_be_the_default() {
    let authority = Authority::new("authority");
    let nameless = authority.server(&["127.0.0.1"]);
    let server = server(&nameless).build().unwrap();
    let client = client(&authority).build().unwrap();
    within(connected(&server, &client, "127.0.0.1")).await;
    let error = super::server(&authority.server(&["example.org"]))
        .identity(nameless.identity())
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("has no DNS name"), "{error}");
}

/// Of two certificates for a name the client is shown the one that it can check.
#[tokio::test]
async fn kind_of_key_is_one_that_the_client_knows() {
    let authority = Authority::new("authority");
    let issued = |algorithm, name| {
        let request = Request::server(&["example.org"]);
        let issued = authority.issue(request.algorithm(algorithm).common_name(name));
        Identity::pem(issued.certificate, issued.key)
    };
    let server = ServerTls::builder()
        .identity(issued(&PKCS_ED25519, "ed25519"))
        .identity(issued(&PKCS_ECDSA_P384_SHA384, "p384"))
        .build()
        .unwrap();
    let modern = client(&authority).build().unwrap();
    assert_eq!(
        shown(&server, &modern, "example.org").await.as_deref(),
        Some("ed25519")
    );
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server_name = "example.org".try_into().unwrap();
    let old = tokio_rustls::TlsConnector::from(without_ed25519(&authority));
    let (near, far) = tokio::join!(server.accept(near), old.connect(server_name, far));
    let (_near, far) = (near.unwrap(), far.unwrap());
    let seen = far.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let p384 = server.certificates()[1].der().to_vec();
    assert!(seen == p384);
}

/// A client as browsers are.
fn without_ed25519(authority: &Authority) -> Arc<rustls::ClientConfig> {
    let mut provider = rustls::crypto::ring::default_provider();
    let algorithms = &mut provider.signature_verification_algorithms;
    let mapping = algorithms.mapping.iter();
    let mapping = mapping.filter(|(scheme, _)| *scheme != rustls::SignatureScheme::ED25519);
    algorithms.mapping = mapping.copied().collect::<Vec<_>>().leak();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
