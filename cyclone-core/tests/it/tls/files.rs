//! Errors of files name the file, the line and what to do.

use std::path::{Path, PathBuf};

use cyclone_core::tls::{
    ClientAuth, ClientTls, Identity, MAX_PEM_BYTES, ServerTls, SniPolicy, TlsError, TlsErrorKind,
};

use super::authority::Authority;
use super::fixtures::fixture;
use super::{client, connected};
use crate::support::within;

fn build(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<ServerTls, TlsError> {
    ServerTls::from_files(certificate, key)
}

#[tokio::test]
async fn keys_of_all_three_forms_work() {
    for (certificate, key) in [
        ("sec1.crt", "sec1.key"),
        ("pkcs1.crt", "pkcs1.key"),
        ("pkcs1.crt", "pkcs8.key"),
    ] {
        let server = build(fixture(certificate), fixture(key)).unwrap();
        let client = ClientTls::builder()
            .roots_file(fixture(certificate))
            .build()
            .unwrap();
        let name = format!("{}.example", certificate.trim_end_matches(".crt"));
        within(connected(&server, &client, &name)).await;
    }
}

/// The error of files with this content: certificate and key.
fn error_of(certificate: &str, key: &str) -> (TlsError, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let paths = (
        folder.path().join("server.crt"),
        folder.path().join("server.key"),
    );
    std::fs::write(&paths.0, certificate).unwrap();
    std::fs::write(&paths.1, key).unwrap();
    (build(&paths.0, &paths.1).unwrap_err(), paths.0, paths.1)
}

#[test]
fn absent_file_is_named() {
    let error = build("/nowhere/server.crt", fixture("sec1.key")).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::File);
    assert_eq!(error.path(), Some(Path::new("/nowhere/server.crt")));
    let text = error.to_string();
    assert!(
        text.starts_with("`/nowhere/server.crt`: cannot be read: "),
        "{text}"
    );
    assert!(error.fix_hint().unwrap().contains("check the path"));
    let error = build(fixture("sec1.crt"), "/nowhere/server.key").unwrap_err();
    assert_eq!(error.path(), Some(Path::new("/nowhere/server.key")));
}

#[test]
fn swapped_files_are_recognised() {
    let error = build(fixture("sec1.key"), fixture("sec1.crt")).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Certificate);
    assert!(error.to_string().contains("wrong order"), "{error}");
    assert!(
        error.to_string().contains("`EC PRIVATE KEY` in line 4"),
        "{error}"
    );
    let error = build(fixture("sec1.crt"), fixture("sec1.crt")).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Key);
    assert!(error.to_string().contains("wrong order"), "{error}");
}

#[test]
fn key_of_another_certificate_names_both_files() {
    let (one, two) = (Authority::new("authority"), Authority::new("authority"));
    let (one, two) = (one.server(&["one.example"]), two.server(&["two.example"]));
    let (error, certificate, key) = error_of(&one.certificate, &two.key);
    assert_eq!(error.kind(), TlsErrorKind::Mismatch);
    assert_eq!(error.path(), Some(certificate.as_path()));
    assert_eq!(error.line(), Some(1));
    assert!(
        error.to_string().contains(&key.display().to_string()),
        "{error}"
    );
}

#[test]
fn chain_in_the_wrong_order_is_recognised() {
    let authority = Authority::new("authority");
    let issued = authority.server(&["example.org"]);
    let reversed = format!("{}{}", authority.pem(), issued.certificate);
    let line = authority.pem().lines().count() + 1;
    let (error, certificate, _) = error_of(&reversed, &issued.key);
    assert_eq!(error.kind(), TlsErrorKind::Mismatch);
    let fix = format!(
        "the one in `{}` line {line} does: put it first",
        certificate.display()
    );
    assert_eq!(error.fix_hint(), Some(fix.as_str()));
}

#[test]
fn key_with_a_password_is_refused_with_the_command_that_removes_it() {
    for key in ["encrypted-pkcs8.key", "encrypted-sec1.key"] {
        let error = build(fixture("sec1.crt"), fixture(key)).unwrap_err();
        assert_eq!(error.kind(), TlsErrorKind::Key);
        assert!(error.to_string().contains("has a password"), "{error}");
        assert!(
            error.fix_hint().unwrap().contains("openssl pkey"),
            "{error}"
        );
    }
}

#[test]
fn two_keys_in_a_file_are_refused() {
    let issued = Authority::new("authority").server(&["example.org"]);
    let two = format!("{}{}", issued.key, issued.key);
    let (error, _, key) = error_of(&issued.certificate, &two);
    assert_eq!(error.path(), Some(key.as_path()));
    assert_eq!(error.line(), Some(issued.key.lines().count() + 1));
}

