//! A TCP balancer: clients in front, groups of backends behind, an operator's console beside it.
//!
//! The balancer and the console are modules of the library beside this; here they are put together with a server.

use std::fmt::Arguments;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cyclone_core::{Endpoint, RunningServer, Server};
use cyclone_examples::balancer::{Balancer, Config, ConsoleConfig};
use cyclone_examples::console::{Access, Commands, HostKey, LineConsole, LogLevel, SshConsole};
use rustix::process::{Resource, getrlimit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

const HELP: &str = "\
A TCP balancer with health checks and an operator's console.

    balancer [--check] CONFIG.toml

With --check the configuration is read and nothing else is done.
";

#[tokio::main]
async fn main() -> Result<()> {
    let (path, only_check) = command_line()?;
    let text = fs::read_to_string(&path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let config = Config::parse(&text).with_context(|| format!("in {}", path.display()))?;
    let balancer = Balancer::new(&config)?;
    if only_check {
        say(format_args!("the configuration is fine"));
        return Ok(());
    }
    let log_level = start_log();
    let limits = &config.limits;
    let server = Server::new()
        .resource(log_level)
        .max_connections(limits.max_connections.unwrap_or_else(max_connections))
        .shutdown_deadline(limits.drain_deadline_s);
    let mut server = balancer.attach(server);
    let mut names: Vec<String> = balancer
        .endpoints()
        .map(|(name, _)| name.to_owned())
        .collect();
    if let Some(console) = &config.console {
        let folder = path.parent().unwrap_or(Path::new(""));
        let commands = balancer.commands(Commands::standard());
        server = attach_console(server, console, folder, commands, &mut names)?;
    }
    let report = server.run_with(|server| announce(server, &names)).await?;
    say(format_args!("{report}"));
    Ok(())
}

fn command_line() -> Result<(PathBuf, bool)> {
    use lexopt::prelude::{Long, Value};

    let (mut path, mut only_check) = (None, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            Long("check") => only_check = true,
            Long("help") => bail!("{HELP}"),
            other => bail!("{}\n\n{HELP}", other.unexpected()),
        }
    }
    let path = path.with_context(|| format!("there is no configuration\n\n{HELP}"))?;
    Ok((path, only_check))
}

/// Files are beside the configuration unless their paths are absolute.
fn attach_console(
    mut server: Server,
    config: &ConsoleConfig,
    folder: &Path,
    commands: Commands,
    names: &mut Vec<String>,
) -> Result<Server> {
    if let Some(endpoint) = &config.ssh {
        let mut access = Access::nobody();
        if let Some(path) = &config.authorized_keys {
            access = access.authorized_keys(folder.join(path));
        }
        if let Some(path) = &config.passwords {
            access = access.passwords(folder.join(path));
        }
        access.check().context("nobody could log in")?;
        let host_key = HostKey::load_or_create(folder.join(&config.host_key))?;
        say(format_args!("host key {}", host_key.fingerprint()));
        let console = SshConsole::new(host_key, access)
            .commands(commands.clone())
            .prompt("balancer> ");
        server = server.listen(endpoint.clone(), console);
        names.push("ssh".to_owned());
    }
    if let Some(path) = &config.socket {
        let endpoint = Endpoint::unix(folder.join(path)).mode(0o600);
        server = server.listen(endpoint, LineConsole::new(commands));
        names.push("console".to_owned());
    }
    Ok(server)
}

/// How many connections there may be: each needs two descriptors, and a fifth is left for everything else.
fn max_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors / 5 * 2).unwrap_or(usize::MAX)
}

/// Starts the log on standard error; the console sets its level.
fn start_log() -> LogLevel {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_filter_reloading();
    let handle = log.reload_handle();
    log.init();
    LogLevel::new(move |level| {
        let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
        handle.reload(filter).map_err(|error| error.to_string())
    })
}

/// Prints where the listeners are, one to a line, for people and for scripts.
fn announce(server: &RunningServer, names: &[String]) {
    for (address, name) in server.local_addresses().iter().zip(names) {
        say(format_args!("listening {name}://{address}"));
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a program that tells its user where it is"
)]
fn say(line: Arguments<'_>) {
    println!("{line}");
}
