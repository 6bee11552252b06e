//! The console: a line protocol for the operator, by telnet or nc.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cyclone_core::{
    Connection, ConnectionId, Context, Lines, Peer, Protocol, ProtocolFactory, Registry,
};

use crate::chat::{Chat, SayError};
use crate::dashboard::Counters;

const HELP: &str = "status | who | say TEXT | close ID | help | quit";

/// How long an operator may be silent.
const IDLE: Duration = Duration::from_secs(3600);

/// Makes a [`Console`] for whoever connects; it belongs on a loopback or Unix endpoint.
pub(crate) struct ConsoleFactory;

impl ProtocolFactory for ConsoleFactory {
    type Protocol = Console;

    fn build(&self, _peer: &Peer) -> Option<Console> {
        Some(Console)
    }

    fn name(&self) -> &'static str {
        "console"
    }
}

/// One conversation with an operator.
pub(crate) struct Console;

impl Protocol for Console {
    async fn run(self, connection: Connection) -> io::Result<()> {
        let session = connection.session().clone();
        let mut lines = Lines::new(connection).idle_timeout(IDLE);
        lines.write("cyclone tour, type help").await?;
        loop {
            let line = tokio::select! {
                line = lines.read() => line?,
                () = session.draining() => {
                    return lines.write("the server shuts down, good-bye").await;
                }
            };
            let Some(line) = line else {
                return Ok(());
            };
            let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            match command {
                "" => {}
                "quit" => return lines.write("good-bye").await,
                "help" => lines.write(HELP).await?,
                "status" => status(&mut lines).await?,
                "who" => who(&mut lines).await?,
                "say" => say(&mut lines, rest).await?,
                "close" => close(&mut lines, rest).await?,
                _ => lines.write(&format!("unknown command, {HELP}")).await?,
            }
        }
    }
}

async fn status(lines: &mut Lines) -> io::Result<()> {
    let counters = Counters::read(lines).map_err(io::Error::other)?;
    lines.write(&format!("up {} s", counters.uptime_s)).await?;
    for (protocol, open) in &counters.connections {
        lines.write(&format!("{protocol} {open}")).await?;
    }
    let rest = format!(
        "{} requests, {} per second\ndatabase {}, {} writes\nevent loop late by {} ms, {} at worst",
        counters.requests,
        counters.requests_per_s,
        counters.database.health,
        counters.database.committed,
        counters.event_loop_delay_ms.mean,
        counters.event_loop_delay_ms.worst,
    );
    for line in rest.lines() {
        lines.write(line).await?;
    }
    Ok(())
}

async fn who(lines: &mut Lines) -> io::Result<()> {
    let registry = lines
        .resources()
        .get::<Registry>()
        .map_err(io::Error::other)?;
    let guests = chat(lines)?.guests();
    let mut answer = Vec::new();
    for connection in registry.snapshot() {
        let guest = guests.get(&connection.id());
        let guest = guest.map(|guest| format!(" {} in {}", guest.name, guest.room));
        answer.push(format!("{connection}{}", guest.unwrap_or_default()));
    }
    for line in answer {
        lines.write(&line).await?;
    }
    Ok(())
}

async fn say(lines: &mut Lines, text: &str) -> io::Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let id = format!("{}-{:?}", lines.session().id(), since.unwrap_or_default());
    let said = chat(lines)?.say("lobby", "console", &id, text).await;
    let answer = match said {
        Ok(message) => format!("said as message {}", message.seq),
        Err(SayError::BadMessage(reason)) => reason.to_owned(),
        Err(SayError::NoRoom) => "there is no lobby".to_owned(),
        Err(SayError::Storage(error)) => format!("it cannot be stored: {error}"),
    };
    lines.write(&answer).await
}

async fn close(lines: &mut Lines, id: &str) -> io::Result<()> {
    let registry = lines
        .resources()
        .get::<Registry>()
        .map_err(io::Error::other)?;
    let id = id.trim().trim_start_matches('#').parse::<u64>();
    let closed = id.is_ok_and(|id| registry.close(ConnectionId::from(id)));
    lines
        .write(if closed {
            "closed"
        } else {
            "no such connection"
        })
        .await
}

fn chat(lines: &Lines) -> io::Result<Chat> {
    let chat = lines.resources().get::<Chat>().map_err(io::Error::other)?;
    Ok(chat.clone())
}
