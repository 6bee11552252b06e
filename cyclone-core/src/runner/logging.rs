//! The logs of a program: `tracing` events as lines in a file, on a terminal, in the system log or the journal.
//!
//! ```
//! use cyclone_core::runner::logging::{self, LogOptions, LogOutput};
//!
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let mut options = LogOptions::default();
//! options.output = LogOutput::File(directory.join("chat.log"));
//! options.level = "info,cyclone_core=debug".into();
//! let logs = logging::start(&options)?;
//! tracing::info!(users = 3, "the room is open");
//! logs.set_level("warn")?;
//! # assert!(std::fs::read_to_string(directory.join("chat.log"))?.contains("the room is open users=3"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Formats
//!
//! - `pretty`: cyclone's, `[I 261121 10:30:00 chat::room:42] the room is open users=3`, coloured on a terminal
//!   unless `NO_COLOR` is set. The time is local. Further lines of a message are indented by four spaces.
//! - `compact`: one line always, `2026-11-21T10:30:00.123456+01:00 INFO chat::room: the room is open users=3`.
//! - `json`: one object in one line: `timestamp` (RFC 3339, UTC), `level`, `target`, `filename`, `line_number`, `fields`
//!   (with `message`), and `span` and `spans` where there are any. These names stay as they are.
//!
//! Control characters that came from outside are escaped in all of them: nobody can forge a line.
//!
//! # After `chroot`
//!
//! Files are written and set aside as before: their directory is held open. The time zone is the one of the start. The
//! system log is reached until it is started again; then its socket must be in the new root. The journal must be there
//! from the beginning.
//!
//! # Files
//!
//! A line is one `write` in append mode, so that threads and processes (workers, the old and the new one of an upgrade)
//! can share a file: no line is torn. Before each line it is seen whether the file is still the one of that name; a file
//! that another process, or `logrotate`, has set aside is left for the new one. [`LogHandle::reopen`] (`SIGUSR1`) does the
//! same at once. New files have the permissions
//! [`LOG_FILE_MODE`], less the process's umask.
//!
//! When a line cannot be written, for a full disk for example, the program goes on: standard error is told once, the
//! line counts as [dropped](LogHandle::dropped), and when lines can be written again the first one says how many are
//! missing.
//!
//! A line is written by the thread that logs it, which waits for the disk. [`LogOptions::queue`] puts a thread and a
//! bounded queue between them; then it is lines that give way to a slow disk.

pub use error::LogError;
pub use handle::LogHandle;
pub use options::{
    DEFAULT_LOG_BACKUPS, DEFAULT_LOG_MAX_SIZE, DEFAULT_SYSLOG_SOCKET, LOG_FILE_MODE, LogFormat,
    LogOptions, LogOutput, LogRotation,
};
pub use output::{LOG_FLUSH_TIMEOUT, MAX_LOG_LINE_BYTES, MAX_LOG_QUEUE_BYTES};
pub(super) use start::check_level;
pub use start::start;
pub use syslog::{MAX_SYSLOG_BYTES, SYSLOG_TIMEOUT};

mod clock;
mod error;
mod file;
mod format;
mod handle;
mod journal;
mod options;
mod output;
mod panics;
mod rotation;
mod standard;
mod start;
mod syslog;
#[cfg(test)]
mod tests;
