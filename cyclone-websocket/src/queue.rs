//! The bounded queue between the senders and the session of one socket.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::close::{CloseFrame, CloseInfo};
use crate::config::Config;
use crate::error::{PingError, SendError};
use crate::message::Message;

mod sending;
#[cfg(test)]
mod tests;

use sending::Line;
pub use sending::Sending;

/// How many places a list may have to be kept for the next socket of the thread.
const SPARE_MESSAGES: usize = 128;

thread_local! {
    /// The list of a queue that is empty now: a socket that has nothing to send owns none.
    static SPARE: Cell<VecDeque<Message>> = const { Cell::new(VecDeque::new()) };
}

/// What senders share with the session.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Whether there is something to take: a hint that saves the session a lock. What counts is what
    /// [`watch`](Self::watch) finds before the session waits.
    has_items: AtomicBool,
    config: Arc<Config>,
    /// Notified once, when the phase becomes `Closed`; made by the first who waits for that.
    closed: OnceLock<Box<Notify>>,
}

#[derive(Debug)]
struct State {
    messages: VecDeque<Message>,
    /// What is queued, and what was taken by the session but is not written.
    used: Room,
    /// The last ping asked for and not yet taken.
    ping: Option<Box<Bytes>>,
    phase: Phase,
    /// The task of the session.
    waker: Option<Waker>,
    /// The senders that wait for room.
    line: Option<Box<Line>>,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// A sender asked to close; the session has not seen it.
    Asked(Box<CloseFrame>),
    Closing,
    Closed(Box<CloseInfo>),
}

/// The room that messages occupy until they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    messages: usize,
    /// Payload bytes, and how much of the limit they count for: a message over it counts for all of it.
    bytes: usize,
    counted: usize,
}

impl Room {
    fn add(&mut self, message: &Message, limit: usize) {
        self.messages += 1;
        self.bytes += message.len();
        self.counted += message.len().min(limit);
    }

    fn give_back(&mut self, room: Self) {
        // All of it may be gone since: the session has ended.
        self.messages = self.messages.saturating_sub(room.messages);
        self.bytes = self.bytes.saturating_sub(room.bytes);
        self.counted = self.counted.saturating_sub(room.counted);
    }
}

/// What the session takes to write it.
pub(crate) enum Item {
    Ping(Bytes),
    /// The flag says that it is the last one.
    Message(Message, bool),
}

impl State {
    fn fits(&self, message: &Message, config: &Config) -> bool {
        let counted = message.len().min(config.outgoing_bytes);
        self.used.messages < config.outgoing_messages
            && self.used.counted + counted <= config.outgoing_bytes
    }

    fn push(&mut self, message: Message, config: &Config) {
        self.used.add(&message, config.outgoing_bytes);
        if self.messages.capacity() == 0 {
            self.messages = SPARE.try_with(Cell::take).unwrap_or_default();
        }
        self.messages.push_back(message);
    }

    /// Gives up the list of messages, which is empty.
    fn spare(&mut self) {
        let list = std::mem::take(&mut self.messages);
        if (1..=SPARE_MESSAGES).contains(&list.capacity()) {
            // At the end of the thread it is dropped instead.
            let _ = SPARE.try_with(|spare| spare.set(list));
        }
    }
}

impl Queue {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            state: Mutex::new(State {
                messages: VecDeque::new(),
                used: Room::default(),
                ping: None,
                phase: Phase::Open,
                waker: None,
                line: None,
            }),
            has_items: AtomicBool::new(false),
            config,
            closed: OnceLock::new(),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and no state is left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For senders.

