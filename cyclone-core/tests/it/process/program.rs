//! The program that these tests run: this test binary, of which one test is the `main` of the program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cyclone_core::runner::options::Program as Named;
use cyclone_core::runner::{BuildError, Process, Runner, Start, clap};
use cyclone_core::{
    Connection, Context, Server, Service, ServiceContext, ServiceError, protocol_fn,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::harness::PATIENCE;
use crate::support::is_child;

pub(super) const MAIN: &str = "process::program::main";

/// The variable with the arguments of the program, which are not those of the test binary.
pub(super) const ARGUMENTS: &str = "CYCLONE_CORE_TEST_ARGUMENTS";
pub(super) const SEPARATOR: char = '\u{1f}';

/// How long an upgrade may take, in milliseconds.
pub(super) const UPGRADE_MS: &str = "CYCLONE_CORE_TEST_UPGRADE_MS";

/// The default of an option, as the program gives it.
pub(super) const DEFAULT: &str = "CYCLONE_CORE_TEST_DEFAULT";

#[derive(clap::Args)]
struct Options {
    /// What the program says of itself to everyone
    #[arg(long, default_value = "one")]
    version_name: String,
    /// What is wrong with the program
    #[arg(long)]
    trouble: Option<String>,
    /// Where a service connects to before it has started, and waits until it hears something
    #[arg(long)]
    gate: Option<PathBuf>,
    /// Where every reload is noted
    #[arg(long)]
    reloads: Option<PathBuf>,
    /// Where every reload connects to, and waits until it hears something
    #[arg(long)]
    reload_gate: Option<PathBuf>,
}

/// The program; not a test of its own.
#[test]
fn main() {
    if !is_child(MAIN) {
        return;
    }
    let arguments = std::env::var(ARGUMENTS).unwrap();
    let arguments = arguments.split(SEPARATOR).filter(|text| !text.is_empty());
    let limit = std::env::var(UPGRADE_MS).map_or(PATIENCE, |limit| {
        Duration::from_millis(limit.parse().unwrap())
    });
    let mut program = Named::new("program");
    if let Ok(default) = std::env::var(DEFAULT) {
        let (option, value) = default.split_once('=').unwrap();
        program = program.default_value(option, value);
    }
    let code = Runner::new(program)
        .arguments(["program"].into_iter().chain(arguments))
        .upgrade_timeout(limit)
        .main(build);
    // The harness has exit codes of its own.
    let code = format!("{code:?}");
    let digits: String = code.chars().filter(char::is_ascii_digit).collect();
    std::process::exit(digits.parse().unwrap());
}

async fn build(start: Start<Options>) -> Result<Server, BuildError> {
    let options = start.args();
    match options.trouble.as_deref() {
        Some("error") => return Err("the database has another format".into()),
        Some("panic") => panic!("a mistake in the program"),
        Some("exit") => std::process::exit(7),
        _ => {}
    }
    if let Some(file) = options.reloads.clone() {
        let worker = start.worker();
        start.on_reload("note", move |settings| {
            let line = format!("worker {worker}: {}\n", settings.args.version_name);
            let file = fs::OpenOptions::new().append(true).create(true).open(&file);
            async move { Ok(file?.write_all(line.as_bytes())?) }
        });
        start.on_reload("broken", |_settings| async { Err("no such key".into()) });
    }
    if let Some(path) = options.reload_gate.clone() {
        start.on_reload("gate", move |_settings| {
            let path = path.clone();
            async move { Ok(pass(&path).await?) }
        });
    }
    let (name, worker) = (options.version_name.clone(), start.worker());
    let needy = options.trouble.as_deref() == Some("resource");
    let protocol = protocol_fn("program", move |connection: Connection| {
        talk(
            connection,
            format!("hi {} {name} {worker}\n", std::process::id()),
        )
    });
    let server = Server::new().listen_all(start.endpoints(), protocol);
    let server = match needy {
        true => server.listen(cyclone_core::Endpoint::loopback(0), Needy),
        false => server,
    };
    Ok(match options.gate.clone() {
        Some(path) => server.service(Gate(path)),
        None => server,
    })
}

/// Greets, says every line again, and good-bye when it is time.
async fn talk(mut connection: Connection, greeting: String) -> std::io::Result<()> {
    connection.write_all(greeting.as_bytes()).await?;
    let session = connection.session().clone();
    let process: Process = session.resources().get::<Process>().unwrap().clone();
    let (reader, mut writer) = tokio::io::split(connection);
    let mut lines = tokio::io::BufReader::new(reader).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            () = session.draining() => break,
        };
        match line.as_deref() {
            None => return Ok(()),
            Some("abort") => std::process::abort(),
            Some("block") => {
                writer.write_all(b"blocking\n").await?;
                std::thread::sleep(Duration::MAX);
            }
            Some("servers") => {
                let answer = format!("{}\n", process.servers().len());
                writer.write_all(answer.as_bytes()).await?;
            }
            Some("shutdown") => process.shutdown(),
            Some("reload") => process.reload(),
            Some("upgrade") => process.upgrade(),
            Some(line) => writer.write_all(format!("{line}\n").as_bytes()).await?,
        }
    }
    writer.write_all(b"bye\n").await?;
    writer.shutdown().await?;
    // What the peer has said meanwhile must not turn the good-bye into a reset.
    while lines.next_line().await?.is_some() {}
    Ok(())
}

/// A factory that needs what the server has not.
struct Needy;

impl cyclone_core::ProtocolFactory for Needy {
    type Protocol =
        cyclone_core::ProtocolFn<fn(Connection) -> std::future::Ready<std::io::Result<()>>>;

    fn build(&self, _peer: &cyclone_core::Peer) -> Option<Self::Protocol> {
        None
    }

    fn check(
        &self,
        resources: &cyclone_core::Resources,
    ) -> Result<(), cyclone_core::MissingResource> {
        resources.get::<Needy>().map(drop)
    }
}

/// A service that has not started until the other end of a socket says so.
struct Gate(PathBuf);

impl Service for Gate {
    fn name(&self) -> &str {
        "gate"
    }

    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        Ok(pass(&self.0).await?)
    }
}

/// Says who it is, and waits until it hears something.
async fn pass(gate: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(gate).await?;
    let own = format!("{}\n", std::process::id());
    stream.write_all(own.as_bytes()).await?;
    stream.read_u8().await?;
    Ok(())
}
