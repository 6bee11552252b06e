//! Whose the files are.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::process::geteuid;
use tracing::info;

use super::Logs;

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
