//! An XML stream without an end, sent by a handler and parsed as it comes.
//!
//! Neither side ever holds more than what is on its way: the parser reads when it has done with what it read, which holds
//! back the connection, which holds back the handler at the other end.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cyclone_web::client::{Client, ClientTimeouts};
use cyclone_web::{Application, RequestContext, RequestHandler};
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// The largest piece of XML that is kept for the parser, in bytes: one tag, or the text between two.
const MAX_PIECE: usize = 64 * 1024;

/// One entry of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub text: String,
}

/// The server's side: an entry each so often, for ever.
struct Feed(Duration);

impl RequestHandler for Feed {
    async fn get(&self, cx: &mut RequestContext) -> cyclone_web::Result {
        cx.set_header("content-type", "application/xml")?;
        cx.write("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed>\n");
        let mut number = 0_u64;
        loop {
            number += 1;
            cx.write(format!(
                "<tick number=\"{number}\">tick &amp; {number}</tick>\n"
            ));
            // Waits until the client takes it; the handler is dropped when the client goes away.
            cx.flush().await?;
            tokio::time::sleep(self.0).await;
        }
    }
}

/// An application whose `/feed` has an entry each `pause`, for ever.
pub fn feed(pause: Duration) -> Application {
    Application::new().route("/feed", Feed(pause))
}

/// The client's side: gives each entry to `each`, until that says `false` or the stream breaks off.
///
/// # Errors
/// When the stream cannot be had, ends, or is no XML.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn read(client: &Client, url: &str, mut each: impl FnMut(Tick) -> bool) -> Result<()> {
    // It has no end, so there is no limit for all of it; the silence between two entries has one.
    let endless = ClientTimeouts::new().total(None);
    let request = client.get(url).timeouts(endless).body_limit(None);
    let response = request.send().await?.error_for_status()?;

    let mut reader = Reader::from_reader(response.into_reader());
    let mut room = Vec::new();
    let mut tick = None::<Tick>;
    loop {
        room.clear();
        match reader.read_event_into_async(&mut room).await? {
            Event::Start(start) if start.name().as_ref() == "tick" => {
                tick = Some(Tick {
                    number: number(&start)?,
                    text: String::new(),
                });
            }
            Event::Text(text) => {
                if let Some(tick) = &mut tick {
                    tick.text.push_str(&text);
                }
            }
            Event::GeneralRef(name) => {
                if let Some(tick) = &mut tick {
                    let character = match &*name {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        other => bail!("unknown entity `{other}`"),
                    };
                    tick.text.push(character);
                }
            }
            Event::End(end) if end.name().as_ref() == "tick" => {
                if let Some(tick) = tick.take()
                    && !each(tick)
                {
                    return Ok(());
                }
            }
            Event::Eof => bail!("the stream has ended"),
            _ => {}
        }
        let held = tick.as_ref().map_or(0, |tick| tick.text.len());
        if held > MAX_PIECE || room.len() > MAX_PIECE {
            bail!("an entry is larger than {MAX_PIECE} bytes");
        }
    }
}

fn number(start: &BytesStart<'_>) -> Result<u64> {
    let attribute = start.try_get_attribute("number")?;
    let attribute = attribute.context("an entry without a number")?;
    Ok(attribute.value.parse()?)
}
