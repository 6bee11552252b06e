#![cfg(feature = "self-signed")]

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Acme, AcmeBuilder, MAX_ACME_NAMES};
use crate::health::Health;
use crate::resources::Resources;
use crate::service::{Service, ServiceContext};
use crate::tls::files::write_private;
use crate::tls::{ClientTls, HandshakeErrorKind, SelfSigned, ServerTls, TlsError, TlsErrorKind};

/// An authority that is not there.
fn builder(folder: &std::path::Path) -> AcmeBuilder {
    let made = SelfSigned::kept_in(folder.join("roots.pem"), ["localhost"]).unwrap();
    drop(made);
    Acme::builder(["example.org", "WWW.example.org"], folder.join("acme"))
        .roots_file(folder.join("roots.pem"))
        .directory("https://127.0.0.1:9/directory")
}

/// With its folder, which the service makes.
async fn built(builder: AcmeBuilder) -> Acme {
    let acme = builder.build().unwrap();
    let cx = ServiceContext::new(Resources::default(), CancellationToken::new());
    Service::start(&acme.renewal(), &cx).await.unwrap();
    acme
}

/// A certificate as an authority would give it, with its key before it.
fn given(names: &[&str]) -> (SelfSigned, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("given.pem");
    let made = SelfSigned::kept_in(&path, names.iter().copied()).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    let key = whole
        .strip_prefix(made.certificate_pem().trim_end())
        .unwrap();
    let pem = format!("{}{}", key.trim_start(), made.certificate_pem());
    (made, pem.into_bytes())
}

#[test]
fn settings_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for names in [&[][..], &["*.example.org"], &["10.0.0.1"], &["a b"], &[""]] {
        let error = Acme::builder(names.iter().copied(), path)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), TlsErrorKind::Settings, "{names:?}");
    }
    for (count, good) in [
        (1, true),
        (MAX_ACME_NAMES, true),
        (MAX_ACME_NAMES + 1, false),
    ] {
        let mut builder = builder(path);
        builder.names = (0..count)
            .map(|number| format!("n{number}.example"))
            .collect();
        assert_eq!(builder.build().is_ok(), good, "{count}");
    }
    let error = builder(path)
        .directory("http://example.org/")
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("https://"), "{error}");
    let file = path.join("file");
    std::fs::write(&file, "").unwrap();
    let error = Acme::builder(["example.org"], file.join("acme"))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::File);
}

#[tokio::test]
async fn folder_is_private_and_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let acme = built(builder(folder.path())).await;
    let mode = std::fs::metadata(folder.path().join("acme"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(acme.names(), ["example.org", "www.example.org"]);
    let other_names = {
        let mut builder = builder(folder.path());
        builder.names.pop();
        builder.build().unwrap()
    };
    let other_authority = builder(folder.path())
        .directory("https://other.example/")
        .build()
        .unwrap();
    for other in [&other_names, &other_authority] {
        assert_ne!(acme.certificate_path(), other.certificate_path());
    }
    assert_eq!(acme.account_path(), other_names.account_path());
    assert_ne!(acme.account_path(), other_authority.account_path());
    let with_contact = builder(folder.path())
        .contact("a@example.org")
        .build()
        .unwrap();
    assert_eq!(with_contact.shared.contact, ["mailto:a@example.org"]);
    assert_ne!(acme.account_path(), with_contact.account_path());
}

#[tokio::test]
async fn kept_certificate_is_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = built(builder(folder.path())).await.certificate_path();
    let (made, pem) = given(&["example.org", "www.example.org"]);
    write_private(&path, &pem).unwrap();
    let acme = builder(folder.path()).build().unwrap();
    assert_eq!(acme.certificate().unwrap().names().len(), 2);
    let tls = ServerTls::builder().acme(acme.clone()).build().unwrap();
    assert_eq!(tls.expires(), Some(acme.certificate().unwrap().expires()));
    let client = ClientTls::builder()
        .roots_pem(made.certificate_pem())
        .build()
        .unwrap();
    for name in ["example.org", "www.example.org"] {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (near, far) = tokio::join!(tls.accept(near), client.connect(name, far));
        assert!(near.is_ok() && far.is_ok(), "{near:?} {far:?}");
    }
    drop((acme, tls));
    std::fs::write(&path, "junk").unwrap();
    let acme = builder(folder.path()).build().unwrap();
    assert!(acme.certificate().is_none(), "it is ordered anew");
}

