//! Logging while it runs.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing_subscriber::{EnvFilter, Registry, reload};

use super::LogError;
use super::output::Output;
use super::start::filter;
use crate::lock::lock;

/// Changes and watches the logs of this process. Clones are the same.
#[derive(Clone)]
pub struct LogHandle {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) filter: reload::Handle<EnvFilter, Registry>,
    pub(super) level: Mutex<String>,
    pub(super) outputs: Vec<Arc<Output>>,
}

impl LogHandle {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// For tests of those who have one.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let options = super::LogOptions {
            output: super::LogOutput::Nowhere,
            ..super::LogOptions::default()
        };
        let started = super::start::subscriber(&options);
        started.map(|(_, handle)| handle).unwrap()
    }

    /// Opens the log file again by its name, as `SIGUSR1` asks for after another program has set it aside.
    ///
    /// It happens by itself too, with the next line. No line is lost.
    ///
    /// # Errors
    /// [`LogError`] when the file cannot be opened; then the one that is open stays in use.
    pub fn reopen(&self) -> Result<(), LogError> {
        self.inner
            .outputs
            .iter()
            .try_for_each(|output| output.reopen())
    }

    /// Sets what is logged from now on: a level, or a filter such as `info,cyclone_core=debug`.
    ///
    /// # Errors
    /// [`LogError`] when the text is no filter; nothing changes.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let filter = filter(level)?;
        let mut current = lock(&self.inner.level);
        self.inner
            .filter
            .reload(filter)
            .map_err(|error| LogError::new(error.to_string()))?;
        super::start::tell_log_crate();
        level.clone_into(&mut current);
        Ok(())
    }

    /// What is logged, as it was set.
    pub fn level(&self) -> String {
        lock(&self.inner.level).clone()
    }

    /// Gives the log file to a user and a group, before the process becomes that user; those that take its place later
    /// are given to them too. Devices, pipes and terminals stay whose they are.
    ///
    /// So the file can be opened again by its name. To set files aside, the user must be able to write to the directory
    /// too; if it is not, the file grows, and standard error is told.
    ///
    /// # Errors
    /// [`LogError`] when the system refuses.
    pub fn change_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), LogError> {
        let outputs = &self.inner.outputs;
        outputs
            .iter()
            .try_for_each(|output| output.change_owner(uid, gid))
    }

    /// Waits until the lines that were logged before are written, [`LOG_FLUSH_TIMEOUT`](super::LOG_FLUSH_TIMEOUT) at most;
    /// without a queue that is at once.
    ///
    /// It blocks the thread, and is meant for the end of the program.
    pub fn flush(&self) {
        self.inner.outputs.iter().for_each(|output| output.flush());
    }

    /// Lines that could not be written, since the start.
    pub fn dropped(&self) -> u64 {
        self.inner
            .outputs
            .iter()
            .map(|output| output.dropped())
            .sum()
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHandle")
            .field("level", &self.level())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}
