//! Bytes that have come and are not used yet.

use super::pool;

/// The most bytes that rest in memory of their own, so that the large buffer can serve another connection.
const REST_BYTES: usize = 4 * 1024;

/// The bytes of a connection that have come and are not used yet. Without any it holds no memory.
#[derive(Default)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room for bytes to come, behind those that are here; as much as makes `most` bytes in all, at least.
    pub(crate) fn room(&mut self, most: usize) -> &mut [u8] {
        let wanted = most.max(pool::INPUT_BYTES);
        if self.is_empty() {
            if self.buffer.len() < wanted {
                self.put_back();
                self.buffer = if wanted == pool::INPUT_BYTES {
                    pool::take_input()
                } else {
                    vec![0; wanted]
                };
            }
        } else if self.end == self.buffer.len() || self.buffer.len() < wanted {
            self.move_to_front(wanted);
        }
        &mut self.buffer[self.end..]
    }

    /// Brings the bytes to the front of a buffer of at least `wanted` bytes.
    #[cold]
    fn move_to_front(&mut self, wanted: usize) {
        let length = self.len();
        if self.buffer.len() >= wanted {
            self.buffer.copy_within(self.start..self.end, 0);
        } else {
            let mut larger = if wanted == pool::INPUT_BYTES {
                pool::take_input()
            } else {
                vec![0; wanted]
            };
            larger[..length].copy_from_slice(self.bytes());
            self.put_back();
            self.buffer = larger;
        }
        self.start = 0;
        self.end = length;
    }

    /// Takes note of `count` bytes that came into the [room](Self::room).
    pub(crate) fn came(&mut self, count: usize) {
        self.end = self.buffer.len().min(self.end + count);
    }

    /// Gives memory back as far as that is possible.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            self.put_back();
        } else if self.buffer.len() >= pool::INPUT_BYTES && self.len() <= REST_BYTES {
            let small = self.bytes().to_vec();
            self.put_back();
            self.end = small.len();
            self.buffer = small;
        }
    }

    /// Everything, to be read by somebody else.
    pub(crate) fn take(&mut self) -> bytes::Bytes {
        let bytes = bytes::Bytes::copy_from_slice(self.bytes());
        self.put_back();
        bytes
    }

    fn put_back(&mut self) {
        self.start = 0;
        self.end = 0;
        if !self.buffer.is_empty() {
            pool::put_input(std::mem::take(&mut self.buffer));
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.put_back();
    }
}
