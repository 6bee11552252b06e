//! Buffers of a thread: taken when bytes come or go, given back when they have gone through.

use std::cell::RefCell;

/// The size of an input buffer in bytes. A read that does not fill it spares the next one, and larger ones are
/// slower: the allocator maps and unmaps them.
pub(crate) const INPUT_BYTES: usize = 64 * 1024;

/// The most bytes that an output buffer may have grown to and still be kept.
const OUTPUT_BYTES: usize = 64 * 1024;

/// The most buffers of each kind that a thread keeps. One is in use at a time unless sockets are full.
const KEPT: usize = 16;

#[derive(Default)]
struct Pool {
    input: Vec<Vec<u8>>,
    output: Vec<Vec<u8>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Nothing when the thread is about to end, and its pool is gone already.
fn with<T>(work: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    POOL.try_with(|pool| work(&mut pool.borrow_mut())).ok()
}

/// A buffer of [`INPUT_BYTES`] bytes, of no particular content.
pub(crate) fn take_input() -> Vec<u8> {
    with(|pool| pool.input.pop())
        .flatten()
        .unwrap_or_else(|| vec![0; INPUT_BYTES])
}

/// Gives a buffer back; one of another size is dropped.
pub(crate) fn put_input(buffer: Vec<u8>) {
    if buffer.len() == INPUT_BYTES {
        with(|pool| {
            if pool.input.len() < KEPT {
                pool.input.push(buffer);
            }
        });
    }
}

/// An empty buffer.
pub(crate) fn take_output() -> Vec<u8> {
    with(|pool| pool.output.pop())
        .flatten()
        .unwrap_or_else(|| Vec::with_capacity(4 * 1024))
}

/// Gives a buffer back.
pub(crate) fn put_output(mut buffer: Vec<u8>) {
    if buffer.capacity() > 0 && buffer.capacity() <= OUTPUT_BYTES {
        buffer.clear();
        with(|pool| {
            if pool.output.len() < KEPT {
                pool.output.push(buffer);
            }
        });
    }
}
