//! A TCP balancer: clients in front, groups of backends behind, a console and a page for the operator beside it.
//!
//! The balancer and the console are modules of the library beside this. Here the runner makes a whole program of them:
//! `--help` shows what it can be told, to become a daemon or another user for instance, and a new configuration is taken
//! over without a lost connection by `--upgrade`.
//!
//! ```text
//! cargo run -p cyclone-examples --bin balancer -- --balancer examples/balancer/balancer.toml
//! ```

use std::fmt::Arguments;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cyclone_core::runner::options::Program;
use cyclone_core::runner::{BuildError, Runner, Start, clap};
use cyclone_core::{
    Context as _, Endpoint, Server, ServerHandle, Service, ServiceContext, ServiceError,
};
use cyclone_examples::balancer::{Balancer, Config, ConsoleConfig};
use cyclone_examples::console::{Access, Commands, HostKey, LineConsole, SshConsole};
use cyclone_web::admin::Admin;
use rustix::process::{Resource, getrlimit};

/// What this program can be told beside what the runner knows.
#[derive(clap::Args)]
struct Options {
    /// What is balanced: listeners, groups and the console
    #[arg(long, value_name = "FILE", default_value = "balancer.toml")]
    balancer: PathBuf,
}

fn main() -> ExitCode {
    let program = Program::new("balancer")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A TCP balancer with health checks, a console, and a page at --port.");
    Runner::new(program).main(build)
}

async fn build(start: Start<Options>) -> Result<Server, BuildError> {
    if start.workers() > 1 {
        return Err("clients are counted and backends checked in one place: use one worker".into());
    }
    let path = &start.args().balancer;
    let in_file = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| in_file(&error))?;
    let config = Config::parse(&text).map_err(|error| in_file(&error))?;
    let balancer = Balancer::new(&config)?;

    let limits = &config.limits;
    let server = Server::new()
        .max_connections(limits.max_connections.unwrap_or_else(max_connections))
        .shutdown_deadline(limits.drain_deadline_s);
    let mut server = balancer.attach(server);
    let names = balancer.endpoints().map(|(name, _)| name.to_owned());
    let mut names: Vec<String> = names.collect();
    let pages = start.endpoints();
    names.extend(pages.iter().map(|_| "http".to_owned()));
    server = server.listen_all(pages, Admin::new().application());
    if let Some(console) = &config.console {
        let folder = path.parent().unwrap_or(Path::new(""));
        let commands = balancer.commands(Commands::standard());
        server = attach_console(server, console, folder, commands, &mut names)?;
    }
    Ok(server.service(Announce(names)))
}

/// Files are beside the configuration unless their paths are absolute.
fn attach_console(
    mut server: Server,
    config: &ConsoleConfig,
    folder: &Path,
    commands: Commands,
    names: &mut Vec<String>,
) -> Result<Server, BuildError> {
    if let Some(endpoint) = &config.ssh {
        let mut access = Access::nobody();
        if let Some(path) = &config.authorized_keys {
            access = access.authorized_keys(folder.join(path));
        }
        if let Some(path) = &config.passwords {
            access = access.passwords(folder.join(path));
        }
        access.check()?;
        let console = SshConsole::new(
            HostKey::load_or_create(folder.join(&config.host_key))?,
            access,
        )
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

/// Prints where the listeners are, one to a line with its name, for people and for scripts.
struct Announce(Vec<String>);

impl Service for Announce {
    fn name(&self) -> &str {
        "announce"
    }

    async fn start(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let snapshot = cx.resources().get::<ServerHandle>()?.snapshot();
        for (listener, name) in snapshot.listeners.iter().zip(&self.0) {
            say(format_args!("listening {name}://{}", listener.address));
        }
        Ok(())
    }
}

/// Tells whoever reads the standard output, if anybody does: `println!` would panic where nobody does any more.
fn say(line: Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
