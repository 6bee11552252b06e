//! What can be wrong with logs.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

/// Logging could not be started or changed: a mistake in the configuration, or something that the system refuses.
///
/// What was logged before goes on as it was.
#[derive(Debug)]
pub struct LogError {
    message: String,
    source: Option<io::Error>,
}

impl LogError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn io(what: &str, path: &Path, source: io::Error) -> Self {
        let message = format!("{what} `{}`", path.display());
        Self {
            message,
            source: Some(source),
        }
    }

    /// The error of the system, if there is one; trying again may help once its reason is gone.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for LogError {}
