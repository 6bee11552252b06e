//! Temporary files, with a name and without.

use std::io::Write as _;
use std::path::Path;

use super::super::temporary::TemporaryFile;

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn both(directory: &Path) -> [TemporaryFile; 2] {
    [
        TemporaryFile::create(Some(directory)).unwrap(),
        TemporaryFile::named(directory).unwrap(),
    ]
}

#[test]
fn they_go_away() {
    let directory = tempfile::tempdir().unwrap();
    let files = both(directory.path());
    // Linux has files without a name.
    let named = if cfg!(target_os = "linux") { 1 } else { 2 };
    assert_eq!(names(directory.path()).len(), named);
    drop(files);
    assert!(names(directory.path()).is_empty());
}

/// Large ones are closed on another thread.
#[tokio::test]
async fn large_ones_go_away() {
    let directory = tempfile::tempdir().unwrap();
    for file in both(directory.path()) {
        file.writer().set_len(2 << 20).unwrap();
        drop(file);
    }
    while !names(directory.path()).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn they_are_kept_under_a_free_name() {
    let directory = tempfile::tempdir().unwrap();
    for (number, file) in both(directory.path()).into_iter().enumerate() {
        file.writer().write_all(b"content").unwrap();
        let target = directory.path().join(format!("kept-{number}"));
        file.persist(&target).unwrap();
        let again = file.persist(&target).unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        drop(file);
        assert_eq!(std::fs::read(&target).unwrap(), b"content");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = target.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let nowhere = directory.path().join("none/x");
        let file = TemporaryFile::create(Some(directory.path())).unwrap();
        assert_eq!(
            file.persist(&nowhere).unwrap_err().kind(),
            std::io::ErrorKind::NotFound
        );
    }
    assert_eq!(names(directory.path()).len(), 2);
}

/// To another file system, where the machine has one.
#[cfg(target_os = "linux")]
#[test]
fn they_are_copied_to_another_file_system() {
    use std::os::unix::fs::MetadataExt as _;
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir_in("/dev/shm").unwrap();
    let device = |path: &Path| path.metadata().unwrap().dev();
    assert_ne!(
        device(from.path()),
        device(to.path()),
        "/dev/shm is no file system of its own"
    );
    for (number, file) in both(from.path()).into_iter().enumerate() {
        file.writer().write_all(&[7; 300_000]).unwrap();
        let target = to.path().join(format!("kept-{number}"));
        file.persist(&target).unwrap();
        let again = file.persist(&target).unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&target).unwrap(), [7; 300_000]);
    }
    assert_eq!(names(to.path()).len(), 2);
    assert!(names(from.path()).is_empty());
}
