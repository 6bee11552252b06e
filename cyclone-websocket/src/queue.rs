//! The bounded queue between the senders and the session of one socket.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::close::{CloseFrame, CloseInfo};
use crate::config::Config;
use crate::error::{PingError, SendError};
use crate::message::Message;

#[cfg(test)]
mod tests;

/// How many places an idle socket may keep in its queue.
const IDLE_MESSAGES: usize = 4;

/// What senders share with the session.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Room for messages; acquired first, so that waiting senders keep their order.
    messages: Semaphore,
    /// Room for payload bytes.
    bytes: Semaphore,
    bytes_limit: usize,
    /// Notified once, when the state becomes `Closed`.
    closed: Notify,
}

#[derive(Debug)]
struct State {
    messages: VecDeque<Message>,
    /// Payload bytes queued, and taken by the session but not written.
    buffered: usize,
    /// The last ping asked for and not yet taken.
    ping: Option<Bytes>,
    phase: Phase,
    /// The task of the session.
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// A sender asked to close; the session has not seen it.
    Asked(CloseFrame),
    Closing,
    Closed(CloseInfo),
}

/// The room that a taken message occupies until it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    messages: usize,
    /// Payload bytes, and how much of the limit they count for.
    bytes: usize,
    counted: usize,
}

impl Room {
    fn add(&mut self, message: &Message, limit: usize) {
        self.messages += 1;
        self.bytes += message.len();
        self.counted += message.len().min(limit);
    }
}

impl Queue {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            state: Mutex::new(State {
                messages: VecDeque::new(),
                buffered: 0,
                ping: None,
                phase: Phase::Open,
                waker: None,
            }),
            messages: Semaphore::new(config.outgoing_messages),
            bytes: Semaphore::new(config.outgoing_bytes),
            bytes_limit: config.outgoing_bytes,
            closed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and no state is left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For senders.

    pub(crate) async fn send(&self, message: Message) -> Result<(), SendError> {
        let Ok(slot) = self.messages.acquire().await else {
            return Err(SendError::Closed(message));
        };
        let Ok(bytes) = self.bytes.acquire_many(self.count(&message)).await else {
            return Err(SendError::Closed(message));
        };
        self.push(message, slot, bytes)
    }

    pub(crate) fn try_send(&self, message: Message) -> Result<(), SendError> {
        let bytes = self.messages.try_acquire().and_then(|slot| {
            let bytes = self.bytes.try_acquire_many(self.count(&message))?;
            Ok((slot, bytes))
        });
        match bytes {
            Ok((slot, bytes)) => self.push(message, slot, bytes),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(SendError::Full(message)),
            Err(tokio::sync::TryAcquireError::Closed) => Err(SendError::Closed(message)),
        }
    }

    /// How much of the byte limit a message counts for: one over the limit takes all of it.
    fn count(&self, message: &Message) -> u32 {
        let counted = message.len().min(self.bytes_limit);
        u32::try_from(counted).unwrap_or(u32::MAX)
    }

    fn push(
        &self,
        message: Message,
        slot: SemaphorePermit<'_>,
        bytes: SemaphorePermit<'_>,
    ) -> Result<(), SendError> {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Open) {
            return Err(SendError::Closed(message));
        }
        slot.forget();
        bytes.forget();
        state.buffered += message.len();
        state.messages.push_back(message);
        Self::wake(state);
        Ok(())
    }

    pub(crate) fn ping(&self, payload: Bytes) -> Result<(), PingError> {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Open) {
            return Err(PingError::Closed);
        }
        state.ping = Some(payload);
        Self::wake(state);
        Ok(())
    }

    /// Asks the session to close after what is queued; the first asker wins.
    pub(crate) fn ask_close(&self, frame: CloseFrame) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Asked(frame);
            Self::wake(state);
            self.refuse();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state().phase, Phase::Open)
    }

    pub(crate) fn buffered(&self) -> usize {
        self.state().buffered
    }

    pub(crate) async fn closed(&self) -> CloseInfo {
        loop {
            let mut notified = std::pin::pin!(self.closed.notified());
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
            Phase::Closed(info) => Some(info.clone()),
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
        state.waker = (!waiting).then(|| waker.clone());
        waiting
    }

    /// Forgets the task, which runs and will look by itself.
    pub(crate) fn unwatch(&self) {
        self.state().waker = None;
    }

    /// The frame with which a sender asked to close, once.
    pub(crate) fn asked(&self) -> Option<CloseFrame> {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Asked(_)) {
            return None;
        }
        match std::mem::replace(&mut state.phase, Phase::Closing) {
            Phase::Asked(frame) => Some(frame),
            _ => None,
        }
    }

    /// Takes messages, in order, while `wants` says so; gives the room of what it took, and whether there
    /// is more.
    pub(crate) fn take(&self, mut wants: impl FnMut(Message) -> bool) -> (Room, bool) {
        let mut room = Room::default();
        let mut state = self.state();
        while let Some(message) = state.messages.pop_front() {
            room.add(&message, self.bytes_limit);
            if !wants(message) {
                break;
            }
        }
        let more = !state.messages.is_empty();
        if !more && state.messages.capacity() > IDLE_MESSAGES {
            state.messages = VecDeque::new();
        }
        (room, more)
    }

    pub(crate) fn take_ping(&self) -> Option<Bytes> {
        self.state().ping.take()
    }

    /// Gives room back, once the messages are written.
    pub(crate) fn written(&self, room: Room) {
        if room == Room::default() {
            return;
        }
        self.state().buffered -= room.bytes;
        self.messages.add_permits(room.messages);
        self.bytes.add_permits(room.counted);
    }

    /// Takes no message from now on; those queued remain.
    pub(crate) fn begin_close(&self) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Closed(_)) {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.refuse();
    }

    /// Ends the session; what is queued is dropped. The first info stays.
    pub(crate) fn end(&self, info: &CloseInfo) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Closed(_)) {
            return;
        }
        state.phase = Phase::Closed(info.clone());
        let dropped = std::mem::take(&mut state.messages);
        state.buffered = 0;
        state.waker = None;
        drop(state);
        if !dropped.is_empty() {
            tracing::debug!(
                messages = dropped.len(),
                "websocket ended with messages unsent"
            );
        }
        self.refuse();
        self.closed.notify_waiters();
    }

    /// Lets waiting senders fail.
    fn refuse(&self) {
        self.messages.close();
        self.bytes.close();
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
