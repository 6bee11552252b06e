//! What the error page tells a programmer in debug mode: where the error came from, what is behind it, and the request
//! without its secrets.

use std::fs::File;
use std::io::Read as _;
use std::panic::Location;

use http::Uri;
use http::header::{HeaderName, HeaderValue, REFERER};
use serde_json::{Value, json};

use super::escape_into;
use crate::context::RequestContext;
use crate::error::Error;

/// The largest source file of which an excerpt is shown, in bytes.
const MAX_SOURCE: u64 = 1024 * 1024;

/// How many directories the source is looked for in, from the current one upwards.
const MAX_ROOTS: usize = 4;

/// Lines of the excerpt before and after the one where it happened.
const AROUND: usize = 4;

/// The longest value of a header that is shown, in bytes.
const MAX_VALUE: usize = 1000;

/// What stands in the place of a secret.
const REDACTED: &str = "(redacted)";

/// Adds the details to the page.
pub(super) fn html(page: &mut String, cx: &RequestContext, error: &Error) {
    page.push_str("<h2>What happened</h2><ul>");
    for line in story(error) {
        page.push_str("<li>");
        escape_into(page, &line);
        page.push_str("</li>");
    }
    page.push_str("</ul><h2>Where</h2><p>");
    let location = error.location();
    escape_into(page, &location.to_string());
    page.push_str("</p>");
    if let Some(excerpt) = excerpt(location) {
        page.push_str("<pre>");
        escape_into(page, &excerpt);
        page.push_str("</pre>");
    }
    page.push_str("<h2>Request</h2><pre>");
    escape_into(page, &request(cx).join("\n"));
    page.push_str("</pre><p>This is shown because the application runs in debug mode.</p>");
}

/// The same for a client that wants JSON.
pub(super) fn json(cx: &RequestContext, error: &Error) -> Value {
    json!({
        "what": story(error),
        "where": error.location().to_string(),
        "request": request(cx),
    })
}

/// The lines of the log, and the errors behind this one.
fn story(error: &Error) -> Vec<String> {
    let log = error.log_line().map(str::to_owned);
    let causes = error.causes().map(ToString::to_string);
    log.into_iter().chain(causes).collect()
}

/// The lines around a place in the source of the program, where it is at hand.
fn excerpt(location: &Location<'_>) -> Option<String> {
    let mut source = String::new();
    // The path is that of the compiler, which runs at the root of a workspace.
    let here = std::env::current_dir().ok()?;
    let mut roots = here.ancestors().take(MAX_ROOTS);
    let file = roots.find_map(|root| File::open(root.join(location.file())).ok())?;
    file.take(MAX_SOURCE).read_to_string(&mut source).ok()?;
    let at = location.line() as usize;
    let first = at.saturating_sub(AROUND).max(1);
    let lines = source.lines().zip(1..).skip(first - 1);
    let mut excerpt = String::new();
    for (line, number) in lines.take(at + AROUND + 1 - first) {
        let mark = if number == at { '>' } else { ' ' };
        excerpt.push_str(&format!("{mark} {number:>5}  {line}\n"));
    }
    Some(excerpt)
}

/// Request line and headers.
fn request(cx: &RequestContext) -> Vec<String> {
    let target = redacted_target(cx.uri());
    let mut lines = vec![format!("{} {target} {:?}", cx.method(), cx.version())];
    for (name, value) in cx.headers() {
        lines.push(format!("{name}: {}", shown(name, value)));
    }
    lines
}

/// The value of a header, unless it is a secret.
fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    if is_secret(name.as_str()) || value.is_sensitive() {
        return REDACTED.to_owned();
    }
    if *name == REFERER {
        let referer = value.to_str().ok().and_then(|value| value.parse().ok());
        return referer.map_or_else(|| REDACTED.to_owned(), |uri| redacted_target(&uri));
    }
    let bytes = value.as_bytes();
    let shown = bytes.get(..MAX_VALUE).unwrap_or(bytes);
    shown.escape_ascii().to_string()
}

/// A URI without the secrets of its query, and without user and password.
fn redacted_target(uri: &Uri) -> String {
    let mut target = String::new();
    if let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) {
        target = format!("{scheme}://{host}");
    }
    target.push_str(uri.path());
    let pairs = uri.query().into_iter().flat_map(|query| query.split('&'));
    for (pair, separator) in pairs.zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        target.push(separator);
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A name may be hidden by percent-encoding.
        let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        target.push_str(name);
        if !value.is_empty() {
            target.push('=');
            target.push_str(if is_secret(&decoded) { REDACTED } else { value });
        }
    }
    target
}

/// Pieces of the names of what nobody else should see.
const SECRETS: [&str; 14] = [
    "auth",
    "code",
    "cookie",
    "credential",
    "csrf",
    "jwt",
    "key",
    "pass",
    "secret",
    "session",
    "sid",
    "sign",
    "token",
    "xsrf",
];

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.contains(secret))
}
