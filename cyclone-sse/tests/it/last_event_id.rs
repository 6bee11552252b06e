//! Where `last_event_id` looks, and how it treats what clients may send.

use cyclone_sse::{MAX_LAST_EVENT_ID_BYTES, last_event_id};
use http::{HeaderValue, Request};

fn with_header(value: &[u8]) -> Request<()> {
    let mut request = Request::new(());
    let value = HeaderValue::from_bytes(value).unwrap_or(HeaderValue::from_static("unusable"));
    request.headers_mut().insert("Last-Event-ID", value);
    request
}

fn with_uri(uri: &'static str) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = http::Uri::from_static(uri);
    request
}

#[test]
fn the_header_comes_before_the_parameter() {
    assert_eq!(last_event_id(&Request::new(())), None);
    assert_eq!(last_event_id(&with_header(b"1-2")), Some("1-2"));
    assert_eq!(last_event_id(&with_uri("/?last-event-id=3-4")), Some("3-4"));
    assert_eq!(
        last_event_id(&with_uri("/?a=b&lastEventId=5-6&c")),
        Some("5-6")
    );
    assert_eq!(
        last_event_id(&with_uri("/?not-last-event-id=5-6&last-event-id")),
        None
    );
    assert_eq!(last_event_id(&with_uri("/?last-event-id=")), None);
    let mut both = with_uri("/?last-event-id=3-4");
    both.headers_mut()
        .insert("last-event-id", HeaderValue::from_static("1-2"));
    assert_eq!(last_event_id(&both), Some("1-2"));
    both.headers_mut()
        .insert("last-event-id", HeaderValue::from_static(""));
    assert_eq!(
        last_event_id(&both),
        None,
        "a browser that was told to forget"
    );
}

#[test]
fn an_id_just_under_at_and_over() {
    for (length, expected) in [
        (MAX_LAST_EVENT_ID_BYTES - 1, None),
        (MAX_LAST_EVENT_ID_BYTES, None),
        (MAX_LAST_EVENT_ID_BYTES + 1, Some("unknown")),
    ] {
        let text = "7".repeat(length);
        let request = with_header(text.as_bytes());
        assert_eq!(
            last_event_id(&request),
            Some(expected.unwrap_or(text.as_str()))
        );
    }
    assert_eq!(last_event_id(&with_header(b"\xff\xfe")), Some("unknown"));
}
