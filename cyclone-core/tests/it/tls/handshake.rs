//! What the two sides agree upon, and what they refuse.

use cyclone_core::tls::{HandshakeErrorKind, Provider, TlsVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::authority::Authority;
use super::{client, connected, handshake, server};
use crate::support::within;

#[tokio::test]
async fn both_sides_know_what_was_agreed_upon() {
    let authority = Authority::new("authority");
    let server = server(&authority.server(&["example.org"]));
    let server = server.alpn(["h2", "http/1.1"]).build().unwrap();
    let client = client(&authority).alpn(["http/1.1", "h2"]).build().unwrap();
    let (mut near, mut far) = within(connected(&server, &client, "example.org")).await;

    assert_eq!(near.info().server_name(), Some("example.org"));
    assert_eq!(near.info().alpn(), Some(&b"h2"[..]), "the server prefers");
    assert_eq!(near.info().version(), TlsVersion::V1_3);
    assert!(near.info().cipher_suite().starts_with("TLS13_AES_"));
    assert!(!near.info().is_resumed());
    assert_eq!(near.info().peer_certificate(), None);
    let seen = far.info().peer_certificate().unwrap();
    assert_eq!(seen.common_name(), Some("example.org"));
    assert_eq!(seen.names()[0].to_string(), "example.org");
    assert_eq!(seen.issuer(), "CN=authority");

    near.write_all(b"hello").await.unwrap();
    near.flush().await.unwrap();
    let mut bytes = [0; 5];
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hello");
}

/// RFC 6066, section 3: what is sent is a name in any letters, and no address.
#[tokio::test]
async fn both_sides_tell_the_same_name() {
    let authority = Authority::new("authority");
    let server = server(&authority.server(&["example.org", "127.0.0.1"]));
    let server = server.build().unwrap();
    let client = client(&authority).build().unwrap();
    for (asked, told) in [
        ("example.org", Some("example.org")),
        ("Example.ORG", Some("example.org")),
        ("127.0.0.1", None),
    ] {
        let (near, far) = within(connected(&server, &client, asked)).await;
        assert_eq!(near.info().server_name(), told, "{asked}");
        assert_eq!(far.info().server_name(), told, "{asked}");
    }
}

#[tokio::test]
async fn version_is_the_best_that_both_allow() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let (old, new) = ([TlsVersion::V1_2], [TlsVersion::V1_3]);
    let both = [TlsVersion::V1_2, TlsVersion::V1_3];
    let cases: [(&[TlsVersion], &[TlsVersion], Option<TlsVersion>); 5] = [
        (&both, &both, Some(TlsVersion::V1_3)),
        (&both, &old, Some(TlsVersion::V1_2)),
        (&old, &both, Some(TlsVersion::V1_2)),
        (&new, &old, None),
        (&old, &new, None),
    ];
    for (ours, theirs, agreed) in cases {
        let server = server(&certificate).versions(ours.iter().copied());
        let client = client(&authority).versions(theirs.iter().copied());
        let (server, client) = (server.build().unwrap(), client.build().unwrap());
        let (near, far) = within(handshake(&server, &client, "example.org")).await;
        match agreed {
            Some(version) => assert_eq!(near.unwrap().info().version(), version),
            None => {
                let near = near.unwrap_err().kind();
                assert_eq!(near, HandshakeErrorKind::Incompatible);
                assert_eq!(far.unwrap_err().kind(), HandshakeErrorKind::Rejected);
            }
        }
    }
}

/// RFC 7301, section 3.2: no common protocol is fatal, no offer is not.
#[tokio::test]
async fn application_protocol_is_a_common_one_or_none_was_offered() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let server = server(&certificate)
        .alpn(["h2", "http/1.1"])
        .build()
        .unwrap();
    type Agreed = Result<Option<&'static [u8]>, ()>;
    let offers: [(&[&str], Agreed); 4] = [
        (&["http/1.1"], Ok(Some(b"http/1.1"))),
        (&["spdy/3", "h2"], Ok(Some(b"h2"))),
        (&[], Ok(None)),
        (&["spdy/3"], Err(())),
    ];
    for (offer, agreed) in offers {
        let client = client(&authority)
            .alpn(offer.iter().copied())
            .build()
            .unwrap();
        let (near, _far) = within(handshake(&server, &client, "example.org")).await;
        match (near, agreed) {
            (Ok(near), Ok(agreed)) => assert_eq!(near.info().alpn(), agreed),
            (Err(error), Err(())) => assert_eq!(error.kind(), HandshakeErrorKind::Incompatible),
            (near, agreed) => panic!("{near:?} instead of {agreed:?}"),
        }
    }
}

