//! `Event`: what goes over the wire, and that nothing else can (WHATWG HTML 9.2.6, RFC 9112 11.1 in spirit: data must
//! not become framing).

use std::time::Duration;

use cyclone_sse::{DecodedEvent, Decoder, Event};

fn decode(event: &Event) -> Vec<(String, String, String)> {
    let mut decoder = Decoder::new();
    decoder.feed(&event.encode()).unwrap_or_default();
    std::iter::from_fn(|| decoder.next())
        .map(|DecodedEvent { name, data, id, .. }| (name, data, id))
        .collect()
}

#[test]
fn fields_are_written_in_order() {
    let event = Event::text("a\nb")
        .with_comment("note")
        .retry(Duration::from_millis(1500))
        .name("greeting")
        .and_then(|event| event.id("7"))
        .unwrap();
    let wire = ": note\nid: 7\nevent: greeting\nretry: 1500\ndata: a\ndata: b\n\n";
    assert_eq!(event.encode(), wire);
    assert_eq!(Event::comment("only").encode(), ": only\n\n");
    assert_eq!(Event::text("").encode(), "data: \n\n");
    assert_eq!(Event::new().retry(Duration::ZERO).encode(), "retry: 0\n\n");
    let micros = Duration::from_micros(1999);
    assert_eq!(Event::new().retry(micros).encode(), "retry: 1\n\n");
}

#[test]
fn data_survives_but_for_the_kind_of_line_break() {
    for (data, received) in [
        ("", ""),
        ("plain", "plain"),
        (" leading and trailing ", " leading and trailing "),
        ("a\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\n\rb", "a\n\nb"),
        ("\n", "\n"),
        ("\r\n\r\n", "\n\n"),
        ("end\n", "end\n"),
        (":colon", ":colon"),
        ("data: x", "data: x"),
        ("nul\0byte", "nul\0byte"),
        ("é ü 🌀\u{2028}\u{85}", "é ü 🌀\u{2028}\u{85}"),
        ("\u{FEFF}mark", "\u{FEFF}mark"),
    ] {
        let expected = vec![("message".into(), received.into(), String::new())];
        assert_eq!(decode(&Event::text(data)), expected, "{data:?}");
    }
}

#[test]
fn line_breaks_in_data_and_comments_cannot_forge_fields() {
    for line_break in ["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r"] {
        let forged = format!(
            "x{line_break}event: forged{line_break}id: 666{line_break}retry: 1{line_break}{line_break}data: y"
        );
        for event in [
            Event::text(forged.clone()),
            Event::text("z").with_comment(forged.clone()),
        ] {
            let events = decode(&event);
            assert_eq!(events.len(), 1, "{forged:?}");
            assert_eq!(events[0].0, "message");
            assert_eq!(events[0].2, "");
        }
        let mut decoder = Decoder::new();
        decoder.feed(&Event::comment(forged).encode()).unwrap();
        assert_eq!(decoder.next(), None);
        assert_eq!(decoder.retry(), None);
    }
}

#[test]
fn line_breaks_and_nul_in_names_and_ids_are_errors() {
    for bad in ["a\nb", "a\rb", "a\r\nb", "\n", "a\0b", "\r"] {
        let error = Event::text("x").name(bad).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the name of an event contains a line break or nul"
        );
        let error = Event::text("x").id(bad).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the id of an event contains a line break or nul"
        );
    }
    let event = Event::text("x").name(" spaced : name ").unwrap();
    let event = event.id(" ü\u{2028} ").unwrap();
    let expected = (" spaced : name ".into(), "x".into(), " ü\u{2028} ".into());
    assert_eq!(decode(&event), [expected]);
}

#[cfg(feature = "json")]
#[test]
fn json_is_one_line() {
    let event = Event::json(&["two\nlines", "ü"]).unwrap();
    assert_eq!(event.encode(), "data: [\"two\\nlines\",\"ü\"]\n\n");
    let no_json = std::collections::HashMap::from([(vec![1], 2)]);
    assert!(Event::json(&no_json).is_err());
}
