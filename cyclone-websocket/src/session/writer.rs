//! Writes frames in batches, with few pongs and one ping waiting.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use crate::close::CloseFrame;
use crate::codec::encoder;
use crate::queue::{Queue, Room};

/// Payloads up to this many bytes are copied behind their header, to go out in one piece.
const COPY_BYTES: usize = 4 * 1024;
/// A batch takes messages until it has this many bytes.
const BATCH_BYTES: usize = 16 * 1024;
/// What an idle socket may keep of its batch buffer, in bytes.
const IDLE_BYTES: usize = 256;

/// The pongs that wait take at most so many bytes, and one frame more.
const PONG_BYTES: usize = 1024;

/// The frames on their way out.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Headers and small payloads, written up to `at`.
    batch: Vec<u8>,
    at: usize,
    /// A big payload after the batch, not copied.
    tail: Bytes,
    /// What the batch gives back once written.
    room: Room,
    /// Pong frames to send next. All pings that arrive together are answered; while the peer takes nothing,
    /// only the last is (RFC 6455 section 5.5.3 allows to skip earlier ones).
    pongs: Vec<u8>,
    /// A ping of the heartbeat is due.
    ping: bool,
    ping_in_batch: bool,
    close: Close,
    flush: bool,
    /// Since when the peer has taken nothing.
    blocked: Option<Instant>,
}

/// How far our Close frame is.
#[derive(Debug, Default)]
enum Close {
    #[default]
    None,
    /// To be sent after all messages.
    Wanted(Option<CloseFrame>),
    InBatch,
    Written,
}

/// What one [`Writer::poll`] achieved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Bytes went out.
    pub(super) progress: bool,
    /// They went out after none could: the peer took bytes.
    pub(super) unblocked: bool,
    /// A ping of the heartbeat went out.
    pub(super) ping: bool,
}

impl Writer {
    /// Answers a ping.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if self.blocked.is_some() || self.pongs.len() >= PONG_BYTES {
            self.pongs.clear();
        }
        if matches!(self.close, Close::None | Close::Wanted(_)) {
            encoder::pong(payload, &mut self.pongs);
        }
    }

    /// Sends a ping of the heartbeat.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Sends a Close frame after everything that is queued.
    pub(super) fn close(&mut self, frame: Option<CloseFrame>) {
        self.close = Close::Wanted(frame);
    }

    /// Whether the Close frame is with the system.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.close, Close::Written) && !self.flush
    }

    /// Since when the peer has taken nothing although there is something.
    pub(super) fn blocked(&self) -> Option<Instant> {
        self.blocked
    }

    /// Whether messages can be taken from the queue now.
    pub(super) fn is_writable(&self) -> bool {
        self.blocked.is_none() && !matches!(self.close, Close::InBatch | Close::Written)
    }

    /// Writes until nothing is left or the peer takes no more; `Written` says what came of it, also next
    /// to an error.
    pub(super) fn poll<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        queue: &Queue,
        now: Instant,
    ) -> (Written, io::Result<()>) {
        let mut written = Written::default();
        loop {
            if !self.has_batch() && !self.fill(queue) {
                break;
            }
            let step = self.poll_batch(io, cx);
            let count = match step {
                Poll::Ready(Ok(0)) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => count,
                Poll::Ready(Err(error)) => return (written, Err(error)),
                Poll::Pending => {
                    self.blocked.get_or_insert(now);
                    return (written, Ok(()));
                }
            };
            written.progress = true;
            written.unblocked |= self.blocked.take().is_some();
            self.flush = true;
            self.advance(count);
            if !self.has_batch() {
                queue.written(std::mem::take(&mut self.room));
                written.ping |= std::mem::take(&mut self.ping_in_batch);
                if matches!(self.close, Close::InBatch) {
                    self.close = Close::Written;
                }
            }
        }
        if self.flush {
            match Pin::new(io).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.flush = false;
                    written.progress = true;
                    written.unblocked |= self.blocked.take().is_some();
                }
                Poll::Ready(Err(error)) => return (written, Err(error)),
                Poll::Pending => {
                    self.blocked.get_or_insert(now);
                }
            }
        }
        (written, Ok(()))
    }

    fn has_batch(&self) -> bool {
        self.at < self.batch.len() || !self.tail.is_empty()
    }

    /// Fills the empty batch; false when there is nothing to write.
    fn fill(&mut self, queue: &Queue) -> bool {
        self.at = 0;
        self.batch.clear();
        if let Close::InBatch | Close::Written = self.close {
            return false;
        }
        if !self.pongs.is_empty() {
            self.batch = std::mem::take(&mut self.pongs);
        }
        if let Some(payload) = queue.take_ping() {
            encoder::ping(&payload, &mut self.batch);
        }
        if std::mem::take(&mut self.ping) {
            encoder::ping(&[], &mut self.batch);
            self.ping_in_batch = true;
        }
        let (batch, tail) = (&mut self.batch, &mut self.tail);
        let (room, more) = queue.take(|message| {
            encoder::message_header(&message, batch);
            if message.len() <= COPY_BYTES {
                batch.extend_from_slice(message.as_bytes());
            } else {
                *tail = message.into_bytes();
            }
            tail.is_empty() && batch.len() < BATCH_BYTES
        });
        self.room = room;
        if !more
            && self.tail.is_empty()
            && let Close::Wanted(frame) = &self.close
        {
            encoder::close(frame.as_ref(), &mut self.batch);
            self.close = Close::InBatch;
        }
        if self.batch.is_empty() && self.batch.capacity() > IDLE_BYTES {
            self.batch = Vec::new();
        }
        !self.batch.is_empty()
    }

    fn poll_batch<T: AsyncWrite + Unpin>(
        &self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let batch = &self.batch[self.at..];
        if self.tail.is_empty() {
            return Pin::new(io).poll_write(cx, batch);
        }
        if batch.is_empty() {
            return Pin::new(io).poll_write(cx, &self.tail);
        }
        let parts = [IoSlice::new(batch), IoSlice::new(&self.tail)];
        Pin::new(io).poll_write_vectored(cx, &parts)
    }

    fn advance(&mut self, count: usize) {
        let of_batch = count.min(self.batch.len() - self.at);
        self.at += of_batch;
        self.tail.advance(count - of_batch);
        if self.tail.is_empty() {
            // Frees the payload now, not with the next message.
            self.tail = Bytes::new();
        }
    }
}
