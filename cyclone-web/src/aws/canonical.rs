//! The one form of a request that both sides sign.

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// All but letters, digits and `-._~`.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same without `/`.
const PATH: &AsciiSet = &STRICT.remove(b'/');

pub(super) fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, STRICT).to_string()
}

/// A part of a query, decoded; `+` is a space.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let spaced: Vec<u8> = text
        .bytes()
        .map(|b| if b == b'+' { b' ' } else { b })
        .collect();
    percent_decode(&spaced).collect()
}

/// Names and values of a query, decoded.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    })
}

/// The value of a name that must not occur twice.
pub(super) fn single(query: &str, name: &str) -> Result<Option<String>, ()> {
    let mut values = pairs(query).filter(|(other, _)| other == name.as_bytes());
    let Some((_, value)) = values.next() else {
        return Ok(None);
    };
    match (values.next(), String::from_utf8(value)) {
        (None, Ok(value)) => Ok(Some(value)),
        _ => Err(()),
    }
}

/// Encoded and sorted, without the signature.
pub(super) fn query(query: &str, without: &str) -> String {
    let named = pairs(query).filter(|(name, _)| name != without.as_bytes());
    let mut all: Vec<_> = named
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    all.sort_unstable();
    let all: Vec<_> = all
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    all.join("&")
}

/// The path for S3: encoded once, nothing else changed. An encoded `/` is part of a name.
pub(super) fn object_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let decoded: Vec<u8> = percent_decode(segment.as_bytes()).collect();
        encode(&decoded)
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The path for the other services: without dots and doubled slashes, and encoded once more than it came.
pub(super) fn path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut normal = format!("/{}", segments.join("/"));
    if path.ends_with('/') && normal.len() > 1 {
        normal.push('/');
    }
    percent_encode(normal.as_bytes(), PATH).to_string()
}

/// All values of a header with their spaces trimmed and collapsed; `None` when there is none.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    join(headers, name, |value| {
        value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// All values of a header with their spaces trimmed.
pub(super) fn trimmed(headers: &HeaderMap, name: &str) -> Option<String> {
    join(headers, name, |value| value.trim().to_owned())
}

fn join(headers: &HeaderMap, name: &str, form: impl Fn(&str) -> String) -> Option<String> {
    let values = headers.get_all(name).iter();
    // What is no UTF-8 cannot have been signed as such.
    let values = values.map(|value| Some(form(std::str::from_utf8(value.as_bytes()).ok()?)));
    let values: Vec<String> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.join(","))
}
