//! A whole program: an echo server with the command line of the runner. `--help` shows what it can.
//!
//! ```text
//! cargo run -p cyclone-core --features runner --example runner_server -- --port 7007 --workers per-core
//! ```

use std::process::ExitCode;

use cyclone_core::runner::options::Program;
use cyclone_core::runner::{BuildError, Runner, Start, clap};
use cyclone_core::{Connection, Server, protocol_fn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The program's own options.
#[derive(clap::Args)]
struct Options {
    /// What everyone is greeted with
    #[arg(long, default_value = "hello")]
    greeting: String,
}

/// Makes the server of one worker.
async fn build(start: Start<Options>) -> Result<Server, BuildError> {
    let greeting = format!(
        "{} from worker {}\r\n",
        start.args().greeting,
        start.worker()
    );
    let echo = protocol_fn("echo", move |mut connection: Connection| {
        let greeting = greeting.clone();
        async move {
            connection.write_all(greeting.as_bytes()).await?;
            let (session, mut bytes) = (connection.session().clone(), [0; 4096]);
            loop {
                let read = tokio::select! {
                    read = connection.read(&mut bytes) => read?,
                    () = session.draining() => return connection.write_all(b"good-bye\r\n").await,
                };
                match read {
                    0 => return Ok(()),
                    read => connection.write_all(&bytes[..read]).await?,
                }
            }
        }
    });
    Ok(Server::new().listen_all(start.endpoints(), echo))
}

fn main() -> ExitCode {
    let program = Program::new("runner-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Greets everybody and says everything again.");
    Runner::new(program).main(build)
}