    /// Waits for room, in the order of the calls.
    pub(crate) fn send(&self, message: Message) -> Sending<'_> {
        Sending::new(self, message)
    }

    pub(crate) fn try_send(&self, message: Message) -> Result<(), SendError> {
        let state = self.state();
        if !matches!(state.phase, Phase::Open) {
            return Err(SendError::Closed(message));
        }
        if state.line.is_some() || !state.fits(&message, &self.config) {
            return Err(SendError::Full(message));
        }
        self.push(state, message);
        Ok(())
    }

    fn push(&self, mut state: MutexGuard<'_, State>, message: Message) {
        state.push(message, &self.config);
        self.has_items.store(true, Ordering::Relaxed);
        Self::wake(state);
    }

    pub(crate) fn ping(&self, payload: Bytes) -> Result<(), PingError> {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Open) {
            return Err(PingError::Closed);
        }
        state.ping = Some(Box::new(payload));
        self.has_items.store(true, Ordering::Relaxed);
        Self::wake(state);
        Ok(())
    }

    /// Asks the session to close after what is queued; the first asker wins.
    pub(crate) fn ask_close(&self, frame: CloseFrame) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Asked(Box::new(frame));
            let line = state.line.take();
            Self::wake(state);
            refuse(line);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state().phase, Phase::Open)
    }

    pub(crate) fn buffered(&self) -> usize {
        self.state().used.bytes
    }

    pub(crate) async fn closed(&self) -> CloseInfo {
        loop {
            let closed = self.closed.get_or_init(Box::default);
            let mut notified = pin!(closed.notified());
            // From here on a notification is not missed.
            notified.as_mut().enable();
            if let Some(info) = self.info() {
                return info;
            }
            notified.await;
        }
    }

    /// How the session ended, when it has.
    pub(crate) fn info(&self) -> Option<CloseInfo> {
        match &self.state().phase {
            Phase::Closed(info) => Some((**info).clone()),
            _ => None,
        }
    }

    // For the session.

    /// Sees to it that the task is woken when a sender has something; gives whether one has already.
    /// `writable` is false while the session can take no message.
    pub(crate) fn watch(&self, waker: &Waker, writable: bool) -> bool {
        let mut state = self.state();
        let waiting = match state.phase {
            Phase::Asked(_) => true,
            _ => writable && (!state.messages.is_empty() || state.ping.is_some()),
        };
        let old = std::mem::replace(&mut state.waker, (!waiting).then(|| waker.clone()));
        drop(state);
        drop(old);
        waiting
    }

    /// Forgets the task, which runs and will look by itself.
    pub(crate) fn unwatch(&self) {
        let old = self.state().waker.take();
        drop(old);
    }

    /// Forgets the task, and gives the frame with which a sender asked to close, once.
    pub(crate) fn begin_turn(&self) -> Option<CloseFrame> {
        let mut state = self.state();
        let old = state.waker.take();
        let asked = match std::mem::replace(&mut state.phase, Phase::Closing) {
            Phase::Asked(frame) => Some(*frame),
            other => {
                state.phase = other;
                None
            }
        };
        drop(state);
        drop(old);
        asked
    }

    /// Takes the ping and messages, in order, while `wants` says so; gives the room of what it took, and
    /// whether there is more.
    pub(crate) fn take(&self, mut wants: impl FnMut(Item) -> bool) -> (Room, bool) {
        let mut room = Room::default();
        if !self.has_items.load(Ordering::Relaxed) {
            return (room, false);
        }
        let mut state = self.state();
        let ping = state.ping.take().map(|payload| Item::Ping(*payload));
        if ping.is_none_or(&mut wants) {
            while let Some(message) = state.messages.pop_front() {
                room.add(&message, self.config.outgoing_bytes);
                if !wants(Item::Message(message, state.messages.is_empty())) {
                    break;
                }
            }
        }
        let more = !state.messages.is_empty();
        if !more {
            state.spare();
            self.has_items.store(false, Ordering::Relaxed);
        }
        (room, more)
    }

    /// Gives room back, once the messages are written.
    pub(crate) fn written(&self, room: Room) {
        if room == Room::default() {
            return;
        }
        let mut state = self.state();
        state.used.give_back(room);
        let next = state.line.as_ref().and_then(|line| line.first());
        drop(state);
        if let Some(waker) = next {
            waker.wake();
        }
    }

    /// Takes no message from now on; those queued remain.
    pub(crate) fn begin_close(&self) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Closed(_)) {
            state.phase = Phase::Closing;
        }
        let line = state.line.take();
        drop(state);
        refuse(line);
    }

    /// Ends the session; what is queued is dropped. The first info stays.
    pub(crate) fn end(&self, info: &CloseInfo) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Closed(_)) {
            return;
        }
        state.phase = Phase::Closed(Box::new(info.clone()));
        let dropped = std::mem::take(&mut state.messages);
        state.used = Room::default();
        let (line, waker) = (state.line.take(), state.waker.take());
        drop(state);
        drop(waker);
        if !dropped.is_empty() {
            tracing::debug!(
                messages = dropped.len(),
                "websocket ended with messages unsent"
            );
        }
        refuse(line);
        if let Some(closed) = self.closed.get() {
            closed.notify_waiters();
        }
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Lets the senders that wait fail: they look at the phase.
fn refuse(line: Option<Box<Line>>) {
    if let Some(line) = line {
        line.wake_all();
    }
}
