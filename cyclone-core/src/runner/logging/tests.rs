//! Logging without the global subscriber: lines, files, sinks.

mod format;
mod lines;
mod output;
mod owner;
mod rotation;
mod syslog;

use std::fs;
use std::path::{Path, PathBuf};

use tracing::Dispatch;
use tracing::dispatcher::with_default;

use super::start::subscriber;
use super::{LogHandle, LogOptions, LogOutput};

/// Logs of a test in a directory of its own.
struct Logs {
    directory: tempfile::TempDir,
    dispatch: Dispatch,
    handle: LogHandle,
}

impl Logs {
    fn start(change: impl FnOnce(&mut LogOptions)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change)
    }

    fn start_in(directory: tempfile::TempDir, change: impl FnOnce(&mut LogOptions)) -> Self {
        let mut options = LogOptions {
            output: LogOutput::File(directory.path().join("a.log")),
            ..LogOptions::default()
        };
        options.level = "trace".into();
        change(&mut options);
        let (subscriber, handle) = subscriber(&options).unwrap();
        Self {
            directory,
            dispatch: Dispatch::new(subscriber),
            handle,
        }
    }

    fn log(&self, work: impl FnOnce()) {
        with_default(&self.dispatch, work);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of all files, sorted.
    fn names(&self) -> Vec<String> {
        names(self.directory.path())
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
