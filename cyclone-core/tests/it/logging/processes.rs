//! Processes that share a log file, as workers do, and the old and the new one of an upgrade.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Stdio};

use cyclone_core::runner::logging::{self, LogOptions};
use tracing::info;

use super::{Left, command, directory, options_with};
use crate::support::is_child;

const PROCESSES: usize = 3;
const THREADS: usize = 2;
const LINES: usize = 1_500;

/// Logs from two threads, and waits before that until all processes are there.
fn log_a_lot(options: &LogOptions) {
    let logs = logging::start(options).unwrap();
    let (me, here) = (std::process::id(), directory());
    fs::write(here.join(format!("ready.{me}")), "").unwrap();
    while !here.join("go").exists() {
        std::thread::yield_now();
    }
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for line in 0..LINES {
                    info!(target: "t", "by={me}.{thread} line={line} end");
                }
            });
        }
    });
    logs.flush();
    assert_eq!(logs.dropped(), 0);
}

fn with_prefix(directory: &Path, prefix: &str) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Runs the children together and returns what is in the files, the oldest first.
fn run_together(test: &str, meanwhile: impl Fn(&Path)) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let mut children: Vec<Child> = (0..PROCESSES)
        .map(|_| command(test, here).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    while with_prefix(here, "ready.").len() < PROCESSES {
        assert!(
            children
                .iter_mut()
                .all(|child| child.try_wait().unwrap().is_none()),
            "a child died"
        );
        std::thread::yield_now();
    }
    fs::write(here.join("go"), "").unwrap();
    while children
        .iter_mut()
        .any(|child| child.try_wait().unwrap().is_none())
    {
        meanwhile(here);
        std::thread::yield_now();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut names = with_prefix(here, "a.log");
    let age = |name: &String| {
        name.rsplit('.')
            .next()
            .and_then(|age| age.parse::<usize>().ok())
            .unwrap_or(0)
    };
    names.sort_by_key(|name| std::cmp::Reverse(age(name)));
    assert!(names.len() > 3, "nothing was set aside: {names:?}");
    names
        .iter()
        .map(|name| fs::read_to_string(here.join(name)).unwrap())
        .collect()
}

/// Each line is whole, and each thread's lines are all there and in order.
fn check(files: &[String]) {
    let text = files.concat();
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        let (_, said) = line
            .split_once("INFO t: by=")
            .unwrap_or_else(|| panic!("torn: {line}"));
        let words: Vec<&str> = said.split(' ').collect();
        let [by, number, "end"] = words.as_slice() else {
            panic!("torn: {line}")
        };
        let number: usize = number.strip_prefix("line=").unwrap().parse().unwrap();
        let next = next.entry(by).or_default();
        assert_eq!(number, *next, "of {by}");
        *next += 1;
    }
    assert_eq!(next.len(), PROCESSES * THREADS);
    assert!(next.values().all(|lines| *lines == LINES), "{next:?}");
}

#[test]
fn rotation_by_one_of_several_processes_loses_no_line() {
    const NAME: &str = "logging::processes::rotation_by_one_of_several_processes_loses_no_line";
    if is_child(NAME) {
        return log_a_lot(&options_with(|options| {
            options.max_size = 16 * 1024;
            options.backups = 10_000;
        }));
    }
    check(&run_together(NAME, |_| ()));
}

#[test]
fn rotation_by_another_program_loses_no_line() {
    const NAME: &str = "logging::processes::rotation_by_another_program_loses_no_line";
    if is_child(NAME) {
        return log_a_lot(&options_with(|options| {
            options.rotation = logging::LogRotation::Never;
        }));
    }
    let aside = std::cell::Cell::new(1_000_000);
    let files = run_together(NAME, |here| {
        aside.set(aside.get() - 1);
        let _ = fs::rename(
            here.join("a.log"),
            here.join(format!("a.log.{}", aside.get())),
        );
    });
    check(&files);
}

#[test]
fn a_file_of_the_changed_root_is_set_aside_too() {
    const NAME: &str = "logging::processes::a_file_of_the_changed_root_is_set_aside_too";
    if !is_child(NAME) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let left = Left::by(NAME);
        assert_eq!(left.said(), ["INFO t: 3"]);
        assert!(left.read("a.log.1").ends_with("INFO t: 2\n"));
        assert!(left.read("a.log.2").ends_with("INFO t: 1\n"));
        return;
    }
    let system = UnixDatagram::bind(directory().join("log")).unwrap();
    let socket = directory().join("log");
    let logs = logging::start(&options_with(|options| {
        options.max_size = 1;
        options.syslog = Some(socket);
    }))
    .unwrap();
    // A place from which the log's path leads nowhere.
    let empty = directory().join("empty");
    fs::create_dir(&empty).unwrap();
    rustix::process::chroot(&empty).unwrap();
    std::env::set_current_dir("/").unwrap();
    info!(target: "t", "1");
    info!(target: "t", "2");
    logs.reopen().unwrap();
    info!(target: "t", "3");
    assert_eq!(logs.dropped(), 0);
    // The system log is still reached as well.
    for text in ["1", "2", "3"] {
        let mut message = [0; 1000];
        let length = system.recv(&mut message).unwrap();
        assert!(message[..length].ends_with(format!("t: {text}").as_bytes()));
    }
}
