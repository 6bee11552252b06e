//! `EventStream`: events as the response to a request.

mod attachment;
mod body;
mod heartbeat;
mod sender;
mod source;

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cyclone_core::Session;
use futures_core::Stream;
use http::{HeaderValue, Request, Response, header};

use crate::channel::Events;
use crate::event::{Event, put_field, put_retry};

pub use self::body::SseBody;
use self::source::Source;

pub use self::sender::{ClientGone, EventSender, TrySendError};

/// How long a stream is silent before a comment is sent: 15 s.
///
/// As WHATWG HTML 9.2.7 suggests for proxies that cut silent connections; it also finds clients that are gone.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);

/// How long clients are told to wait before they reconnect: 3 s.
pub const DEFAULT_RETRY: Duration = Duration::from_secs(3);

/// How many bytes of events that are ready together are sent as one chunk: 64 KiB. A larger event goes alone.
pub const DEFAULT_CHUNK_BYTES: usize = 64 * 1024;

/// How long clients are told to wait, at least, when the server shuts down: 1 s.
pub const DRAIN_RETRY_MIN: Duration = Duration::from_secs(1);

/// How much longer than [`DRAIN_RETRY_MIN`] they are told to wait, at random: up to 9 s.
///
/// So that the clients of one server do not all come to the next one in the same second.
pub const DRAIN_RETRY_SPREAD: Duration = Duration::from_secs(9);

/// What happens to a stream when the server begins to shut down.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrain {
    /// The stream ends, after a reconnection time and the farewell if there is one. The default: the stream of a
    /// channel goes on elsewhere without a loss, and what an [`EventSender`] has queued is still sent.
    #[default]
    End,
    /// The stream goes on until it ends by itself or the deadline of the shutdown: for an answer that is being
    /// generated and that nobody could continue.
    Finish,
}

/// Events as the response to a request, from a channel, a stream, or a handler that sends them.
///
/// ```
/// use std::time::Duration;
/// use cyclone_sse::{Event, EventStream};
/// use http::Request;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let request = Request::new(());
/// let (sender, events) = EventStream::channel(16);
/// tokio::spawn(async move {
///     let _gone = sender.send(Event::text("hello")).await;
/// });
/// let response = events.heartbeat(Some(Duration::from_secs(5))).respond(&request);
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// # }
/// ```
#[must_use = "a response is made by respond"]
pub struct EventStream {
    source: Source,
    heartbeat: Option<Duration>,
    retry: Option<Duration>,
    announce_position: bool,
    on_drain: OnDrain,
    farewell: Option<Event>,
    max_chunk: usize,
    session: Option<Session>,
}

impl EventStream {
    /// Sends the events of `stream`, as fast as the client takes them, and ends with it.
    pub fn new(stream: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self::from_source(Source::stream(stream))
    }

    /// Sends the events of a channel.
    pub fn follow(events: Events) -> Self {
        Self::from_source(Source::Channel(events))
    }

    /// Sends what is given to the [`EventSender`]; up to `capacity` events wait for the client (0 counts as 1).
    pub fn channel(capacity: usize) -> (EventSender, Self) {
        let (sender, receiver) = tokio::sync::mpsc::channel(capacity.max(1));
        let stream = Self::from_source(Source::receiver(receiver));
        (EventSender::new(sender), stream)
    }

    fn from_source(source: Source) -> Self {
        Self {
            source,
            heartbeat: Some(DEFAULT_HEARTBEAT),
            retry: Some(DEFAULT_RETRY),
            announce_position: true,
            on_drain: OnDrain::default(),
            farewell: None,
            max_chunk: DEFAULT_CHUNK_BYTES,
            session: None,
        }
    }

    /// Sets how long the stream is silent before a comment is sent (default [`DEFAULT_HEARTBEAT`], at least 1 ms);
    /// `None` for no comments.
    pub fn heartbeat(mut self, interval: Option<Duration>) -> Self {
        self.heartbeat = interval.map(|interval| interval.max(Duration::from_millis(1)));
        self
    }

    /// Sets the reconnection time that is sent first (default [`DEFAULT_RETRY`]); `None` to send none.
    ///
    /// Without it a browser keeps the time it was last told, by another server that shut down for example.
    pub fn retry(mut self, retry: Option<Duration>) -> Self {
        self.retry = retry;
        self
    }

    /// Sets whether a client of a channel is told its position at once (default: yes).
    ///
    /// It is told by an id without data, which browsers keep and do not show to the page (WHATWG HTML 9.2.6). A client
    /// that loses its connection before the first event then misses nothing. A few libraries that do not follow the
    /// standard show it as an event without data.
    pub fn announce_position(mut self, announce: bool) -> Self {
        self.announce_position = announce;
        self
    }

    /// Sets what happens when the server begins to shut down (default [`OnDrain::End`]).
    pub fn on_drain(mut self, on_drain: OnDrain) -> Self {
        self.on_drain = on_drain;
        self
    }

    /// Sets the last event of a stream that is ended because the server shuts down (default: none).
    pub fn farewell(mut self, event: Event) -> Self {
        self.farewell = Some(event);
        self
    }

    /// Sets how many bytes are sent as one chunk at most (default [`DEFAULT_CHUNK_BYTES`]); a larger event goes alone.
    pub fn max_chunk(mut self, bytes: usize) -> Self {
        self.max_chunk = bytes;
        self
    }

    /// Sets the session of the connection, where it is not in the extensions of the request.
    ///
    /// The stream then shows as `sse` in the registry, keeps the connection there, ends when the server shuts down
    /// (see [`OnDrain`]) and when the connection is cut.
    pub fn session(mut self, session: Session) -> Self {
        self.session = Some(session);
        self
    }

    /// Makes the response to `request`, with the [`Session`] of its extensions if there is one.
    pub fn respond<B>(mut self, request: &Request<B>) -> Response<SseBody> {
        if self.session.is_none() {
            self.session = request.extensions().get().cloned();
        }
        self.into_response()
    }

    /// Makes the response without a look at the request.
    pub fn into_response(self) -> Response<SseBody> {
        let mut response = Response::new(SseBody::new(self));
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static;
        headers.insert(header::CONTENT_TYPE, plain("text/event-stream"));
        // No transformation: a proxy that compresses would hold events back.
        headers.insert(header::CACHE_CONTROL, plain("no-cache, no-transform"));
        // The same for nginx, which buffers responses unless told otherwise.
        headers.insert("x-accel-buffering", plain("no"));
        response
    }

    /// What is sent before all events.
    fn preface(&self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        if let Some(retry) = self.retry {
            put_retry(&mut out, retry);
        }
        if let Source::Channel(events) = &self.source
            && self.announce_position
            && let Some(position) = events.start()
        {
            put_field(&mut out, b"id: ", &position.to_string());
            out.extend_from_slice(b"\n");
        }
        (!out.is_empty()).then(|| out.freeze())
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("heartbeat", &self.heartbeat)
            .field("retry", &self.retry)
            .field("on_drain", &self.on_drain)
            .finish_non_exhaustive()
    }
}
