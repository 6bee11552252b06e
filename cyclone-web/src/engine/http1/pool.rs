//! Buffers of a thread: taken when bytes come or go, given back when they have gone through.
//!
//! A connection gives its buffers back before the next one has its turn, unless sockets are full.

use std::cell::Cell;

use crate::kept;

/// The size of an input buffer in bytes. A read that does not fill it spares the next one, and larger ones are
/// slower: the allocator maps and unmaps them.
pub(crate) const INPUT_BYTES: usize = 64 * 1024;

/// The most bytes that an output buffer may have grown to and still be kept.
const OUTPUT_BYTES: usize = 64 * 1024;

/// The size of a new output buffer in bytes.
const NEW_OUTPUT_BYTES: usize = 4 * 1024;

thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer of [`INPUT_BYTES`] bytes, of no particular content.
#[inline]
pub(crate) fn take_input() -> Vec<u8> {
    let buffer = kept::take(&INPUT);
    if buffer.is_empty() {
        return vec![0; INPUT_BYTES];
    }
    buffer
}

/// Gives a buffer back; one of another size is dropped.
#[inline]
pub(crate) fn put_input(buffer: Vec<u8>) {
    if buffer.len() == INPUT_BYTES {
        kept::keep(&INPUT, buffer);
    }
}

/// An empty buffer.
#[inline]
pub(crate) fn take_output() -> Vec<u8> {
    let buffer = kept::take(&OUTPUT);
    if buffer.capacity() == 0 {
        return Vec::with_capacity(NEW_OUTPUT_BYTES);
    }
    buffer
}

/// Gives a buffer back.
#[inline]
pub(crate) fn put_output(buffer: Vec<u8>) {
    kept::keep_empty(&OUTPUT, buffer, OUTPUT_BYTES);
}
