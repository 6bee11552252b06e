//! Whole programs: the command line, configuration, logs and processes of a server, as `twistd` gives them.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use cyclone_core::runner::{self, BuildError, Start, clap};
//! use cyclone_core::{Connection, Server, protocol_fn};
//! use tokio::io::AsyncWriteExt;
//!
//! #[derive(clap::Args)]
//! struct Options {
//!     /// What everyone is told
//!     #[arg(long, default_value = "hello")]
//!     greeting: String,
//! }
//!
//! async fn build(start: Start<Options>) -> Result<Server, BuildError> {
//!     let greeting = start.args().greeting.clone();
//!     let hello = protocol_fn("hello", move |mut connection: Connection| {
//!         let greeting = greeting.clone();
//!         async move { connection.write_all(greeting.as_bytes()).await }
//!     });
//!     Ok(Server::new().listen_all(start.endpoints(), hello))
//! }
//!
//! fn main() -> ExitCode {
//!     runner::main(build)
//! }
//! ```
//!
//! That is a program with `--port`, `--unix`, `--ssl-cert`, `--config`, `--daemonize`, `--uid`, `--workers`, `--logfile`
//! and the rest of `--help`. [`options`] says how it is told what to do, [`logging`] where its logs go. It is for Linux.
//!
//! # How it starts
//!
//! 1. Command line, environment and configuration file are read, users and groups looked up.
//! 2. With `--daemonize` the program starts itself once more in the background, without a terminal; the process that
//!    was called returns 0 when connections are accepted, by every worker, and otherwise tells why not and returns the
//!    code of that. Like `twistd`, daemons create files for their own user only ([`DEFAULT_DAEMON_UMASK`]).
//! 3. The pid file is locked. The lock counts and not the number in it: a file that nobody has locked is left over.
//! 4. `build` is called, once for each worker, and the endpoints are bound.
//! 5. Privileges are dropped: root directory, groups, group and user, for good, and looked at again in every thread.
//!    A process that is not exactly who it should be does not go on.
//! 6. Services start, connections are accepted, and whoever waits for it is told.
//!
//! What `build` opens, it opens with the privileges of the start; what a service opens in its `start`, with what is left.
//! Log files are given to the user that the process becomes. A pid file in a folder that he may not write to stays, empty
//! and unlocked.
//!
//! # Workers
//!
//! | option | what serves |
//! |---|---|
//! | none | one server in a runtime with a thread for each core; tasks move between them |
//! | `--workers N`, `--workers per-core` | N threads, each with a runtime and a server of its own: a connection stays where it was accepted, and no request wakes another core |
//! | `--worker-mode processes` | the same in N processes |
//!
//! [`Start::endpoints`] gives each worker a socket of its own (`SO_REUSEPORT`), over which the kernel spreads
//! connections; other endpoints are one socket for all. `--affinity` binds each worker to one of the processors that
//! the program may use, and the one that has a thread for each core to all of them. What servers of one process share,
//! as a cache, is made outside of `build`; for what there may be only one of, [`Start::worker`] is the number.
//!
//! With processes the one that was started leads the others and serves nobody: it keeps the privileges of the start, as
//! nginx's does, and the workers drop them. One that dies is started again after a pause, of 50 ms at first and 30 s at
//! most, and one that does not serve within a minute then is given up; one that fails again and again leaves its share
//! of the connections to the others. When the one that leads is gone, its workers end as by SIGTERM, and at once if
//! their runtime is blocked. A worker reads the configuration anew when it is started again.
//!
//! # A new version without a lost connection
//!
//! SIGUSR2, [`Process::upgrade`] or the program itself with `--upgrade` and the `--pidfile` of the running one: what is now
//! at the path of the program is started with the same arguments and gets the listening sockets. When it accepts
//! connections, the old process lets its own end: HTTP says `connection: close`, WebSockets get 1001. Both accept from
//! the same queue, so nobody is turned away, and the files of Unix domain sockets stay.
//!
//! A new process that fails or takes longer than [`Runner::upgrade_timeout`] is ended; the old one goes on and says why.
//! `--upgrade` returns 0 when the new one serves, and prints the reason otherwise. Two upgrades at once are refused. The
//! new process may have another number of workers, other endpoints and other options, if they are in the configuration
//! file or the environment of the old one.
//!
//! The first process of a container (number 1) refuses: the container ends with it. So it is with supervisors that watch
//! one process; systemd is told which one it is now.
//!
//! A program that has dropped its privileges starts the new one without them: it can bind nothing that needs them, and
//! cannot read files of root. In a `--chroot` there is usually no program to start, except with worker processes.
//!
//! # Signals
//!
//! | signal | does |
//! |---|---|
//! | SIGTERM, SIGINT | ends: connections have until `--shutdown-timeout`; a second one cuts them, a third one does not wait |
//! | SIGHUP | reads the configuration file and certificates again and runs [`Start::on_reload`]; of the built-in options only `--log-level` changes, the others need an upgrade |
//! | SIGUSR1 | opens the log files again |
//! | SIGUSR2 | upgrades |
//!
//! [`Process`] is among the resources of every server and does the same from inside, for an operator's console.
//!
//! # Service managers
//!
//! Under systemd (`Type=notify`) it says `READY=1`, `RELOADING=1`, `STOPPING=1`, `STATUS=` and, at an upgrade, `MAINPID=`.
//! With `WatchdogSec=` it says `WATCHDOG=1` at half of that time, as long as the runtime of every worker that serves
//! answers. Sockets of systemd (`--endpoint systemd:0`) reach daemons and worker processes too.
//!
//! ```text
//! [Service]
//! Type=notify
//! ExecStart=/usr/local/bin/chat --config /etc/chat.toml --pidfile /run/chat/pid
//! ExecReload=/usr/local/bin/chat --upgrade --pidfile /run/chat/pid
//! RuntimeDirectory=chat
//! ```
//!
//! # Exit codes
//!
//! | code | when |
//! |---|---|
//! | [0](EXIT_OK) | it ended as it was told, or the daemon serves |
//! | [64](EXIT_USAGE) | the command line or the environment is wrong |
//! | [69](EXIT_UNAVAILABLE) | an endpoint cannot be bound, a service did not start, an upgrade failed |
//! | [70](EXIT_SOFTWARE) | a mistake in the program: a panic, a missing resource |
//! | [71](EXIT_OS) | the system refuses something that should work |
//! | [73](EXIT_CANNOT_CREATE) | the pid file cannot be written, or is something else |
//! | [75](EXIT_RUNNING) | the program runs already |
//! | [77](EXIT_NO_PERMISSION) | privileges could not be dropped |
//! | [78](EXIT_CONFIG) | the configuration is wrong, or `build` failed |
//!
//! # What `--check` looks at
//!
//! Command line, environment and configuration file; users, groups, processors and the run directory; that `build`
//! succeeds; that the server has the resources its protocols ask for; certificates and keys of endpoints. Nothing is bound,
//! no service started, no pid file or log touched, and no privilege dropped, so it does not see a port that is taken.

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
pub(crate) use role::is_activated;

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

