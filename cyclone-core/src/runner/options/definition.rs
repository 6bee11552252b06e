//! The built-in options. The first line of each comment is its help.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::choices::{self, Shell};
use super::{Affinity, Identity, WorkerMode, Workers, byte_size, duration};
use crate::endpoint::Endpoint;
use crate::runner::logging::{LogFormat, LogRotation};

/// The port, unless told otherwise; cyclone's.
pub const DEFAULT_PORT: u16 = 8888;

/// The port of TLS, unless told otherwise; cyclone's.
pub const DEFAULT_SSL_PORT: u16 = 8443;

/// The certificate, unless told otherwise; cyclone's.
pub const DEFAULT_SSL_CERT: &str = "server.crt";

/// The private key, unless told otherwise; cyclone's.
pub const DEFAULT_SSL_KEY: &str = "server.key";

#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct BuiltIn {
    #[command(flatten)]
    pub(super) listening: Listening,
    #[command(flatten)]
    pub(super) tls: Tls,
    #[command(flatten)]
    pub(super) process: Process,
    #[command(flatten)]
    pub(super) logs: Logs,
    #[command(flatten)]
    pub(super) configuration: Configuration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Listening")]
#[group(skip)]
pub(super) struct Listening {
    /// Port for the application; 0 lets the kernel pick one
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub(super) port: u16,
    /// Address of the interface to listen on; 0.0.0.0 or :: for all
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(super) listen: IpAddr,
    /// Unix domain socket to listen on, instead of a port that nobody asked for
    #[arg(short, long, value_name = "PATH")]
    pub(super) unix: Option<PathBuf>,
    /// Endpoint to listen on, such as `tcp:8888:interface=127.0.0.1` or `systemd:0`; repeatable
    ///
    /// A `tls:` endpoint given here serves the same application as the others. As with --unix, the default port is
    /// not used.
    #[arg(long, value_name = "ENDPOINT")]
    pub(super) endpoint: Vec<Endpoint>,
    /// Text for the application
    #[arg(short = 'c', long, alias = "appopts", value_name = "TEXT")]
    pub(super) app_opts: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
#[group(skip)]
pub(super) struct Tls {
    /// Port for the application over TLS
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_SSL_PORT)]
    pub(super) ssl_port: u16,
    /// Address of the interface to listen on for TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(super) ssl_listen: IpAddr,
    /// Certificate chain, as PEM; there is TLS if this is given, or if the default and its key exist
    #[arg(long, value_name = "FILE", default_value = DEFAULT_SSL_CERT)]
    pub(super) ssl_cert: PathBuf,
    /// Private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", default_value = DEFAULT_SSL_KEY)]
    pub(super) ssl_key: PathBuf,
    /// Text for the application over TLS
    #[arg(long, alias = "ssl-appopts", value_name = "TEXT")]
    pub(super) ssl_app_opts: Option<String>,
    /// Endpoint for the application over TLS, such as `tls:8443:cert=a.crt:key=a.key`; repeatable
    #[arg(long, value_name = "ENDPOINT")]
    pub(super) tls_endpoint: Vec<Endpoint>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
