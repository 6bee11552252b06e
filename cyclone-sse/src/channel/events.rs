//! `Events`: the events of a channel for one client.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use cyclone_core::{EntryId, Log, LogEntry, LogRead, PortError};
use futures_core::Stream;
use tokio::time::Instant;

use super::RESYNC_EVENT;
use super::beats::Beat;
use super::hub::{Hub, LOG_PAGE};
use super::ring::{Found, Place, put_entry};
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
    hub: Arc<Hub>,
    /// The id of the last event that the client has been given.
    position: EntryId,
    /// Where the client waits in the hub.
    place: Place,
    /// When the hub wakes the client, if it has been told a time.
    alarm: Option<Beat>,
    /// The restarts of the hub that the client knows of.
    restarts: u32,
    /// The client came without an id.
    is_new: bool,
    state: State,
}

/// It is small, because every client has one and hardly any reads the log.
enum State {
    /// The client has to load its state anew.
    Resync,
    /// It is served from the log: by this read.
    Reading(Box<Reading>),
    /// It is served from the log: by what was read.
    Replaying(Box<Page>),
    /// It has read the log and should be at a position that the hub has.
    CaughtUp,
    /// It is served by the hub.
    Live,
    Ended,
}

/// Entries of the log that the client has not been given.
struct Page {
    entries: VecDeque<LogEntry>,
}

type Reading = Pin<Box<dyn Future<Output = Result<LogRead, PortError>> + Send>>;

impl Events {
    pub(super) fn new(hub: Arc<Hub>, last_event_id: Option<&str>) -> Self {
        let place = hub.ring().join();
        let (position, restarts) = hub.ring().head();
        let mut events = Self {
            hub,
            position,
            place,
            alarm: None,
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
                    let Poll::Ready(read) = read.as_mut().as_mut().poll(cx) else {
                        // The hub wakes the client at its alarm.
                        self.hub.ring().listen(cx, self.place);
                        return Poll::Pending;
                    };
                    self.state = self.after_read(read);
                }
                State::Replaying(page) => {
                    if let Some((chunk, position)) = page.replay(max_bytes) {
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

    /// Whether `due` has come; else the task that waits for the next chunk is woken then, or before.
    pub(crate) fn poll_due(&mut self, due: Instant) -> Poll<()> {
        let beats = self.hub.beats();
        let now = beats.beat(Instant::now());
        if self.alarm.is_some_and(|alarm| alarm > now) {
            // Once it has come the next one is set, which is far less often than events come.
            return Poll::Pending;
        }
        let due = beats.beat(due);
        let old = self.alarm.take();
        if due <= now {
            if let Some(old) = old {
                beats.clear(self.place, old);
            }
            return Poll::Ready(());
        }
        beats.set(self.place, due, old);
        self.alarm = Some(due);
        Poll::Pending
    }

    fn behind(&self) -> State {
        let live = matches!(self.state, State::Live);
        if live && self.hub.channel().broker.options.slow_client == SlowClient::Disconnect {
            tracing::debug!(
                topic = &*self.hub.channel().topic,
                "slow client disconnected"
            );
            return State::Ended;
        }
        self.read()
    }

    fn read(&self) -> State {
        let log = self.hub.channel().broker.log.clone();
        let stream = Arc::clone(&self.hub.channel().stream);
        let position = self.position;
        State::Reading(Box::new(Box::pin(async move {
            log.read_after(&stream, position, LOG_PAGE).await
        })))
    }

    fn after_read(&self, read: Result<LogRead, PortError>) -> State {
        match read {
            Ok(read) if read.gap => State::Resync,
            Ok(read) if !read.entries.is_empty() => State::Replaying(Box::new(Page {
                entries: read.entries.into(),
            })),
            // The log has nothing after the position; the hub must agree, or entries vanished without a word.
            Ok(_) if self.position < self.hub.ring().floor() => State::Resync,
            Ok(_) => State::CaughtUp,
            Err(error) => {
                let topic = &*self.hub.channel().topic;
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

impl Page {
    fn replay(&mut self, max_bytes: usize) -> Option<(Bytes, EntryId)> {
        let mut position = None;
        let mut out = BytesMut::new();
        while let Some(entry) = self.entries.front() {
            let whole = out.len();
            put_entry(&mut out, entry);
            if position.is_some() && out.len() > max_bytes {
                out.truncate(whole);
                break;
            }
            position = Some(entry.id);
            self.entries.pop_front();
        }
        Some((out.freeze(), position?))
    }
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
        if let Some(alarm) = self.alarm {
            self.hub.beats().clear(self.place, alarm);
        }
        self.hub.ring().leave(self.place);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("topic", &self.hub.channel().topic)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cyclone_core::{SharedBus, SharedLog};

    use super::*;
    use crate::SseChannel;

    #[tokio::test]
    async fn a_client_that_has_gone_is_not_woken() {
        let channel = SseChannel::new(SharedBus::local(), SharedLog::memory(), "t");
        let stays = channel.subscribe(None).await.unwrap();
        let mut gone = channel.subscribe(None).await.unwrap();
        let due = Instant::now() + Duration::from_secs(3600);
        assert_eq!(gone.poll_due(due), Poll::Pending);
        assert_eq!(gone.poll_due(due), Poll::Pending);
        assert_eq!(stays.hub.beats().len(), 1);
        drop(gone);
        assert_eq!(stays.hub.beats().len(), 0);
    }
}
