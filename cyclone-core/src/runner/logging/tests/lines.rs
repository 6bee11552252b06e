//! Threads that log while files are set aside: no line is lost or torn, and each thread's lines are in order.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::info;

use super::{Logs, names};
use crate::runner::logging::{LogFormat, LogOptions, LogRotation};

const THREADS: usize = 4;
const LINES: usize = 2_000;

/// Logs from several threads while somebody else does `meanwhile`, again and again.
fn hammer(logs: &Logs, meanwhile: impl FnMut() + Send) {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut meanwhile = meanwhile;
        let is_done = &is_done;
        let other = scope.spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                meanwhile();
                std::thread::yield_now();
            }
        });
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || logs.log(|| say(thread))))
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        other.join().unwrap();
    });
    logs.handle.flush();
}

fn say(thread: usize) {
    for line in 0..LINES {
        info!(target: "t", "thread={thread} line={line} end");
    }
}

/// Reads all files, the oldest first, and counts each thread's lines.
fn check(logs: &Logs) {
    let mut files = names(logs.directory.path());
    let age = |name: &String| {
        name.rsplit('.')
            .next()
            .and_then(|age| age.parse::<usize>().ok())
            .unwrap_or(0)
    };
    files.sort_by_key(|name| std::cmp::Reverse(age(name)));
    let text: String = files
        .iter()
        .map(|name| fs::read_to_string(logs.path(name)).unwrap())
        .collect();
    let mut next = [0; THREADS];
    for line in text.lines() {
        let (_, said) = line
            .split_once("INFO t: ")
            .unwrap_or_else(|| panic!("torn: {line}"));
        let words: Vec<&str> = said.split(['=', ' ']).collect();
        let ["thread", thread, "line", number, "end"] = words.as_slice() else {
            panic!("torn: {line}")
        };
        let (thread, number): (usize, usize) = (thread.parse().unwrap(), number.parse().unwrap());
        assert_eq!(number, next[thread], "of thread {thread}");
        next[thread] += 1;
    }
    assert_eq!(next, [LINES; THREADS]);
    assert_eq!(logs.handle.dropped(), 0);
}

fn compact(options: &mut LogOptions) {
    options.format = LogFormat::Compact;
    options.backups = 100_000;
}

#[test]
fn rotation_under_load_loses_no_line() {
    let logs = Logs::start(|options| {
        compact(options);
        options.max_size = 8 * 1024;
    });
    hammer(&logs, || ());
    check(&logs);
    assert!(logs.names().len() > 20, "{:?}", logs.names());
}

#[test]
fn rotation_under_load_with_a_queue_loses_no_line() {
    let logs = Logs::start(|options| {
        compact(options);
        options.max_size = 8 * 1024;
        options.queue = usize::MAX;
    });
    hammer(&logs, || ());
    check(&logs);
}

#[test]
fn another_program_may_set_the_file_aside_under_load() {
    let logs = Logs::start(|options| {
        compact(options);
        options.rotation = LogRotation::Never;
    });
    let (mut aside, path) = (1_000_000, logs.path("a.log"));
    hammer(&logs, || {
        // As `logrotate` does: rename, then tell. Half of the time it tells nobody.
        if fs::rename(&path, path.with_extension(format!("log.{aside}"))).is_ok() {
            aside -= 1;
            if aside % 2 == 0 {
                logs.handle.reopen().unwrap();
            }
        }
    });
    check(&logs);
    assert!(logs.names().len() > 2, "{:?}", logs.names());
}

#[test]
fn opening_again_under_load_loses_no_line() {
    let logs = Logs::start(|options| {
        compact(options);
        options.max_size = 16 * 1024;
    });
    hammer(&logs, || logs.handle.reopen().unwrap());
    check(&logs);
}