#[group(skip)]
pub(super) struct Process {
    /// User to become once the sockets are bound: a name or a number
    #[arg(long, value_name = "USER")]
    pub(super) uid: Option<Identity>,
    /// Group to become once the sockets are bound: a name or a number
    #[arg(long, value_name = "GROUP")]
    pub(super) gid: Option<Identity>,
    /// Directory that becomes the root
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) chroot: Option<PathBuf>,
    /// Permissions that new files do not get: an octal number
    #[arg(long, value_name = "OCTAL", value_parser = choices::umask)]
    pub(super) umask: Option<u32>,
    /// Detach from the terminal; returns once the program listens
    #[arg(long)]
    pub(super) daemonize: bool,
    /// Directory to change to; relative paths of other options start there
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) rundir: Option<PathBuf>,
    /// File for the number of the process, locked as long as it runs
    #[arg(long, value_name = "FILE")]
    pub(super) pidfile: Option<PathBuf>,
    /// Number of workers, or `per-core`
    ///
    /// A worker is one thread; unless told otherwise there is one worker with a thread for each core.
    #[arg(long, value_name = "N|per-core", default_value = "1")]
    pub(super) workers: Workers,
    /// What a worker is
    #[arg(long, value_name = "MODE", value_enum, default_value = "threads")]
    pub(super) worker_mode: WorkerMode,
    /// Tie each worker to a processor: `auto`, or the processors to use, such as `0:3,8`
    ///
    /// Without --workers, the threads of the one worker share these processors.
    #[arg(long, value_name = "CORES", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub(super) affinity: Option<Affinity>,
    /// How long connections may take to end at shutdown
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub(super) shutdown_timeout: Duration,
    /// Take the place of the process that serves now, without refusing a connection
    #[arg(long)]
    pub(super) upgrade: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Logs")]
#[group(skip)]
pub(super) struct Logs {
    /// File for logs; `-` is standard output, the default unless there is syslog or journald
    ///
    /// A daemon's default is NAME.log in its directory.
    #[arg(long, value_name = "FILE")]
    pub(super) logfile: Option<PathBuf>,
    /// How a line looks
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "pretty")]
    pub(super) log_format: LogFormat,
    /// What is logged: a level, or a filter such as `info,cyclone_core=debug`
    #[arg(long, value_name = "FILTER", value_parser = crate::runner::logging::check_level, default_value = "info")]
    pub(super) log_level: String,
    /// When a log file is set aside and a new one begun
    #[arg(long, value_name = "WHEN", value_enum, default_value = "size")]
    pub(super) log_rotate: LogRotation,
    /// Size of a log file in bytes, about, for `--log-rotate size`
    #[arg(long, value_name = "SIZE", value_parser = byte_size, default_value = "100000000")]
    pub(super) log_max_size: u64,
    /// Old log files to keep
    #[arg(long, value_name = "NUMBER", default_value = "10")]
    pub(super) log_backups: usize,
    /// Lines that may wait for a slow disk before lines are dropped; 0 makes the program wait
    #[arg(long, value_name = "LINES", default_value = "0")]
    pub(super) log_queue: usize,
    /// Send logs to the system log
    #[arg(long)]
    pub(super) syslog: bool,
    /// Name of the program in the system log and the journal
    #[arg(long, visible_alias = "prefix", value_name = "NAME")]
    pub(super) syslog_prefix: Option<String>,
    /// Send logs to the journal of systemd
    #[arg(long)]
    pub(super) journald: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
#[group(skip)]
pub(super) struct Configuration {
    /// Configuration file (TOML), weaker than the environment and the command line
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print the effective configuration, each value with its origin, and end
    #[arg(long)]
    pub(super) print_config: bool,
    /// Look whether the program could start, say so, and end
    #[arg(long, conflicts_with = "upgrade")]
    pub(super) check: bool,
    /// Print a script that completes the options in a shell, and end
    #[arg(long, value_name = "SHELL", value_enum)]
    pub(super) completions: Option<Shell>,
    /// Print the manual page, and end
    #[arg(long)]
    pub(super) man: bool,
}

/// Whether an option, by its long name, is one of these and not one of the application.
pub(in crate::runner) fn is_built_in(option: &str) -> bool {
    let all = BuiltIn::augment_args(clap::Command::new("built-in"));
    all.get_arguments()
        .any(|arg| arg.get_long() == Some(option))
}

/// Options that are orders and not settings: only for the command line.
pub(super) const ORDERS: [&str; 5] = ["print-config", "check", "completions", "man", "upgrade"];

/// Says where the configuration file is: for the command line and the environment.
pub(super) const CONFIG: &str = "config";
