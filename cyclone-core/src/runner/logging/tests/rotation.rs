//! When files are set aside, what they are called, and how many there are.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use tracing::info;

use super::Logs;
use crate::runner::logging::clock::Period;
use crate::runner::logging::file::LogFile;
use crate::runner::logging::output::Sink;
use crate::runner::logging::{LogFormat, LogOptions, LogRotation};

fn bare(options: &mut LogOptions) {
    options.format = LogFormat::Compact;
}

fn say(logs: &Logs, text: &str) {
    logs.log(|| info!(target: "t", "{text}"));
}

/// What was said, in a file.
fn said(logs: &Logs, name: &str) -> Vec<String> {
    let text = logs.read(name);
    text.lines()
        .map(|line| line.split_once("INFO t: ").unwrap().1.to_owned())
        .collect()
}

/// The size of a line with a text of this size.
fn size_of_line(length: usize) -> u64 {
    let logs = Logs::start(bare);
    say(&logs, &"x".repeat(length));
    fs::metadata(logs.path("a.log")).unwrap().len()
}

#[test]
fn a_file_is_set_aside_before_it_is_too_large() {
    let line = size_of_line(1);
    for (max_size, files) in [(3 * line - 1, 2), (3 * line, 1), (3 * line + 1, 1)] {
        let logs = Logs::start(|options| {
            bare(options);
            options.max_size = max_size;
        });
        for text in ["1", "2", "3"] {
            say(&logs, text);
        }
        assert_eq!(logs.names().len(), files, "{max_size}");
        assert!(fs::metadata(logs.path("a.log")).unwrap().len() <= max_size);
    }
}

#[test]
fn old_files_are_counted_and_the_oldest_removed() {
    let line = size_of_line(1);
    let start = |directory, backups| {
        Logs::start_in(directory, |options| {
            bare(options);
            (options.max_size, options.backups) = (line, backups);
        })
    };
    let logs = start(tempfile::tempdir().unwrap(), 3);
    for name in [
        "a.log.01",
        "a.log.x",
        "a.log.0",
        "b.log.9",
        "a.log.4.gz",
        "a.log.",
    ] {
        fs::write(logs.path(name), "").unwrap();
    }
    for text in ["1", "2", "3", "4"] {
        say(&logs, text);
    }
    assert_eq!(said(&logs, "a.log.3"), ["1"]);
    say(&logs, "5");
    let ours = ["a.log", "a.log.1", "a.log.2", "a.log.3"];
    let others = [
        "a.log.",
        "a.log.0",
        "a.log.01",
        "a.log.4.gz",
        "a.log.x",
        "b.log.9",
    ];
    let mut all: Vec<&str> = ours.into_iter().chain(others).collect();
    all.sort_unstable();
    assert_eq!(logs.names(), all);
    for (name, text) in ours.iter().zip(["5", "4", "3", "2"]) {
        assert_eq!(said(&logs, name), [text]);
    }
    // When fewer are wanted, the surplus goes.
    let logs = start(logs.directory, 1);
    say(&logs, "6");
    assert_eq!(said(&logs, "a.log.1"), ["5"]);
    let mut left: Vec<&str> = ["a.log", "a.log.1"].into_iter().chain(others).collect();
    left.sort_unstable();
    assert_eq!(logs.names(), left);
    // And with none at all, what was there is gone.
    let logs = start(logs.directory, 0);
    say(&logs, "7");
    assert_eq!(said(&logs, "a.log"), ["7"]);
    assert!(!logs.names().contains(&"a.log.1".to_owned()));
}

#[test]
fn a_line_that_is_larger_than_a_file_has_a_file_of_its_own() {
    let logs = Logs::start(|options| {
        bare(options);
        options.max_size = 10;
    });
    say(&logs, "1");
    say(&logs, "2");
    assert_eq!(
        (said(&logs, "a.log"), said(&logs, "a.log.1")),
        (vec!["2".into()], vec!["1".into()])
    );
}