#[tokio::test]
async fn given_certificates_and_those_of_an_authority_share_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let acme = builder(folder.path()).build().unwrap();
    let (of_authority, pem) = given(&["example.org", "www.example.org"]);
    let own = SelfSigned::new(["own.example"]).unwrap();
    let tls = ServerTls::builder()
        .identity(own.identity())
        .acme(acme.clone())
        .build()
        .unwrap();
    let client = ClientTls::builder()
        .roots_pem(own.certificate_pem())
        .roots_pem(of_authority.certificate_pem())
        .build()
        .unwrap();
    let connects = async |name| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (_near, far) = tokio::join!(tls.accept(near), client.connect(name, far));
        far.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(connects("own.example").await, Ok(()));
    // There is none yet: the default is shown, which has another name.
    assert_eq!(
        connects("example.org").await,
        Err(HandshakeErrorKind::Certificate)
    );
    acme.adopt(&pem, true).unwrap();
    assert_eq!(connects("example.org").await, Ok(()));
    assert_eq!(connects("own.example").await, Ok(()));
    assert_eq!(tls.certificates().len(), 2);
}

#[tokio::test]
async fn authority_that_is_not_there_is_bad_health_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let acme = builder(folder.path()).build().unwrap();
    assert_eq!(acme.health(), Health::Starting);
    let tls = ServerTls::builder().acme(acme.clone()).build().unwrap();
    assert_eq!(tls.health(), Health::Starting);
    assert_eq!((tls.expires(), tls.state().expires), (None, None));
    let stopping = CancellationToken::new();
    let cx = ServiceContext::new(Resources::default(), stopping.clone());
    let (first, second) = (acme.renewal(), acme.renewal());
    assert_eq!(Service::name(&first), "acme example.org");
    Service::start(&first, &cx).await.unwrap();
    let mut watch = acme.shared.health.watch();
    let working = async { tokio::join!(Service::run(&first, &cx), Service::run(&second, &cx)) };
    let looking = async {
        let health = tokio::time::timeout(Duration::from_secs(30), watch.changed()).await;
        assert!(
            matches!(health, Ok(Some(Health::Degraded(_)))),
            "{health:?}"
        );
        let Health::Down(reason) = acme.health() else {
            panic!("{}", acme.health());
        };
        assert!(reason.contains("no certificate"), "{reason}");
        assert_eq!(tls.health(), Health::Down(reason));
        // With a certificate it is only degraded.
        let (_, pem) = given(&["example.org", "www.example.org"]);
        acme.adopt(&pem, true).unwrap();
        assert!(matches!(acme.health(), Health::Degraded(_)));
        assert!(matches!(tls.health(), Health::Degraded(_)));
        stopping.cancel();
    };
    let ((first, second), ()) = tokio::join!(working, looking);
    assert!(first.is_ok() && second.is_ok());
    // The key of the account was made before, and is private.
    let mode = std::fs::metadata(acme.account_path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A full disk: ordering another one would not help, and after a few the authority gives none for a week.
#[tokio::test]
async fn certificate_that_cannot_be_kept_is_not_ordered_again() {
    let folder = tempfile::tempdir().unwrap();
    let acme = built(builder(folder.path())).await;
    let (_, pem) = given(&["example.org", "www.example.org"]);
    std::fs::remove_dir(folder.path().join("acme")).unwrap();
    let error = acme.take(&pem).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::File);
    assert!(acme.certificate().is_some(), "it is used all the same");
    // `None` would be: order one.
    assert_eq!(acme.go_on().unwrap_err().kind(), TlsErrorKind::File);
    assert!(acme.certificate().is_some());

    std::fs::create_dir(folder.path().join("acme")).unwrap();
    assert_eq!(acme.go_on().unwrap().as_deref(), Some(&pem[..]));
    assert_eq!(std::fs::read(acme.certificate_path()).unwrap(), pem);
}

/// Each worker has an endpoint of its own, made of the same text; the authority comes to any of them.
#[tokio::test]
async fn same_settings_are_the_same_thing() {
    let folder = tempfile::tempdir().unwrap();
    let one = built(builder(folder.path())).await;
    assert_eq!(one, builder(folder.path()).build().unwrap());
    let other = builder(folder.path()).contact("a@example.org");
    assert_ne!(one, other.build().unwrap());
    let path = one.certificate_path();
    drop(one);
    let (_, pem) = given(&["example.org", "www.example.org"]);
    write_private(&path, &pem).unwrap();
    let later = builder(folder.path()).build().unwrap();
    assert!(later.certificate().is_some(), "it is made anew");
}

/// A server reads its settings as root and runs as somebody else, whose folder it has to be.
#[tokio::test]
async fn folder_is_made_by_who_writes_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme");
    let acme = builder(folder.path()).build().unwrap();
    assert!(!path.exists());
    let cx = ServiceContext::new(Resources::default(), CancellationToken::new());
    std::fs::write(&path, "").unwrap();
    let error = Service::start(&acme.renewal(), &cx).await.unwrap_err();
    let error = error.downcast::<TlsError>().unwrap();
    assert_eq!(error.path(), Some(path.as_path()));
    assert!(error.fix_hint().unwrap().contains("give it to the user"));
}
