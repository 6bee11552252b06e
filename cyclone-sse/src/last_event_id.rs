//! Where a client stopped reading.

use http::Request;

/// The longest `Last-Event-ID` that is looked at, in bytes. A longer one is none of ours.
pub const MAX_LAST_EVENT_ID_BYTES: usize = 128;

/// The names of query parameters that stand for the header where a client cannot set headers.
const PARAMETERS: [&str; 2] = ["last-event-id", "lastEventId"];

/// Finds the id of the last event that the client has seen, when it reconnects.
///
/// That is the `Last-Event-ID` header (WHATWG HTML 9.2.4), or without it the query parameter `last-event-id` or
/// `lastEventId`: polyfills of `EventSource` use one, and a page may put the id at which it was rendered there, to
/// miss nothing between rendering and connecting. The header wins because browsers repeat the URL but renew the
/// header. The parameter is taken as it is, without percent-decoding: ids of a channel are digits and a hyphen.
///
/// An empty id counts as none. For an id that is too long or not UTF-8 the result is a text that no channel knows, so
/// that the client gets a resync and not silently nothing.
///
/// ```
/// use http::Request;
///
/// let request = Request::get("/news?last-event-id=7-1").body(()).unwrap();
/// assert_eq!(cyclone_sse::last_event_id(&request), Some("7-1"));
/// let request = Request::get("/news").header("last-event-id", "9-2").body(()).unwrap();
/// assert_eq!(cyclone_sse::last_event_id(&request), Some("9-2"));
/// ```
pub fn last_event_id<B>(request: &Request<B>) -> Option<&str> {
    let text = match request.headers().get("last-event-id") {
        Some(value) => std::str::from_utf8(value.as_bytes()).unwrap_or(UNKNOWN),
        None => parameter(request.uri().query()?)?,
    };
    match text.len() {
        0 => None,
        1..=MAX_LAST_EVENT_ID_BYTES => Some(text),
        _ => Some(UNKNOWN),
    }
}

/// What no channel ever gave out.
const UNKNOWN: &str = "unknown";

fn parameter(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        PARAMETERS.contains(&name).then_some(value)
    })
}
