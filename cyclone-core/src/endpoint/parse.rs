//! The string form of endpoints, after Twisted's `endpoints` module.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::error::Problem;
use super::text::{Parts, Value};
use super::{Endpoint, EndpointError, Kind, LONGEST_OPENING_TIMEOUT, proxy};
use crate::keep_alive;
use crate::nearest::nearest;

const KINDS: &str = "tcp, tcp6, tls, unix, systemd or fd";

const TCP: &str = "tcp endpoints";
const STREAM: &str = "endpoints that may be tcp";
const FILE: &str = "unix endpoints with a path";
const TLS: &str = "tls endpoints";

/// Every option, and what it is for where that is not everything.
const OPTIONS: &[(&str, Option<&str>)] = &[
    ("backlog", None),
    ("group", Some(FILE)),
    ("interface", Some(TCP)),
    ("keepalive", Some(STREAM)),
    ("mode", Some(FILE)),
    ("nodelay", Some(STREAM)),
    ("opening", None),
    ("owner", Some(FILE)),
    ("proxy", None),
    ("reuseport", Some(TCP)),
    ("trust", None),
    ("untrusted", None),
    ("v6only", Some(TCP)),
];

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).map_err(|problem| EndpointError::new(text, problem))
    }
}

fn parse(text: &str) -> Result<Endpoint, Problem> {
    // Twisted's wrapper, which takes either version.
    let (text, is_wrapped) = match text.strip_prefix("haproxy:") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut parts = Parts::new(text, 1)?;
    #[cfg(feature = "tls")]
    let tls = take_tls(&mut parts)?;
    #[cfg(not(feature = "tls"))]
    take_tls(&parts)?;
    let mut endpoint = place(&mut parts)?;
    #[cfg(feature = "tls")]
    endpoint.tls.clone_from(&tls);
    endpoint.proxy = proxy::take(&mut parts, is_wrapped)?;
    for (name, value) in parts.options {
        endpoint = apply(endpoint, name, value)?;
    }
    match &endpoint.kind {
        // It would take IPv4 alone.
        Kind::Tcp(tcp) if tcp.v6_only && tcp.interface.is_ipv4() => Err(match &*parts.kind {
            "tcp6" => Problem::Bad {
                what: "IPv6 address",
                value: tcp.interface.to_string(),
            },
            _ => Problem::Needs {
                name: "v6only",
                other: r"interface=\:\:",
            },
        }),
        _ => Ok(endpoint),
    }
}

/// The options of TLS.
pub(super) const TLS_OPTIONS: &[&str] = &[
    "acme",
    "alpn",
    "ca",
    "cache",
    "cert",
    "certs",
    "chain",
    "client",
    "contact",
    "crl",
    "directory",
    "handshake",
    "key",
    "selfsigned",
    "sni",
    "versions",
];

/// TLS of an endpoint, where it has any. On TCP the kind says so: a forgotten `s` must not go unnoticed.
#[cfg(feature = "tls")]
fn take_tls(parts: &mut Parts) -> Result<Option<super::EndpointTls>, Problem> {
    match parts.kind.as_str() {
        "tls" | "ssl" => super::tls::take(parts, true),
        "tcp" | "tcp6" => Ok(None),
        _ => super::tls::take(parts, false),
    }
}

#[cfg(not(feature = "tls"))]
fn take_tls(parts: &Parts) -> Result<(), Problem> {
    let is_tls = matches!(parts.kind.as_str(), "tls" | "ssl");
    let mut options = parts.options.iter().map(|(name, _)| name.as_str());
    let option = options.find(|name| TLS_OPTIONS.contains(name));
    let what = match (is_tls, option) {
        (true, _) => parts.kind.clone(),
        (false, Some(option)) if !matches!(parts.kind.as_str(), "tcp" | "tcp6") => {
            option.to_owned()
        }
        _ => return Ok(()),
    };
    Err(Problem::NeedsFeature {
        what,
        feature: "tls",
    })
}