/// Runs a whole program to its end: `build` makes its server from what the command line says.
///
/// It returns what `main` of the program should return, and should be the first thing that `main` calls: with
/// `--daemonize`, worker processes and upgrades the program starts itself once more, and all that is before this happens
/// in each of these processes. The process's runtime, logs and signals are its own.
///
/// `build` is called once for each worker, in the runtime of that worker. The server that it returns gets the
/// [`Process`] and the [`LogHandle`] among its resources, and `--shutdown-timeout` as its deadline if
/// somebody has set it, [`Program::default_value`] too. The options of the application are `A`, a [`clap::Args`], or `()`.
///
/// A panic of `build` ends the program with [`EXIT_SOFTWARE`].
pub fn main<A, F, Fut>(build: F) -> ExitCode
where
    A: clap::Args + Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    Runner::new(Program::of_process()).main(build)
}

/// A program of which more is known than the name of its file, otherwise as [`main`](main()).
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use cyclone_core::Server;
/// use cyclone_core::runner::options::Program;
/// use cyclone_core::runner::{BuildError, Runner, Start};
///
/// async fn build(start: Start) -> Result<Server, BuildError> {
///     # let hello = cyclone_core::protocol_fn("hello", |_connection| async { Ok(()) });
///     Ok(Server::new().listen_all(start.endpoints(), hello))
/// }
///
/// fn main() -> ExitCode {
///     let program = Program::new("chat")
///         .version(env!("CARGO_PKG_VERSION"))
///         .about("Rooms for everybody")
///         .default_value("port", "5222");
///     Runner::new(program).main(build)
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a runner does nothing until `main` is called"]
pub struct Runner {
    program: Program,
    arguments: Option<Vec<OsString>>,
    upgrade_timeout: Duration,
}

impl Runner {
    /// The runner of a program with these names, defaults and description.
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
