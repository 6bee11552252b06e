//! The session under the handler: reads, writes, keeps time, closes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop;
use tokio::time::{Instant, Sleep};

use super::heartbeat::{Beat, Heartbeat};
use super::scratch::Input;
use super::writer::Writer;
use crate::close::{CloseCause, CloseCode, CloseFrame, CloseInfo};
use crate::codec::decoder::Decoder;
use crate::config::Config;
use crate::error::{Result, SendError};
use crate::message::Message;
use crate::queue::Queue;

mod closing;
mod reading;

use closing::Closing;

/// What the handler is told next.
#[derive(Debug)]
pub(super) enum Event {
    Message(Message),
    Pong(Bytes),
    Ended(CloseInfo),
}

/// The connection and everything that is known about it.
///
/// There is one for each socket, idle or not: what is rare is in a box.
pub(super) struct Driver<'a, T, D> {
    /// `None` once the session has ended, while the handler may still finish.
    io: Option<T>,
    queue: Arc<Queue>,
    /// Resolves when the server shuts down.
    draining: Option<D>,
    decoder: Decoder,
    /// What was read and not decoded. While the session runs this is the buffer of the thread; while it waits
    /// it is there only when a message waits for the handler.
    input: Option<Box<Input>>,
    /// One message read ahead.
    message: Option<Message>,
    /// The last pong that the handler was not told.
    pong: Option<Box<Bytes>>,
    writer: Writer,
    heartbeat: Heartbeat,
    closing: Option<Box<Closing>>,
    /// When the closing handshake, or what is left after a failed write, has lasted long enough.
    deadline: Option<Instant>,
    timer: Pin<&'a mut Sleep>,
    info: Option<Box<CloseInfo>>,
    reading: Reading,
    /// The peer takes nothing any more; what it sent may still arrive.
    writer_failed: bool,
}

/// What is done with bytes of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Frames,
    /// The peer broke the protocol: its bytes are dropped until it closes, because closing with unread
    /// bytes resets the connection, and our Close frame might be lost.
    Discard,
    Done,
}

impl<'a, T, D> Driver<'a, T, D>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()> + Unpin,
{
    pub(super) fn new(
        io: T,
        ahead: &[u8],
        queue: Arc<Queue>,
        config: Arc<Config>,
        draining: D,
        timer: Pin<&'a mut Sleep>,
    ) -> Self {
        Self {
            io: Some(io),
            queue,
            draining: Some(draining),
            decoder: Decoder::new(config.max_message_bytes, config.max_frame_bytes),
            input: Input::of(ahead),
            message: None,
            pong: None,
            writer: Writer::default(),
            heartbeat: Heartbeat::new(config, Instant::now()),
            closing: None,
            deadline: None,
            timer,
            info: None,
            reading: Reading::Frames,
            writer_failed: false,
        }
    }

    fn config(&self) -> &Config {
        self.queue.config()
    }

    /// Waits for the next event.
    pub(super) async fn next(&mut self) -> Event {
        poll_fn(|cx| {
            // A peer with many small messages must not keep the thread from other tasks.
            let Poll::Ready(budget) = coop::poll_proceed(cx) else {
                self.rest();
                return Poll::Pending;
            };
            let polled = self.poll(cx, true);
            if polled.is_ready() {
                budget.made_progress();
            }
            polled
        })
        .await
    }

    /// Gives the buffer back before the session waits.
    fn rest(&mut self) {
        self.input = self.input.take().and_then(Input::keep);
    }

    /// Runs the session until it has ended; messages are dropped.
    pub(super) async fn ended(&mut self) -> CloseInfo {
        loop {
            if let Event::Ended(info) = self.next().await {
                return info;
            }
        }
    }

