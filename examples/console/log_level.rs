//! The level of the log, as a resource that the command `log` sets.

use std::fmt;

type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// What the command `log` sets: a function of whoever keeps the log, among the resources of the server.
///
/// A program of cyclone's runner does not need it: the log of the runner is known to the command.
pub struct LogLevel {
    set: Box<SetLevel>,
}

impl LogLevel {
    /// Sets the level by this function, which says why when it cannot.
    pub fn new(set: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { set: Box::new(set) }
    }

    /// Sets the level, `debug` for instance, or whatever else the log understands.
    ///
    /// # Errors
    /// The reason, in words; the level is as it was.
    pub fn set(&self, level: &str) -> Result<(), String> {
        (self.set)(level)
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevel").finish_non_exhaustive()
    }
}
