//! The session under the handler: reads, writes, keeps time, closes.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::heartbeat::{Beat, Heartbeat};
use super::writer::Writer;
use crate::close::{CloseCause, CloseCode, CloseFrame, CloseInfo};
use crate::codec::Failure;
use crate::codec::decoder::{Decoder, Incoming};
use crate::config::Config;
use crate::message::{Message, Text};
use crate::queue::Queue;

/// How much is read at once, in bytes; on the stack, so that an idle socket owns no read buffer.
const READ_BYTES: usize = 8 * 1024;

/// What the handler is told next.
#[derive(Debug)]
pub(super) enum Event {
    Message(Message),
    Pong(Bytes),
    Ended(CloseInfo),
}

/// The connection and everything that is known about it.
pub(super) struct Driver<'a, T, D> {
    /// `None` once the session has ended, while the handler may still finish.
    io: Option<T>,
    queue: Arc<Queue>,
    config: Config,
    /// Resolves when the server shuts down.
    draining: Option<Pin<&'a mut D>>,
    reading: Reading,
    decoder: Decoder,
    /// What was read and not decoded, because a message waits for the handler.
    input: Vec<u8>,
    input_at: usize,
    /// One message read ahead.
    message: Option<Message>,
    /// The last pong that the handler was not told.
    pong: Option<Bytes>,
    writer: Writer,
    /// The peer takes nothing any more; what it sent may still arrive.
    writer_failed: bool,
    heartbeat: Heartbeat,
    closing: Option<Closing>,
    /// When the closing handshake, or what is left after a failed write, has lasted long enough.
    deadline: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    info: Option<CloseInfo>,
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

/// A closing handshake (RFC 6455 section 7).
#[derive(Debug)]
struct Closing {
    info: CloseInfo,
    /// The peer's Close frame has arrived.
    answered: bool,
    /// Our half of the connection is shut down.
    shut: bool,
}

