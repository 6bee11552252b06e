//! New certificates while connections go on.

use std::path::Path;
use std::time::Duration;

use cyclone_core::tls::{
    ClientTls, DEFAULT_RELOAD_INTERVAL, Identity, ServerTls, TlsErrorKind, TlsReload, TlsStream,
};
use cyclone_core::{Health, Resources, Server, Service, ServiceContext};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::authority::{Authority, Request};
use super::{client, connected};
use crate::support::{ChildProcess, is_child, within};

/// A certificate with this common name.
fn put(authority: &Authority, folder: &Path, name: &str) {
    let request = Request::server(&["example.org"]).common_name(name);
    authority.issue(request).write(folder, "server");
}

fn files(folder: &Path) -> ServerTls {
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    ServerTls::builder()
        .identity(Identity::files(certificate, key))
        .build()
        .unwrap()
}

async fn echo(near: &mut TlsStream, far: &mut TlsStream) {
    far.write_all(b"x").await.unwrap();
    far.flush().await.unwrap();
    assert_eq!(near.read_u8().await.unwrap(), b'x');
    near.write_all(b"y").await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(far.read_u8().await.unwrap(), b'y');
}

/// The common name that a new connection is shown. A client of its own, as a resumed session shows none.
async fn shown(server: &ServerTls, authority: &Authority) -> String {
    let client = client(authority).build().unwrap();
    let (_near, far) = connected(server, &client, "example.org").await;
    let seen = far.info().peer_certificate().unwrap();
    seen.common_name().unwrap().to_owned()
}

#[tokio::test]
async fn new_certificate_is_for_new_connections() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    put(&authority, folder.path(), "old");
    let server = files(folder.path());
    let client: ClientTls = client(&authority).build().unwrap();
    let (mut near, mut far) = within(connected(&server, &client, "example.org")).await;
    let mut watch = server.watch();
    let first = server.state();
    assert_eq!((first.generation, first.failure.is_none()), (1, true));

    put(&authority, folder.path(), "new");
    assert_eq!(within(shown(&server, &authority)).await, "old");
    server.clone().reload().unwrap();
    assert_eq!(within(shown(&server, &authority)).await, "new");
    assert_eq!(
        within(shown(&server.with_default_alpn(&["h2"]), &authority)).await,
        "new"
    );
    within(echo(&mut near, &mut far)).await;
    assert!(watch.has_changed().unwrap());
    assert_eq!(watch.borrow_and_update().generation, 2);
    assert_eq!(server.certificates()[0].common_name(), Some("new"));
}

#[tokio::test]
async fn broken_files_change_nothing() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    put(&authority, path, "old");
    let server = files(path);
    let mut watch = server.watch();
    let old_key = std::fs::read_to_string(path.join("server.key")).unwrap();
    put(&authority, path, "new");
    let (certificate, key) = (
        std::fs::read_to_string(path.join("server.crt")).unwrap(),
        std::fs::read_to_string(path.join("server.key")).unwrap(),
    );
    for (certificate, key, kind) in [
        (
            certificate.as_str(),
            old_key.as_str(),
            TlsErrorKind::Mismatch,
        ),
        ("", key.as_str(), TlsErrorKind::Certificate),
        (certificate.as_str(), "", TlsErrorKind::Key),
        (
            &certificate[..certificate.len() / 2],
            key.as_str(),
            TlsErrorKind::Pem,
        ),
    ] {
        std::fs::write(path.join("server.crt"), certificate).unwrap();
        std::fs::write(path.join("server.key"), key).unwrap();
        let error = server.reload().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(watch.has_changed().unwrap());
        let state = watch.borrow_and_update().clone();
        assert_eq!(state.generation, 1);
        assert_eq!(state.failure.unwrap().to_string(), error.to_string());
        let Health::Degraded(reason) = server.health() else {
            panic!("{}", server.health());
        };
        assert!(reason.contains(&error.to_string()), "{reason}");
        assert_eq!(within(shown(&server, &authority)).await, "old");
    }
    put(&authority, path, "new");
    server.reload().unwrap();
    assert_eq!(within(shown(&server, &authority)).await, "new");
    assert!(server.health().is_up());
}

/// Runs the service and waits for what `change` brings about; says how long that took.
async fn seen_by_the_service(server: &ServerTls, change: impl FnOnce()) -> Duration {
    let stopping = CancellationToken::new();
    let cx = ServiceContext::new(Resources::default(), stopping.clone());
    let service = TlsReload::new(server);
    Service::start(&service, &cx).await.unwrap();
    let mut watch = server.watch();
    let begun = Instant::now();
    let changing = async {
        change();
        watch.changed().await.unwrap();
        let took = begun.elapsed();
        stopping.cancel();
        took
    };
    let (ended, took) = tokio::join!(Service::run(&service, &cx), changing);
    ended.unwrap();
    took
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_seen_at_the_next_look() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    put(&authority, path, "old");
    let server = files(path);
    let took = seen_by_the_service(&server, || put(&authority, path, "new")).await;
    assert!(
        took >= DEFAULT_RELOAD_INTERVAL && took < 2 * DEFAULT_RELOAD_INTERVAL,
        "{took:?}"
    );
    assert_eq!(shown(&server, &authority).await, "new");

    // Half of a change is an error that is mended by the other half.
    let took = seen_by_the_service(&server, || {
        std::fs::write(path.join("server.crt"), "").unwrap();
    });
    assert!(took.await >= DEFAULT_RELOAD_INTERVAL);
    assert!(server.state().failure.is_some());
    seen_by_the_service(&server, || put(&authority, path, "newer")).await;
    assert!(server.state().failure.is_none());
    assert_eq!(shown(&server, &authority).await, "newer");
}

