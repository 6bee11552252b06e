//! The page that tells a browser of an error.

mod debug;

use bytes::Bytes;
use http::header::{self, HeaderValue};

use crate::context::RequestContext;
use crate::error::{Error, Result};

/// Writes the page of an error: `404: Not Found` and what the error wants the client to know, escaped. In debug mode,
/// and only then, it also tells the programmer [what happened](debug).
///
/// A client that prefers JSON to HTML (`accept`) gets `{"status": 404, "error": "Not Found", "message": ...}`.
pub(crate) fn write(cx: &mut RequestContext, error: &Error) -> Result {
    let status = error.status();
    cx.set_status(status);
    let reason = cx.reason().or_else(|| status.canonical_reason());
    let reason = reason.unwrap_or("Unknown").to_owned();
    cx.clear_written();
    cx.response_headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if wants_json(cx) {
        let mut page = serde_json::Map::new();
        page.insert("status".to_owned(), status.as_u16().into());
        page.insert("error".to_owned(), reason.into());
        if let Some(message) = error.client_message() {
            page.insert("message".to_owned(), message.into());
        }
        if cx.is_debug() {
            page.insert("debug".to_owned(), debug::json(cx, error));
        }
        return cx.json(&page);
    }
    let code = status.as_u16();
    let mut escaped = String::new();
    escape_into(&mut escaped, &reason);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{code}: {escaped}</title></head>\
         <body><h1>{code}: {escaped}</h1>"
    );
    if let Some(message) = error.client_message() {
        page.push_str("<p>");
        escape_into(&mut page, message);
        page.push_str("</p>");
    }
    if cx.is_debug() {
        debug::html(&mut page, cx, error);
    }
    page.push_str("</body></html>\n");
    cx.html(Bytes::from(page))
}

fn wants_json(cx: &RequestContext) -> bool {
    cx.header(header::ACCEPT)
        .is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/html"))
}

/// Escapes text for HTML content and quoted attributes.
pub(crate) fn escape_into(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            _ => page.push(character),
        }
    }
}
