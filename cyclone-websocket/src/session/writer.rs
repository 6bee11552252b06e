//! Writes frames in batches, with few pongs and one ping waiting.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::scratch::Batch;
use crate::close::CloseFrame;
use crate::codec::encoder;
use crate::queue::{Item, Queue};

/// Payloads up to this many bytes are copied behind their header, to go out in one piece.
const COPY_BYTES: usize = 4 * 1024;
/// A batch takes messages until it has this many bytes; bigger payloads are copied too when others follow them,
/// because a copy costs less than a call of the system.
const BATCH_BYTES: usize = 64 * 1024;

/// The pongs that wait take at most so many bytes, and one frame more.
const PONG_BYTES: usize = 1024;

/// The frames on their way out.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What is not written: the peer takes nothing more.
    batch: Option<Box<Batch>>,
    /// Pong frames to send next. All pings that arrive together are answered; while the peer takes nothing,
    /// only the last is (RFC 6455 section 5.5.3 allows to skip earlier ones).
    pongs: Option<Box<Pongs>>,
    /// A ping of the heartbeat is due.
    ping: bool,
    ping_in_batch: bool,
    close: Close,
    flush: bool,
    /// Since when the peer has taken nothing.
    blocked: Option<Instant>,
}

/// Frames that answer pings.
#[derive(Debug, Default)]
struct Pongs(Vec<u8>);

/// How far our Close frame is.
#[derive(Debug, Default)]
enum Close {
    #[default]
    None,
    /// To be sent after all messages.
    Wanted(Option<Box<CloseFrame>>),
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
        if !matches!(self.close, Close::None | Close::Wanted(_)) {
            return;
        }
        let Pongs(pongs) = &mut **self.pongs.get_or_insert_default();
        if self.blocked.is_some() || pongs.len() >= PONG_BYTES {
            pongs.clear();
        }
        encoder::pong(payload, pongs);
    }

    /// Sends a ping of the heartbeat.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Sends a Close frame after everything that is queued.
    pub(super) fn close(&mut self, frame: Option<CloseFrame>) {
        self.close = Close::Wanted(frame.map(Box::new));
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
    ) -> (Written, io::Result<()>) {
        let mut written = Written::default();
        while let Some(mut batch) = self.batch.take().or_else(|| self.fill(queue)) {
            let count = match poll_batch(&batch, io, cx) {
                Poll::Ready(Ok(0)) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => count,
                Poll::Ready(Err(error)) => return (written, Err(error)),
                Poll::Pending => {
                    self.batch = Some(batch.keep());
                    self.blocked.get_or_insert_with(Instant::now);
                    return (written, Ok(()));
                }
            };
            written.progress = true;
            written.unblocked |= self.blocked.take().is_some();
            self.flush = true;
            advance(&mut batch, count);
            if !batch.is_written() {
                self.batch = Some(batch);
                continue;
            }
            queue.written(batch.room);
            batch.give_back();
            written.ping |= std::mem::take(&mut self.ping_in_batch);
            if matches!(self.close, Close::InBatch) {
                self.close = Close::Written;
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
                    self.blocked.get_or_insert_with(Instant::now);
                }
            }
        }
        (written, Ok(()))
    }

    /// What there is to write.
    fn fill(&mut self, queue: &Queue) -> Option<Box<Batch>> {
        if let Close::InBatch | Close::Written = self.close {
            return None;
        }
        let mut batch = Batch::lend();
        let Batch { bytes, tail, .. } = &mut *batch;
        if let Some(pongs) = self.pongs.take() {
            bytes.extend_from_slice(&pongs.0);
        }
        let mut ping = std::mem::take(&mut self.ping);
        let (room, more) = queue.take(|item| {
            let (message, is_last) = match item {
                Item::Ping(payload) => {
                    encoder::ping(&payload, bytes);
                    return true;
                }
                Item::Message(message, is_last) => (message, is_last),
            };
            if std::mem::take(&mut ping) {
                encoder::ping(&[], bytes);
                self.ping_in_batch = true;
            }
            encoder::message_header(&message, bytes);
            let length = message.len();
            if length <= COPY_BYTES || !is_last && bytes.len() + length <= BATCH_BYTES {
                bytes.extend_from_slice(message.as_bytes());
            } else {
                *tail = message.into_bytes();
            }
            tail.is_empty() && bytes.len() < BATCH_BYTES
        });
        if ping {
            encoder::ping(&[], bytes);
            self.ping_in_batch = true;
        }
        if !more
            && tail.is_empty()
            && let Close::Wanted(frame) = &self.close
        {
            encoder::close(frame.as_deref(), bytes);
            self.close = Close::InBatch;
        }
        batch.room = room;
        if batch.bytes.is_empty() {
            batch.give_back();
            return None;
        }
        Some(batch)
    }
}

fn poll_batch<T: AsyncWrite + Unpin>(
    batch: &Batch,
    io: &mut T,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let bytes = &batch.bytes[batch.at..];
    if batch.tail.is_empty() {
        return Pin::new(io).poll_write(cx, bytes);
    }
    if bytes.is_empty() {
        return Pin::new(io).poll_write(cx, &batch.tail);
    }
    let parts = [IoSlice::new(bytes), IoSlice::new(&batch.tail)];
    Pin::new(io).poll_write_vectored(cx, &parts)
}

fn advance(batch: &mut Batch, count: usize) {
    let of_bytes = count.min(batch.bytes.len() - batch.at);
    batch.at += of_bytes;
    batch.tail.advance(count - of_bytes);
    if batch.tail.is_empty() {
        // Frees the payload now, not with the next message.
        batch.tail = Bytes::new();
    }
}
