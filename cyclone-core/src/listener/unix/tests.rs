use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::{dead_socket, identity, publish};

/// A socket that listens as long as the first is kept.
fn listen(path: PathBuf) -> (UnixListener, PathBuf) {
    (UnixListener::bind(&path).unwrap(), path)
}

async fn dead_at(path: &Path) -> Option<(u64, u64)> {
    dead_socket(path).await.unwrap()
}

#[tokio::test]
async fn a_draft_takes_the_place_of_nothing_or_of_a_dead_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    for _ in 0..2 {
        let (listener, draft) = listen(folder.path().join("draft"));
        let ours = identity(&draft).unwrap();
        let dead = dead_at(&path).await;
        publish(&draft, &path, dead).unwrap();
        assert_eq!(identity(&path).unwrap(), ours);
        assert!(!draft.exists());
        drop(listener);
    }
    // Somebody has removed the dead one meanwhile.
    let dead = dead_at(&path).await;
    assert!(dead.is_some());
    fs::remove_file(&path).unwrap();
    let (_listener, draft) = listen(folder.path().join("draft"));
    publish(&draft, &path, dead).unwrap();
    assert!(path.exists() && !draft.exists());
}

/// Two that start at once have both seen nothing, or the same dead socket.
#[tokio::test]
async fn the_second_of_two_that_start_at_once_fails() {
    for was_dead in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        if was_dead {
            drop(listen(path.clone()));
        }
        let dead = dead_at(&path).await;
        assert_eq!(dead.is_some(), was_dead);
        let (_first, first) = listen(folder.path().join("first"));
        let (_second, second) = listen(folder.path().join("second"));
        let winner = identity(&first).unwrap();
        publish(&first, &path, dead).unwrap();
        let error = publish(&second, &path, dead).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        assert_eq!(identity(&path).unwrap(), winner);
        assert!(second.exists(), "the draft is its maker's to remove");
    }
}

/// The folder may belong to somebody whom we only want to give the socket to.
#[cfg(target_os = "linux")]
#[test]
fn what_is_put_in_the_place_of_the_draft_is_not_given_away() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    fs::write(&precious, "").unwrap();
    fs::set_permissions(&precious, fs::Permissions::from_mode(0o600)).unwrap();
    let draft = folder.path().join("draft");
    std::os::unix::fs::symlink(&precious, &draft).unwrap();
    assert!(super::give(&draft, None, None, 0o666).is_err());
    fs::remove_file(&draft).unwrap();
    fs::hard_link(&precious, &draft).unwrap();
    assert!(super::give(&draft, None, None, 0o666).is_err());
    let mode = fs::metadata(&precious).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
