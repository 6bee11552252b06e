//! Memory that a thread keeps to use it again.
//!
//! A thread keeps one piece of each kind: whoever has taken it gives it back before the next one asks, most of the
//! time, and otherwise there is a new one.

use std::cell::Cell;
use std::thread::LocalKey;

/// Where a thread keeps a piece of memory.
pub(crate) type Slot<T> = LocalKey<Cell<T>>;

/// Takes what the thread keeps; something empty if it keeps nothing, or is about to end.
#[inline]
pub(crate) fn take<T: Default>(slot: &'static Slot<T>) -> T {
    slot.try_with(Cell::take).unwrap_or_default()
}

/// Has the thread keep memory with its content. When the thread is about to end, it ends here.
#[inline]
pub(crate) fn keep<T>(slot: &'static Slot<T>, memory: T) {
    let _ = slot.try_with(|slot| slot.set(memory));
}

/// Has the thread keep memory without its content, if it is some and no more than `most` bytes.
#[inline]
pub(crate) fn keep_empty(slot: &'static Slot<Vec<u8>>, mut memory: Vec<u8>, most: usize) {
    if memory.capacity() > 0 && memory.capacity() <= most {
        memory.clear();
        keep(slot, memory);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    thread_local! {
        static SLOT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }

    #[test]
    fn memory_is_kept_up_to_a_bound_and_without_its_content() {
        for (capacity, is_kept) in [(0, false), (99, true), (100, true), (101, false)] {
            let mut memory = Vec::with_capacity(capacity);
            memory.resize(capacity / 2, b'x');
            let capacity = memory.capacity();
            super::keep_empty(&SLOT, memory, 100);
            let taken = super::take(&SLOT);
            assert!(taken.is_empty());
            assert_eq!(taken.capacity(), if is_kept { capacity } else { 0 });
            assert_eq!(super::take(&SLOT).capacity(), 0);
        }
    }
}
