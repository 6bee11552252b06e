//! The command line of the example.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use cyclone_core::Endpoint;

/// What the example does.
pub(crate) struct Options {
    /// FreeSWITCH's event socket, whose events are printed.
    pub(crate) connect: Option<String>,
    /// Of the event socket, and of the stand-in.
    pub(crate) password: String,
    /// Names of events.
    pub(crate) events: Vec<String>,
    /// Where FreeSWITCH connects to with its calls.
    pub(crate) listen: Option<Endpoint>,
    /// What callers hear.
    pub(crate) play: String,
    /// Where a stand-in for FreeSWITCH listens.
    pub(crate) switch: Option<Endpoint>,
    /// How long calls may go on at the end.
    pub(crate) deadline: Duration,
}

const HELP: &str = "\
Prints the events of FreeSWITCH and answers its calls.

    freeswitch [--connect HOST:PORT] [--event NAME]... [--password PASSWORD]
               [--listen ENDPOINT] [--play FILE]
               [--switch ENDPOINT] [--deadline SECONDS]

--connect   the event socket, usually 127.0.0.1:8021; the password is ClueCon unless given
--event     an event to print, or `CUSTOM SUBCLASS`; all of them unless given
--listen    where FreeSWITCH connects to with a call (dialplan: socket 127.0.0.1:8084 async full)
--play      what callers hear
--switch    listens as a stand-in for FreeSWITCH, to try all this without one

An ENDPOINT is HOST:PORT, or as `tcp:8888:interface=127.0.0.1`, or `unix:/run/esl.sock`.
";

impl Options {
    pub(crate) fn from_command_line() -> Result<Self> {
        use lexopt::prelude::{Long, ValueExt as _};

        let mut options = Self {
            connect: None,
            password: "ClueCon".to_owned(),
            events: Vec::new(),
            listen: None,
            play: "tone_stream://%(200,100,440)".to_owned(),
            switch: None,
            deadline: Duration::from_secs(10),
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("connect") => options.connect = Some(arguments.value()?.string()?),
                Long("password") => options.password = arguments.value()?.string()?,
                Long("event") => options.events.push(arguments.value()?.string()?),
                Long("listen") => options.listen = Some(endpoint(&arguments.value()?.string()?)?),
                Long("play") => options.play = arguments.value()?.string()?,
                Long("switch") => options.switch = Some(endpoint(&arguments.value()?.string()?)?),
                Long("deadline") => {
                    options.deadline = Duration::from_secs(arguments.value()?.parse()?);
                }
                Long("help") => bail!("{HELP}"),
                other => bail!("{}\n\n{HELP}", other.unexpected()),
            }
        }
        if options.connect.is_none() && options.listen.is_none() && options.switch.is_none() {
            bail!("nothing to do\n\n{HELP}");
        }
        if options.events.is_empty() {
            options.events.push("ALL".to_owned());
        }
        Ok(options)
    }
}

/// `127.0.0.1:8084`, or the string form of an endpoint.
fn endpoint(text: &str) -> Result<Endpoint> {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Ok(address.into());
    }
    text.parse()
        .with_context(|| format!("`{text}` is neither HOST:PORT nor an endpoint"))
}
