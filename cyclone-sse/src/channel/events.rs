//! `Events`: the events of a channel for one client.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use cyclone_core::{EntryId, Log, LogEntry, LogRead, PortError};
use futures_core::Stream;

use super::hub::{Hub, LOG_PAGE};
use super::ring::{Found, put_entry};
use super::{ChannelInner, RESYNC_EVENT};
use crate::event::put_field;
use crate::options::SlowClient;
use crate::stream::DEFAULT_CHUNK_BYTES;

/// The events of a channel for one client: what it has missed, then what comes, each event once and in order.
///
/// A stream of chunks in wire format, each of one or more whole events. It ends when the client is slow and that is
/// the policy, or when the log can not be read; the client then reconnects and is served after its last event.
///
/// Made by [`SseChannel::subscribe`](crate::SseChannel::subscribe), and sent by
/// [`EventStream::follow`](crate::EventStream::follow). Dropping it ends the subscription.
pub struct Events {
    channel: Arc<ChannelInner>,
    hub: Arc<Hub>,
    /// Where the client waits in the hub.
    place: usize,
    /// The id of the last event that the client has been given.
    position: EntryId,
    /// The restarts of the hub that the client knows of.
    restarts: u64,
    /// The client came without an id.
    is_new: bool,
    state: State,
}

enum State {
    /// The client has to load its state anew.
    Resync,
    /// It is served from the log: by this read.
    Reading(Pin<Box<dyn Future<Output = Result<LogRead, PortError>> + Send>>),
    /// It is served from the log: by what was read.
    Replaying(VecDeque<LogEntry>),
    /// It has read the log and should be at a position that the hub has.
    CaughtUp,
    /// It is served by the hub.
    Live,
    Ended,
}

impl Events {
    pub(super) fn new(
        channel: Arc<ChannelInner>,
        hub: Arc<Hub>,
        last_event_id: Option<&str>,
    ) -> Self {
        let place = hub.ring().join();
        let (position, restarts) = hub.ring().head();
        let mut events = Self {
            channel,
            hub,
            place,
            position,
            restarts,
            is_new: true,
            state: State::Live,
        };
        if let Some(text) = last_event_id.filter(|text| !text.is_empty()) {
            events.is_new = false;
            match text.parse::<EntryId>() {
                Ok(id) => {
                    events.position = id;
                    // When many clients come back at once, few of them need the log.
                    if !events.hub.ring().knows(id) {
                        events.state = events.read();
                    }
                }
                Err(_) => events.state = State::Resync,
            }
        }
        events
    }

    /// The id of the last event that was given out, or the position from which the stream starts.
    pub fn position(&self) -> EntryId {
        self.position
    }

    /// Where the client starts, if it does not know: it came without an id and has been given nothing.
    pub(crate) fn start(&self) -> Option<EntryId> {
        self.is_new.then_some(self.position)
    }

    /// The next chunk of whole events of up to `max_bytes`, but of at least one event.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        max_bytes: usize,
    ) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Resync => return Poll::Ready(Some(self.resync())),
                State::Reading(read) => {
                    let read = ready!(read.as_mut().poll(cx));
                    self.state = self.after_read(read);
                }
                State::Replaying(entries) => {
                    if let Some((chunk, position)) = replay(entries, max_bytes) {
                        self.position = position;
                        return Poll::Ready(Some(chunk));
                    }
                    self.state = State::CaughtUp;
                }
                State::CaughtUp | State::Live => {
                    let ring = self.hub.ring();
                    match ring.take(cx, self.place, self.position, self.restarts, max_bytes) {
                        Found::Events(events, position) => {
                            self.position = position;
                            self.state = State::Live;
                            return Poll::Ready(Some(join(events)));
                        }
                        Found::Nothing => {
                            self.state = State::Live;
                            return Poll::Pending;
                        }
                        Found::Behind => self.state = self.behind(),
                        Found::Restarted(restarts) => {
                            self.restarts = restarts;
                            self.state = self.read();
                        }
                        Found::Closed => self.state = State::Ended,
                    }
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    fn behind(&self) -> State {
        let live = matches!(self.state, State::Live);
        if live && self.channel.broker.options.slow_client == SlowClient::Disconnect {
            tracing::debug!(topic = &*self.channel.topic, "slow client disconnected");
            return State::Ended;
        }
        self.read()
    }

    fn read(&self) -> State {
        let log = self.channel.broker.log.clone();
        let stream = Arc::clone(&self.channel.stream);
        let position = self.position;
        State::Reading(Box::pin(async move {
            log.read_after(&stream, position, LOG_PAGE).await
        }))
    }

    fn after_read(&self, read: Result<LogRead, PortError>) -> State {
        match read {
            Ok(read) if read.gap => State::Resync,
            Ok(read) if !read.entries.is_empty() => State::Replaying(read.entries.into()),
            // The log has nothing after the position; the hub must agree, or entries vanished without a word.
            Ok(_) if self.position < self.hub.ring().floor() => State::Resync,
            Ok(_) => State::CaughtUp,
            Err(error) => {
                let topic = &*self.channel.topic;
                tracing::warn!(topic, %error, "cannot replay events from the log");
                State::Ended
            }
        }
    }

    fn resync(&mut self) -> Bytes {
        (self.position, self.restarts) = self.hub.ring().head();
        self.state = State::Live;
        let mut out = BytesMut::with_capacity(96);
        put_field(&mut out, b"id: ", &self.position.to_string());
        put_field(&mut out, b"event: ", RESYNC_EVENT);
        put_field(&mut out, b"data: ", "");
        out.extend_from_slice(b"\n");
        out.freeze()
    }
}

fn replay(entries: &mut VecDeque<LogEntry>, max_bytes: usize) -> Option<(Bytes, EntryId)> {
    let mut position = None;
    let mut out = BytesMut::new();
    while let Some(entry) = entries.front() {
        let whole = out.len();
        put_entry(&mut out, entry);
        if position.is_some() && out.len() > max_bytes {
            out.truncate(whole);
            break;
        }
        position = Some(entry.id);
        entries.pop_front();
    }
    Some((out.freeze(), position?))
}

fn join(mut events: Vec<Bytes>) -> Bytes {
    if events.len() == 1
        && let Some(only) = events.pop()
    {
        return only;
    }
    events.concat().into()
}

impl Stream for Events {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.get_mut().poll_chunk(cx, DEFAULT_CHUNK_BYTES)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.hub.ring().leave(self.place);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("topic", &self.channel.topic)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
