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

#[cfg(test)]
mod tests {
    use super::Inbox;
    use crate::engine::http1::pool::INPUT_BYTES;

    /// Bytes leave in the order in which they came, wherever they have to be moved in between.
    #[test]
    fn bytes_leave_as_they_came() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut inbox, mut model) = (Inbox::default(), Vec::new());
        let mut next = 0_u8;
        for _ in 0..20_000 {
            match rng.u8(..8) {
                0..4 => {
                    let most = [0, 0, 1, model.len() + 1, 2 * INPUT_BYTES][rng.usize(..5)];
                    let room = inbox.room(most);
                    assert!(!room.is_empty());
                    let count = rng
                        .usize(1..=room.len())
                        .min([1, 100, 50_000][rng.usize(..3)]);
                    for byte in &mut room[..count] {
                        next = next.wrapping_mul(5).wrapping_add(7);
                        *byte = next;
                        model.push(next);
                    }
                    inbox.came(count);
                }
                4..7 => {
                    let most = [1, 100, model.len()][rng.usize(..3)];
                    let count = rng.usize(..=most.min(model.len()));
                    inbox.consume(count);
                    model.drain(..count);
                }
                _ => inbox.rest(),
            }
            assert!(inbox.bytes() == model, "after {next}");
            if model.len() > 4 * INPUT_BYTES {
                assert!(inbox.take() == model);
                model.clear();
            }
        }
    }
}
