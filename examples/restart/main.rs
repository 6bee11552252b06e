//! A web server that is replaced while it serves: no request fails, and WebSockets are told to come back.
//!
//! ```text
//! cargo run -p cyclone-examples --bin restart -- --port 8888 --pidfile /tmp/restart.pid
//! cargo run -p cyclone-examples --bin restart -- --pidfile /tmp/restart.pid --upgrade
//! ```
//!
//! The second line starts what is now at the path of the program, and returns when that serves.

use std::io::{self, Write as _};
use std::process::ExitCode;

use cyclone_core::runner::options::Program;
use cyclone_core::runner::{BuildError, Runner, Start, clap};
use cyclone_core::{Context as _, Server, ServerHandle, Service, ServiceContext, ServiceError};
use cyclone_web::websocket::{self, Message, WebSocket, WebSocketHandler};
use cyclone_web::{Application, RequestContext};
use serde::Serialize;

/// What this program can be told beside what the runner knows.
#[derive(clap::Args)]
struct Options {
    /// The name by which the program can be told from the one before
    #[arg(long, default_value = "first")]
    release: String,
}

fn main() -> ExitCode {
    let program = Program::new("restart")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A web server that is replaced while it serves.");
    Runner::new(program).main(build)
}

/// Makes the server of one worker.
async fn build(start: Start<Options>) -> Result<Server, BuildError> {
    let me = Me {
        process: std::process::id(),
        worker: start.worker(),
        release: start.args().release.clone(),
    };
    let app = Application::new()
        .get("/", async |cx: &mut RequestContext| {
            let me = cx.resources().get::<Me>()?.clone();
            cx.json(&me)
        })
        .get("/socket", async |cx: &mut RequestContext| {
            let me = cx.resources().get::<Me>()?.clone();
            cx.websocket(Echo(me))
        });
    Ok(Server::new()
        .listen_all(start.endpoints(), app)
        .resource(me)
        .service(Announce))
}

/// Who answers.
#[derive(Clone, Serialize)]
struct Me {
    process: u32,
    worker: usize,
    release: String,
}

/// Says who it is, and then every message again.
struct Echo(Me);

impl WebSocketHandler for Echo {
    async fn open(&mut self, socket: &WebSocket) -> websocket::Result {
        let me = serde_json::to_string(&self.0)?;
        socket.send(Message::text(me)).await?;
        Ok(())
    }

    async fn message(&mut self, socket: &WebSocket, message: Message) -> websocket::Result {
        socket.send(message).await?;
        Ok(())
    }
}

/// Prints where it listens, for people and for scripts.
struct Announce;

impl Service for Announce {
    fn name(&self) -> &str {
        "announce"
    }

    async fn start(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        for listener in cx.resources().get::<ServerHandle>()?.snapshot().listeners {
            // Nobody may read it any more.
            let _ = writeln!(io::stdout(), "listening http://{}", listener.address);
        }
        Ok(())
    }
}
