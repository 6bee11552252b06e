//! The last events of a channel, in memory, shared by its clients.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use cyclone_core::{EntryId, LogEntry};

use crate::options::ChannelOptions;

/// Writes an entry of the log as it goes over the wire.
pub(super) fn put_entry(out: &mut BytesMut, entry: &LogEntry) {
    crate::event::put_field(out, b"id: ", &entry.id.to_string());
    out.extend_from_slice(&entry.payload);
}

/// The last events of a channel: one queue that each client reads at its own position.
///
/// A position is the id of the last event that a client has. The ring serves positions from `floor` on.
#[derive(Debug)]
pub(super) struct Ring {
    max_events: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    events: VecDeque<(EntryId, Bytes)>,
    bytes: usize,
    /// The position before the oldest event.
    floor: EntryId,
    /// The position of the newest event.
    head: EntryId,
    /// Counts how often the log turned out not to go on from `head`: clients ask the log for their position then.
    restarts: u64,
    closed: bool,
    /// Where each client waits; a client has a place for as long as it lives.
    readers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// What a client finds at its position.
#[derive(Debug)]
pub(super) enum Found {
    /// Events, and the position after them.
    Events(Vec<Bytes>, EntryId),
    /// None yet; the client will be woken.
    Nothing,
    /// The events after the position are no longer in memory.
    Behind,
    /// The log did not go on from where it was.
    Restarted(u64),
    /// There will be none.
    Closed,
}

impl Ring {
    pub(super) fn new(options: &ChannelOptions, position: EntryId) -> Self {
        Self {
            max_events: options.queue_events,
            max_bytes: options.queue_bytes,
            state: Mutex::new(State {
                events: VecDeque::new(),
                bytes: 0,
                floor: position,
                head: position,
                restarts: 0,
                closed: false,
                readers: Vec::new(),
                free: Vec::new(),
            }),
        }
    }

    /// Adds what was read from the log after `head`.
    pub(super) fn push(&self, entries: &[LogEntry]) {
        let events: Vec<_> = entries
            .iter()
            .map(|entry| {
                let mut out = BytesMut::with_capacity(entry.payload.len() + 48);
                put_entry(&mut out, entry);
                (entry.id, out.freeze())
            })
            .collect();
        let mut state = self.lock();
        for (id, event) in events {
            state.head = id;
            state.bytes += event.len();
            state.events.push_back((id, event));
        }
        while state.events.len() > self.max_events || state.bytes > self.max_bytes {
            let Some((id, event)) = state.events.pop_front() else {
                break;
            };
            state.bytes -= event.len();
            state.floor = id;
        }
        wake_all(state);
    }

    /// Starts anew at `position`, because the log does not go on from `head`.
    pub(super) fn restart(&self, position: EntryId) {
        let mut state = self.lock();
        state.events.clear();
        state.bytes = 0;
        state.floor = position;
        state.head = position;
        state.restarts += 1;
        wake_all(state);
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        wake_all(state);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The position of the newest event, and the number of restarts until now.
    pub(super) fn head(&self) -> (EntryId, u64) {
        let state = self.lock();
        (state.head, state.restarts)
    }

    /// The position before the oldest event.
    pub(super) fn floor(&self) -> EntryId {
        self.lock().floor
    }

    /// Whether `id` is a position of which the ring knows that it is one.
    pub(super) fn knows(&self, id: EntryId) -> bool {
        let state = self.lock();
        id == state.floor
            || state
                .events
                .binary_search_by_key(&id, |(id, _)| *id)
                .is_ok()
    }

    pub(super) fn readers(&self) -> usize {
        let state = self.lock();
        state.readers.len() - state.free.len()
    }

    /// Gives a new client its place.
    pub(super) fn join(&self) -> usize {
        let mut state = self.lock();
        if let Some(place) = state.free.pop() {
            return place;
        }
        state.readers.push(None);
        state.readers.len() - 1
    }

    pub(super) fn leave(&self, place: usize) {
        let mut state = self.lock();
        let waker = state.readers.get_mut(place).and_then(Option::take);
        state.free.push(place);
        drop(state);
        drop(waker);
    }

    /// Takes what comes after `position`, up to `max_bytes` but at least one event, or waits for it.
    pub(super) fn take(
        &self,
        cx: &Context<'_>,
        place: usize,
        position: EntryId,
        restarts: u64,
        max_bytes: usize,
    ) -> Found {
        let mut state = self.lock();
        if state.closed {
            return Found::Closed;
        }
        if state.restarts != restarts {
            return Found::Restarted(state.restarts);
        }
        if position < state.floor {
            return Found::Behind;
        }
        let first = state.events.partition_point(|(id, _)| *id <= position);
        let mut end = position;
        let mut bytes = 0;
        let mut events = Vec::new();
        for (id, event) in state.events.range(first..) {
            bytes += event.len();
            if bytes > max_bytes && !events.is_empty() {
                break;
            }
            events.push(event.clone());
            end = *id;
        }
        if !events.is_empty() {
            return Found::Events(events, end);
        }
        let mut replaced = None;
        if let Some(reader) = state.readers.get_mut(place)
            && !reader
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            replaced = reader.replace(cx.waker().clone());
        }
        drop(state);
        drop(replaced);
        Found::Nothing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the waiting clients after the lock is gone.
fn wake_all(mut state: MutexGuard<'_, State>) {
    let wakers: Vec<Waker> = state.readers.iter_mut().filter_map(Option::take).collect();
    drop(state);
    for waker in wakers {
        waker.wake();
    }
}
