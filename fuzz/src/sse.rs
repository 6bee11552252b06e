//! Server-sent events, both ways.

use std::time::Duration;

use cyclone_sse::{Decoder, Event};

/// Few enough bytes that the limit is met.
const LIMIT: usize = 64;

/// What a decoder has to say about a stream.
#[derive(Debug, PartialEq)]
struct Heard {
    events: Vec<(String, String, String)>,
    last_event_id: String,
    retry: Option<Duration>,
    failed: bool,
}

fn hear<'a>(pieces: impl Iterator<Item = &'a [u8]>, limit: usize) -> Heard {
    let mut decoder = Decoder::with_limit(limit);
    let mut events = Vec::new();
    let mut failed = false;
    for piece in pieces {
        failed |= decoder.feed(piece).is_err();
        while let Some(event) = decoder.next() {
            assert!(event.data.len() <= limit);
            assert!(!event.name.is_empty());
            events.push((event.name, event.data, event.id));
        }
    }
    Heard {
        events,
        last_event_id: decoder.last_event_id().to_owned(),
        retry: decoder.retry(),
        failed,
    }
}

/// The first byte says how the rest is cut; however it is, the same is heard.
pub(crate) fn decoder(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    for limit in [LIMIT, cyclone_sse::DEFAULT_DECODER_BYTES] {
        let whole = hear(std::iter::once(stream), limit);
        assert_eq!(hear(stream.chunks(1), limit), whole);
        assert_eq!(hear(stream.chunks(usize::from(*size).max(1)), limit), whole);
    }
}

/// An event is heard as it was made, and nothing in it becomes another.
pub(crate) fn event(data: &[u8]) {
    let mut texts = data.splitn(4, |byte| *byte == 0xff).map(|part| {
        let text = std::str::from_utf8(part);
        text.unwrap_or_default().to_owned()
    });
    let mut next = || texts.next().unwrap_or_default();
    let (name, id, comment, text) = (next(), next(), next(), next());
    let Ok(event) = Event::text(text.clone())
        .with_comment(comment)
        .name(name.clone())
    else {
        assert!(name.contains(['\r', '\n', '\0']));
        return;
    };
    let Ok(event) = event.id(id.clone()) else {
        assert!(id.contains(['\r', '\n', '\0']));
        return;
    };
    let retry = Duration::from_millis(u64::try_from(data.len()).unwrap_or_default());
    let stream = [event.retry(retry).encode(), Event::text("after").encode()].concat();
    let heard = hear(std::iter::once(stream.as_slice()), stream.len());
    let shown = if name.is_empty() {
        "message".to_owned()
    } else {
        name
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let expected = Heard {
        events: vec![
            (shown, text, id.clone()),
            ("message".to_owned(), "after".to_owned(), id.clone()),
        ],
        last_event_id: id,
        retry: Some(retry),
        failed: false,
    };
    assert_eq!(heard, expected);
}