impl<'a, T, D> Driver<'a, T, D>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    pub(super) fn new(io: T, queue: Arc<Queue>, config: Config, draining: Pin<&'a mut D>) -> Self {
        let now = Instant::now();
        let heartbeat = Heartbeat::new(config.ping_interval, config.pong_timeout, now);
        let first = heartbeat.deadline().unwrap_or(now);
        Self {
            io: Some(io),
            queue,
            draining: Some(draining),
            reading: Reading::Frames,
            decoder: Decoder::new(config.max_message_bytes, config.max_frame_bytes),
            input: Vec::new(),
            input_at: 0,
            message: None,
            pong: None,
            writer: Writer::default(),
            writer_failed: false,
            heartbeat,
            closing: None,
            deadline: None,
            timer: Box::pin(sleep_until(first)),
            info: None,
            config,
        }
    }

    /// Waits for the next event.
    pub(super) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx, true)).await
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
    pub(super) async fn drive<F: Future>(&mut self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
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
                let end = Instant::now() + self.config.handler_grace;
                self.timer.as_mut().reset(end);
            }
            self.timer.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some() || self.info.is_some()
    }

    /// The handler failed: it is told nothing more but the end.
    pub(super) fn fail_handler(&mut self, frame: CloseFrame, cause: CloseCause) {
        self.message = None;
        self.pong = None;
        self.begin_close(frame, cause);
    }

    /// Does all that can be done now. Ready with an event when `wants_events`, and with the end always.
    fn poll(&mut self, cx: &mut Context<'_>, wants_events: bool) -> Poll<Event> {
        self.queue.unwatch();
        self.poll_draining(cx);
        loop {
            if wants_events {
                if let Some(payload) = self.pong.take() {
                    return Poll::Ready(Event::Pong(payload));
                }
                if let Some(message) = self.message.take() {
                    return Poll::Ready(Event::Message(message));
                }
            }
            if let Some(info) = &self.info {
                return Poll::Ready(Event::Ended(info.clone()));
            }
            let now = Instant::now();
            if let Some(frame) = self.queue.asked() {
                self.begin_close(frame, CloseCause::Local);
            }
            // What has arrived is handled before anything is written, so that the answers go out together.
            if self.decode_input() {
                continue;
            }
            let progress = self.poll_write(cx, now)
                | self.poll_read(cx)
                | self.poll_end(cx)
                | self.poll_timer(cx, now);
            let writable = self.writer.is_writable() && !self.writer_failed;
            if !progress && !self.queue.watch(cx.waker(), writable) {
                return Poll::Pending;
            }
        }
    }

    fn poll_draining(&mut self, cx: &mut Context<'_>) {
        if let Some(draining) = &mut self.draining
            && draining.as_mut().poll(cx).is_ready()
        {
            self.draining = None;
            let frame = CloseFrame::bare(CloseCode::GOING_AWAY);
            self.begin_close(frame, CloseCause::GoingAway);
        }
    }

    // Reading.

    /// Whether decoding may go on: a second message waits, unless it would be dropped anyway.
    fn takes_frames(&self) -> bool {
        self.reading == Reading::Frames && (self.message.is_none() || self.closing.is_some())
    }

    fn takes_bytes(&self) -> bool {
        match self.reading {
            Reading::Frames => self.takes_frames() && self.input.is_empty(),
            Reading::Discard => true,
            Reading::Done => false,
        }
    }

    /// Decodes what was read earlier.
    fn decode_input(&mut self) -> bool {
        if self.input.is_empty() || !self.takes_frames() {
            return false;
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[self.input_at..];
        self.decode(&mut rest);
        if !rest.is_empty() {
            self.input_at = input.len() - rest.len();
            self.input = input;
        }
        true
    }

    fn decode(&mut self, bytes: &mut &[u8]) {
        while self.takes_frames() {
            match self.decoder.decode(bytes) {
                Ok(Some(incoming)) => self.take(incoming),
                Ok(None) => return,
                Err(failure) => self.fail_peer(failure),
            }
        }
        if self.reading != Reading::Frames {
            *bytes = &[];
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.takes_bytes() {
            return false;
        }
        let Some(io) = &mut self.io else { return false };
        if self.reading == Reading::Frames
            && let Some(mut room) = self.decoder.direct()
        {
            return match pin!(io.read_buf(&mut room)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.heartbeat.alive();
                    match self.decoder.arrived(count) {
                        Ok(()) => self.decode(&mut &[][..]),
                        Err(failure) => self.fail_peer(failure),
                    }
                    true
                }
                Poll::Ready(_) => self.lose(),
                Poll::Pending => false,
            };
        }
        let mut chunk = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        match Pin::new(io).poll_read(cx, &mut chunk) {
            Poll::Ready(Ok(())) if !chunk.filled().is_empty() => {
                self.heartbeat.alive();
                if self.reading == Reading::Frames {
                    let mut rest = chunk.filled();
                    self.decode(&mut rest);
                    self.input = rest.to_vec();
                    self.input_at = 0;
                }
                true
            }
            Poll::Ready(_) => self.lose(),
            Poll::Pending => false,
        }
    }

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(message) if self.closing.is_none() => self.message = Some(message),
            Incoming::Pong(payload) if self.closing.is_none() => self.pong = Some(payload),
            // After our Close frame, or the decision to send it, nothing reaches the handler.
            Incoming::Message(_) | Incoming::Pong(_) => {}
            Incoming::Ping(payload) => self.writer.pong(&payload),
            Incoming::Close(body) => self.take_close(body),
        }
    }

    fn take_close(&mut self, body: Option<(CloseCode, Text)>) {
        self.reading = Reading::Done;
        if self.closing.is_none() {
            // RFC 6455 section 5.5.1: the answer echoes the code.
            let frame = body.as_ref().map(|(code, _)| CloseFrame::bare(*code));
            let (code, reason) = body.unwrap_or((CloseCode::NO_STATUS, Text::default()));
            self.close_with(frame, code, reason, CloseCause::Peer);
        }
        if let Some(closing) = &mut self.closing {
            closing.answered = true;
        }
    }

    /// The peer's bytes ended, or cannot be read.
    fn lose(&mut self) -> bool {
        let lost = || CloseInfo::abnormal(CloseCause::Lost);
        let info = self
            .closing
            .take()
            .map_or_else(lost, |closing| closing.info);
        self.end(info);
        true
    }

    // Writing.

    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(io) = &mut self.io else { return false };
        if self.writer_failed {
            return false;
        }
        let (written, result) = self.writer.poll(io, cx, &self.queue, now);
        if written.unblocked {
            self.heartbeat.alive();
        }
        if written.ping {
            self.heartbeat.ping_written(now);
        }
        if let Err(error) = result {
            // The peer may have sent messages and a Close frame before: they are still read.
            tracing::debug!(%error, "websocket write failed");
            self.writer_failed = true;
            self.queue.begin_close();
            self.deadline
                .get_or_insert_with(|| now + self.config.close_timeout);
            return true;
        }
        written.progress
    }

    // Closing.

    /// The peer broke the protocol: it is told, and its bytes are no longer understood.
    fn fail_peer(&mut self, failure: Failure) {
        tracing::debug!(?failure, "websocket peer failed");
        self.reading = Reading::Discard;
        let (frame, cause) = failure.into_frame();
        self.begin_close(frame, cause);
    }

    fn begin_close(&mut self, frame: CloseFrame, cause: CloseCause) {
        let (code, reason) = (frame.code, frame.reason.clone());
        self.close_with(Some(frame), code, reason, cause);
    }

    fn close_with(
        &mut self,
        frame: Option<CloseFrame>,
        code: CloseCode,
        reason: Text,
        cause: CloseCause,
    ) {
        if self.is_closing() {
            return;
        }
        self.queue.begin_close();
        self.heartbeat.stop();
        self.writer.close(frame);
        self.deadline = Some(Instant::now() + self.config.close_timeout);
        self.closing = Some(Closing {
            info: CloseInfo {
                code,
                reason,
                clean: false,
                cause,
            },
            answered: false,
            shut: false,
        });
    }

    /// Ends the session when both Close frames are through; the server closes TCP first (section 7.1.1).
    fn poll_end(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(io), Some(closing)) = (&mut self.io, &mut self.closing) else {
            return false;
        };
        if self.writer_failed {
            if !closing.answered {
                return false;
            }
        } else if self.writer.is_closed() && (closing.answered || self.reading == Reading::Discard)
        {
            if !closing.shut && Pin::new(io).poll_shutdown(cx).is_pending() {
                return false;
            }
            closing.shut = true;
            if !closing.answered {
                return false;
            }
            closing.info.clean = true;
        } else {
            return false;
        }
        let info = closing.info.clone();
        self.end(info);
        true
    }

    /// Ends the session: the socket is closed, senders and waiters are told.
    fn end(&mut self, info: CloseInfo) {
        self.queue.end(&info);
        self.info = Some(info);
        self.io = None;
        self.reading = Reading::Done;
        self.input = Vec::new();
        self.writer = Writer::default();
        self.decoder = Decoder::new(0, 0);
        self.draining = None;
        self.heartbeat.stop();
        self.deadline = None;
    }

    // Time.

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.info.is_some() {
            return false;
        }
        self.heartbeat.set_reading(self.takes_bytes(), now);
        let stall = self
            .writer
            .blocked()
            .filter(|_| !self.writer_failed)
            .and_then(|since| since.checked_add(self.config.write_stall_timeout));
        let next = [self.deadline, self.heartbeat.deadline(), stall]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else { return false };
        if next <= now {
            self.timeout(now, stall);
            return true;
        }
        // An earlier time that is set already stays: it costs one early look, not a change per message.
        if self.timer.is_elapsed() || self.timer.deadline() > next {
            self.timer.as_mut().reset(next);
        }
        self.timer.as_mut().poll(cx).is_ready()
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
