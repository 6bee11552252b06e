//! A web server with an operator's console over SSH on a port of its own.
//!
//! The console is the module `console` of the library beside this; here it is put together with a server.

use std::convert::Infallible;
use std::fmt::Arguments;
use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use cyclone_core::{
    Connector, Context as _, EventLoopDelay, Pool, RunningServer, Server, ServerHandle,
};
use cyclone_examples::console::{
    Access, Call, Command, Commands, HostKey, LineConsole, LogLevel, SshConsole, hash_password,
};
use cyclone_web::{Application, RequestContext};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use options::{Options, Serve};

mod options;

#[tokio::main]
async fn main() -> Result<()> {
    match Options::from_command_line()? {
        Options::Serve(options) => serve(*options).await,
        Options::HashPassword => {
            let mut password = String::new();
            io::stdin().read_line(&mut password)?;
            let hash = hash_password(password.trim_end_matches(['\r', '\n']));
            say(format_args!("{}", hash.map_err(anyhow::Error::msg)?));
            Ok(())
        }
    }
}

async fn serve(options: Serve) -> Result<()> {
    let log_level = start_log();
    let mut access = Access::nobody();
    if let Some(path) = options.authorized_keys {
        access = access.authorized_keys(path);
    }
    if let Some(path) = options.passwords {
        access = access.passwords(path);
    }
    access.check().context("nobody could log in")?;
    let host_key = HostKey::load_or_create(&options.host_key)?;
    say(format_args!("host key {}", host_key.fingerprint()));

    // A command of the application's own.
    let commands = Commands::standard().with(Command::new(
        "visits",
        "",
        "how many connections there were for the web",
        |call: Call| async move {
            let [] = call.exactly()?;
            let handle = call.resources().get::<ServerHandle>()?;
            Ok(format!("{}\n", handle.registry().accepted()).into())
        },
    ));
    let console = SshConsole::new(host_key, access)
        .commands(commands.clone())
        .prompt("cyclone> ");

    let pool = Pool::builder(Memory).name("memory").build();
    let delay = EventLoopDelay::default();
    let web = Application::new().get("/", async |cx: &mut RequestContext| cx.text("hello\n"));
    let mut server = Server::new()
        .listen(options.http, web)
        .listen(options.ssh, console)
        .inspect("memory", pool)
        .resource(log_level)
        .service(delay)
        .shutdown_deadline(options.deadline);
    if let Some(socket) = options.socket {
        server = server.listen(socket, LineConsole::new(commands));
    }
    let report = server.run_with(announce).await?;
    say(format_args!("{report}"));
    Ok(())
}

/// Starts the log on standard error; the console sets its level.
fn start_log() -> LogLevel {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_filter_reloading();
    let handle = log.reload_handle();
    log.init();
    LogLevel::new(move |level| {
        let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
        handle.reload(filter).map_err(|error| error.to_string())
    })
}

/// Stands for a database: there is one of something in each connection.
struct Memory;

impl Connector for Memory {
    type Connection = Vec<u8>;
    type Error = Infallible;

    async fn connect(&self) -> Result<Vec<u8>, Infallible> {
        Ok(Vec::new())
    }

    async fn check(&self, _connection: &mut Vec<u8>) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Prints where the listeners are, one to a line, for people and for scripts.
fn announce(server: &RunningServer) {
    let schemes = ["http://", "ssh://", ""];
    for (address, scheme) in server.local_addresses().iter().zip(schemes) {
        say(format_args!("listening {scheme}{address}"));
    }
}

/// Tells whoever reads the standard output, if anybody does: `println!` would panic where nobody does any more.
fn say(line: Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
