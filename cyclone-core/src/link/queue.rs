//! The session's side of the calls over a link.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed, Ordering::SeqCst},
    },
};

use tokio::{
    select,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};

use super::{LinkContext, statistics::Counts};
use crate::connector::ConnectionError;

/// What becomes of the answer to a call that its caller has given up, after the session took it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LateAnswers {
    /// The session is dropped and the connection closed, so that the answer can reach nobody.
    #[default]
    Close,
    /// The session goes on: it knows which answer belongs to which call, and a late one is thrown away. It has to
    /// notice by itself when the other side is silent for good.
    Discard,
    /// As [`Discard`](Self::Discard) when the caller leaves, and as [`Close`](Self::Close) when the answer did not come
    /// in time, as the other side may be silent for good.
    CloseWhenTimedOut,
}

/// The calls of a [`CallLink`](super::CallLink), as its session takes them.
pub struct CallQueue<Q, A, E> {
    receiver: mpsc::Receiver<Envelope<Q, A, E>>,
    in_flight: Arc<Semaphore>,
    context: LinkContext,
    /// No more calls come in.
    closed: bool,
}

impl<Q, A, E> fmt::Debug for CallQueue<Q, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallQueue").finish_non_exhaustive()
    }
}

impl<Q, A, E> CallQueue<Q, A, E> {
    pub(super) fn new(
        receiver: mpsc::Receiver<Envelope<Q, A, E>>,
        max_in_flight: usize,
        context: LinkContext,
    ) -> Self {
        Self {
            receiver,
            in_flight: Arc::new(Semaphore::new(max_in_flight)),
            context,
            closed: false,
        }
    }

    /// Takes the next call: from here on it counts as sent. It waits while
    /// [`max_in_flight`](super::LinkBuilder::max_in_flight) (1) answers are owed. Those that their callers have
    /// given up are left out.
    ///
    /// `None` when the link is being [closed](super::Link::close) and no call waits any more: a session that ends then
    /// has answered everybody, if [`close_timeout`](super::LinkBuilder::close_timeout) lets it.
    ///
    /// # Cancel safety
    ///
    /// Safe: a call that was not returned was not taken.
    pub async fn next(&mut self) -> Option<(Q, Answer<A, E>)> {
        let in_flight = Arc::clone(&self.in_flight).acquire_owned().await.ok()?;
        loop {
            let envelope = select! {
                biased;
                envelope = self.receiver.recv() => envelope?,
                () = self.context.closing(), if !self.closed => {
                    self.closed = true;
                    self.receiver.close();
                    continue;
                }
            };
            if envelope.phase.take() {
                return Some(envelope.open(in_flight));
            }
        }
    }

    /// Takes the next call if one waits already and may be taken, as [`next`](Self::next) does: so that a session can
    /// send all that wait at once.
    pub fn try_next(&mut self) -> Option<(Q, Answer<A, E>)> {
        let in_flight = Arc::clone(&self.in_flight).try_acquire_owned().ok()?;
        loop {
            let envelope = self.receiver.try_recv().ok()?;
            if envelope.phase.take() {
                return Some(envelope.open(in_flight));
            }
        }
    }
}

/// What the session owes to the caller of a call that it took. Dropped, the caller is told that the outcome is
/// unknown.
#[must_use]
pub struct Answer<A, E> {
    reply: oneshot::Sender<Reply<A, E>>,
    phase: Arc<Phase>,
    _in_flight: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl<A, E> Answer<A, E> {
    /// Gives the caller what the other side answered, an error included; when the caller is gone, it is thrown
    /// away.
    pub fn send(self, answer: Result<A, E>) {
        self.reply(Reply::Answered(answer));
    }

    /// Tells the caller that nothing of the request was sent.
    pub fn not_sent(self, error: ConnectionError) {
        self.reply(Reply::NotSent(error));
    }

    fn reply(self, reply: Reply<A, E>) {
        self.phase.answer();
        // The caller may be gone.
        let _ = self.reply.send(reply);
    }

    /// Whether the caller is gone.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.reply.is_closed()
    }
}

impl<A, E> fmt::Debug for Answer<A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("given_up", &self.is_given_up())
            .finish_non_exhaustive()
    }
}

/// What a caller is told.
pub(super) enum Reply<A, E> {
    Answered(Result<A, E>),
    NotSent(ConnectionError),
}