/// The endpoint without its options.
fn place(parts: &mut Parts) -> Result<Endpoint, Problem> {
    Ok(match parts.kind.as_str() {
        "tcp" | "tcp6" | "tls" | "ssl" => {
            let make = match parts.kind.as_str() {
                "tcp6" => Endpoint::tcp6,
                _ => Endpoint::tcp,
            };
            let port = parts.word_or("port");
            make(port.ok_or(Problem::Missing("the port"))?.parse("port")?)
        }
        "unix" => {
            let path = parts.word_or("address").unwrap_or_default();
            match path.text.strip_prefix('@').filter(|_| !path.is_literal) {
                Some("") => return Err(Problem::Missing("the name behind `@`")),
                Some(name) => Endpoint::unix_abstract(name),
                None => Endpoint::unix(path.not_empty("the path")?),
            }
        }
        "systemd" => systemd(parts)?,
        "fd" => {
            let number = parts.words.pop().unwrap_or_default();
            Endpoint::fd(number.parse("number of a descriptor")?)
        }
        kind => {
            return Err(Problem::UnknownKind {
                kind: kind.to_owned(),
                known: KINDS,
            });
        }
    })
}

fn systemd(parts: &mut Parts) -> Result<Endpoint, Problem> {
    if let Some(domain) = parts.take("domain").filter(|word| !is_domain(word)) {
        return Err(domain.bad("domain: INET, INET6 or UNIX"));
    }
    let word = parts.words.pop();
    let named = match parts.take("index") {
        Some(index) => Some(Endpoint::systemd_index(index.parse("index")?)),
        None => match parts.take("name") {
            Some(name) => Some(Endpoint::systemd(name.not_empty("the name")?)),
            None => None,
        },
    };
    if let Some(endpoint) = named {
        // Where the socket is named, a word before that can only be the domain.
        return match word.filter(|word| !is_domain(word)) {
            Some(word) => Err(Problem::Extra(word.text)),
            None => Ok(endpoint),
        };
    }
    let word = word.unwrap_or_default();
    match word.text.parse() {
        Ok(index) if !word.text.starts_with('+') => Ok(Endpoint::systemd_index(index)),
        _ => Ok(Endpoint::systemd(
            word.not_empty("the index or the name of the socket")?,
        )),
    }
}

/// Twisted has to be told what is found by looking at the socket.
fn is_domain(value: &Value) -> bool {
    matches!(value.text.as_str(), "INET" | "INET6" | "UNIX")
}

fn apply(endpoint: Endpoint, name: String, value: Value) -> Result<Endpoint, Problem> {
    Ok(match (name.as_str(), &endpoint.kind) {
        ("backlog", _) => endpoint.backlog(value.parse("backlog")?),
        ("opening", _) => endpoint.opening_timeout(value.seconds(LONGEST_OPENING_TIMEOUT)?),
        ("interface", Kind::Tcp(_)) => {
            let address: IpAddr = value.parse("IP address")?;
            endpoint.interface(address)
        }
        ("v6only", Kind::Tcp(_)) => endpoint.v6_only(value.boolean()?),
        ("reuseport", Kind::Tcp(_)) => endpoint.reuse_port(value.boolean()?),
        ("nodelay", _) if endpoint.may_be_tcp() => endpoint.no_delay(value.boolean()?),
        ("keepalive", _) if endpoint.may_be_tcp() => {
            let seconds = value.whole(keep_alive::RANGE, keep_alive::WHAT)?;
            endpoint.keep_alive(Duration::from_secs(seconds.into()))
        }
        ("mode", Kind::Unix(_)) => endpoint.mode(value.octal(0o777, "octal mode")?),
        ("owner", Kind::Unix(_)) => endpoint.owner(value.not_empty("the owner")?),
        ("group", Kind::Unix(_)) => endpoint.group(value.not_empty("the group")?),
        _ => return Err(unknown(name)),
    })
}

fn unknown(name: String) -> Problem {
    let of_tls = TLS_OPTIONS.iter().map(|option| (*option, Some(TLS)));
    let options = || OPTIONS.iter().copied().chain(of_tls.clone());
    let known = options().find(|(option, _)| *option == name);
    match known.and_then(|(_, of)| of) {
        Some(of) => Problem::WrongKind { name, of },
        None => Problem::UnknownOption {
            nearest: nearest(&name, options().map(|(option, _)| option)),
            name,
        },
    }
}

impl Endpoint {
    /// Whether connections begin with a handshake of TLS.
    pub(super) fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Whether options of TCP mean something; only a look at an inherited socket can tell what it is.
    pub(super) fn may_be_tcp(&self) -> bool {
        matches!(self.kind, Kind::Tcp(_) | Kind::Inherited(_))
    }
}
