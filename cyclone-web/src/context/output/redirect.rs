//! Redirects that stay on the host they name.

use http::{StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::RequestContext;
use crate::error::{Error, Result};

impl RequestContext {
    /// Ends the response with a redirect (302) to `target`: a path, or a whole URL.
    ///
    /// # Errors
    /// A 500 when the target cannot be a header value.
    pub fn redirect(&mut self, target: &str) -> Result {
        self.redirect_with(StatusCode::FOUND, target)
    }

    /// Ends the response with a redirect of the given status, 301, 303, 307 or 308 for instance.
    ///
    /// A target that begins with several slashes or backslashes is cut to one slash: browsers read `//host`
    /// and `/\host` as another host (CVE-2023-28370). Control characters are taken out, spaces and what is not
    /// ASCII percent-encoded.
    ///
    /// # Errors
    /// A 500 when the status is no redirect, the target cannot be a header value, or the response was flushed.
    pub fn redirect_with(&mut self, status: StatusCode, target: &str) -> Result {
        if self.is_flushed() {
            return Err(Error::internal("a redirect came after a flush"));
        }
        if !status.is_redirection() {
            return Err(Error::internal(format!("{status} is no redirect")));
        }
        let location = safe_location(target);
        self.set_header(header::LOCATION, location)?;
        self.clear_written();
        self.set_status(status);
        self.finish()
    }
}

/// What is percent-encoded in a redirect's target, beside what is not ASCII.
const UNSAFE_IN_LOCATION: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// Keeps a redirect on the host it names.
fn safe_location(target: &str) -> String {
    let printable: String = target.chars().filter(|c| !c.is_control()).collect();
    let cleaned = utf8_percent_encode(printable.trim(), UNSAFE_IN_LOCATION).to_string();
    let rest = cleaned.trim_start_matches(['/', '\\']);
    let slashes = cleaned.len() - rest.len();
    if slashes > 1 || cleaned.starts_with('\\') {
        return format!("/{rest}");
    }
    cleaned
}
