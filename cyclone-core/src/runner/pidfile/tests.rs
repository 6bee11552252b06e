use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::{Arc, Barrier};

use rustix::process::{Pid, getpid};
use tempfile::TempDir;

use super::{Lock, MAX_CONTENT_BYTES, PidFile, PidFileError, lock, open, owner};

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program.pid");
    (directory, path)
}

fn other() -> Pid {
    Pid::from_raw(getpid().as_raw_pid() + 1).unwrap()
}

#[test]
fn the_file_says_who_runs_until_it_is_removed() {
    let (_directory, path) = directory();
    assert!(owner(&path).unwrap().is_none());
    let file = PidFile::create(&path).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{}\n", getpid())
    );
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(owner(&path).unwrap(), Some(getpid()));
    let second = PidFile::create(&path).unwrap_err();
    assert!(matches!(second, PidFileError::Running(Some(pid)) if pid == getpid()));
    assert_eq!(second.exit(&path).code(), 75);
    file.remove();
    assert!(!path.exists());
    assert!(owner(&path).unwrap().is_none());
}

#[test]
fn a_file_that_nobody_has_locked_is_stale_whoever_is_in_it() {
    for stale in ["", "1\n", "999999999", " 12 \nrest"] {
        let (_directory, path) = directory();
        fs::write(&path, stale).unwrap();
        assert!(owner(&path).unwrap().is_none());
        let file = PidFile::create(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("{}\n", getpid())
        );
        file.remove();
    }
}

#[test]
fn what_is_no_pid_file_is_left_alone() {
    let longest = "1".repeat(usize::try_from(MAX_CONTENT_BYTES).unwrap());
    let blank = " ".repeat(longest.len());
    let too_long = format!("{blank} ");
    for (text, is_one) in [
        ("root:x:0:0", false),
        ("-1", false),
        ("0", false),
        (longest.as_str(), false),
        (blank.as_str(), true),
        (too_long.as_str(), false),
    ] {
        let (_directory, path) = directory();
        fs::write(&path, text).unwrap();
        let created = PidFile::create(&path);
        assert_eq!(created.is_ok(), is_one, "{text}");
        if let Err(error) = created {
            assert!(matches!(error, PidFileError::Foreign(_)), "{text}: {error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
    let (_directory, path) = directory();
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(
        PidFile::create(&path),
        Err(PidFileError::Foreign(_))
    ));
}

#[test]
fn neither_links_nor_directories_nor_pipes_are_taken() {
    let (directory, path) = directory();
    let target = directory.path().join("passwd");
    fs::write(&target, "").unwrap();
    symlink(&target, &path).unwrap();
    assert!(matches!(
        PidFile::create(&path),
        Err(PidFileError::Foreign(_))
    ));
    assert_eq!(fs::read_to_string(&target).unwrap(), "");
    let pipe = directory.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    assert!(matches!(
        PidFile::create(&pipe),
        Err(PidFileError::Foreign(_))
    ));
    assert!(PidFile::create(directory.path()).is_err());
    assert!(PidFile::create(&directory.path().join("none").join("x.pid")).is_err());
}

#[test]
fn a_successor_that_gets_the_descriptor_has_the_lock() {
    let (directory, path) = directory();
    let old = PidFile::create(&path).unwrap();
    let shared = old.share().unwrap();
    let elsewhere = directory.path().join("other.pid");
    fs::write(&elsewhere, "").unwrap();
    let again = old.share().unwrap();
    assert!(PidFile::inherit(&elsewhere, again).unwrap().is_none());
    let new = PidFile::inherit(&path, shared).unwrap().unwrap();
    drop(old);
    assert!(matches!(
        PidFile::create(&path),
        Err(PidFileError::Running(_))
    ));
    new.write(other()).unwrap();
    assert_eq!(owner(&path).unwrap(), Some(other()));
    new.remove();
    assert!(!path.exists());
}

#[test]
fn a_shorter_number_leaves_nothing_of_the_longer_one() {
    let (_directory, path) = directory();
    fs::write(&path, "4000000").unwrap();
    let file = PidFile::create(&path).unwrap();
    file.write(Pid::from_raw(7).unwrap()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
    // The moment between the write and the end.
    fs::write(&path, "7\n1234").unwrap();
    assert_eq!(owner(&path).unwrap(), Pid::from_raw(7));
}

#[test]
fn a_file_of_somebody_else_at_the_path_is_not_removed() {
    let (directory, path) = directory();
    let file = PidFile::create(&path).unwrap();
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    let new = PidFile::create(&path).unwrap();
    file.remove();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{}\n", getpid())
    );
    // Who runs is in neither of them, as where `chroot` keeps the program from removing its own.
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "");
    new.remove();
    assert!(!path.exists());
}

#[test]
fn the_lock_of_a_file_that_was_removed_meanwhile_does_not_count() {
    let (_directory, path) = directory();
    let old = PidFile::create(&path).unwrap();
    let opened = open(&path, true).unwrap();
    assert_eq!(lock(&opened, &path).unwrap(), Lock::Another);
    old.remove();
    assert_eq!(lock(&opened, &path).unwrap(), Lock::Gone);
    let new = PidFile::create(&path).unwrap();
    assert_eq!(lock(&opened, &path).unwrap(), Lock::Gone);
    new.remove();
}

#[test]
fn of_many_that_start_at_once_one_runs() {
    const STARTS: usize = 16;
    for _ in 0..50 {
        let (_directory, path) = directory();
        // A stale file on the way makes the race longer.
        fs::write(&path, "1\n").unwrap();
        let barrier = Arc::new(Barrier::new(STARTS));
        let starts: Vec<_> = (0..STARTS)
            .map(|_| {
                let (path, barrier) = (path.clone(), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    barrier.wait();
                    PidFile::create(&path).ok()
                })
            })
            .collect();
        let running: Vec<PidFile> = starts
            .into_iter()
            .filter_map(|start| start.join().unwrap())
            .collect();
        assert_eq!(running.len(), 1);
    }
}

#[test]
fn while_one_ends_others_start_and_never_two_of_them() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (_directory, path) = directory();
    let running = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (path, running) = (path.clone(), Arc::clone(&running));
            std::thread::spawn(move || {
                for _ in 0..500 {
                    if let Ok(file) = PidFile::create(&path) {
                        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two run at once");
                        running.fetch_sub(1, Ordering::SeqCst);
                        file.remove();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
