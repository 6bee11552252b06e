//! The string form of clients' endpoints, after Twisted's `endpoints` module.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::{ClientEndpoint, Kind, LONGEST_CLIENT_TIMEOUT};
use crate::endpoint::EndpointError;
use crate::endpoint::error::Problem;
use crate::endpoint::text::{Parts, Value};
use crate::keep_alive;
use crate::nearest::nearest;

const KINDS: &str = "tcp, tls or unix";

const TCP: &str = "tcp endpoints";
const TLS: &str = "tls endpoints";

/// Every option, and what it is for where that is not everything.
const OPTIONS: &[(&str, Option<&str>)] = &[
    ("alpn", Some(TLS)),
    ("bindAddress", Some(TCP)),
    ("cert", Some(TLS)),
    ("host", Some(TCP)),
    ("keepalive", Some(TCP)),
    ("key", Some(TLS)),
    ("name", Some(TLS)),
    ("nodelay", Some(TCP)),
    ("path", Some("unix endpoints")),
    ("port", Some(TCP)),
    ("roots", Some(TLS)),
    ("timeout", None),
    ("versions", Some(TLS)),
];

impl FromStr for ClientEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).map_err(|problem| EndpointError::new(text, problem))
    }
}

fn parse(text: &str) -> Result<ClientEndpoint, Problem> {
    let mut parts = Parts::new(text, 2)?;
    #[cfg(feature = "tls")]
    let tls = take_tls(&mut parts)?;
    #[cfg(not(feature = "tls"))]
    if matches!(parts.kind.as_str(), "tls" | "ssl") {
        return Err(Problem::NeedsFeature {
            what: parts.kind,
            feature: "tls",
        });
    }
    let mut endpoint = match parts.kind.as_str() {
        "tcp" | "tls" | "ssl" => {
            let host = parts.word_or("host").unwrap_or_default();
            let host = host.not_empty("the host")?;
            let port = parts.word_or("port").ok_or(Problem::Missing("the port"))?;
            ClientEndpoint::tcp(host, port.parse("port")?)
        }
        "unix" => {
            let path = parts.word_or("path").unwrap_or_default();
            match path.text.strip_prefix('@').filter(|_| !path.is_literal) {
                Some("") => return Err(Problem::Missing("the name behind `@`")),
                Some(name) => ClientEndpoint::unix_abstract(name),
                None => ClientEndpoint::unix(path.not_empty("the path")?),
            }
        }
        kind => {
            return Err(Problem::UnknownKind {
                kind: kind.to_owned(),
                known: KINDS,
            });
        }
    };
    if let Some(word) = parts.words.pop() {
        return Err(Problem::Extra(word.text));
    }
    #[cfg(feature = "tls")]
    if let Some((tls, name)) = tls {
        endpoint.tls = Some(tls);
        endpoint.server_name = name;
    }
    for (name, value) in parts.options {
        endpoint = apply(endpoint, name, value)?;
    }
    Ok(endpoint)
}

/// TLS, where there is any: on TCP the kind says so, on a Unix domain socket the options.
#[cfg(feature = "tls")]
fn take_tls(
    parts: &mut Parts,
) -> Result<Option<(super::tls::EndpointTls, Option<String>)>, Problem> {
    let is_of_tls = |name: &str| {
        let mut options = OPTIONS.iter();
        options.any(|(option, of)| *option == name && *of == Some(TLS))
    };
    match parts.kind.as_str() {
        "tls" | "ssl" => super::tls::take(parts).map(Some),
        "unix" if parts.options.iter().any(|(name, _)| is_of_tls(name)) => {
            let (tls, name) = super::tls::take(parts)?;
            match name {
                Some(name) => Ok(Some((tls, Some(name)))),
                None => Err(Problem::Missing("the name of the server (`name=`)")),
            }
        }
        _ => Ok(None),
    }
}

fn apply(endpoint: ClientEndpoint, name: String, value: Value) -> Result<ClientEndpoint, Problem> {
    Ok(match (name.as_str(), &endpoint.kind) {
        ("timeout", _) => endpoint.timeout(value.seconds(LONGEST_CLIENT_TIMEOUT)?),
        ("bindAddress", Kind::Tcp(_)) => {
            let address: IpAddr = value.parse("IP address")?;
            endpoint.bind_address(address)
        }
        ("nodelay", Kind::Tcp(_)) => endpoint.no_delay(value.boolean()?),
        ("keepalive", Kind::Tcp(_)) => {
            let seconds = value.whole(keep_alive::RANGE, keep_alive::WHAT)?;
            endpoint.keep_alive(Duration::from_secs(seconds.into()))
        }
        // What stands among the words is given twice, and what is nowhere else is for the other kind.
        ("host" | "port", Kind::Tcp(_)) | ("path", Kind::Unix(_) | Kind::Abstract(_)) => {
            return Err(Problem::Twice(name));
        }
        _ => return Err(unknown(name)),
    })
}

fn unknown(name: String) -> Problem {
    let known = OPTIONS.iter().find(|(option, _)| *option == name);
    match known.and_then(|(_, of)| *of) {
        Some(of) => Problem::WrongKind { name, of },
        None => Problem::UnknownOption {
            nearest: nearest(&name, OPTIONS.iter().map(|(option, _)| *option)),
            name,
        },
    }
}
