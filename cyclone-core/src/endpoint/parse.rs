//! The string form of endpoints, after Twisted's `endpoints` module.

use std::str::FromStr;

use super::error::Problem;
use super::{Endpoint, EndpointError, Kind};

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).map_err(|problem| EndpointError {
            text: text.to_owned(),
            problem,
        })
    }
}

/// A part between two colons: a plain word, or `name=value`.
struct Part {
    name: Option<String>,
    value: String,
}

fn parse(text: &str) -> Result<Endpoint, Problem> {
    let mut parts = split(text).into_iter();
    let kind = parts.next().filter(|part| part.name.is_none());
    let kind = kind.map(|part| part.value).unwrap_or_default();
    let (mut positional, mut options) = (None, Vec::<(String, String)>::new());
    for part in parts {
        match part.name {
            Some(name) if options.iter().any(|(seen, _)| *seen == name) => {
                return Err(Problem::Twice(name));
            }
            Some(name) => options.push((name, part.value)),
            None if positional.is_none() && options.is_empty() => positional = Some(part.value),
            None => return Err(Problem::UnknownOption(part.value)),
        }
    }
    let mut endpoint = match kind.as_str() {
        "tcp" => {
            let port = positional.or_else(|| take(&mut options, "port"));
            Endpoint::tcp(number(port.ok_or(Problem::Missing("the port"))?, "port")?)
        }
        "unix" => {
            let path = positional.or_else(|| take(&mut options, "address"));
            let path = path.filter(|path| !path.is_empty());
            Endpoint::unix(path.ok_or(Problem::Missing("the path"))?)
        }
        "tls" | "ssl" | "systemd" | "fd" | "haproxy" => return Err(Problem::Unsupported(kind)),
        _ => return Err(Problem::UnknownKind(kind)),
    };
    for (name, value) in options {
        endpoint = apply(endpoint, &name, value)?;
    }
    Ok(endpoint)
}

fn apply(endpoint: Endpoint, name: &str, value: String) -> Result<Endpoint, Problem> {
    Ok(match (name, &endpoint.kind) {
        ("backlog", _) => endpoint.backlog(number(value, "backlog")?),
        ("interface", Kind::Tcp(_)) => {
            let address: std::net::IpAddr = number(value, "IP address")?;
            endpoint.interface(address)
        }
        ("reuseport", Kind::Tcp(_)) => endpoint.reuse_port(boolean(value)?),
        ("mode", Kind::Unix(_)) => match u32::from_str_radix(&value, 8) {
            Ok(bits) if bits <= 0o777 => endpoint.mode(bits),
            _ => {
                return Err(Problem::Bad {
                    what: "octal mode",
                    value,
                });
            }
        },
        ("proxy", _) if value == "off" => endpoint,
        ("proxy", _) => return Err(Problem::Unsupported(format!("proxy={value}"))),
        _ => return Err(Problem::UnknownOption(name.to_owned())),
    })
}

fn take(options: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = options.iter().position(|(seen, _)| seen == name)?;
    Some(options.remove(at).1)
}

fn number<T: FromStr>(value: String, what: &'static str) -> Result<T, Problem> {
    // `u16::from_str` takes a sign, which no port has.
    match value.parse() {
        Ok(number) if !value.starts_with('+') => Ok(number),
        _ => Err(Problem::Bad { what, value }),
    }
}

fn boolean(value: String) -> Result<bool, Problem> {
    match value.as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Problem::Bad {
            what: "yes or no",
            value,
        }),
    }
}

/// Splits at unescaped colons; the first unescaped `=` of a part ends its name.
fn split(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = Part {
        name: None,
        value: String::new(),
    };
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => part.value.extend(characters.next()),
            ':' => parts.push(std::mem::replace(
                &mut part,
                Part {
                    name: None,
                    value: String::new(),
                },
            )),
            '=' if part.name.is_none() && !parts.is_empty() => {
                part.name = Some(std::mem::take(&mut part.value));
            }
            _ => part.value.push(character),
        }
    }
    parts.push(part);
    parts
}

/// Puts a backslash before every character that [`split`] would act upon.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ':' | '=' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