#[test]
fn broken_pem_is_found_by_line() {
    let issued = Authority::new("authority").server(&["example.org"]);
    let lines: Vec<&str> = issued.certificate.lines().collect();
    let (third, last) = (lines[2], lines[lines.len() - 1]);
    let whole = &issued.certificate;
    for (text, line, message) in [
        (whole.replace(third, "%%%"), 3, "base64"),
        (whole.replace(last, ""), 1, "does not end"),
        (
            whole.replace(last, "-----END CERT-----"),
            lines.len(),
            "not the end of",
        ),
        (
            whole.replace("CERTIFICATE-----\n", "CERTIFICATE--\n"),
            1,
            "ends without",
        ),
        (
            whole.replace(lines[0], ""),
            lines.len(),
            "without a beginning",
        ),
        (format!("{}\n{whole}", lines[0]), 2, "begins before"),
    ] {
        let (error, path, _) = error_of(&text, &issued.key);
        assert_eq!(error.kind(), TlsErrorKind::Pem, "{error}");
        assert_eq!(error.path(), Some(path.as_path()));
        assert_eq!(error.line(), Some(line), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    // Text around, empty lines and the line ends of Windows are all right (RFC 7468, section 2).
    let around = format!("subject=x\n\n{}\n\nthe end", whole.replace('\n', "\r\n"));
    let identity = Identity::pem(around, issued.key.replace('\n', "\r\n"));
    ServerTls::builder().identity(identity).build().unwrap();
}

#[test]
fn file_that_is_no_pem_is_recognised() {
    let error = build(fixture("sec1.der"), fixture("sec1.key")).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Pem);
    assert!(error.to_string().contains("looks like DER"), "{error}");
    let (error, _, _) = error_of("", "");
    assert!(error.to_string().contains("no PEM at all"), "{error}");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (error, _, _) = error_of(garbage, "");
    assert!(error.to_string().contains("is no certificate"), "{error}");
    assert_eq!(error.line(), Some(1));
}

#[test]
fn unusable_key_is_refused_with_the_kinds_that_work() {
    let error = build(fixture("small.crt"), fixture("small.key")).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Key);
    assert!(
        error.fix_hint().unwrap().contains("RSA of 2048 bits"),
        "{error}"
    );
}

#[test]
fn size_of_a_file_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.pem");
    let file = std::fs::File::create(&path).unwrap();
    for (size, message) in [
        (MAX_PEM_BYTES, "no PEM at all"),
        (MAX_PEM_BYTES + 1, "larger than"),
    ] {
        file.set_len(size).unwrap();
        let error = build(&path, &path).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn authorities_are_checked_too() {
    let issued = Authority::new("authority").server(&["example.org"]);
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = issued.write(folder.path(), "server");
    let build = |auth| {
        let identity = Identity::files(&certificate, &key);
        ServerTls::builder()
            .identity(identity)
            .client_auth(auth)
            .build()
            .unwrap_err()
    };
    let error = build(ClientAuth::required(&key));
    assert_eq!(
        (error.kind(), error.path()),
        (TlsErrorKind::Certificate, Some(key.as_path()))
    );
    let error = build(ClientAuth::required(&certificate).revocation_list(&certificate));
    assert_eq!(error.kind(), TlsErrorKind::Authority);
    assert_eq!(error.path(), Some(certificate.as_path()));
    assert!(error.to_string().contains("no revocation list"), "{error}");
    let broken = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let error = build(ClientAuth::required(&certificate).revocation_list_pem(broken));
    assert!(
        error.to_string().contains("is no revocation list"),
        "{error}"
    );
    let error = ClientTls::builder().build().unwrap_err();
    assert!(
        error.fix_hint().unwrap().contains("system_roots"),
        "{error}"
    );
}

#[test]
fn settings_are_checked() {
    let authority = Authority::new("authority");
    let issued = authority.server(&["example.org"]);
    let error = ServerTls::builder().build().unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Settings);
    let server = || ServerTls::builder().identity(issued.identity());
    assert!(server().versions([]).build().is_err());
    for (length, good) in [(0, false), (1, true), (255, true), (256, false)] {
        assert_eq!(
            server().alpn(["x".repeat(length)]).build().is_ok(),
            good,
            "{length}"
        );
        // rustls would send what no server can read.
        let client = ClientTls::builder().roots_pem(authority.pem());
        let client = client.alpn(["x".repeat(length)]).build();
        assert_eq!(client.is_ok(), good, "{length}");
    }
}

#[tokio::test]
async fn folder_of_certificates_is_taken_as_a_whole() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let tls = || {
        ServerTls::builder()
            .identities_in(path)
            .sni(SniPolicy::Known)
    };
    let error = tls().build().unwrap_err();
    assert_eq!(error.path(), Some(path));
    assert!(error.to_string().contains("has no certificate"), "{error}");

    authority.server(&["b.example"]).write(path, "b");
    let whole = authority.server(&["a.example"]);
    std::fs::write(path.join("a.pem"), whole.certificate + &whole.key).unwrap();
    for (name, content) in [(".hidden.pem", "junk"), ("notes.txt", "junk")] {
        std::fs::write(path.join(name), content).unwrap();
    }
    let server = tls().build().unwrap();
    let names: Vec<_> = server
        .certificates()
        .iter()
        .map(|one| one.names()[0].to_string())
        .collect();
    assert_eq!(names, ["a.example", "b.example"]);
    let client = client(&authority).build().unwrap();
    for name in ["a.example", "b.example"] {
        within(connected(&server, &client, name)).await;
    }

    std::fs::remove_file(path.join("b.key")).unwrap();
    let error = server.reload().unwrap_err();
    assert_eq!(error.path(), Some(path.join("b.key").as_path()));
    within(connected(&server, &client, "b.example")).await;
}

#[test]
fn secrets_are_not_in_debug_output() {
    let issued = Authority::new("authority").server(&["example.org"]);
    let secret = issued.key.lines().nth(1).unwrap().to_owned();
    let builder = ServerTls::builder().identity(issued.identity());
    let text = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(!text.contains(&secret));
    let client = ClientTls::builder().identity(issued.identity());
    assert!(!format!("{client:?}").contains(&secret));
}
