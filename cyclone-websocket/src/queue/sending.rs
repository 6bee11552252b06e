//! The future of `send`, and the line in which senders wait for room.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::task::coop;

use super::{Phase, Queue};
use crate::error::SendError;
use crate::message::Message;

/// The number of one who waits for room; never 0, so that there is room for "none".
type Ticket = NonZeroU64;

/// The senders that wait for room, first come, first served. There is none while nobody waits.
#[derive(Debug, Default)]
pub(super) struct Line {
    last_ticket: u64,
    waiting: VecDeque<(Ticket, Waker)>,
}

impl Line {
    /// The waker of the one whose turn it is.
    pub(super) fn first(&self) -> Option<Waker> {
        self.waiting.front().map(|(_, waker)| waker.clone())
    }

    pub(super) fn wake_all(self) {
        for (_, waker) in self.waiting {
            waker.wake();
        }
    }

    /// Takes one out of the line, which ends with the last.
    fn leave(this: &mut Option<Box<Self>>, ticket: Ticket) -> Left {
        let mut left = Left::default();
        let Some(line) = this else { return left };
        let Some(index) = line.find(ticket) else {
            return left;
        };
        left.waker = line.waiting.remove(index).map(|(_, waker)| waker);
        if index == 0 {
            left.next = line.first();
        }
        if line.waiting.is_empty() {
            *this = None;
        }
        left
    }

    fn is_first(&self, ticket: Ticket) -> bool {
        self.waiting
            .front()
            .is_some_and(|(first, _)| *first == ticket)
    }

    /// Tickets are in order.
    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.waiting
            .binary_search_by_key(&ticket, |(ticket, _)| *ticket)
            .ok()
    }
}

/// One who left the line, to be dealt with when the queue is not locked.
#[derive(Default)]
struct Left {
    waker: Option<Waker>,
    /// Whose turn it is now.
    next: Option<Waker>,
}

impl Left {
    fn wake_next(self) {
        drop(self.waker);
        if let Some(next) = self.next {
            next.wake();
        }
    }
}

/// A message on its way into the queue: what [`WebSocketSender::send`](crate::WebSocketSender::send) and
/// [`WebSocket::send`](crate::WebSocket::send) give, to be awaited.
///
/// # Cancel safety
/// When the future is dropped before it is ready, the message was not queued.
#[must_use = "nothing is sent until it is awaited"]
pub struct Sending<'a> {
    queue: &'a Queue,
    /// Absent once it is queued.
    message: Option<Message>,
    /// The place in the line, for one who waits.
    ticket: Option<Ticket>,
}

impl<'a> Sending<'a> {
    pub(super) fn new(queue: &'a Queue, message: Message) -> Self {
        Self {
            queue,
            message: Some(message),
            ticket: None,
        }
    }
}

impl Future for Sending<'_> {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // One who sends to many sockets must not keep the thread from other tasks.
        let budget = ready!(coop::poll_proceed(cx));
        let queue = this.queue;
        let mut state = queue.state();
        let Some(message) = this.message.take() else {
            drop(state);
            return Poll::Pending;
        };
        if !matches!(state.phase, Phase::Open) {
            // The line has gone.
            this.ticket = None;
            drop(state);
            budget.made_progress();
            return Poll::Ready(Err(SendError::Closed(message)));
        }
        let is_next = match (&state.line, this.ticket) {
            (None, _) => true,
            (Some(line), Some(ticket)) => line.is_first(ticket),
            (Some(_), None) => false,
        };
        if is_next && state.fits(&message, &queue.config) {
            let ticket = this.ticket.take();
            let left = ticket.map(|ticket| Line::leave(&mut state.line, ticket));
            queue.push(state, message);
            left.unwrap_or_default().wake_next();
            budget.made_progress();
            return Poll::Ready(Ok(()));
        }
        this.message = Some(message);
        let line = state.line.get_or_insert_default();
        let old = match this.ticket.and_then(|ticket| line.find(ticket)) {
            Some(index) if line.waiting[index].1.will_wake(cx.waker()) => None,
            Some(index) => Some(std::mem::replace(
                &mut line.waiting[index].1,
                cx.waker().clone(),
            )),
            None => {
                // They never run out.
                line.last_ticket = line.last_ticket.saturating_add(1);
                this.ticket = Ticket::new(line.last_ticket);
                let waiting = this.ticket.map(|ticket| (ticket, cx.waker().clone()));
                line.waiting.extend(waiting);
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let left = Line::leave(&mut self.queue.state().line, ticket);
        left.wake_next();
    }
}

impl fmt::Debug for Sending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("message", &self.message)
            .field("waits", &self.ticket.is_some())
            .finish_non_exhaustive()
    }
}
