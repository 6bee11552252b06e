//! How much work a machine does.

use std::time::Instant;

use super::{Machine, Next};
use crate::limits::Limits;

/// Counts the bytes that were looked at for a head.
pub(super) mod work {
    use std::cell::Cell;

    thread_local! {
        static BYTES: Cell<usize> = const { Cell::new(0) };
    }

    pub(in super::super) fn add(bytes: usize) {
        BYTES.set(BYTES.get() + bytes);
    }

    pub(super) fn take() -> usize {
        BYTES.take()
    }
}

/// Puts `stream` in pieces of `size` bytes, and says how many bytes were looked at until there was a request
/// or a refusal.
fn work_for(stream: &[u8], size: usize, limits: &Limits) -> usize {
    let now = Instant::now();
    let mut machine = Machine::new(now, now);
    work::take();
    for piece in stream.chunks(size) {
        machine.put(piece);
        if matches!(machine.next_request(limits, now), Next::Request(..)) || machine.is_ending() {
            return work::take();
        }
    }
    panic!("no head in {} bytes", stream.len());
}

/// The work for a head grows with its size, whatever the pieces are that it comes in.
#[test]
fn heads_in_small_pieces_take_linear_time() {
    let limits = Limits::new()
        .header_section(1 << 20)
        .header_count(1 << 16)
        .header_line(1 << 20);
    let start = "GET / HTTP/1.1\r\nhost: a\r\n";
    for count in [10, 100, 1000, 10_000] {
        let heads = [
            format!("{start}{}\r\n", "x: y\r\n".repeat(count)),
            format!("{start}x: {}\r\n\r\n", "y".repeat(6 * count)),
            format!("{start}{}\0", "x: y\r\n".repeat(count)),
            format!("{}{start}\r\n", "\r\n".repeat(count)),
            format!("{start}{}\r\n", "x: y\n".repeat(count)),
        ];
        for head in heads {
            for size in [1, 2, 3, 7, 100] {
                // Twice for the tries at double the size, and once for the end and what is just before it.
                let work = work_for(format!("{head}\r\n\r\n").as_bytes(), size, &limits);
                assert!(
                    work <= 8 * head.len(),
                    "{work} for {} bytes by {size}",
                    head.len()
                );
            }
        }
    }
}
