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

/// How many clients are woken at a time: 64. Between them the lock is free, and there is no list of all of them.
pub(super) const WAKE_BATCH: usize = 64;

/// Where a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

impl Place {
    #[cfg(test)]
    pub(super) fn numbered(number: u32) -> Self {
        Self(number)
    }
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
    restarts: u32,
    closed: bool,
    /// Where each client waits; a client has a place for as long as it lives.
    readers: Vec<Option<Waker>>,
    free: Vec<Place>,
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
    Restarted(u32),
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
        drop(state);
        self.wake_all();
    }

    /// Starts anew at `position`, because the log does not go on from `head`.
    pub(super) fn restart(&self, position: EntryId) {
        let mut state = self.lock();
        state.events.clear();
        state.bytes = 0;
        state.floor = position;
        state.head = position;
        state.restarts = state.restarts.wrapping_add(1);
        drop(state);
        self.wake_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The position of the newest event, and the number of restarts until now.
    pub(super) fn head(&self) -> (EntryId, u32) {
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
    pub(super) fn join(&self) -> Place {
        let mut state = self.lock();
        if let Some(place) = state.free.pop() {
            return place;
        }
        // Every client has a socket, of which there are fewer than that.
        let place = Place(u32::try_from(state.readers.len()).unwrap_or(u32::MAX));
        state.readers.push(None);
        place
    }

    pub(super) fn leave(&self, place: Place) {
        let mut state = self.lock();
        let waker = state.reader(place).and_then(Option::take);
        state.free.push(place);
        drop(state);
        drop(waker);
    }

    /// Takes what comes after `position`, up to `max_bytes` but at least one event, or waits for it.
    pub(super) fn take(
        &self,
        cx: &Context<'_>,
        place: Place,
        position: EntryId,
        restarts: u32,
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
        let replaced = state.listen(cx, place);
        drop(state);
        drop(replaced);
        Found::Nothing
    }

    /// Has a client that waits for something else woken, too.
    pub(super) fn listen(&self, cx: &Context<'_>, place: Place) {
        let replaced = self.lock().listen(cx, place);
        drop(replaced);
    }

    /// Wakes the clients at `places`.
    pub(super) fn wake(&self, places: &[Place]) {
        let mut state = self.lock();
        let wakers = places
            .iter()
            .filter_map(|place| state.reader(*place).and_then(Option::take));
        let wakers: Vec<Waker> = wakers.collect();
        drop(state);
        for waker in wakers {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the waiting clients, without the lock.
    fn wake_all(&self) {
        let mut wakers: Vec<Waker> = Vec::new();
        let mut next = 0;
        loop {
            let mut state = self.lock();
            let waiting = state.readers.get_mut(next..).unwrap_or_default();
            for reader in waiting {
                next += 1;
                wakers.extend(reader.take());
                if wakers.len() == WAKE_BATCH {
                    break;
                }
            }
            let is_last = next >= state.readers.len();
            drop(state);
            for waker in wakers.drain(..) {
                waker.wake();
            }
            if is_last {
                return;
            }
        }
    }
}

impl State {
    /// Keeps the waker of a client, and returns the one that it replaces.
    fn listen(&mut self, cx: &Context<'_>, place: Place) -> Option<Waker> {
        let reader = self.reader(place)?;
        match reader {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => reader.replace(cx.waker().clone()),
        }
    }

    fn reader(&mut self, place: Place) -> Option<&mut Option<Waker>> {
        self.readers.get_mut(usize::try_from(place.0).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn all_are_woken_once_with_batches_just_under_at_and_over() {
        for count in [0, 1, 63, 64, 65, 127, 128, 129, 1000] {
            let ring = Ring::new(&ChannelOptions::new(), EntryId::ZERO);
            let tasks: Vec<Arc<Task>> = (0..count).map(|_| Arc::default()).collect();
            for task in &tasks {
                let waker = Waker::from(Arc::clone(task));
                ring.listen(&Context::from_waker(&waker), ring.join());
            }
            for _ in 0..2 {
                ring.wake_all();
                let woken = tasks.iter().map(|task| task.0.load(Ordering::Relaxed));
                assert!(woken.into_iter().all(|times| times == 1), "{count}");
            }
        }
    }
}
