//! The command line of the console example.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cyclone_core::Endpoint;

/// What the program is to do.
pub(crate) enum Options {
    Serve(Box<Serve>),
    /// Make a line for the file of passwords.
    HashPassword,
}

/// How the example is run.
pub(crate) struct Serve {
    pub(crate) http: Endpoint,
    pub(crate) ssh: Endpoint,
    /// Where the console without SSH is, if anywhere.
    pub(crate) socket: Option<Endpoint>,
    pub(crate) host_key: PathBuf,
    pub(crate) authorized_keys: Option<PathBuf>,
    pub(crate) passwords: Option<PathBuf>,
    /// How long connections may drain at the end.
    pub(crate) deadline: Duration,
}

const HELP: &str = "\
A web server with an operator's console over SSH on a port of its own.

    console [--http ENDPOINT] [--ssh ENDPOINT] [--socket PATH] [--host-key FILE]
            [--authorized-keys FILE] [--passwords FILE] [--deadline SECONDS]
    console hash-password      reads a password, prints its hash for the file of passwords

An ENDPOINT is HOST:PORT, or as `tcp:8888:interface=127.0.0.1`. Without keys and passwords nobody can log in.
A line of the file of passwords is NAME:HASH; neither others nor the group may write it, nor others read it.
";

impl Options {
    pub(crate) fn from_command_line() -> Result<Self> {
        use lexopt::prelude::{Long, Value, ValueExt as _};

        let mut options = Serve {
            http: Endpoint::loopback(8888),
            ssh: Endpoint::loopback(2222),
            socket: None,
            host_key: PathBuf::from("host_key"),
            authorized_keys: None,
            passwords: None,
            deadline: Duration::from_secs(10),
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("http") => options.http = endpoint(&arguments.value()?.string()?)?,
                Long("ssh") => options.ssh = endpoint(&arguments.value()?.string()?)?,
                Long("socket") => {
                    let path = PathBuf::from(arguments.value()?);
                    options.socket = Some(Endpoint::unix(path).mode(0o600));
                }
                Long("host-key") => options.host_key = arguments.value()?.into(),
                Long("authorized-keys") => {
                    options.authorized_keys = Some(arguments.value()?.into());
                }
                Long("passwords") => options.passwords = Some(arguments.value()?.into()),
                Long("deadline") => {
                    options.deadline = Duration::from_secs(arguments.value()?.parse()?);
                }
                Long("help") => bail!("{HELP}"),
                Value(word) if word == "hash-password" => return Ok(Self::HashPassword),
                other => bail!("{}\n\n{HELP}", other.unexpected()),
            }
        }
        Ok(Self::Serve(Box::new(options)))
    }
}

/// `127.0.0.1:8888`, or the string form of an endpoint.
fn endpoint(text: &str) -> Result<Endpoint> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address.into());
    }
    text.parse()
        .with_context(|| format!("`{text}` is neither HOST:PORT nor an endpoint"))
}
