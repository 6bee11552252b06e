//! The command line of the tour.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cyclone_core::Endpoint;

/// How the tour is run.
pub(crate) struct Options {
    pub(crate) http: Endpoint,
    pub(crate) console: Endpoint,
    /// Where the database lives; made if it is not there.
    pub(crate) data: PathBuf,
    /// How long connections may drain at the end.
    pub(crate) deadline: Duration,
}

const HELP: &str = "\
A multi-room chat with a live dashboard and a console, in one process.

    tour [--http ENDPOINT] [--console ENDPOINT] [--data FOLDER] [--deadline SECONDS]

An ENDPOINT is HOST:PORT, or as `tcp:8888:interface=127.0.0.1`, or `unix:/run/tour.sock`.
";

impl Options {
    pub(crate) fn from_command_line() -> Result<Self> {
        use lexopt::prelude::{Long, ValueExt as _};

        let mut options = Self {
            http: Endpoint::loopback(8888),
            console: Endpoint::loopback(8889),
            data: PathBuf::from("."),
            deadline: Duration::from_secs(10),
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("http") => options.http = endpoint(&arguments.value()?.string()?)?,
                Long("console") => options.console = endpoint(&arguments.value()?.string()?)?,
                Long("data") => options.data = arguments.value()?.into(),
                Long("deadline") => {
                    options.deadline = Duration::from_secs(arguments.value()?.parse()?);
                }
                Long("help") => bail!("{HELP}"),
                other => bail!("{}\n\n{HELP}", other.unexpected()),
            }
        }
        Ok(options)
    }
}

/// `127.0.0.1:8888`, or the string form of an endpoint.
fn endpoint(text: &str) -> Result<Endpoint> {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Ok(address.into());
    }
    text.parse()
        .with_context(|| format!("`{text}` is neither HOST:PORT nor an endpoint"))
}