fn by_time(rotation: LogRotation, backups: usize) -> Logs {
    Logs::start(|options| {
        bare(options);
        options.rotation = rotation;
        options.backups = backups;
        options.max_size = 1;
    })
}

/// Makes the file as old as that.
fn age(logs: &Logs, hours: u64) -> i64 {
    let file = File::options()
        .append(true)
        .open(logs.path("a.log"))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600))
        .unwrap();
    fs::metadata(logs.path("a.log")).unwrap().mtime()
}

#[test]
fn a_file_of_another_day_or_hour_is_called_after_it() {
    for (rotation, hours) in [
        (LogRotation::Daily, 24),
        (LogRotation::Hourly, 1),
        (LogRotation::Hourly, 50),
    ] {
        let logs = by_time(rotation, 5);
        say(&logs, "old");
        let when = age(&logs, hours);
        let label = Period::of(rotation, when).unwrap().label;
        say(&logs, "new");
        say(&logs, "newer");
        let aside = format!("a.log.{label}");
        assert_eq!(logs.names(), ["a.log".to_owned(), aside.clone()]);
        assert_eq!(said(&logs, &aside), ["old"]);
        assert_eq!(said(&logs, "a.log"), ["new", "newer"]);
    }
}

#[test]
fn a_file_of_the_same_hour_stays() {
    let logs = by_time(LogRotation::Hourly, 5);
    say(&logs, "1");
    say(&logs, "2");
    assert_eq!(logs.names(), ["a.log"]);
}

#[test]
fn nothing_is_overwritten_when_a_clock_was_set_back() {
    let label = |logs: &Logs| Period::of(LogRotation::Daily, age(logs, 24)).unwrap().label;
    let mut logs = by_time(LogRotation::Daily, 5);
    for text in ["1", "2", "3"] {
        // Each process sets a file aside once a day.
        logs = Logs::start_in(logs.directory, |options| {
            bare(options);
            (options.rotation, options.backups) = (LogRotation::Daily, 5);
        });
        say(&logs, text);
        label(&logs);
    }
    let label = label(&logs);
    let expected = [
        "a.log".to_owned(),
        format!("a.log.{label}"),
        format!("a.log.{label}.1"),
    ];
    assert_eq!(logs.names(), expected);
    assert_eq!(said(&logs, &expected[1]), ["1"]);
    assert_eq!(said(&logs, &expected[2]), ["2"]);
    // The same process does it once: a file server whose clock is wrong makes every file an old one.
    say(&logs, "4");
    assert_eq!(logs.names(), expected);
}

#[test]
fn the_youngest_dates_are_kept() {
    let logs = by_time(LogRotation::Daily, 2);
    let others = [
        "a.log.1",
        "a.log.2001-01-0x",
        "a.log.2001-01-01T05",
        "a.log.2001-01-01.gz",
    ];
    for name in ["a.log.2001-01-01", "a.log.2001-01-02", "a.log.2001-01-02.1"]
        .iter()
        .chain(&others)
    {
        fs::write(logs.path(name), "").unwrap();
    }
    say(&logs, "old");
    age(&logs, 24);
    say(&logs, "new");
    let names = logs.names();
    assert!(
        others
            .iter()
            .all(|name| names.contains(&(*name).to_owned())),
        "{names:?}"
    );
    assert!(
        names.contains(&"a.log.2001-01-02.1".to_owned()),
        "{names:?}"
    );
    assert_eq!(names.len(), others.len() + 3, "{names:?}");
}

/// Two writers of one file, as in two processes.
#[test]
fn a_file_that_another_writer_set_aside_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    let options = LogOptions {
        max_size: 4,
        ..LogOptions::default()
    };
    let open = || LogFile::open(&path, &options).unwrap();
    let (mut one, mut other) = (open(), open());
    let old = one.identity().unwrap();
    one.write(b"11\n").unwrap();
    other.write(b"22\n").unwrap();
    // It wanted to do the same and got the lock too late: the new file must stay.
    one.rotate(old, 3);
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(
        (read("a.log"), read("a.log.1")),
        ("22\n".into(), "11\n".into())
    );
    assert_eq!(super::names(directory.path()), ["a.log", "a.log.1"]);
    assert_eq!(one.identity(), other.identity());
    // The next line of a writer that has noticed nothing yet goes to the new file.
    let (mut third, mut fourth) = (open(), open());
    third.write(b"33\n").unwrap();
    fourth.write(b"4").unwrap();
    assert_eq!(
        (read("a.log"), read("a.log.1")),
        ("33\n4".into(), "22\n".into())
    );
    one.write(b"55\n").unwrap();
    other.write(b"6").unwrap();
    assert_eq!(
        (read("a.log"), read("a.log.1")),
        ("55\n6".into(), "33\n4".into())
    );
}

