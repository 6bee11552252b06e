//! The command line, the environment and the configuration file of a program: cyclone's options and `twistd`'s.
//!
//! ```
//! use std::time::Duration;
//! use cyclone_core::runner::{clap, options};
//!
//! /// Options of the application, beside the built-in ones.
//! #[derive(clap::Args)]
//! struct Args {
//!     /// Where the database is
//!     #[arg(long, default_value = "redis://127.0.0.1")]
//!     redis: String,
//!     /// How long a session lives
//!     #[arg(long, value_parser = options::duration, default_value = "20m")]
//!     session_lifetime: Duration,
//! }
//!
//! let chat = options::Program::new("chat").version("1.0.0");
//! let told = ["chat", "--port", "80", "--session-lifetime=1h30m"];
//! let parsed = chat.parse_from::<Args>(told, [("CHAT_REDIS", "redis://10.0.0.7")])?;
//! let options::Parsed::Run(settings) = parsed else { unreachable!("nothing was to be printed") };
//! assert_eq!(settings.args.redis, "redis://10.0.0.7");
//! assert_eq!(settings.args.session_lifetime, Duration::from_secs(5400));
//! assert_eq!(settings.endpoints[0].to_string(), "tcp:80:interface=127.0.0.1");
//! # Ok::<(), options::OptionsError>(())
//! ```
//!
//! # Whose word counts
//!
//! The command line is stronger than the environment, that than the configuration file, and that than the default.
//! It is decided for each option; the values of a repeatable option come from one place. Every value passes the same
//! parser, wherever it came from, and knows its [`Origin`]. Of two options that exclude each other the one with the
//! weaker origin is ignored.
//!
//! - **Environment**: `CHAT_LOG_LEVEL` for `--log-level` of a program `chat`
//!   ([`Program::environment_prefix`]). A flag is on by `1`, `true`, `yes` or `on` and off by `0`, `false`, `no` or
//!   `off`. The values of a repeatable option stand between commas (or the delimiter that the option has); a
//!   backslash before a comma keeps it. An empty variable says nothing. Of an option that names its own variable
//!   (`#[arg(env = "REDIS_URL")]`), only that one is read. `RUST_LOG` sets the level where `CHAT_LOG_LEVEL` does not.
//!   Kubernetes sets variables such as `CHAT_PORT` for a service named `chat`; switch `enableServiceLinks` off.
//! - **Configuration file**: TOML, named by `--config` or `CHAT_CONFIG`, of [`MAX_CONFIG_BYTES`] at most. A key is
//!   the long name of an option, with `-` or `_`. Tables only group: `level` in `[log]` is `log-level`, and `url` in
//!   `[redis]` is `redis-url`. A flag is `true` or `false`, a repeatable option has a list. An unknown key is an
//!   error with file, line and the nearest key there is.
//!
//! `--print-config`, `--check`, `--completions`, `--man` and `--upgrade` are orders and no settings: they are for the
//! command line alone.
//!
//! # The application's own options
//!
//! They are a [`clap::Args`], flattened into the same command line, file and environment: no section of their own. A
//! name that is built in cannot be taken. [`duration`], [`byte_size`], [`datetime`] and [`IntegerRanges`] parse what
//! cyclone's options parsed. `#[arg(hide = true)]` and `#[arg(hide_env_values = true)]` mark secrets: their values are
//! in no print-out, change or error.
//!
//! # Where it listens
//!
//! - `--port` and `--listen`: 8888 on 127.0.0.1 unless there is `--unix` or `--endpoint`; with one of those only if
//!   somebody set the port or the address.
//! - TLS on `--ssl-port` 8443 if somebody set `--ssl-cert` or `--ssl-key`, and then both files must be there; or if
//!   `server.crt` and `server.key` are there, as in cyclone.
//!
//! Relative paths start in `--rundir` if there is one, those of the configuration file too; the path of the
//! configuration file itself starts where the program was started.

pub use choices::{Affinity, Identity, MAX_CORES, MAX_WORKERS, WorkerMode, Workers};
pub(in crate::runner) use definition::is_built_in;
pub use definition::{DEFAULT_PORT, DEFAULT_SSL_CERT, DEFAULT_SSL_KEY, DEFAULT_SSL_PORT};
pub use error::OptionsError;
pub use file::MAX_CONFIG_BYTES;
pub use origin::{Change, Origin};
pub use program::Program;
pub use settings::{Action, ProcessOptions, Reloaded, Settings};
pub use values::{
    IntegerRanges, MAX_INTEGER_RANGES, ParseValueError, byte_size, datetime, duration,
};

mod assemble;
mod choices;
mod definition;
mod effective;
mod error;
mod file;
mod help;
mod inject;
mod layers;
mod origin;
mod program;
mod settings;
mod spec;
mod values;

/// What came of parsing.
#[derive(Debug)]
pub enum Parsed<A> {
    /// The settings to run with.
    Run(Box<Settings<A>>),
    /// A text for standard output, after which the program ends well: of `--help`, `--version`, `--print-config`,
    /// `--completions` or `--man`.
    Print(String),
}
