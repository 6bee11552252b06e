//! Events, in the three forms that FreeSWITCH gives them.

use bytes::Bytes;
use serde_json::Value;

use super::frame::{DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_HEADERS, Frame};
use super::headers::{Headers, url_decode, url_encode};

/// In which form events are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventFormat {
    /// Header lines with URL-encoded values.
    #[default]
    Plain,
    /// One JSON object.
    Json,
    /// XML, which is handed on as it is: [`Event::body`] has it and there are no headers.
    Xml,
}

impl EventFormat {
    /// The word in commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    /// The form of a `Content-Type`.
    fn of(content_type: &str) -> Option<Self> {
        match content_type {
            "text/event-plain" => Some(Self::Plain),
            "text/event-json" => Some(Self::Json),
            "text/event-xml" => Some(Self::Xml),
            _ => None,
        }
    }
}

/// Something that happened in FreeSWITCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The form it came in.
    pub format: EventFormat,
    /// Its headers, decoded; none of an event in XML.
    pub headers: Headers,
    /// What came with it, the result of a background job for instance; all of an event in XML.
    pub body: Bytes,
}

impl Event {
    /// The event in a frame; `None` when the frame has none.
    ///
    /// # Errors
    /// What is wrong with it; the frames after it are not in doubt.
    pub fn from_frame(frame: &Frame) -> Result<Option<Self>, &'static str> {
        let format = frame.headers.get("Content-Type").and_then(EventFormat::of);
        let Some(format) = format else {
            return Ok(None);
        };
        let (headers, body) = match format {
            EventFormat::Plain => plain(&frame.body)?,
            EventFormat::Json => json(&frame.body)?,
            EventFormat::Xml => (Headers::default(), frame.body.clone()),
        };
        Ok(Some(Self {
            format,
            headers,
            body,
        }))
    }

    /// The name, `CHANNEL_ANSWER` for instance; empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get("Event-Name").unwrap_or_default()
    }

    /// The first value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The value of a channel variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.get(&format!("variable_{name}"))
    }

    /// The channel it belongs to (`Unique-ID`).
    #[must_use]
    pub fn channel_uuid(&self) -> Option<&str> {
        self.get("Unique-ID")
    }

    /// What it completes: the `Job-UUID` of a `BACKGROUND_JOB`, the `Application-UUID` of a `CHANNEL_EXECUTE_COMPLETE`.
    #[must_use]
    pub fn completes(&self) -> Option<&str> {
        match self.name() {
            "BACKGROUND_JOB" => self.get("Job-UUID"),
            "CHANNEL_EXECUTE_COMPLETE" => self.get("Application-UUID"),
            _ => None,
        }
    }

    /// The body as text; bytes that are no UTF-8 become the replacement character.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The frame that FreeSWITCH sends for an event with these headers and this body. Of XML, which needs no headers
    /// here, the body is all.
    #[must_use]
    pub fn to_frame(&self) -> Frame {
        let body = match self.format {
            EventFormat::Plain => self.plain_body(),
            EventFormat::Json => self.json_body(),
            EventFormat::Xml => self.body.to_vec(),
        };
        let mut headers = Headers::default();
        headers.push("Content-Length", body.len().to_string());
        headers.push(
            "Content-Type",
            format!("text/event-{}", self.format.as_str()),
        );
        Frame {
            headers,
            body: body.into(),
        }
    }

    fn plain_body(&self) -> Vec<u8> {
        let mut text = String::new();
        for (name, value) in self.headers.iter() {
            text.push_str(&format!("{name}: {}\n", url_encode(value)));
        }
        if !self.body.is_empty() {
            text.push_str(&format!("Content-Length: {}\n", self.body.len()));
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn json_body(&self) -> Vec<u8> {
        let mut object = serde_json::Map::new();
        for (name, value) in self.headers.iter() {
            object.insert(name.to_owned(), value.into());
        }
        if !self.body.is_empty() {
            object.insert(
                "Content-Length".to_owned(),
                self.body.len().to_string().into(),
            );
            object.insert("_body".to_owned(), self.text().into());
        }
        Value::Object(object).to_string().into_bytes()
    }
}

const TOO_MANY: &str = "an event with too many headers";

/// A second block of headers with URL-encoded values, and a body of as many bytes as they say.
fn plain(bytes: &Bytes) -> Result<(Headers, Bytes), &'static str> {
    let mut headers = Headers::default();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + 1..]);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if headers.len() >= DEFAULT_MAX_HEADERS {
            return Err(TOO_MANY);
        }
        let line = String::from_utf8_lossy(line);
        let (name, value) = line
            .split_once(':')
            .ok_or("an event with a line that is no header")?;
        headers.push(name, url_decode(value.strip_prefix(' ').unwrap_or(value)));
    }
    // An event that was sent by a client has the length twice: its own and that of FreeSWITCH, which comes last.
    let lengths = headers.iter().collect::<Vec<_>>();
    let mut lengths = lengths.iter().rev();
    let length = lengths.find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
    let length = match length {
        None => 0,
        Some((_, digits)) => digits
            .parse()
            .map_err(|_| "an event with a length that is no number")?,
    };
    if length > rest.len() {
        return Err("an event with less of a body than it says");
    }
    let body = bytes.slice_ref(&rest[..length]);
    Ok((headers, body))
}

fn json(bytes: &[u8]) -> Result<(Headers, Bytes), &'static str> {
    let object = serde_json::from_slice(bytes).map_err(|_| "an event that is no JSON")?;
    let Value::Object(object) = object else {
        return Err("an event that is no JSON object");
    };
    let mut headers = Headers::default();
    let mut body = Bytes::new();
    for (name, value) in object {
        let value = match value {
            Value::String(text) => text,
            // A header that came several times.
            Value::Array(values) => {
                if values.len() > DEFAULT_MAX_HEADERS.saturating_sub(headers.len()) {
                    return Err(TOO_MANY);
                }
                // The name is there once, and here with each.
                if name.len().saturating_mul(values.len()) > DEFAULT_MAX_BODY_BYTES {
                    return Err("an event with too long a header");
                }
                for value in values {
                    headers.push(name.as_str(), text(value));
                }
                continue;
            }
            other => other.to_string(),
        };
        if headers.len() >= DEFAULT_MAX_HEADERS {
            return Err(TOO_MANY);
        }
        if name == "_body" {
            body = value.into();
        } else {
            headers.push(name, value);
        }
    }
    Ok((headers, body))
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
