//! What is in an event.

use cyclone_examples::freeswitch::{
    DEFAULT_MAX_BODY_BYTES, Event, EventFormat, Frame, Headers, Message, Reply, url_decode,
    url_encode,
};

use super::{frames, said};

fn events(name: &str) -> Vec<Event> {
    let messages = frames(&said(name)).into_iter();
    let messages = messages.map(|frame| Message::from_frame(frame).unwrap());
    let events = messages.filter_map(|message| match message {
        Message::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn plain(body: &str) -> Result<Option<Event>, &'static str> {
    of_type("text/event-plain", body)
}

fn of_type(content_type: &str, body: &str) -> Result<Option<Event>, &'static str> {
    let mut headers = Headers::default();
    headers.push("Content-Type", content_type);
    let body = body.to_owned().into();
    Event::from_frame(&Frame { headers, body })
}

#[test]
fn recorded_events_say_the_same_in_every_form() {
    let (plain, json) = (events("events-plain"), events("events-json"));
    let names: Vec<_> = plain.iter().map(Event::name).collect();
    let expected = [
        "BACKGROUND_JOB",
        "BACKGROUND_JOB",
        "CUSTOM",
        "CHANNEL_CREATE",
        "CHANNEL_CREATE",
        "CHANNEL_ANSWER",
        "CHANNEL_ANSWER",
        "CHANNEL_HANGUP_COMPLETE",
        "CHANNEL_HANGUP_COMPLETE",
    ];
    assert_eq!(names, expected);
    assert_eq!(json.iter().map(Event::name).collect::<Vec<_>>(), expected);
    for (plain, json) in plain.iter().zip(&json) {
        let names = |event: &Event| {
            let mut names: Vec<String> = event.headers.iter().map(|(n, _)| n.to_owned()).collect();
            names.sort();
            names.dedup();
            names
        };
        assert_eq!(names(plain), names(json), "{}", plain.name());
        assert_eq!(
            plain.get("Event-Calling-File"),
            json.get("Event-Calling-File")
        );
        assert_eq!(plain.get("FreeSWITCH-IPv6"), Some("::1"));
    }
    let job = &plain[1];
    assert_eq!(
        job.completes(),
        Some("7f4db78a-17d7-11dd-b7a0-db4edd065621")
    );
    assert!(job.text().starts_with("UP 0 years") && job.body.len() == 365);
    assert!(json[1].text().starts_with("UP 0 years"));
    let custom = &plain[2];
    assert_eq!(custom.get("Event-Subclass"), Some("foo::bar"));
    assert_eq!(custom.text(), "body");
    // FreeSWITCH does not encode twice: the form decides what was meant.
    assert_eq!(custom.get("X-Test"), Some("a b c"));
    assert_eq!(json[2].get("X-Test"), Some("a b%20c"));
    assert_eq!(
        plain[5].variable("loopback_leg"),
        json[5].variable("loopback_leg")
    );
    assert_eq!(plain[5].channel_uuid().map(str::len), Some(36));
}

#[test]
fn xml_is_handed_on_as_it_is() {
    let events = events("events-xml");
    assert_eq!(events.len(), 9);
    for event in events {
        assert_eq!(event.format, EventFormat::Xml);
        assert!(event.headers.is_empty() && event.name().is_empty());
        assert!(
            event.text().starts_with("<event>") && event.text().trim_end().ends_with("</event>")
        );
        assert_eq!(event.to_frame().body, event.body);
    }
}

#[test]
fn events_are_the_same_when_they_are_written_and_read_again() {
    for event in events("events-plain")
        .into_iter()
        .chain(events("outbound-async-full"))
    {
        for format in [EventFormat::Plain, EventFormat::Json] {
            let event = Event {
                format,
                ..event.clone()
            };
            let again = Event::from_frame(&event.to_frame()).unwrap().unwrap();
            assert_eq!(again.body, event.body);
            for (name, value) in event.headers.iter() {
                assert_eq!(again.get(name), event.get(name), "{name}: {value}");
            }
        }
    }
}

#[test]
fn the_answer_to_connect_is_the_channel() {
    let first = frames(&said("outbound-async-full")).remove(0);
    let Message::Reply(data) = Message::from_frame(first).unwrap() else {
        panic!("no reply");
    };
    assert_eq!(data.headers.get("Event-Name"), Some("CHANNEL_DATA"));
    assert_eq!(data.headers.get("Reply-Text"), Some("+OK\n"));
    assert_eq!(data.headers.get("Control"), Some("full"));
    assert_eq!(
        data.headers.get("Caller-Callee-ID-Name"),
        Some("Outbound Call")
    );
    assert_eq!(
        data.headers.get("variable_DP_MATCH"),
        Some("ARRAY::sock34209|:34209")
    );
    assert!(data.headers.len() > 100 && !data.is_refused());
}

#[test]
fn other_answers_are_not_decoded() {
    let text = "Content-Type: command/reply\nReply-Text: 100%25\n\n";
    let Message::Reply(reply) = Message::from_frame(frames(text.as_bytes()).remove(0)).unwrap()
    else {
        panic!("no reply");
    };
    assert_eq!(reply.text(), "100%25");
}

#[test]
fn refusals_are_told() {
    let reply = |text: &str| Reply::from(frames(text.as_bytes()).remove(0));
    for (text, refused) in [
        ("Reply-Text: -ERR invalid\n\n", true),
        ("Reply-Text: -USAGE: x\n\n", true),
        ("Content-Length: 4\n\n-ERR", true),
        ("Reply-Text: +OK\n\n", false),
        ("Reply-Text: -1\n\n", false),
        ("A: b\n\n", false),
        ("Content-Length: 5\n\n +ERR", false),
    ] {
        assert_eq!(reply(text).is_refused(), refused, "{text}");
    }
}

#[test]
fn bad_events_are_told() {
    for body in [
        "no colon\n\n",
        "Content-Length: 5\n\nbody",
        "Content-Length: x\n\nbody",
        "Content-Length: 18446744073709551616\n\n",
    ] {
        assert!(plain(body).is_err(), "{body:?}");
    }
    for body in ["", "{", "[]", "1", "{\"a\":1}x"] {
        assert!(of_type("text/event-json", body).is_err(), "{body:?}");
    }
    let many = "A:\n".repeat(4096);
    assert!(plain(&many).is_ok() && plain(&(many + "A:\n")).is_err());
    assert_eq!(of_type("text/plain", "x"), Ok(None));
}

/// A name is sent once with all its values, and stands before each of them here.
#[test]
fn an_event_does_not_grow_when_it_is_read() {
    let event = |name: usize, values: usize, lists: usize| {
        let list = vec!["1"; values].join(",");
        let lists = (0..lists).map(|number| {
            let name = "n".repeat(name);
            format!("\"{name}{number}\":[{list}]")
        });
        let lists = lists.collect::<Vec<_>>().join(",");
        of_type("text/event-json", &format!("{{{lists}}}"))
    };
    let of = |lists, values| event(1, values, lists);
    assert_eq!(of(4, 1024).unwrap().unwrap().headers.len(), 4096);
    assert!(of(4, 1025).is_err());
    let bytes = DEFAULT_MAX_BODY_BYTES / 4096;
    assert!(event(bytes - 1, 4096, 1).is_ok());
    assert!(event(bytes, 4096, 1).is_err());
}

#[test]
fn odd_events_are_read() {
    let event = plain("Event-Name: X\r\nEmpty:\n\nrest that is not announced")
        .unwrap()
        .unwrap();
    assert_eq!((event.name(), event.get("Empty")), ("X", Some("")));
    assert!(event.body.is_empty());
    assert!(plain("").unwrap().unwrap().name().is_empty());
    // The length that FreeSWITCH adds comes last.
    let event = plain("Content-Length: 9\nContent-Length: 2\n\nhi")
        .unwrap()
        .unwrap();
    assert_eq!(event.text(), "hi");
    let json = "{\"Event-Name\":\"X\",\"n\":1,\"list\":[\"a\",2],\"_body\":\"hi\"}";
    let event = of_type("text/event-json", json).unwrap().unwrap();
    assert_eq!((event.get("n"), event.get("list")), (Some("1"), Some("a")));
    assert_eq!(
        event
            .headers
            .iter()
            .filter(|(name, _)| *name == "list")
            .count(),
        2
    );
    assert_eq!(event.text(), "hi");
}

#[test]
fn urls_are_decoded_as_far_as_they_are_encoded() {
    for (encoded, decoded) in [
        ("", ""),
        ("plain", "plain"),
        ("a%20b%3A", "a b:"),
        ("%E2%82%AC", "€"),
        ("%e2%82%ac", "€"),
        ("100%", "100%"),
        ("%2", "%2"),
        ("%zz%20", "%zz "),
        ("%%20", "% "),
        ("%FF", "\u{fffd}"),
        ("+", "+"),
        ("é%", "é%"),
    ] {
        assert_eq!(url_decode(encoded), decoded, "{encoded}");
    }
    for text in ["a b", "%41", "ä\n\t\"", "a/b(c),d-e_f~'"] {
        assert_eq!(url_decode(&url_encode(text)), text);
        assert!(url_encode(text).is_ascii());
    }
}
