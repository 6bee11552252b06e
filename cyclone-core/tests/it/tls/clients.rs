//! Mutual TLS: which clients are taken.

use std::time::{Duration, SystemTime};

use cyclone_core::tls::{
    ClientAuth, HandshakeError, HandshakeErrorKind, Identity, SubjectName, TlsStream, TlsVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::authority::{Authority, Request};
use super::{client, handshake, server};
use crate::support::within;

const DAY: Duration = Duration::from_secs(86_400);

/// Who comes, and what becomes of it when a certificate is required and when it is optional.
struct Case {
    what: &'static str,
    identity: Option<Identity>,
    required: Result<(), HandshakeErrorKind>,
    optional: Result<(), HandshakeErrorKind>,
}

#[tokio::test(start_paused = true)]
async fn client_is_taken_only_with_a_good_certificate() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    // The same name, another key.
    let impostor = Authority::new("clients");
    let refused = Err(HandshakeErrorKind::Certificate);
    let case = |what, identity: Option<Identity>, required, optional| Case {
        what,
        identity,
        required,
        optional,
    };
    let alice = clients.client("alice");
    let cases = [
        case("none", None, refused, Ok(())),
        case("right", Some(alice.identity()), Ok(()), Ok(())),
        case(
            "wrong authority",
            Some(impostor.client("alice").identity()),
            refused,
            refused,
        ),
        case(
            "expired",
            Some(clients.issue(Request::client("alice").expired()).identity()),
            refused,
            refused,
        ),
        case(
            "not valid yet",
            Some(clients.issue(Request::client("alice").early()).identity()),
            refused,
            refused,
        ),
        case(
            "for servers",
            Some(clients.server(&["alice"]).identity()),
            refused,
            refused,
        ),
    ];
    let certificate = servers.server(&["example.org"]);
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        for required in [true, false] {
            let auth = if required {
                ClientAuth::required_pem(clients.pem())
            } else {
                ClientAuth::optional_pem(clients.pem())
            };
            let server = server(&certificate).client_auth(auth).build().unwrap();
            for case in &cases {
                let mut client = client(&servers).versions([version]);
                if let Some(identity) = &case.identity {
                    client = client.identity(identity.clone());
                }
                let client = client.build().unwrap();
                let (near, far) = within(handshake(&server, &client, "example.org")).await;
                let expected = if required {
                    case.required
                } else {
                    case.optional
                };
                let outcome = near.as_ref().map(drop).map_err(HandshakeError::kind);
                assert_eq!(
                    outcome, expected,
                    "{}, {version}, required: {required}",
                    case.what
                );
                match near {
                    Ok(near) => assert_eq!(name_of(&near), case.identity.as_ref().map(|_| "alice")),
                    // With TLS 1.3 the client hears of it at its first read.
                    Err(_) => {
                        if let Ok(mut far) = far {
                            let error = far.read_u8().await.unwrap_err();
                            assert!(error.to_string().contains("alert"), "{error}");
                        }
                    }
                }
            }
        }
    }
}

fn name_of(stream: &TlsStream) -> Option<&str> {
    stream.info().peer_certificate()?.common_name()
}

#[tokio::test(start_paused = true)]
async fn certificate_of_the_client_can_be_asked_for_everything() {
    let authority = Authority::new("authority");
    let issued = authority.issue(Request::client("alice, O=evil").serial(0xbeef));
    let server = server(&authority.server(&["example.org"]));
    let server = server
        .client_auth(ClientAuth::required_pem(authority.pem()))
        .build()
        .unwrap();
    let client = client(&authority)
        .identity(issued.identity())
        .build()
        .unwrap();
    let (near, _far) = within(super::connected(&server, &client, "example.org")).await;
    let info = near.info();
    let seen = info.peer_certificate().unwrap();
    assert_eq!(seen.common_name(), Some("alice, O=evil"));
    assert_eq!(seen.subject(), r"CN=alice\, O\=evil");
    assert_eq!(seen.issuer(), "CN=authority");
    assert_eq!(seen.serial(), "beef");
    let name = SubjectName::Dns("alice, o=evil.clients.example".to_owned());
    assert_eq!(seen.names(), [name]);
    assert!(seen.valid_from() < SystemTime::now());
    assert!(seen.expires() > SystemTime::now() + 80 * DAY);
    assert_eq!(info.peer_certificates().len(), 1);
    assert_eq!(seen.der()[0], 0x30);
    assert_eq!(seen, &seen.clone());
}

