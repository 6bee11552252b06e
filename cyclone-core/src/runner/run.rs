//! The way of a process from its command line to its exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use super::Runner;
use super::affinity;
use super::channel::{Channel, Message};
use super::children;
use super::control::{Control, Parent};
use super::daemon;
use super::executable::Executable;
use super::exit::{EXIT_CONFIG, EXIT_OK, EXIT_USAGE, Exit};
use super::logging::{self, LogHandle};
use super::notify::Notify;
use super::options::{Action, OptionsError, Origin, Parsed, Settings, WorkerMode, is_built_in};
use super::privileges::Privileges;
use super::process::Process;
use super::report::Report;
use super::requests;
use super::role::{self, Part};
use super::signals::Signals;
use super::start::{BuildError, Hooks, Start};
use super::upgrade::Inheritance;
use super::worker::{self, Plan};
use super::worker_process::{self, Orders, WorkerProcess};
use super::workers::{Launch, Workers};
use crate::backoff::BackoffPolicy;
use crate::server::Server;
use setup::{claim, enter, share_tls, worker_count};

mod setup;

/// The option whose change a reload applies by itself.
const LOG_LEVEL: &str = "log-level";

/// What a process has done that did not fail.
enum Done {
    /// It has served, or it was not its task to serve.
    Served(Report),
    /// It has a text for standard output.
    Said(String),
}

/// Runs the program until its end.
pub(crate) fn run<A, F, Fut>(runner: Runner, build: F) -> ExitCode
where
    A: clap::Args + Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let name = runner.program.name().to_owned();
    let mut log = None;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (done, told) = match runtime {
        Err(error) => (Err(Exit::os("cannot start a runtime", &error)), false),
        Ok(runtime) => {
            let done = runtime.block_on(with_parent(runner, build, &mut log));
            runtime.shutdown_background();
            done
        }
    };
    if let Some(log) = &log {
        match &done {
            Ok(Done::Served(report)) => tell(report),
            Ok(Done::Said(_)) => {}
            Err(exit) => tracing::error!(code = exit.code(), reason = exit.reason(), "ended"),
        }
        log.flush();
    }
    match done {
        Ok(Done::Served(_)) => EXIT_OK.into(),
        Ok(Done::Said(text)) if text.is_empty() => EXIT_OK.into(),
        Ok(Done::Said(text)) => {
            // Who does not read it any more, as `head` does, has no use for an error.
            let _ = writeln!(io::stdout(), "{}", text.trim_end());
            EXIT_OK.into()
        }
        Err(exit) => {
            if !told {
                let _ = writeln!(io::stderr(), "{name}: {exit}");
            }
            ExitCode::from(&exit)
        }
    }
}

/// Runs the program, and tells the process that started it, if it waits to hear, what came of it. Returns whether it was
/// told why the program failed.
async fn with_parent<A, F, Fut>(
    runner: Runner,
    build: F,
    log: &mut Option<LogHandle>,
) -> (Result<Done, Exit>, bool)
where
    A: clap::Args + Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let part = role::take().and_then(|part| {
        let part = part.map(|(part, channel)| Ok((part, Channel::new(channel)?)));
        part.transpose()
    });
    let part: Option<(Part, Channel)> = match part {
        Ok(part) => part,
        Err(error) => {
            let error: io::Error = error;
            return (
                Err(Exit::os(
                    "cannot reach the process that started this one",
                    &error,
                )),
                false,
            );
        }
    };
    let done = lead(runner, build, part.as_ref(), log).await;
    let last = match (&done, &part) {
        (Err(exit), Some(_)) => Message::Failed(exit.clone()),
        (Ok(Done::Served(report)), Some((Part::Worker, _))) => Message::Ended(report.clone()),
        _ => return (done, false),
    };
    let told = match &part {
        Some((_, channel)) => channel.send(&last).await.is_ok(),
        None => false,
    };
    (done, told)
}