#[tokio::test]
async fn protocol_of_the_listener_is_offered_unless_the_settings_name_some() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let client = client(&authority).alpn(["h2", "mine"]).build().unwrap();
    let plain = server(&certificate).build().unwrap();
    let (near, _far) = within(connected(&plain, &client, "example.org")).await;
    assert_eq!(near.info().alpn(), None);
    let listener = plain.with_default_alpn(&["h2"]);
    let (near, _far) = within(connected(&listener, &client, "example.org")).await;
    assert_eq!(near.info().alpn(), Some(&b"h2"[..]));
    let named = server(&certificate).alpn(["mine"]).build().unwrap();
    let named = named.with_default_alpn(&["h2"]);
    let (near, _far) = within(connected(&named, &client, "example.org")).await;
    assert_eq!(near.info().alpn(), Some(&b"mine"[..]));
}

#[tokio::test]
async fn client_trusts_only_what_it_was_told_to() {
    let (authority, other) = (Authority::new("authority"), Authority::new("authority"));
    let server = server(&authority.server(&["example.org", "10.1.2.3"]))
        .build()
        .unwrap();
    let trusting = client(&authority).build().unwrap();
    for (name, good) in [
        ("example.org", true),
        ("EXAMPLE.org", true),
        ("10.1.2.3", true),
        ("example.com", false),
        ("sub.example.org", false),
        ("10.1.2.4", false),
    ] {
        let (near, far) = within(handshake(&server, &trusting, name)).await;
        assert_eq!(far.is_ok(), good, "{name}");
        if let Err(error) = far {
            assert_eq!(error.kind(), HandshakeErrorKind::Certificate);
            assert_eq!(near.unwrap_err().kind(), HandshakeErrorKind::Rejected);
        }
    }
    let stranger = client(&other).build().unwrap();
    let (_, far) = within(handshake(&server, &stranger, "example.org")).await;
    assert_eq!(far.unwrap_err().kind(), HandshakeErrorKind::Certificate);
    let (near, far) = within(handshake(&server, &trusting, "not a name")).await;
    assert_eq!(far.unwrap_err().kind(), HandshakeErrorKind::UnknownName);
    assert_eq!(near.unwrap_err().kind(), HandshakeErrorKind::Closed);
}

#[tokio::test]
async fn each_provider_works_with_the_other() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let providers = [Provider::ring(), Provider::aws_lc_rs()];
    assert_eq!(Provider::built_in(), Some(Provider::aws_lc_rs()));
    for ours in &providers {
        for theirs in &providers {
            let server = server(&certificate).provider(ours.clone()).build().unwrap();
            let client = client(&authority).provider(theirs.clone()).build().unwrap();
            within(connected(&server, &client, "example.org")).await;
        }
    }
    // The default of the process is nobody's business (rustls panics when it is asked for and absent).
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

/// Who speaks HTTP to the port of HTTPS gets an alert (RFC 8446, 6.2) and an end, not a reset.
#[tokio::test]
async fn client_that_speaks_no_tls_is_told() {
    let authority = Authority::new("authority");
    let server = server(&authority.server(&["example.org"])).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        server.accept(stream).await.unwrap_err()
    };
    let speaking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: example.org\r\nCookie: {}\r\n\r\n",
            "c".repeat(20_000)
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("no reset");
        answer
    };
    let (error, answer) = within(async { tokio::join!(accepting, speaking) }).await;
    assert_eq!(error.kind(), HandshakeErrorKind::NotTls);
    let [21, 3, _, 0, 2, 2, description] = answer[..] else {
        panic!("{answer:?} is no fatal alert");
    };
    assert!(matches!(description, 10 | 22 | 50), "alert {description}");
}
