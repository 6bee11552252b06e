//! What the stand-in says, taken from the recordings.

use bytes::BytesMut;
use tokio_util::codec::Decoder as _;

use crate::freeswitch::event::{Event, EventFormat};
use crate::freeswitch::frame::{Frame, FrameCodec};
use crate::freeswitch::headers::Headers;
use crate::freeswitch::message::{Message, Reply};
use crate::freeswitch::recording::{Recording, Side};

const INBOUND: &[u8] = include_bytes!("../tests/data/events-plain");
const OUTBOUND: &[u8] = include_bytes!("../tests/data/outbound-async-full");
const CONSOLE: &[u8] = include_bytes!("../tests/data/api");

/// How the names of the headers begin that every event has.
const EVERYWHERE: &[&str] = &["Core-UUID", "FreeSWITCH-", "Event-Date-", "Event-Calling-"];

/// Events to be played, the data of a channel, and what the console prints.
#[derive(Debug, Default)]
pub(super) struct Script {
    events: Vec<Event>,
    channel: Headers,
    /// In the order of the recording: version, status.
    printed: Vec<String>,
}

impl Script {
    pub(super) fn recorded() -> Self {
        let mut script = Self::default();
        for frame in [INBOUND, OUTBOUND].into_iter().flat_map(frames) {
            match Message::from_frame(frame) {
                Ok(Message::Event(event)) => script.events.push(event),
                Ok(Message::Reply(Reply { headers, .. }))
                    if headers.get("Event-Name").is_some() =>
                {
                    script.channel = headers;
                }
                _ => {}
            }
        }
        for frame in frames(CONSOLE) {
            if let Ok(Message::ApiResponse(reply)) = Message::from_frame(frame) {
                script.printed.push(reply.text());
            }
        }
        script
    }

    /// A recorded event of this name, as if it had happened to this channel and with these headers.
    pub(super) fn event(&self, name: &str, uuid: &str, headers: &[(&str, &str)]) -> Event {
        let recorded = self.events.iter().find(|event| event.name() == name);
        let mut event = match recorded {
            Some(event) => event.clone(),
            None => self.plain_event(name),
        };
        event.headers = of_channel(&event.headers, uuid);
        for (name, value) in headers {
            event.headers.set(name, value);
        }
        event
    }

    /// An event of this name with what every event has.
    pub(super) fn plain_event(&self, name: &str) -> Event {
        let mut headers = Headers::default();
        headers.push("Event-Name", name);
        let recorded = self.events.first().map(|event| event.headers.iter());
        for (name, value) in recorded.into_iter().flatten() {
            if EVERYWHERE.iter().any(|prefix| name.starts_with(prefix)) {
                headers.push(name, value);
            }
        }
        Event {
            format: EventFormat::Plain,
            headers,
            body: bytes::Bytes::new(),
        }
    }

    /// What is said of a channel in the answer to `connect`.
    pub(super) fn channel(&self, uuid: &str) -> Headers {
        of_channel(&self.channel, uuid)
    }

    pub(super) fn console(&self, verb: &str) -> &str {
        let printed = self.printed.get(usize::from(verb == "status"));
        printed.map_or("", String::as_str)
    }
}

/// Headers with the channel's UUID wherever that of the recorded one was.
fn of_channel(headers: &Headers, uuid: &str) -> Headers {
    let old = headers.get("Unique-ID").unwrap_or_default().to_owned();
    let lines = headers.iter().map(|(name, value)| {
        let value = if value == old { uuid } else { value };
        (name.to_owned(), value.to_owned())
    });
    lines.collect()
}

fn frames(recording: &[u8]) -> Vec<Frame> {
    let recording = Recording::parse(recording).unwrap_or_default();
    let mut bytes = BytesMut::from(&recording.said_by(Side::Switch)[..]);
    let mut codec = FrameCodec::default();
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = codec.decode(&mut bytes) {
        frames.push(frame);
    }
    frames
}