/// While somebody else sets the file aside, lines go to the old one, at once.
#[test]
fn nobody_waits_for_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    let options = LogOptions {
        max_size: 4,
        ..LogOptions::default()
    };
    let mut log = LogFile::open(&path, &options).unwrap();
    log.write(b"11\n").unwrap();
    let holder = File::open(&path).unwrap();
    holder.lock_shared().unwrap();
    log.write(b"22\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "11\n22\n");
    holder.unlock().unwrap();
    log.write(b"33\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "33\n");
}

#[test]
fn never_is_never() {
    let logs = by_time(LogRotation::Never, 5);
    say(&logs, "old");
    age(&logs, 1000);
    say(&logs, "new");
    assert_eq!(said(&logs, "a.log"), ["old", "new"]);
}

#[test]
fn a_file_that_cannot_be_set_aside_grows_on() {
    let line = size_of_line(1);
    let logs = Logs::start(|options| {
        bare(options);
        (options.max_size, options.backups) = (line, 1);
    });
    // Not even root renames a file to a directory with something in it.
    fs::create_dir(logs.path("a.log.1")).unwrap();
    fs::write(logs.path("a.log.1/x"), "").unwrap();
    for text in ["1", "2", "3"] {
        say(&logs, text);
    }
    assert_eq!(said(&logs, "a.log"), ["1", "2", "3"]);
    assert_eq!(logs.handle.dropped(), 0);
}

#[test]
fn a_file_that_was_removed_is_made_again() {
    let logs = Logs::start(bare);
    say(&logs, "1");
    fs::remove_file(logs.path("a.log")).unwrap();
    say(&logs, "2");
    assert_eq!(said(&logs, "a.log"), ["2"]);
    // Its directory too.
    fs::remove_dir_all(logs.directory.path()).unwrap();
    say(&logs, "3");
    fs::create_dir(logs.directory.path()).unwrap();
    say(&logs, "4");
    let text = logs.read("a.log");
    assert!(
        text.contains("log lines were dropped dropped=1\n") && text.ends_with(" t: 4\n"),
        "{text}"
    );
}

#[test]
fn a_file_that_was_emptied_goes_on() {
    let logs = Logs::start(bare);
    say(&logs, "1");
    // As `copytruncate` of logrotate does.
    File::create(logs.path("a.log")).unwrap();
    say(&logs, "2");
    assert_eq!(said(&logs, "a.log"), ["2"]);
}

#[test]
fn a_device_is_not_rotated_and_a_full_one_is_counted() {
    let logs = Logs::start(|options| {
        bare(options);
        options.max_size = 1;
        options.output = crate::runner::logging::LogOutput::File("/dev/full".into());
    });
    say(&logs, "1");
    say(&logs, "2");
    assert_eq!(logs.handle.dropped(), 2);
    assert!(logs.names().is_empty());
    logs.handle.reopen().unwrap();
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let options = LogOptions {
        output: crate::runner::logging::LogOutput::File("/nowhere/at/all.log".into()),
        ..LogOptions::default()
    };
    let error = crate::runner::logging::start::subscriber(&options)
        .map(drop)
        .unwrap_err();
    let text =
        "cannot open the log file `/nowhere/at/all.log`: No such file or directory (os error 2)";
    assert_eq!(error.to_string(), text);
    assert_eq!(
        error.io_error().unwrap().kind(),
        std::io::ErrorKind::NotFound
    );
}
