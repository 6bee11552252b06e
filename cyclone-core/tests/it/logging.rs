//! Logging of whole processes: each of these tests starts itself as a child that logs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod failures;
mod processes;
mod start;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cyclone_core::runner::logging::{LogFormat, LogOptions, LogOutput};

use crate::support::child;

const DIRECTORY: &str = "CYCLONE_CORE_TEST_DIRECTORY";

/// The directory that a child and its parent share.
fn directory() -> PathBuf {
    PathBuf::from(std::env::var_os(DIRECTORY).expect("this is no child"))
}

/// Options of a child: compact lines in `a.log` of the directory.
fn options() -> LogOptions {
    let mut options = LogOptions::default();
    options.output = LogOutput::File(directory().join("a.log"));
    options.format = LogFormat::Compact;
    options
}

fn options_with(change: impl FnOnce(&mut LogOptions)) -> LogOptions {
    let mut options = options();
    change(&mut options);
    options
}

fn command(test: &str, directory: &Path) -> Command {
    let mut command = child(test);
    command
        .env(DIRECTORY, directory)
        .env_remove("RUST_BACKTRACE");
    command
}

/// What a child left: its directory, and what it said.
struct Left {
    directory: tempfile::TempDir,
    output: Output,
}

impl Left {
    /// Runs the test as a child, which must be content.
    fn by(test: &str) -> Self {
        let left = Self::by_anything(test);
        assert!(
            left.output.status.success(),
            "{}{}",
            left.stdout(),
            left.stderr()
        );
        left
    }

    fn by_anything(test: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let output = command(test, directory.path()).output().unwrap();
        Self { directory, output }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    /// What was said in `a.log`: level, target and message.
    fn said(&self) -> Vec<String> {
        let text = self.read("a.log");
        text.lines()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
