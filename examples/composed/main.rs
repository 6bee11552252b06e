//! One process with five doors: HTTP, HTTPS with routes of its own, a line protocol, a console over SSH, and HTTP
//! again on a Unix socket.
//!
//! The runner gives it its command line, so that everything else of a process is there too: `--help` shows it.
//!
//! ```text
//! cargo run -p cyclone-examples --bin composed -- --unix /tmp/composed.sock \
//!     --ssl-cert server.crt --ssl-key server.key --authorized-keys ~/.ssh/id_ed25519.pub
//! ```

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use cyclone_core::runner::options::Program;
use cyclone_core::runner::{BuildError, Runner, Start, clap};
use cyclone_core::{Connection, Context as _, Endpoint, Lines, Registry, Server, protocol_fn};
use cyclone_examples::console::{Access, HostKey, SshConsole};
use cyclone_web::{Application, RequestContext};

/// What this program can be told beside what the runner knows.
#[derive(clap::Args)]
struct Options {
    /// Where the line protocol listens
    #[arg(long, default_value = "tcp:7007:interface=127.0.0.1")]
    lines: Endpoint,
    /// Where the console listens; without keys there is none
    #[arg(long, default_value = "tcp:2222:interface=127.0.0.1")]
    ssh: Endpoint,
    /// The key by which the console is known; made at the first start
    #[arg(long, default_value = "host_key")]
    host_key: PathBuf,
    /// Who may use the console, in the form of OpenSSH
    #[arg(long)]
    authorized_keys: Option<PathBuf>,
}

fn main() -> ExitCode {
    let program = Program::new("composed")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "HTTP, HTTPS, a line protocol, a console over SSH and a Unix socket in one process.",
        );
    Runner::new(program).main(build)
}

/// Makes the server of one worker.
async fn build(start: Start<Options>) -> Result<Server, BuildError> {
    let options = start.args();
    let mut server = Server::new()
        .listen_all(start.endpoints(), open())
        .listen_all(start.tls_endpoints(), confidential())
        .listen(options.lines.clone(), protocol_fn("lines", converse));
    if let Some(keys) = &options.authorized_keys {
        let access = Access::nobody().authorized_keys(keys);
        access.check()?;
        let console = SshConsole::new(HostKey::load_or_create(&options.host_key)?, access);
        server = server.listen(options.ssh.clone(), console);
    }
    Ok(server)
}

/// What everybody may see.
fn open() -> Application {
    Application::new()
        .get("/", async |cx: &mut RequestContext| cx.text("open\n"))
        .get("/connections", connections)
}

/// What is only there over TLS: other routes, and none of the open ones.
fn confidential() -> Application {
    Application::new().get("/secret", async |cx: &mut RequestContext| {
        let version = cx.version();
        cx.text(format!("confidential over {version:?}\n"))
    })
}

/// How many connections there are of each protocol.
async fn connections(cx: &mut RequestContext) -> cyclone_web::Result {
    let counts = cx.resources().get::<Registry>()?.counts();
    cx.json(&counts)
}

/// Says every line again, until `quit` or the shutdown.
async fn converse(connection: Connection) -> io::Result<()> {
    let session = connection.session().clone();
    let mut lines = Lines::new(connection);
    loop {
        let line = tokio::select! {
            line = lines.read() => line?,
            () = session.draining() => return lines.write("the server shuts down, good-bye").await,
        };
        match line.as_deref() {
            None => return Ok(()),
            Some("quit") => return lines.write("good-bye").await,
            Some(line) => lines.write(&format!("you said {line}")).await?,
        }
    }
}