#[tokio::test(start_paused = true)]
async fn revoked_certificate_is_refused() {
    let authority = Authority::new("authority");
    let (good, bad) = (
        Request::client("good").serial(2),
        Request::client("bad").serial(3),
    );
    let (good, bad) = (authority.issue(good), authority.issue(bad));
    let now = SystemTime::now();
    let fresh = authority.revocation_list(&[3]);
    let stale = authority.revocation_list_until(&[3], now - DAY);
    let foreign = Authority::new("other").revocation_list(&[3]);
    let refused = Err(HandshakeErrorKind::Certificate);
    let auth = || ClientAuth::required_pem(authority.pem());
    for (what, auth, of_good, of_bad) in [
        (
            "fresh",
            auth().revocation_list_pem(fresh.clone()),
            Ok(()),
            refused,
        ),
        // What cannot be checked is refused.
        ("stale", auth().revocation_list_pem(stale), refused, refused),
        (
            "of another",
            auth().revocation_list_pem(foreign.clone()),
            refused,
            refused,
        ),
        (
            "of another, which is allowed",
            auth()
                .revocation_list_pem(foreign)
                .unlisted_authorities(true),
            Ok(()),
            Ok(()),
        ),
        (
            "fresh, unlisted ones allowed",
            auth().revocation_list_pem(fresh).unlisted_authorities(true),
            Ok(()),
            refused,
        ),
    ] {
        let server = server(&authority.server(&["example.org"]));
        let server = server.client_auth(auth).build().unwrap();
        for (issued, expected) in [(&good, of_good), (&bad, of_bad)] {
            let client = client(&authority)
                .identity(issued.identity())
                .build()
                .unwrap();
            let (near, _far) = within(handshake(&server, &client, "example.org")).await;
            let outcome = near.map(drop).map_err(|error| error.kind());
            assert_eq!(outcome, expected, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stale_revocation_list_is_bad_health() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    let build = |until| {
        let list = authority.revocation_list_until(&[], until);
        let auth = ClientAuth::required_pem(authority.pem()).revocation_list_pem(list);
        server(&certificate).client_auth(auth).build().unwrap()
    };
    assert!(build(SystemTime::now() + DAY).health().is_up());
    let stale = build(SystemTime::now() - DAY).health();
    assert!(stale.is_down());
    assert!(
        stale.reason().unwrap().contains("revocation list"),
        "{stale}"
    );
}

#[tokio::test(start_paused = true)]
async fn several_authorities_can_sign_clients() {
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.pem");
    std::fs::write(&path, two.pem()).unwrap();
    let auth = ClientAuth::required_pem(one.pem()).authorities(&path);
    let server = server(&one.server(&["example.org"]))
        .client_auth(auth)
        .build()
        .unwrap();
    for authority in [&one, &two] {
        let client = client(&one).identity(authority.client("alice").identity());
        let client = client.build().unwrap();
        let (mut near, mut far) = within(super::connected(&server, &client, "example.org")).await;
        far.write_all(b"x").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'x');
    }
}

/// Who cannot be checked is refused; whether that is everybody, the health says.
#[tokio::test(start_paused = true)]
async fn outdated_revocation_list_is_an_outage_only_of_those_who_need_it() {
    let (servers, one, other) = (
        Authority::new("servers"),
        Authority::new("one"),
        Authority::new("other"),
    );
    let past = SystemTime::now() - Duration::from_secs(60);
    let old = |authority: &Authority| authority.revocation_list_until(&[], past);
    let both = format!("{}{}", one.pem(), other.pem());
    let required = || ClientAuth::required_pem(both.as_str());
    let optional = || ClientAuth::optional_pem(both.as_str());
    // Bob's authority is the other one.
    for (auth, is_down, has_bob) in [
        (
            required().revocation_list_pem(old(&one) + &old(&other)),
            true,
            false,
        ),
        (
            required().revocation_list_pem(old(&one) + &other.revocation_list(&[])),
            false,
            true,
        ),
        (
            required()
                .revocation_list_pem(old(&one))
                .unlisted_authorities(true),
            false,
            true,
        ),
        (optional().revocation_list_pem(old(&one)), false, false),
    ] {
        let what = format!("{auth:?}");
        let server = server(&servers.server(&["example.org"]))
            .client_auth(auth)
            .build()
            .unwrap();
        let health = server.health();
        assert_eq!(health.is_down(), is_down, "{what}: {health}");
        let reason = health.reason().unwrap();
        assert!(reason.contains("is out of date"), "{what}: {reason}");
        let client = client(&servers).identity(other.client("bob").identity());
        let (near, _far) =
            within(handshake(&server, &client.build().unwrap(), "example.org")).await;
        assert_eq!(near.is_ok(), has_bob, "{what}");
    }
}
