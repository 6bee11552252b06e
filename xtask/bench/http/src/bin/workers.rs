//! cyclone under its runner, for the cost of several workers.
//!
//! It takes the command line of the runner, and says that it listens once every worker does.

use std::process::ExitCode;
use std::time::Duration;

use cyclone_bench_http::{PLAINTEXT, announce};
use cyclone_core::runner::options::Program;
use cyclone_core::runner::{BuildError, Process, Runner, Start};
use cyclone_core::{Address, Server, Service, ServiceContext, ServiceError};
use cyclone_web::{Application, RequestContext, Result};

/// How often it is looked whether all workers listen.
const LOOK: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    Runner::new(Program::new("workers")).main(build)
}

async fn build(start: Start) -> std::result::Result<Server, BuildError> {
    let app = Application::new().get("/plaintext", plaintext);
    let server = Server::new().listen_all(start.endpoints(), app);
    Ok(match start.worker() {
        0 => server.service(Announcement {
            process: start.process().clone(),
            workers: start.workers(),
        }),
        _ => server,
    })
}

async fn plaintext(cx: &mut RequestContext) -> Result {
    cx.text(PLAINTEXT)
}

/// Says where the workers listen.
struct Announcement {
    process: Process,
    workers: usize,
}

impl Service for Announcement {
    fn name(&self) -> &str {
        "announcement"
    }

    async fn run(&self, _cx: &ServiceContext) -> std::result::Result<(), ServiceError> {
        loop {
            let servers = self.process.servers();
            let listeners = servers
                .iter()
                .flat_map(|server| server.snapshot().listeners);
            let mut addresses = listeners.filter_map(|listener| match listener.address {
                Address::Tcp(address) => Some(address),
                _ => None,
            });
            if servers.len() == self.workers {
                if let Some(address) = addresses.next() {
                    return Ok(announce(address)?);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
