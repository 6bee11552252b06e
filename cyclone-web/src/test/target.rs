//! Targets of requests and redirects, and arguments as text.

use serde::Serialize;

use super::{TestError, TestErrorKind};

/// The path and the query of a target that is of this host.
pub(super) fn local(target: &str, host: &str) -> Result<String, TestError> {
    let rest = match target.split_once("://") {
        Some(("http" | "https" | "ws" | "wss", rest)) => rest,
        _ if target.starts_with("//") => &target[2..],
        _ if target.starts_with('/') || target == "*" => return Ok(target.to_owned()),
        _ => {
            let message = format!("`{target}` is no target: it begins with no slash");
            return Err(TestError::new(TestErrorKind::Request, message));
        }
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !authority.eq_ignore_ascii_case(host) {
        let message = format!("`{target}` is of another host than `{host}`");
        return Err(TestError::new(TestErrorKind::Request, message));
    }
    Ok(match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    })
}

/// A reference made absolute (RFC 3986, section 5.2), without its fragment.
pub(super) fn resolved(base: &str, reference: &str) -> String {
    let (base_path, _) = base.split_once('?').unwrap_or((base, ""));
    if reference.is_empty() {
        return base.to_owned();
    }
    if reference.starts_with('/') || reference.split_once("://").is_some() {
        return reference.to_owned();
    }
    if reference.starts_with('?') {
        return format!("{base_path}{reference}");
    }
    let directory = base_path.rfind('/').map_or("/", |at| &base_path[..=at]);
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let mut segments: Vec<&str> = directory.split('/').skip(1).collect();
    segments.pop();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            name => segments.push(name),
        }
    }
    let mut target = format!("/{}", segments.join("/"));
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// `application/x-www-form-urlencoded` of pairs, a map or a structure of texts, numbers, and lists of them.
pub(super) fn encoded(arguments: &(impl Serialize + ?Sized)) -> Result<String, TestError> {
    let value = serde_json::to_value(arguments).map_err(TestError::request)?;
    let mut text = String::new();
    let malformed = || TestError::new(TestErrorKind::Request, "arguments are pairs or a map");
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in &fields {
                push_pair(&mut text, name, value)?;
            }
        }
        serde_json::Value::Array(pairs) => {
            for pair in &pairs {
                let Some([serde_json::Value::String(name), value]) =
                    pair.as_array().map(Vec::as_slice)
                else {
                    return Err(malformed());
                };
                push_pair(&mut text, name, value)?;
            }
        }
        serde_json::Value::Null => {}
        _ => return Err(malformed()),
    }
    Ok(text)
}

fn push_pair(text: &mut String, name: &str, value: &serde_json::Value) -> Result<(), TestError> {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let value = match value {
        serde_json::Value::Null => return Ok(()),
        serde_json::Value::Array(values) => {
            let mut values = values.iter();
            return values.try_for_each(|value| push_pair(text, name, value));
        }
        serde_json::Value::Object(_) => {
            let message = format!("the argument `{name}` is a structure");
            return Err(TestError::new(TestErrorKind::Request, message));
        }
        serde_json::Value::String(value) => value.clone(),
        value => value.to_string(),
    };
    if !text.is_empty() {
        text.push('&');
    }
    text.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
    text.push('=');
    text.extend(utf8_percent_encode(&value, NON_ALPHANUMERIC));
    Ok(())
}
