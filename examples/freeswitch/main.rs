//! A client and a server of FreeSWITCH's event socket: prints events and answers calls.
//!
//! Everything is in the library module `freeswitch`; here it is put together with a command line.

use std::fmt::Arguments;
use std::io::{self, Write as _};

use anyhow::Result;
use cyclone_core::{RunningServer, Server};
use cyclone_examples::freeswitch::{
    Call, EslClient, EslError, Event, Events, Notice, OutboundServer, Switch,
};
use tracing_subscriber::EnvFilter;

use options::Options;

mod options;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_command_line()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();

    let mut schemes = Vec::new();
    let mut server = Server::new().shutdown_deadline(options.deadline);
    if let Some(endpoint) = options.switch {
        schemes.push("esl");
        server = server.listen(endpoint, Switch::new(&options.password));
    }
    if let Some(endpoint) = options.listen {
        schemes.push("calls");
        let file = options.play;
        let calls = OutboundServer::new(move |call| serve(call, file.clone()));
        server = server.listen(endpoint, calls);
    }
    if let Some(address) = options.connect {
        let client = EslClient::builder(address)
            .password(&options.password)
            .events(&options.events)
            .spawn();
        tokio::spawn(print(client.events()));
        server = server.on_stop("freeswitch", move || {
            let client = client.clone();
            async move {
                client.close().await;
                Ok(())
            }
        });
    }
    let announce = |server: &RunningServer| {
        for (address, scheme) in server.local_addresses().iter().zip(schemes) {
            say(format_args!("listening {scheme}://{address}"));
        }
    };
    let report = server.run_with(announce).await?;
    say(format_args!("{report}"));
    Ok(())
}

/// Prints what happens until the client is closed.
async fn print(mut events: Events) {
    while let Some(notice) = events.recv().await {
        match notice {
            Notice::Event(event) => say(format_args!("event {}", shown(&event))),
            Notice::Log(line) => say(format_args!("log {}", line.text.trim_end())),
            Notice::Gap(gap) => say(format_args!("events may be missing: {gap:?}")),
            _ => {}
        }
    }
}

/// The name and the channel of an event.
fn shown(event: &Event) -> String {
    let subclass = event.get("Event-Subclass").unwrap_or_default();
    let channel = event.channel_uuid().unwrap_or_default();
    format!("{} {subclass}{channel}", event.name())
}

/// Answers a call, plays something, and hangs up.
async fn serve(call: Call, file: String) -> Result<(), EslError> {
    let number = call.data().get("Caller-Caller-ID-Number");
    let number = number.unwrap_or("somebody").to_owned();
    say(format_args!("call from {number}"));
    let mut events = call.events();
    call.answer().await?;
    call.begin("playback", &file).await?.wait().await?;
    call.hangup("NORMAL_CLEARING").await?;
    let end = events.named("CHANNEL_HANGUP_COMPLETE").await;
    let cause = end.as_ref().and_then(|end| end.get("Hangup-Cause"));
    let cause = cause.unwrap_or("nobody knows why");
    say(format_args!("call from {number} ended: {cause}"));
    Ok(())
}

/// Tells whoever reads the standard output, if anybody does: `println!` would panic where nobody does any more.
fn say(line: Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
