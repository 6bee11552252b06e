//! Certificates made here.

use std::os::unix::fs::PermissionsExt as _;

use cyclone_core::tls::{ClientTls, SelfSigned, ServerTls, TlsErrorKind};

use super::connected;
use crate::support::within;

#[tokio::test]
async fn clients_that_are_told_of_it_accept_it() {
    let made = SelfSigned::new(["localhost", "127.0.0.1", "::1", "*.dev.test"]).unwrap();
    let server = ServerTls::builder()
        .identity(made.identity())
        .build()
        .unwrap();
    let client = ClientTls::builder()
        .roots_pem(made.certificate_pem())
        .build()
        .unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "a.dev.test"] {
        within(connected(&server, &client, name)).await;
    }
    assert!(server.health().is_up());
    assert!(!made.certificate_pem().contains("PRIVATE"));
}

#[test]
fn names_are_needed() {
    let error = SelfSigned::new(Vec::<String>::new()).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Settings);
    assert!(SelfSigned::new(["käse"]).is_err());
}

#[tokio::test]
async fn kept_one_is_used_again_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("development.pem");
    let names = ["localhost", "127.0.0.1"];
    let first = SelfSigned::kept_in(&path, names).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = SelfSigned::kept_in(&path, ["127.0.0.1", "LOCALHOST"]).unwrap();
    assert_eq!(
        first.certificate_pem().trim(),
        second.certificate_pem().trim()
    );
    let server = ServerTls::builder()
        .identity(second.identity())
        .build()
        .unwrap();
    let client = ClientTls::builder()
        .roots_pem(first.certificate_pem())
        .build()
        .unwrap();
    within(connected(&server, &client, "localhost")).await;

    let other = SelfSigned::kept_in(&path, ["localhost", "example.test"]).unwrap();
    assert_ne!(
        first.certificate_pem().trim(),
        other.certificate_pem().trim()
    );
    // Nothing else is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// One address has many texts; browsers were told of one certificate.
#[test]
fn kept_one_is_used_again_however_an_address_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("development.pem");
    let written = ["0:0:0:0:0:0:0:1", "FE80::A"];
    let first = SelfSigned::kept_in(&path, written).unwrap();
    for again in [written, ["::1", "fe80::a"]] {
        let kept = SelfSigned::kept_in(&path, again).unwrap();
        assert_eq!(
            first.certificate_pem().trim(),
            kept.certificate_pem().trim()
        );
    }
}

#[test]
fn what_was_not_made_here_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.pem");
    let authority = super::Authority::new("authority");
    for content in [authority.pem(), "a letter", ""] {
        std::fs::write(&path, content).unwrap();
        let error = SelfSigned::kept_in(&path, ["localhost"]).unwrap_err();
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(error.to_string().contains("something else"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    let nowhere = folder.path().join("no/such/folder.pem");
    let error = SelfSigned::kept_in(&nowhere, ["localhost"]).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::File);
}
