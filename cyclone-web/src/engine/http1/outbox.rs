//! Bytes on their way to the socket.

use std::io::IoSlice;

use bytes::{Buf as _, Bytes};

use super::pool;

/// The largest piece that is copied behind what is there already, in bytes. A larger one is written from where it
/// is: the list that this takes costs the system about as much as such a copy.
pub(crate) const COPIED_BYTES: usize = 4 * 1024;

/// The bytes that wait at most before they are written, but for one piece that is larger.
const FULL_BYTES: usize = 32 * 1024;

/// The bytes that wait to be written. Without any it holds no memory.
#[derive(Default)]
pub(crate) struct Outbox {
    buffer: Vec<u8>,
    sent: usize,
    /// A large piece behind the buffer, and what follows it.
    piece: Bytes,
    behind: Vec<u8>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.piece.is_empty()
    }

    /// Whether it is to be written before another piece is added.
    pub(crate) fn is_full(&self) -> bool {
        !self.piece.is_empty() || self.buffer.len() >= FULL_BYTES
    }

    /// The buffer at the end, to add to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        let buffer = if self.piece.is_empty() {
            &mut self.buffer
        } else {
            &mut self.behind
        };
        if buffer.capacity() == 0 {
            *buffer = pool::take_output();
        }
        buffer
    }

    /// Adds a copy of bytes, which are few.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.buffer().extend_from_slice(bytes);
    }

    /// Adds a piece. It must not be [full](Self::is_full).
    pub(crate) fn push(&mut self, piece: Bytes) {
        if piece.len() <= COPIED_BYTES || !self.piece.is_empty() {
            self.copy(&piece);
        } else {
            self.piece = piece;
        }
    }

    /// The bytes when they are in one place.
    pub(crate) fn single(&self) -> Option<&[u8]> {
        self.piece.is_empty().then(|| &self.buffer[self.sent..])
    }

    /// The bytes in three places.
    pub(crate) fn slices(&self) -> [IoSlice<'_>; 3] {
        [
            IoSlice::new(&self.buffer[self.sent..]),
            IoSlice::new(&self.piece),
            IoSlice::new(&self.behind),
        ]
    }

    /// Forgets the first `count` bytes.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        if self.piece.is_empty() && self.sent + count == self.buffer.len() {
            self.sent = 0;
            pool::put_output(std::mem::take(&mut self.buffer));
        } else {
            self.consume_part(count);
        }
    }

    fn consume_part(&mut self, count: usize) {
        let buffered = count.min(self.buffer.len() - self.sent);
        self.sent += buffered;
        let rest = count - buffered;
        let of_piece = rest.min(self.piece.len());
        self.piece.advance(of_piece);
        if self.sent < self.buffer.len() || !self.piece.is_empty() {
            return;
        }
        self.piece = Bytes::new();
        let behind = std::mem::take(&mut self.behind);
        pool::put_output(std::mem::replace(&mut self.buffer, behind));
        self.sent = rest - of_piece;
        if self.sent >= self.buffer.len() {
            self.sent = 0;
            pool::put_output(std::mem::take(&mut self.buffer));
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        pool::put_output(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{COPIED_BYTES, FULL_BYTES, Outbox};

    fn all(outbox: &Outbox) -> Vec<u8> {
        outbox
            .slices()
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect()
    }

    #[test]
    fn bytes_leave_in_their_order_whatever_is_written_at_once() {
        for size in [0, 1, COPIED_BYTES - 1, COPIED_BYTES, COPIED_BYTES + 1] {
            for step in [1, 2, 3, 1000, COPIED_BYTES + 5] {
                let mut outbox = Outbox::default();
                outbox.buffer().extend_from_slice(b"head");
                outbox.push(Bytes::from(vec![b'x'; size]));
                outbox.buffer().extend_from_slice(b"end");
                let wanted = [&b"head"[..], &vec![b'x'; size], b"end"].concat();
                assert_eq!(all(&outbox), wanted);
                assert_eq!(outbox.is_full(), size > COPIED_BYTES);
                assert_eq!(outbox.single().is_some(), size <= COPIED_BYTES);
                let mut sent = Vec::new();
                while !outbox.is_empty() {
                    let next = all(&outbox);
                    let count = step.min(next.len());
                    sent.extend_from_slice(&next[..count]);
                    outbox.consume(count);
                }
                assert_eq!(sent, wanted);
                assert!(outbox.buffer.capacity() == 0 && !outbox.is_full());
            }
        }
    }

    #[test]
    fn an_outbox_is_full_at_its_limit() {
        for (size, full) in [
            (FULL_BYTES - 1, false),
            (FULL_BYTES, true),
            (FULL_BYTES + 1, true),
        ] {
            let mut outbox = Outbox::default();
            outbox.buffer().resize(size, b'x');
            assert_eq!(outbox.is_full(), full);
        }
    }
}
