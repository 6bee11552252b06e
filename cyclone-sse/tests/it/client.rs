//! A client for the tests: reads chunks and decodes them.

use std::pin::Pin;

use bytes::Bytes;
use cyclone_core::{SharedBus, SharedLog};
use cyclone_sse::{ChannelOptions, DecodedEvent, Decoder, Event, Events, SseBody, SseChannel};
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;

/// Any source of chunks, and the events in them.
pub(crate) struct Client {
    chunks: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    decoder: Decoder,
    /// All that was received.
    pub(crate) wire: String,
}

impl Client {
    pub(crate) fn of_events(events: Events) -> Self {
        Self::new(events)
    }

    pub(crate) fn of_body(body: SseBody) -> Self {
        Self::new(body.into_data_stream().filter_map(async |chunk| chunk.ok()))
    }

    fn new(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self {
            chunks: Box::pin(chunks),
            decoder: Decoder::new(),
            wire: String::new(),
        }
    }

    /// The next chunk as it is.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let chunk = self.chunks.next().await?;
        let text = String::from_utf8_lossy(&chunk).into_owned();
        self.wire.push_str(&text);
        assert_eq!(self.decoder.feed(&chunk), Ok(()));
        Some(text)
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn event(&mut self) -> Option<DecodedEvent> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Some(event);
            }
            self.chunk().await?;
        }
    }

    /// The data of the next event, or its name when it is not a message.
    pub(crate) async fn data(&mut self) -> String {
        match self.event().await {
            Some(event) if event.name == "message" => event.data,
            Some(event) => format!("<{}>", event.name),
            None => "<end>".into(),
        }
    }

    /// Checks that the data of the next events is `from..to`.
    pub(crate) async fn expect_numbers(&mut self, from: usize, to: usize) {
        for number in from..to {
            assert_eq!(self.data().await, number.to_string());
        }
    }

    pub(crate) fn last_event_id(&self) -> String {
        self.decoder.last_event_id().to_owned()
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

pub(crate) fn channel() -> SseChannel {
    SseChannel::new(SharedBus::local(), SharedLog::memory(), "t")
}

pub(crate) fn channel_with(options: ChannelOptions) -> SseChannel {
    let broker =
        cyclone_sse::Broker::with_options(SharedBus::local(), SharedLog::memory(), options);
    broker.channel("t")
}

/// Publishes `from..to`, each as the data of an event.
pub(crate) async fn publish_numbers(channel: &SseChannel, from: usize, to: usize) {
    for number in from..to {
        let published = channel.publish(&Event::text(number.to_string())).await;
        assert!(published.is_ok());
    }
}

pub(crate) async fn follow(channel: &SseChannel, last_event_id: Option<&str>) -> Client {
    let events = channel.subscribe(last_event_id).await;
    assert!(events.is_ok());
    events.map_or_else(
        |_| Client::new(futures_util::stream::empty()),
        Client::of_events,
    )
}