/// A call on its way to the session.
pub(super) struct Envelope<Q, A, E> {
    request: Q,
    reply: oneshot::Sender<Reply<A, E>>,
    phase: Arc<Phase>,
    place: OwnedSemaphorePermit,
}

impl<Q, A, E> Envelope<Q, A, E> {
    /// The request, and what is owed for it.
    fn open(self, in_flight: OwnedSemaphorePermit) -> (Q, Answer<A, E>) {
        let answer = Answer {
            reply: self.reply,
            phase: self.phase,
            _in_flight: in_flight,
            _place: self.place,
        };
        (self.request, answer)
    }
}

/// Whether a call was taken by the session or given up by its caller, whoever is first, and whether it was answered.
#[derive(Debug, Default)]
struct Phase(AtomicU8);

impl Phase {
    const QUEUED: u8 = 0;
    const TAKEN: u8 = 1;
    const GIVEN_UP: u8 = 2;
    const ANSWERED: u8 = 3;

    /// Whether the session may send it.
    fn take(&self) -> bool {
        self.leave_queue(Self::TAKEN)
    }

    /// Whether the caller gave it up before it was taken.
    fn give_up(&self) -> bool {
        self.leave_queue(Self::GIVEN_UP)
    }

    fn leave_queue(&self, next: u8) -> bool {
        self.0
            .compare_exchange(Self::QUEUED, next, SeqCst, SeqCst)
            .is_ok()
    }

    /// Notes that what the session took is answered.
    fn answer(&self) {
        self.0.store(Self::ANSWERED, SeqCst);
    }

    fn is_answered(&self) -> bool {
        self.0.load(SeqCst) == Self::ANSWERED
    }

    /// Whether the session owes its answer.
    fn is_taken(&self) -> bool {
        self.0.load(SeqCst) == Self::TAKEN
    }
}

/// The caller's side of a call that is under way; dropped, the call is given up.
pub(super) struct Pending {
    phase: Arc<Phase>,
    signal: Arc<SessionSignal>,
    counts: Arc<Counts>,
    resolved: bool,
}

impl Pending {
    pub(super) fn new<Q, A, E>(
        request: Q,
        reply: oneshot::Sender<Reply<A, E>>,
        place: OwnedSemaphorePermit,
        signal: Arc<SessionSignal>,
        counts: Arc<Counts>,
    ) -> (Self, Envelope<Q, A, E>) {
        let phase = Arc::<Phase>::default();
        let pending = Self {
            phase: Arc::clone(&phase),
            signal,
            counts,
            resolved: false,
        };
        let envelope = Envelope {
            request,
            reply,
            phase,
            place,
        };
        (pending, envelope)
    }

    /// Notes that it ended with the session's word; returns whether the session had taken it.
    pub(super) fn resolve(&mut self) -> bool {
        self.resolved = true;
        self.phase.is_taken()
    }

    /// Gives it up as its time is over; returns whether the session had taken it.
    pub(super) fn time_out(&mut self) -> bool {
        self.give_up(true)
    }

    fn give_up(&mut self, timed_out: bool) -> bool {
        self.resolved = true;
        let taken = !self.phase.give_up();
        // An answer that was given and not fetched disturbs nobody.
        if self.phase.is_taken() {
            self.signal.raise(timed_out);
        }
        taken
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.resolved {
            let counter = if self.phase.is_answered() {
                &self.counts.answered
            } else {
                &self.counts.cancelled
            };
            counter.fetch_add(1, Relaxed);
            self.give_up(false);
        }
    }
}

/// Tells a session that a call it took was given up.
#[derive(Debug)]
pub(super) struct SessionSignal {
    late_answers: LateAnswers,
    bell: Notify,
}

impl SessionSignal {
    pub(super) fn new(late_answers: LateAnswers) -> Self {
        Self {
            late_answers,
            bell: Notify::new(),
        }
    }

    fn raise(&self, timed_out: bool) {
        let closes = match self.late_answers {
            LateAnswers::Close => true,
            LateAnswers::CloseWhenTimedOut => timed_out,
            LateAnswers::Discard => false,
        };
        if closes {
            // Kept for the session when it does not listen at this moment.
            self.bell.notify_one();
        }
    }

    pub(super) async fn given_up(&self) {
        self.bell.notified().await;
    }
}
