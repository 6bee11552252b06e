//! Memory that a thread keeps to use it again.
//!
//! A thread keeps one piece of each kind: whoever has taken it gives it back before the next one asks, most of the
//! time, and otherwise there is a new one.

use std::cell::Cell;
use std::thread::LocalKey;

/// Where a thread keeps a piece of memory.
pub(crate) type Slot<T> = LocalKey<Cell<T>>;

/// Takes what the thread keeps; an empty one if it keeps nothing, or is about to end.
#[inline]
pub(crate) fn take<T: Default>(slot: &'static Slot<T>) -> T {
    slot.try_with(Cell::take).unwrap_or_default()
}

/// Has the thread keep something. When the thread is about to end, it ends here.
#[inline]
pub(crate) fn keep<T>(slot: &'static Slot<T>, memory: T) {
    let _ = slot.try_with(|slot| slot.set(memory));
}
