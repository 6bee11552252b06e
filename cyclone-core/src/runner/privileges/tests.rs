use std::path::PathBuf;

use nix::unistd::{Gid, Uid};

use super::Privileges;
use crate::runner::options::{Identity, Parsed, ProcessOptions, Program};

fn options(arguments: &[&str]) -> ProcessOptions {
    let arguments = ["program"].iter().chain(arguments);
    let none: [(&str, &str); 0] = [];
    let parsed = Program::new("program")
        .parse_from::<()>(arguments, none)
        .unwrap();
    let Parsed::Run(settings) = parsed else {
        panic!("nothing is to be printed");
    };
    settings.process
}

#[test]
fn names_and_numbers_are_looked_up() {
    // Linux has them everywhere, with these numbers.
    let root = Privileges::resolve(&options(&["--uid", "root"])).unwrap();
    assert_eq!(root.uid, Some(Uid::from_raw(0)));
    assert_eq!(root.gid, Some(Gid::from_raw(0)));
    assert!(root.groups.as_ref().unwrap().contains(&Gid::from_raw(0)));
    assert_eq!(
        Privileges::resolve(&options(&["--uid", "0"])).unwrap(),
        root
    );

    let numbers = Privileges::resolve(&options(&["--uid=4000001", "--gid=4000002"])).unwrap();
    assert_eq!(numbers.uid, Some(Uid::from_raw(4_000_001)));
    assert_eq!(numbers.gid, Some(Gid::from_raw(4_000_002)));
    assert_eq!(numbers.groups, Some(vec![Gid::from_raw(4_000_002)]));

    let group = Privileges::resolve(&options(&["--gid", "root"])).unwrap();
    assert_eq!((group.uid, group.gid), (None, Some(Gid::from_raw(0))));
    assert_eq!(group.groups, Some(vec![Gid::from_raw(0)]));
}

#[test]
fn who_is_not_known_is_an_error_before_anything_is_done() {
    for (arguments, reason) in [
        (["--uid", "no-such-user"], "there is no user no-such-user"),
        (
            ["--gid", "no-such-group"],
            "there is no group no-such-group",
        ),
        (
            ["--uid", "4000001"],
            "user 4000001 is in no database, so its group is not known: add `--gid`",
        ),
    ] {
        let exit = Privileges::resolve(&options(&arguments)).unwrap_err();
        assert_eq!((exit.code(), exit.reason()), (78, reason));
    }
}

#[test]
fn nothing_is_done_when_nothing_was_asked_for() {
    let nothing = Privileges::resolve(&options(&[])).unwrap();
    assert!(nothing.is_empty());
    nothing.drop(false).unwrap();
    let chroot = Privileges::resolve(&options(&["--chroot", "/srv"])).unwrap();
    assert_eq!(chroot.chroot, Some(PathBuf::from("/srv")));
    assert!(!chroot.is_empty());
}

#[test]
fn a_process_that_is_somebody_else_is_found_out() {
    // These tests change nobody: they look whether the comparison holds.
    let own = Uid::current();
    let other = Privileges {
        uid: Some(Uid::from_raw(own.as_raw() + 1)),
        gid: None,
        groups: None,
        chroot: None,
    };
    let exit = other.verify().unwrap_err();
    assert_eq!(exit.code(), 77);
    let group = Privileges {
        uid: None,
        gid: Some(Gid::from_raw(Gid::current().as_raw() + 1)),
        groups: None,
        chroot: None,
    };
    assert_eq!(group.verify().unwrap_err().code(), 77);
    let groups = Privileges {
        uid: None,
        gid: None,
        groups: Some(vec![Gid::from_raw(4_000_003)]),
        chroot: None,
    };
    assert_eq!(groups.verify().unwrap_err().code(), 77);
    assert_eq!(options(&["--uid", "7"]).uid, Some(Identity::Number(7)));
}
