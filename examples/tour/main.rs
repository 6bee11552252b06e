//! The tour of cyclone: a multi-room chat, a live dashboard and an operator's console in one process.
//!
//! HTTP, WebSocket and server-sent events share one port; a line protocol has another. Rooms and history are in
//! SQLite, the rest is embedded: there are no services to install.

use std::path::Path;

use anyhow::{Context as _, Result};
use cyclone_core::{EventLoopDelay, RunningServer, Server, SharedBus, SharedLog};
use cyclone_web::sqlite::SqliteBuilder;
use cyclone_web::sse::SseChannel;
use tracing_subscriber::EnvFilter;

use chat::Chat;
use console::ConsoleFactory;
use dashboard::Meter;
use options::Options;
use storage::Storage;

mod chat;
mod console;
mod dashboard;
mod options;
mod pages;
mod storage;

/// Where templates and static files are, beside this source.
const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tour");

/// What each connection to the database keeps of it in memory: 256 KiB, because the tour reads the ends of a few
/// short histories. The default would let it grow with the database, up to 8 MiB for each connection.
const PAGE_CACHE_BYTES: usize = 256 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_command_line()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    std::fs::create_dir_all(&options.data).context("cannot make the data folder")?;
    let sqlite = SqliteBuilder::file(options.data.join("tour.sqlite3"))
        .page_cache_bytes(PAGE_CACHE_BYTES)
        .open()
        .await?;
    let storage = Storage::open(sqlite.clone()).await?;
    let bus = SharedBus::local();
    let counters = SseChannel::new(bus.clone(), SharedLog::memory(), "counters");
    let meter = Meter::new();
    let delay = EventLoopDelay::default();
    let app = pages::application(Path::new(ASSETS), meter.clone())?;

    let server = Server::new()
        .listen(options.http, app)
        .listen(options.console, ConsoleFactory)
        .resource(Chat::new(storage, bus))
        .resource(counters.clone())
        .resource(meter)
        .resource(delay.clone())
        .resource(sqlite.clone())
        .on_stop("sqlite", move || {
            let sqlite = sqlite.clone();
            async move {
                sqlite.close().await;
                Ok(())
            }
        })
        .service(delay)
        .service(dashboard::publisher(counters))
        .shutdown_deadline(options.deadline);
    let report = server.run_with(announce).await?;
    say(format_args!("{report}"));
    Ok(())
}

/// Prints where the listeners are, one to a line, for people and for scripts.
fn announce(server: &RunningServer) {
    for (address, scheme) in server.local_addresses().iter().zip(["http", "tcp"]) {
        say(format_args!("listening {scheme}://{address}"));
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a program that tells its user where it is"
)]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
