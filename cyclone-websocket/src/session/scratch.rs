//! Buffers that the sessions of a thread lend each other: one to read, one to write.
//!
//! A session has one only while it runs and there are bytes. One that has to wait keeps what it must in a buffer
//! of its own, just as big as that.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use crate::queue::Room;

/// How much is read at once, in bytes.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// The biggest buffer for writing that a thread keeps, in bytes.
const KEPT_BATCH_BYTES: usize = 128 * 1024;

thread_local! {
    static INPUT: Cell<Option<Box<Input>>> = const { Cell::new(None) };
    static BATCH: Cell<Option<Box<Batch>>> = const { Cell::new(None) };
}

/// Bytes that were read and not decoded.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    at: usize,
    end: usize,
}

impl Input {
    /// The thread's buffer, empty.
    pub(super) fn lend() -> Box<Self> {
        let lent = INPUT.try_with(Cell::take).ok().flatten();
        lent.unwrap_or_else(|| {
            Box::new(Self {
                bytes: vec![0; READ_BYTES],
                at: 0,
                end: 0,
            })
        })
    }

    /// A buffer with these bytes.
    pub(super) fn of(bytes: &[u8]) -> Option<Box<Self>> {
        (!bytes.is_empty()).then(|| {
            Box::new(Self {
                bytes: bytes.to_vec(),
                at: 0,
                end: bytes.len(),
            })
        })
    }

    /// Gives the buffer to the next session of the thread.
    pub(super) fn give_back(mut self: Box<Self>) {
        if self.bytes.len() == READ_BYTES {
            (self.at, self.end) = (0, 0);
            // At the end of the thread it is dropped instead.
            let _ = INPUT.try_with(|input| input.set(Some(self)));
        }
    }

    /// What is to be kept while the session waits. It is copied only when that halves the buffer: many small
    /// messages, each of which the handler waits with, do not copy all that is behind them each time.
    pub(super) fn keep(self: Box<Self>) -> Option<Box<Self>> {
        let rest = &self.bytes[self.at..self.end];
        if rest.len() > self.bytes.len() / 2 && self.bytes.len() != READ_BYTES {
            return Some(self);
        }
        let rest = Self::of(rest);
        self.give_back();
        rest
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..self.end]
    }

    /// Says how many bytes are left of the rest.
    pub(super) fn left(&mut self, count: usize) {
        self.at = self.end - count;
    }

    /// Reads into the empty buffer; gives how much, 0 at the end.
    pub(super) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(&mut self.bytes);
        ready!(Pin::new(io).poll_read(cx, &mut room))?;
        (self.at, self.end) = (0, room.filled().len());
        Poll::Ready(Ok(self.end))
    }
}

/// Frames on their way out.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Headers and small payloads, written up to `at`.
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
    /// A big payload after them, not copied.
    pub(super) tail: Bytes,
    /// What the batch gives back once written.
    pub(super) room: Room,
}

impl Batch {
    /// The thread's buffer, empty.
    pub(super) fn lend() -> Box<Self> {
        let lent = BATCH.try_with(Cell::take).ok().flatten();
        lent.unwrap_or_default()
    }

    /// Gives the buffer to the next session of the thread; what is in it is dropped.
    pub(super) fn give_back(mut self: Box<Self>) {
        if self.bytes.capacity() <= KEPT_BATCH_BYTES {
            self.bytes.clear();
            self.at = 0;
            self.tail = Bytes::new();
            self.room = Room::default();
            // At the end of the thread it is dropped instead.
            let _ = BATCH.try_with(|batch| batch.set(Some(self)));
        }
    }

    /// What is to be kept while the peer takes nothing.
    pub(super) fn keep(mut self: Box<Self>) -> Box<Self> {
        let rest = &self.bytes[self.at..];
        if rest.len() > self.bytes.capacity() / 2 {
            return self;
        }
        let kept = Box::new(Self {
            bytes: rest.to_vec(),
            at: 0,
            tail: std::mem::take(&mut self.tail),
            room: std::mem::take(&mut self.room),
        });
        self.give_back();
        kept
    }

    pub(super) fn is_written(&self) -> bool {
        self.at == self.bytes.len() && self.tail.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Input, READ_BYTES};

    #[test]
    fn the_thread_has_one_buffer_to_read() {
        let input = Input::lend();
        let place = input.bytes.as_ptr();
        input.give_back();
        let input = Input::lend();
        assert_eq!(input.bytes.as_ptr(), place);
        assert!(input.rest().is_empty());
        // Another session meanwhile has one of its own.
        assert_ne!(Input::lend().bytes.as_ptr(), place);
    }

    #[test]
    fn what_is_kept_of_the_input_is_as_big_as_it_is() {
        for (end, left, size) in [(0, 0, None), (100, 0, None), (100, 60, Some(60))] {
            let mut input = Input::lend();
            input.end = end;
            input.left(left);
            let kept = input.keep();
            assert_eq!(kept.as_ref().map(|kept| kept.bytes.len()), size);
            assert_eq!(kept.map(|kept| kept.rest().len()), size);
        }
        let mut kept = Input::of(&[7; 60]).unwrap();
        kept.left(40);
        let mut kept = kept.keep().unwrap();
        assert_eq!((kept.bytes.len(), kept.rest().len()), (60, 40));
        kept.left(30);
        let kept = kept.keep().unwrap();
        assert_eq!((kept.bytes.len(), kept.rest().len()), (30, 30));
        assert_eq!(Input::lend().bytes.len(), READ_BYTES);
    }

    #[test]
    fn what_is_kept_of_a_batch_is_as_big_as_it_is() {
        let mut batch = Batch::lend();
        batch.bytes.reserve(10_000);
        let place = batch.bytes.as_ptr();
        batch.bytes.extend_from_slice(&[7; 100]);
        batch.at = 40;
        batch.tail = "tail".into();
        let kept = batch.keep();
        assert_eq!((kept.bytes.len(), kept.bytes.capacity()), (60, 60));
        assert_eq!(kept.tail, "tail");
        let lent = Batch::lend();
        assert_eq!(lent.bytes.as_ptr(), place);
        assert!(lent.is_written() && lent.tail.is_empty());
    }
}
