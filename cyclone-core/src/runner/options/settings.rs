//! What the program was told, as plain values.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::effective::Value;
use super::layers::Layers;
use super::{Affinity, Change, Identity, OptionsError, Origin, Parsed, WorkerMode, Workers};
use crate::endpoint::Endpoint;
use crate::runner::logging::LogOptions;

/// What the program shall do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Serve.
    #[default]
    Run,
    /// Look whether it could serve, say so, and end: `--check`.
    Check,
    /// Take the place of the process that serves now: `--upgrade`.
    Upgrade,
}

/// How the process runs: `--uid` and its neighbours.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessOptions {
    /// The user to become once the sockets are bound.
    pub uid: Option<Identity>,
    /// The group to become once the sockets are bound.
    pub gid: Option<Identity>,
    /// The directory that becomes the root.
    pub chroot: Option<PathBuf>,
    /// The bits that are taken from the permissions of new files.
    pub umask: Option<u32>,
    /// Whether to detach from the terminal.
    pub daemonize: bool,
    /// The directory to change to; the relative paths of the other options start there.
    pub rundir: Option<PathBuf>,
    /// Where the number of the process is written; absolute.
    pub pidfile: Option<PathBuf>,
    /// How many workers serve; one unless told otherwise.
    pub workers: Workers,
    /// What a worker is.
    pub worker_mode: WorkerMode,
    /// The processors that workers are tied to; none unless told otherwise.
    pub affinity: Option<Affinity>,
    /// How long connections may take to end at shutdown.
    pub shutdown_timeout: Duration,
}

/// What the program was told, by whomever: the command line, the environment, the configuration file, or nobody.
///
/// `A` is the application's own options. The fields are plain values, ready to be used; [`origin`](Self::origin)
/// tells where one came from.
#[non_exhaustive]
pub struct Settings<A = ()> {
    /// The application's own options.
    pub args: A,
    /// Where to listen for the application: `--port`, `--listen`, `--unix` and `--endpoint`.
    pub endpoints: Vec<Endpoint>,
    /// Where to listen for the application over TLS: `--ssl-port`, its neighbours, and `--tls-endpoint`.
    pub tls_endpoints: Vec<Endpoint>,
    /// One text for the application: `--app-opts`.
    pub app_opts: Option<String>,
    /// One text for the application over TLS: `--ssl-app-opts`.
    pub ssl_app_opts: Option<String>,
    /// How the process runs.
    pub process: ProcessOptions,
    /// Where logs go.
    pub log: LogOptions,
    /// What to do.
    pub action: Action,
    /// The configuration file, if there is one; absolute.
    pub config: Option<PathBuf>,
    pub(super) values: Vec<Value>,
    pub(super) layers: Layers,
}

impl<A> Settings<A> {
    /// Where the value of an option came from, by its long name without dashes; `None` if there is no such option.
    pub fn origin(&self, option: &str) -> Option<&Origin> {
        let value = self.values.iter().find(|value| value.name == option)?;
        Some(&value.origin)
    }

    /// Whether an option has the value that it has in every program: nobody set it, and the program has no default of
    /// its own.
    pub(in crate::runner) fn is_built_in_default(&self, option: &str) -> bool {
        let by_nobody = |origin: &Origin| *origin == Origin::Default;
        self.origin(option).is_none_or(by_nobody) && !self.layers.program.has_default(option)
    }

    /// The effective configuration as TOML, each value with its origin: what `--print-config` prints.
    ///
    /// The text is a configuration file that gives the same settings. What nobody set is a comment, and so is what
    /// is secret: the values of options that are hidden from the help, or their values from it.
    pub fn effective(&self) -> String {
        super::effective::text(&self.layers.program, &self.values)
    }
}

impl<A: clap::Args> Settings<A> {
    /// Reads the configuration file again and returns the new settings with what is different in them.
    ///
    /// Command line and environment are those of the first time, and still stronger than the file. Nothing is
    /// applied: that is the caller's decision, for each option. The files of certificates and keys are not looked at:
    /// they may be out of reach since privileges were dropped.
    ///
    /// # Errors
    /// As at the start; these settings stay what they are.
    pub fn reload(&self) -> Result<Reloaded<A>, OptionsError> {
        match super::layers::parse::<A>(&self.layers.again())? {
            Parsed::Run(settings) => {
                let changes = Change::between(&self.values, &settings.values);
                Ok(Reloaded {
                    settings: *settings,
                    changes,
                })
            }
            // The command line is the one of the first time, which printed nothing.
            Parsed::Print(_) => Err(OptionsError::new("the command line asks for no settings")),
        }
    }
}

impl<A: fmt::Debug> fmt::Debug for Settings<A> {
    /// Without the raw values, some of which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("args", &self.args)
            .field("endpoints", &self.endpoints)
            .field("tls_endpoints", &self.tls_endpoints)
            .field("process", &self.process)
            .field("log", &self.log)
            .field("action", &self.action)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What [`Settings::reload`] found.
#[non_exhaustive]
#[derive(Debug)]
pub struct Reloaded<A> {
    /// The settings as they are now.
    pub settings: Settings<A>,
    /// The options that are different, in the order of the help.
    pub changes: Vec<Change>,
}
