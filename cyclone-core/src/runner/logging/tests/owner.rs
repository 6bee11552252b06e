//! Whose the files are, and whose links are followed.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};

use rustix::process::geteuid;
use tracing::info;

use super::Logs;
use crate::runner::logging::LogOptions;
use crate::runner::logging::file::LogFile;

const USER: u32 = 12_345;
const GROUP: u32 = 54_321;

/// As the process that leads workers, which keeps the privileges of the start: they have to open the new file too.
#[test]
fn a_new_file_belongs_to_whom_the_old_one_was_given() {
    if !geteuid().is_root() {
        return;
    }
    let logs = Logs::start(|options| options.max_size = 1);
    let owner = |name: &str| {
        let file = fs::metadata(logs.path(name)).unwrap();
        (file.uid(), file.gid())
    };
    logs.handle.change_owner(Some(USER), Some(GROUP)).unwrap();
    logs.log(|| info!("1"));
    logs.log(|| info!("2"));
    assert_eq!(owner("a.log.1"), (USER, GROUP));
    assert_eq!(owner("a.log"), (USER, GROUP));
    fs::rename(logs.path("a.log"), logs.path("elsewhere")).unwrap();
    logs.handle.reopen().unwrap();
    assert_eq!(owner("a.log"), (USER, GROUP));
}

/// CVE-2016-1247: a user who may write to the folder of the logs made root write wherever he wanted.
#[test]
fn root_follows_his_own_links_only() {
    if !geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (path, precious) = (
        directory.path().join("a.log"),
        directory.path().join("precious"),
    );
    chown(directory.path(), Some(USER), None).unwrap();
    let options = LogOptions::default();
    for target in ["precious", precious.to_str().unwrap()] {
        symlink(target, &path).unwrap();
        assert!(LogFile::open(&path, &options).is_ok(), "{target}");
        assert!(precious.exists());
        fs::remove_file(&precious).unwrap();
        lchown(&path, Some(USER), None).unwrap();
        let error = LogFile::open(&path, &options).unwrap_err().to_string();
        assert!(error.contains("a symbolic link of user 12345"), "{error}");
        assert!(!precious.exists());
        fs::remove_file(&path).unwrap();
    }
}
