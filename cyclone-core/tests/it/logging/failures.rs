//! Disks that are full, outputs that are gone, permissions.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use cyclone_core::runner::logging::{self, LOG_FILE_MODE, LogOptions, LogOutput};
use rustix::fs::Mode;
use rustix::process::{Resource, Signal, getrlimit, setrlimit, umask};
use tracing::info;

use super::{Left, command, directory, options, options_with};
use crate::support::is_child;

#[test]
fn the_group_reads_and_nobody_else() {
    const NAME: &str = "logging::failures::the_group_reads_and_nobody_else";
    if !is_child(NAME) {
        Left::by(NAME);
        return;
    }
    let mode = |name: &str| {
        fs::metadata(directory().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    umask(Mode::from_raw_mode(0o022));
    logging::start(&options_with(|options| {
        options.max_size = 1;
    }))
    .unwrap();
    info!("1");
    assert_eq!(mode("a.log"), LOG_FILE_MODE);
    // A stricter mask is respected, here by the next file.
    umask(Mode::from_raw_mode(0o077));
    info!("2");
    assert_eq!((mode("a.log"), mode("a.log.1")), (0o600, LOG_FILE_MODE));
}

#[test]
fn the_file_can_be_given_away() {
    const NAME: &str = "logging::failures::the_file_can_be_given_away";
    if !is_child(NAME) {
        if rustix::process::geteuid().is_root() {
            let left = Left::by(NAME);
            let file = fs::metadata(left.directory.path().join("a.log")).unwrap();
            assert_eq!((file.uid(), file.gid()), (12_345, 54_321));
        }
        return;
    }
    let logs = logging::start(&options()).unwrap();
    logs.change_owner(Some(12_345), Some(54_321)).unwrap();
}

/// As a full disk: the system takes a part of a line, and then nothing.
#[test]
fn a_full_disk_costs_lines_and_no_more() {
    const NAME: &str = "logging::failures::a_full_disk_costs_lines_and_no_more";
    if !is_child(NAME) {
        let left = Left::by(NAME);
        let text = left.read("a.log");
        let lines: Vec<&str> = text.lines().collect();
        let [first, .., torn, told, last] = lines.as_slice() else {
            panic!("{text}")
        };
        assert!(first.ends_with("INFO t: 0 end"), "{text}");
        // The piece has a line of its own, so that it spoils no other.
        assert!(!torn.ends_with("end"), "{text}");
        let lost: usize = told.rsplit('=').next().unwrap().parse().unwrap();
        assert!(
            told.contains("WARN cyclone_core::runner::logging: log lines were dropped dropped="),
            "{text}"
        );
        assert!(last.ends_with("INFO t: after end"), "{text}");
        let whole = lines.iter().filter(|line| line.ends_with(" end")).count();
        assert_eq!(whole + lost, 1001, "{text}");
        // Standard error is told once.
        let complaints = left
            .stderr()
            .matches("log lines are dropped until it works again")
            .count();
        assert_eq!(complaints, 1, "{}", left.stderr());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // What the signal would do by default is kill.
        let kind = tokio::signal::unix::SignalKind::from_raw(Signal::XFSZ.as_raw());
        let _signal = tokio::signal::unix::signal(kind).unwrap();
        let logs = logging::start(&options()).unwrap();
        let unlimited = getrlimit(Resource::Fsize);
        let mut limited = unlimited;
        limited.current = Some(10_001);
        setrlimit(Resource::Fsize, limited).unwrap();
        for line in 0..1000 {
            info!(target: "t", "{line} end");
        }
        assert!(logs.dropped() > 500);
        setrlimit(Resource::Fsize, unlimited).unwrap();
        info!(target: "t", "after end");
    });
}

#[test]
fn a_reader_that_goes_away_takes_nobody_with_it() {
    const NAME: &str = "logging::failures::a_reader_that_goes_away_takes_nobody_with_it";
    if !is_child(NAME) {
        let directory = tempfile::tempdir().unwrap();
        let mut child = command(NAME, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The harness of the child has said what it says at first.
        while !directory.path().join("ready").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child died");
            std::thread::yield_now();
        }
        drop(child.stdout.take());
        fs::write(directory.path().join("gone"), "").unwrap();
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7), "{stderr}");
        assert!(stderr.contains("standard output: Broken pipe"), "{stderr}");
        return;
    }
    fs::write(directory().join("ready"), "").unwrap();
    while !directory().join("gone").exists() {
        std::thread::yield_now();
    }
    let mut options = LogOptions::default();
    options.output = LogOutput::Stdout;
    let logs = logging::start(&options).unwrap();
    info!("1");
    info!("2");
    assert_eq!(logs.dropped(), 2);
    std::process::exit(7);
}