/// Kubernetes swaps a link to a folder, certbot links to files.
#[tokio::test(start_paused = true)]
async fn swapped_link_is_a_change() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    for name in ["old", "new"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        put(&authority, &folder.path().join(name), name);
    }
    let link = folder.path().join("current");
    std::os::unix::fs::symlink("old", &link).unwrap();
    let server = files(&link);
    seen_by_the_service(&server, || {
        let draft = folder.path().join("draft");
        std::os::unix::fs::symlink("new", &draft).unwrap();
        std::fs::rename(&draft, &link).unwrap();
    })
    .await;
    assert_eq!(shown(&server, &authority).await, "new");
}

#[tokio::test(start_paused = true)]
async fn new_file_in_a_folder_is_a_change() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    authority.server(&["a.example"]).write(folder.path(), "a");
    let server = ServerTls::builder()
        .identities_in(folder.path())
        .build()
        .unwrap();
    seen_by_the_service(&server, || {
        authority.server(&["b.example"]).write(folder.path(), "b");
    })
    .await;
    assert_eq!(server.certificates().len(), 2);
}

const HANGUP: &str = "tls::reload::hangup_reloads";

/// In a process of its own: a signal is for all of a process.
#[test]
fn hangup_reloads() {
    if is_child(HANGUP) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        return runtime.unwrap().block_on(reload_by_hangup());
    }
    assert_eq!(ChildProcess::start(HANGUP).exit_code(), Some(0));
}

/// The signal reloads at once, also when nothing has changed.
async fn reload_by_hangup() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    put(&authority, folder.path(), "old");
    let tls = files(folder.path());
    let mut watch = tls.watch();
    let server = Server::new().service(TlsReload::new(&tls).named("certificates"));
    let server = server.start().await.unwrap();
    let services = server.handle().services();
    assert_eq!(services[0].name, "certificates");
    assert!(services[0].health.is_up());
    let hangup = || {
        let pid = rustix::process::getpid();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    };
    hangup();
    within(watch.changed()).await.unwrap();
    assert!(watch.borrow_and_update().generation >= 2);
    put(&authority, folder.path(), "new");
    hangup();
    within(watch.changed()).await.unwrap();
    assert_eq!(within(shown(&tls, &authority)).await, "new");
    server.shutdown();
    assert!(within(server.wait()).await.failed_services.is_empty());
}

const TRY_AGAIN: &str = "tls::reload::file_that_could_not_be_read_is_read_again";

/// In a process of its own: the limit of open files is for all of a process.
#[test]
fn file_that_could_not_be_read_is_read_again() {
    if is_child(TRY_AGAIN) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        return runtime.unwrap().block_on(reload_when_files_can_be_opened());
    }
    assert_eq!(ChildProcess::start(TRY_AGAIN).exit_code(), Some(0));
}

/// Too many open files, or rights that are mended afterwards: the files look the same and can be read.
async fn reload_when_files_can_be_opened() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    put(&authority, folder.path(), "old");
    let (certificate, key) = (
        folder.path().join("server.crt"),
        folder.path().join("server.key"),
    );
    let tls = ServerTls::builder()
        .identity(Identity::files(certificate, key))
        .reload_interval(Duration::from_millis(10))
        .build()
        .unwrap();
    let mut watch = tls.watch();
    put(&authority, folder.path(), "new");
    let stopping = CancellationToken::new();
    let cx = ServiceContext::new(Resources::default(), stopping.clone());
    let service = TlsReload::new(&tls);
    Service::start(&service, &cx).await.unwrap();
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(1),
        ..before
    };
    setrlimit(Resource::Nofile, none).unwrap();
    let seeing = async {
        within(watch.changed()).await.unwrap();
        let failure = watch.borrow_and_update().failure.clone().unwrap();
        assert_eq!(failure.kind(), TlsErrorKind::File, "{failure}");
        setrlimit(Resource::Nofile, before).unwrap();
        within(watch.changed()).await.unwrap();
        assert!(tls.state().failure.is_none());
        stopping.cancel();
    };
    let (ended, ()) = tokio::join!(Service::run(&service, &cx), seeing);
    ended.unwrap();
    assert_eq!(tls.certificates()[0].common_name(), Some("new"));
}
