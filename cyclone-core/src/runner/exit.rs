//! Why a process ends, and with which code.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::server::ServerError;

/// Everything went well.
pub const EXIT_OK: u8 = 0;

/// The command line is wrong (`EX_USAGE` of sysexits(3)).
pub const EXIT_USAGE: u8 = 64;

/// An endpoint cannot be bound, a service did not start, or an upgrade failed (`EX_UNAVAILABLE`).
pub const EXIT_UNAVAILABLE: u8 = 69;

/// A mistake in the program: it panicked, or a protocol needs a resource that the server lacks (`EX_SOFTWARE`).
pub const EXIT_SOFTWARE: u8 = 70;

/// The operating system refused something that should work: a process, a pipe, a signal handler (`EX_OSERR`).
pub const EXIT_OS: u8 = 71;

/// A file cannot be written, the pid file for instance (`EX_CANTCREAT`).
pub const EXIT_CANNOT_CREATE: u8 = 73;

/// The program runs already, by its pid file (`EX_TEMPFAIL`).
pub const EXIT_RUNNING: u8 = 75;

/// Privileges could not be dropped (`EX_NOPERM`).
pub const EXIT_NO_PERMISSION: u8 = 77;

/// The configuration is wrong (`EX_CONFIG`).
pub const EXIT_CONFIG: u8 = 78;

/// Why a process did not start or did not end well: a code for scripts and a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    code: u8,
    reason: String,
}

impl Exit {
    pub(crate) fn new(code: u8, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code, reason }
    }

    /// The exit of an error of the operating system.
    pub(crate) fn os(what: &str, error: &io::Error) -> Self {
        Self::new(EXIT_OS, format!("{what}: {error}"))
    }

    /// The exit of an error with everything that led to it.
    pub(crate) fn of(code: u8, error: &(dyn Error + 'static)) -> Self {
        Self::new(code, chain(error))
    }

    /// The exit of a server that did not start.
    pub(crate) fn server(error: &ServerError) -> Self {
        let code = match error.missing_resource() {
            Some(_) => EXIT_SOFTWARE,
            None => EXIT_UNAVAILABLE,
        };
        Self::of(code, error)
    }

    /// The exit of a function of the application that failed: its own code if it is one of ours.
    pub(crate) fn build(error: &(dyn Error + 'static)) -> Self {
        Self::of(EXIT_CONFIG, error)
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Exit {}

impl From<&Exit> for ExitCode {
    fn from(exit: &Exit) -> Self {
        Self::from(exit.code)
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
