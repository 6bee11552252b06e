//! Where logs go and how they look.

use std::path::PathBuf;

use clap::ValueEnum;

/// Bytes of a log file, about, before a new one is begun; cyclone's.
pub const DEFAULT_LOG_MAX_SIZE: u64 = 100_000_000;

/// Old log files that are kept; cyclone's.
pub const DEFAULT_LOG_BACKUPS: usize = 10;

/// The socket of the system log.
pub const DEFAULT_SYSLOG_SOCKET: &str = "/dev/log";

/// Permissions of new log files, less the umask: the owner writes, the group reads.
pub const LOG_FILE_MODE: u32 = 0o640;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people, as cyclone's.
    #[default]
    Pretty,
    /// For programs: an object to a line.
    Json,
    /// For people and programs: always one line.
    Compact,
}

/// When a log file is set aside and a new one begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogRotation {
    /// When it is as large as [`LogOptions::max_size`]; the old ones are `.1`, `.2` and so on, `.1` the youngest.
    #[default]
    #[value(help = "At --log-max-size; the old ones are .1, .2 and so on, .1 the youngest")]
    Size,
    /// At the first line of an hour; the old ones are called after theirs, as in `.2026-11-21T10`.
    #[value(
        help = "At the first line of an hour; the old ones are called after theirs: .2026-11-21T10"
    )]
    Hourly,
    /// At the first line of a day; the old ones are called after theirs, as in `.2026-11-21`.
    #[value(help = "At the first line of a day; the old ones are called after theirs: .2026-11-21")]
    Daily,
    /// Never: another program does it, and sends `SIGUSR1` or not.
    #[value(help = "Never; another program may do it")]
    Never,
}

/// Where lines go, beside the system log and the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard output.
    #[default]
    Stdout,
    /// A file, made if it is not there. Not a directory; a terminal, a pipe or a device is never rotated.
    File(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// Where logs go and how they look; [`Default`] is cyclone's: on standard output, pretty, from `info` on.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Where lines go.
    pub output: LogOutput,
    /// How they look there.
    pub format: LogFormat,
    /// What is logged: a level, or a filter such as `info,cyclone_core=debug`, in the syntax of
    /// `tracing_subscriber`'s `EnvFilter`. `off` is nothing.
    pub level: String,
    /// When a file is set aside.
    pub rotation: LogRotation,
    /// Bytes of a file, for [`LogRotation::Size`]. About: while one process sets a file aside, those that share it wait
    /// for nobody and write on.
    pub max_size: u64,
    /// Old files that are kept; with none, what is in a file is gone when it is set aside.
    pub backups: usize,
    /// Lines that may wait for the disk, in a queue; further ones are dropped. 0 is no queue: the program waits.
    pub queue: usize,
    /// The socket of the system log, usually [`DEFAULT_SYSLOG_SOCKET`], if lines shall go there.
    pub syslog: Option<PathBuf>,
    /// Whether lines go to the journal of systemd.
    pub journald: bool,
    /// The name of the program in the system log and the journal.
    pub identifier: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            output: LogOutput::default(),
            format: LogFormat::default(),
            level: "info".to_owned(),
            rotation: LogRotation::default(),
            max_size: DEFAULT_LOG_MAX_SIZE,
            backups: DEFAULT_LOG_BACKUPS,
            queue: 0,
            syslog: None,
            journald: false,
            identifier: "cyclone".to_owned(),
        }
    }
}
