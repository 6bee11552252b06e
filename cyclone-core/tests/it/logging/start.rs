//! What goes to the log once it is started, and what does not.

use std::path::Path;

use cyclone_core::runner::logging::{self, LogFormat, LogOptions, LogOutput};
use tracing::{debug, error, info};
use tracing_log::log;

use super::{Left, options, options_with};
use crate::support::is_child;

#[test]
fn events_records_and_panics_are_logged() {
    const NAME: &str = "logging::start::events_records_and_panics_are_logged";
    if !is_child(NAME) {
        let said = Left::by(NAME).said();
        let panic = said.iter().find(|line| line.contains("panicked")).unwrap();
        assert_eq!(
            said,
            [
                "INFO t: one",
                "INFO foreign: a record",
                panic,
                "DEBUG t: two",
                "DEBUG foreign: another record",
                "ERROR t: three",
            ],
        );
        assert!(
            panic.starts_with("ERROR panic: panicked: oh \\x1b no thread=\"worker\" location=\""),
            "{panic}"
        );
        assert!(panic.contains("start.rs:"), "{panic}");
        return;
    }
    let logs = logging::start(&options()).unwrap();
    assert_eq!(logs.level(), "info");
    info!(target: "t", "one");
    debug!(target: "t", "no");
    log::info!(target: "foreign", "a record");
    log::debug!(target: "foreign", "no");
    let thread = std::thread::Builder::new().name("worker".into());
    thread
        .spawn(|| panic!("oh \u{1b} no"))
        .unwrap()
        .join()
        .unwrap_err();
    logs.set_level("warn,t=debug,foreign=debug").unwrap();
    assert_eq!(logs.level(), "warn,t=debug,foreign=debug");
    debug!(target: "t", "two");
    info!(target: "u", "no");
    log::debug!(target: "foreign", "another record");
    log::info!(target: "other", "no");
    let error = logs.set_level("t=loud").unwrap_err().to_string();
    assert!(
        error.starts_with("`t=loud` is no level or filter: "),
        "{error}"
    );
    assert_eq!(logs.level(), "warn,t=debug,foreign=debug");
    error!(target: "t", "three");
    assert_eq!(logs.dropped(), 0);
}

#[test]
fn a_panic_that_may_not_be_logged_goes_to_standard_error() {
    const NAME: &str = "logging::start::a_panic_that_may_not_be_logged_goes_to_standard_error";
    if !is_child(NAME) {
        let left = Left::by(NAME);
        assert_eq!(left.read("a.log"), "");
        assert!(left.stderr().contains("oh no"), "{}", left.stderr());
        return;
    }
    logging::start(&options_with(|options| {
        options.level = "off".into();
    }))
    .unwrap();
    std::thread::spawn(|| panic!("oh no")).join().unwrap_err();
}

#[test]
fn it_starts_once() {
    const NAME: &str = "logging::start::it_starts_once";
    if !is_child(NAME) {
        Left::by(NAME);
        return;
    }
    let mut wrong = options();
    wrong.level = "x=y=z".into();
    logging::start(&wrong).unwrap_err();
    logging::start(&options()).unwrap();
    let error = logging::start(&options()).unwrap_err();
    assert_eq!(error.to_string(), "this process logs already");
}

#[test]
fn standard_output_has_whole_lines_at_once() {
    const NAME: &str = "logging::start::standard_output_has_whole_lines_at_once";
    if !is_child(NAME) {
        let left = Left::by(NAME);
        let lines: Vec<String> = left.stdout().lines().map(str::to_owned).collect();
        // Without colours: a pipe is no terminal.
        let line = lines.iter().find(|line| line.contains("hello")).unwrap();
        assert!(
            line.contains("[I ") && line.ends_with("] hello users=3"),
            "{line}"
        );
        return;
    }
    let mut options = LogOptions::default();
    options.output = LogOutput::Stdout;
    options.format = LogFormat::Pretty;
    logging::start(&options).unwrap();
    info!(target: "t", users = 3, "hello");
    // No destructor runs, no buffer is flushed.
    std::process::exit(0);
}

#[test]
fn what_waits_in_the_queue_is_flushed() {
    const NAME: &str = "logging::start::what_waits_in_the_queue_is_flushed";
    if !is_child(NAME) {
        assert_eq!(Left::by(NAME).said().len(), 1000);
        return;
    }
    let logs = logging::start(&options_with(|options| {
        options.queue = 1000;
    }))
    .unwrap();
    for number in 0..1000 {
        info!(number);
    }
    logs.flush();
    std::process::exit(0);
}

#[test]
fn a_journal_that_is_not_there_is_an_error() {
    if Path::new("/run/systemd/journal/socket").exists() {
        return;
    }
    let mut options = LogOptions::default();
    options.output = LogOutput::Nowhere;
    options.journald = true;
    let error = logging::start(&options).unwrap_err().to_string();
    let expected = "cannot reach the journal at `/run/systemd/journal/socket`: ";
    assert!(error.starts_with(expected), "{error}");
}