    /// Runs `work` and the session under it; `None` when the session has ended and `work` went on for more
    /// than the grace.
    pub(super) async fn drive<F: Future>(&mut self, mut work: Pin<&mut F>) -> Option<F::Output> {
        let mut in_grace = false;
        poll_fn(|cx| {
            self.queue.unwatch();
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if self.poll(cx, false).is_pending() {
                return Poll::Pending;
            }
            if !std::mem::replace(&mut in_grace, true) {
                let Some(end) = Instant::now().checked_add(self.config().handler_grace) else {
                    return Poll::Pending;
                };
                self.timer.as_mut().reset(end);
            }
            self.timer.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// What came of a method of the handler; false when the session has to end.
    pub(super) fn judge(&mut self, outcome: Option<std::thread::Result<Result>>) -> bool {
        let (frame, cause) = match outcome {
            Some(Ok(Ok(()))) => return true,
            Some(Ok(Err(error))) => {
                if self.is_closing() && error.is::<SendError>() {
                    tracing::debug!(%error, "websocket closed while its handler ran");
                } else {
                    tracing::warn!(%error, "websocket handler failed");
                }
                error.into_frame()
            }
            Some(Err(_)) => {
                tracing::error!("websocket handler panicked");
                (
                    CloseFrame::bare(CloseCode::INTERNAL_ERROR),
                    CloseCause::HandlerPanic,
                )
            }
            None => {
                tracing::warn!("websocket handler dropped, it went on too long after the end");
                return false;
            }
        };
        self.fail_handler(frame, cause);
        false
    }

    fn is_closing(&self) -> bool {
        self.closing.is_some() || self.info.is_some()
    }

    /// The handler failed: it is told nothing more but the end.
    fn fail_handler(&mut self, frame: CloseFrame, cause: CloseCause) {
        self.message = None;
        self.pong = None;
        self.begin_close(frame, cause);
    }

    /// Does all that can be done now. Ready with an event when `wants_events`, and with the end always.
    fn poll(&mut self, cx: &mut Context<'_>, wants_events: bool) -> Poll<Event> {
        self.begin_turn();
        self.poll_draining(cx);
        loop {
            if wants_events {
                if let Some(payload) = self.pong.take() {
                    return Poll::Ready(Event::Pong(*payload));
                }
                if let Some(message) = self.message.take() {
                    return Poll::Ready(Event::Message(message));
                }
            }
            if let Some(info) = &self.info {
                return Poll::Ready(Event::Ended((**info).clone()));
            }
            // What has arrived is handled before anything is written, so that the answers go out together.
            if self.decode_input() {
                continue;
            }
            let progress =
                self.poll_write(cx) | self.poll_read(cx) | self.poll_end(cx) | self.poll_timer(cx);
            let writable = self.writer.is_writable() && !self.writer_failed;
            if progress {
                continue;
            }
            if !self.queue.watch(cx.waker(), writable) {
                self.rest();
                return Poll::Pending;
            }
            self.begin_turn();
        }
    }

    /// Looks at what senders ask for; from now on they need not wake the task.
    fn begin_turn(&mut self) {
        if let Some(frame) = self.queue.begin_turn() {
            self.begin_close(frame, CloseCause::Local);
        }
    }

    fn poll_draining(&mut self, cx: &mut Context<'_>) {
        if let Some(draining) = &mut self.draining
            && Pin::new(draining).poll(cx).is_ready()
        {
            self.draining = None;
            let frame = CloseFrame::bare(CloseCode::GOING_AWAY);
            self.begin_close(frame, CloseCause::GoingAway);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(io) = &mut self.io else { return false };
        if self.writer_failed {
            return false;
        }
        let (written, result) = self.writer.poll(io, cx, &self.queue);
        if written.unblocked {
            self.heartbeat.alive();
        }
        if written.ping {
            self.heartbeat.ping_written(Instant::now());
        }
        if let Err(error) = result {
            // The peer may have sent messages and a Close frame before: they are still read.
            tracing::debug!(%error, "websocket write failed");
            self.writer_failed = true;
            self.queue.begin_close();
            if self.deadline.is_none() {
                self.deadline = Instant::now().checked_add(self.config().close_timeout);
            }
            return true;
        }
        written.progress
    }

    /// One timer for all times. The clock is read only when it has fired.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        if self.info.is_some() {
            return false;
        }
        self.heartbeat.set_reading(self.takes_bytes(), Instant::now);
        let stall = self
            .writer
            .blocked()
            .filter(|_| !self.writer_failed)
            .and_then(|since| since.checked_add(self.config().write_stall_timeout));
        let next = [self.deadline, self.heartbeat.deadline(), stall]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else { return false };
        // An earlier time that is set already stays: it costs one early look, not a change per message.
        if self.timer.is_elapsed() || self.timer.deadline() > next {
            self.timer.as_mut().reset(next);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        let now = Instant::now();
        if next <= now {
            self.timeout(now, stall);
        }
        true
    }

    fn timeout(&mut self, now: Instant, stall: Option<Instant>) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.lose();
        } else if stall.is_some_and(|stall| stall <= now) {
            self.end(CloseInfo::abnormal(CloseCause::WriteStalled));
        } else {
            match self.heartbeat.check(now) {
                Beat::Nothing => {}
                Beat::PingDue => self.writer.ping(),
                Beat::Lost => self.end(CloseInfo::abnormal(CloseCause::PongTimeout)),
            }
        }
    }
}

/// The session's task was dropped: the connection was cut.
impl<T, D> Drop for Driver<'_, T, D> {
    fn drop(&mut self) {
        if self.info.is_none() {
            self.queue.end(&CloseInfo::abnormal(CloseCause::Cut));
        }
    }
}
