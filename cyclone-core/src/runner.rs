//! The command line, configuration and logs of a whole process, as `twistd` gives them.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

pub use clap;

pub use daemon::DEFAULT_DAEMON_UMASK;
pub use exit::{
    EXIT_CANNOT_CREATE, EXIT_CONFIG, EXIT_NO_PERMISSION, EXIT_OK, EXIT_OS, EXIT_RUNNING,
    EXIT_SOFTWARE, EXIT_UNAVAILABLE, EXIT_USAGE,
};
pub use process::Process;
pub use start::{BuildError, DEFAULT_RELOAD_TIMEOUT, Start};
pub use upgrade::DEFAULT_UPGRADE_TIMEOUT;

use crate::server::Server;
use logging::LogHandle;
use options::Program;

mod affinity;
mod channel;
mod child;
mod children;
mod control;
mod daemon;
mod executable;
mod exit;
pub mod logging;
mod notify;
mod null;
pub mod options;
mod pidfile;
mod privileges;
mod process;
mod report;
mod requests;
mod role;
mod run;
mod sets;
mod signals;
mod start;
mod upgrade;
mod worker;
mod worker_process;
mod workers;

/// Runs a whole program: `build` makes its server from what the command line says.
pub fn main<A, F, Fut>(build: F) -> ExitCode
where
    A: clap::Args + Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    Runner::new(Program::of_process()).main(build)
}

/// A program of which more is known than the name of its file.
#[derive(Clone, Debug)]
#[must_use = "a runner does nothing until `main` is called"]
pub struct Runner {
    program: Program,
    arguments: Option<Vec<OsString>>,
    upgrade_timeout: Duration,
}

impl Runner {
    /// The runner of this program.
    pub fn new(program: Program) -> Self {
        Self {
            program,
            arguments: None,
            upgrade_timeout: DEFAULT_UPGRADE_TIMEOUT,
        }
    }

    /// Sets the command line, the name of the program first; unless called it is the one of the process.
    ///
    /// Daemons, workers and successors are started with the arguments of the process, and have to come to the same
    /// ones by themselves.
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how long a new process may take until it serves at an upgrade, [`DEFAULT_UPGRADE_TIMEOUT`] unless called.
    pub fn upgrade_timeout(mut self, limit: Duration) -> Self {
        self.upgrade_timeout = limit;
        self
    }

    /// Runs the program as [`main`](main()) does.
    pub fn main<A, F, Fut>(self, build: F) -> ExitCode
    where
        A: clap::Args + Send + Sync + 'static,
        F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Server, BuildError>>,
    {
        run::run(self, build)
    }
}

/// Opens the log files again.
fn reopen(log: &LogHandle) {
    match log.reopen() {
        Ok(()) => tracing::info!("opened the log files again"),
        Err(error) => tracing::error!(%error, "cannot open the log files again"),
    }
}