async fn lead<A, F, Fut>(
    runner: Runner,
    build: F,
    part: Option<&(Part, Channel)>,
    log: &mut Option<LogHandle>,
) -> Result<Done, Exit>
where
    A: clap::Args + Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let executable = Executable::current()
        .map_err(|error| Exit::os("cannot find the program itself", &error))?;
    if part.is_some() {
        executable.keep_name();
    }
    let parsed = match &runner.arguments {
        Some(arguments) => runner
            .program
            .parse_from::<A>(arguments, std::env::vars_os()),
        None => runner.program.parse::<A>(),
    };
    let mut settings = match parsed.map_err(|error| wrong(&error))? {
        Parsed::Print(text) => return Ok(Done::Said(text)),
        Parsed::Run(settings) => *settings,
    };
    let options = &settings.process;
    if part.is_none() {
        if settings.action == Action::Upgrade {
            let limit = runner.upgrade_timeout;
            let pid = requests::upgrade(options.pidfile.as_deref(), limit).await?;
            return Ok(Done::Said(format!("process {pid} has taken over")));
        }
        if settings.action == Action::Run && options.daemonize {
            daemon::launch(&executable).await?;
            return Ok(Done::Said(String::new()));
        }
    }
    let privileges = Privileges::resolve(options)?;
    let processors = affinity::choose(options.affinity.as_ref())?;
    let workers = worker_count(options, processors.as_deref())?;
    enter(options, part.map(|(part, _)| *part))?;
    if settings.action == Action::Check {
        return check(Arc::new(settings), build, workers).await;
    }
    let handle = logging::start(&settings.log).map_err(|error| Exit::of(EXIT_CONFIG, &error))?;
    let handle = log.insert(handle).clone();
    privileges.give(&handle);
    let in_processes = options.worker_mode == WorkerMode::Processes;
    if workers > 1 && !in_processes {
        share_tls(&mut settings);
    }
    let settings = Arc::new(settings);
    let options = &settings.process;
    let signals = Signals::install()
        .map_err(|error| Exit::os("cannot install the signal handlers", &error))?;
    let (process, asked) = Process::new();
    let hooks = Hooks::new(Arc::clone(&settings));
    let reload = || reload(&hooks, &handle);
    let multi_threaded = settings.is_built_in_default("workers");
    let mut plan = Plan {
        settings: Arc::clone(&settings),
        build,
        process,
        hooks: hooks.clone(),
        log: handle.clone(),
        workers,
        threads: workers,
        multi_threaded,
        processors,
    };
    if let Some((Part::Worker, channel)) = part {
        let orders: Orders = worker_process::orders(channel).await?;
        plan.workers = orders.workers;
        plan.threads = 1;
        let worker = WorkerProcess {
            channel,
            signals,
            asked,
            privileges: &privileges,
            log: &handle,
            reload: &reload,
        };
        let report = worker.run(orders, threads(plan)).await?;
        return Ok(Done::Served(report));
    }
    let (parent, inheritance) = match part {
        Some((Part::Successor, channel)) => (
            Parent::Predecessor(channel),
            Inheritance::receive(channel).await?,
        ),
        Some((_, channel)) => (Parent::Launcher(channel), Inheritance::default()),
        None => (Parent::None, Inheritance::default()),
    };
    let (pid_file, requests) = claim(options, inheritance.pid_file, inheritance.requests)?;
    let launch = match in_processes {
        true => processes(executable.clone(), workers, options.daemonize),
        false => threads(plan),
    };
    let control = Control {
        workers: Workers::new(workers, in_processes, BackoffPolicy::default(), launch),
        parent,
        signals,
        asked,
        executable: &executable,
        privileges: (!in_processes).then_some(&privileges),
        log: &handle,
        notify: Notify::from_environment(),
        pid_file,
        requests,
        reload: &reload,
        upgrade_timeout: runner.upgrade_timeout,
    };
    let report = control.run(inheritance.sets).await?;
    Ok(Done::Served(report))
}

/// Workers in threads of this process.
fn threads<A, F, Fut>(plan: Plan<A, F>) -> Launch
where
    A: Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let plan = Arc::new(plan);
    Box::new(move |set, teller| {
        worker::spawn(Arc::clone(&plan), set, teller)
            .map_err(|error| Exit::os("cannot start a thread", &error))
    })
}

/// Workers in processes of their own.
fn processes(executable: Executable, workers: usize, daemonized: bool) -> Launch {
    Box::new(move |set, teller| children::spawn(&executable, workers, daemonized, set, teller))
}

/// Builds a server as a worker would, and looks whether it has what its protocols need.
async fn check<A, F, Fut>(
    settings: Arc<Settings<A>>,
    build: F,
    workers: usize,
) -> Result<Done, Exit>
where
    F: Fn(Start<A>) -> Fut,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let (process, _asked) = Process::new();
    let hooks = Hooks::new(Arc::clone(&settings));
    let start = Start {
        settings,
        process: process.clone(),
        hooks: hooks.of(0),
        worker: 0,
        workers,
    };
    let server = build(start).await;
    let server = server.map_err(|error| Exit::build(error.as_ref()))?;
    let checked = server.resource(process).check().await;
    checked.map_err(|error| Exit::server(&error))?;
    Ok(Done::Said("the configuration is fine".to_owned()))
}

/// Reads the configuration again and applies what can be applied; returns what is wrong with it.
fn reload<A: clap::Args>(hooks: &Hooks<A>, log: &LogHandle) -> Vec<String> {
    let reloaded = match hooks.settings().reload() {
        Ok(reloaded) => reloaded,
        Err(error) => return vec![error.to_string()],
    };
    for change in &reloaded.changes {
        if change.option == LOG_LEVEL {
            tracing::info!(%change, "the configuration has changed");
            if let Err(error) = log.set_level(&reloaded.settings.log.level) {
                return vec![error.to_string()];
            }
        } else if is_built_in(&change.option) {
            tracing::warn!(%change, "the configuration has changed, which takes an upgrade or a restart");
        } else {
            tracing::info!(%change, "the configuration has changed");
        }
    }
    hooks.set_settings(reloaded.settings);
    Vec::new()
}

/// The exit of a mistake in what the program was told.
fn wrong(error: &OptionsError) -> Exit {
    let code = match error.origin() {
        Some(Origin::File { .. }) => EXIT_CONFIG,
        _ => EXIT_USAGE,
    };
    Exit::of(code, error)
}

/// Says how the shutdown went, with everything that did not go well in a line of its own.
fn tell(report: &Report) {
    for connection in &report.cut {
        tracing::warn!(connection, "cut");
    }
    for reason in &report.failed {
        tracing::error!(reason, "did not stop well");
    }
    tracing::info!(
        drained = report.drained,
        cut = report.cut.len(),
        elapsed_ms = report.elapsed.as_millis(),
        "ended"
    );
}
