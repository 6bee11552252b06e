//! Whole lines to one place, counted when they are lost.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::LogError;
use super::format::Style;
use crate::lock::lock;

/// Bytes of a line, at most; a longer one is shortened.
pub const MAX_LOG_LINE_BYTES: usize = 256 * 1024;

/// Bytes that may wait in the queue of [`LogOptions::queue`](super::LogOptions::queue), at most.
pub const MAX_LOG_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// How long [`LogHandle::flush`](super::LogHandle::flush) waits, at most.
pub const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Where lines end.
pub(super) trait Sink: Send {
    /// What it is, for complaints.
    fn name(&self) -> String;
    /// Writes one line, all of it or with an error.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;
    /// Opens anew what can be opened by its name.
    fn reopen(&mut self) -> Result<(), LogError> {
        Ok(())
    }
    /// Gives what has an owner to another one.
    fn change_owner(&mut self, _uid: Option<u32>, _gid: Option<u32>) -> Result<(), LogError> {
        Ok(())
    }
}

/// A sink that many threads write to.
pub(super) struct Output {
    writer: Arc<Writer>,
    queue: Option<Arc<Queue>>,
}

struct Writer {
    place: Mutex<Place>,
    style: Style,
    /// All lines that were lost, and those of them that no line has told of yet.
    dropped: AtomicU64,
    untold: AtomicU64,
}

impl Output {
    pub(super) fn new(sink: Box<dyn Sink>, style: Style, queue: usize) -> Result<Self, LogError> {
        let writer = Arc::new(Writer {
            place: Mutex::new(Place {
                sink,
                is_failing: false,
            }),
            style,
            dropped: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        });
        let queue = match queue {
            0 => None,
            lines => Some(Queue::start(lines, Arc::clone(&writer))?),
        };
        Ok(Self { writer, queue })
    }

    pub(super) fn write(&self, line: &[u8]) {
        let shortened;
        let line = if line.len() > MAX_LOG_LINE_BYTES {
            shortened = self.writer.style.shortened(line, MAX_LOG_LINE_BYTES);
            &shortened
        } else {
            line
        };
        match &self.queue {
            Some(queue) => {
                if !queue.push(line) {
                    self.writer.lose(1);
                }
            }
            None => self.writer.write(line),
        }
    }

    pub(super) fn reopen(&self) -> Result<(), LogError> {
        lock(&self.writer.place).sink.reopen()
    }

    pub(super) fn change_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), LogError> {
        lock(&self.writer.place).sink.change_owner(uid, gid)
    }

    pub(super) fn flush(&self) {
        if let Some(queue) = &self.queue {
            queue.wait_until_empty();
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.writer.dropped.load(Ordering::Relaxed)
    }
}

impl Writer {
    fn write(&self, line: &[u8]) {
        let mut place = lock(&self.place);
        let untold = self.untold.load(Ordering::Relaxed);
        if untold > 0 {
            if !place.write(&self.style.missing(untold)) {
                return self.lose(1);
            }
            self.untold.fetch_sub(untold, Ordering::Relaxed);
        }
        if !place.write(line) {
            self.lose(1);
        }
    }

    fn lose(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
        self.untold.fetch_add(lines, Ordering::Relaxed);
    }
}

struct Place {
    sink: Box<dyn Sink>,
    /// Whether the last line could not be written, which standard error knows.
    is_failing: bool,
}

impl Place {
    fn write(&mut self, line: &[u8]) -> bool {
        let written = self.sink.write(line);
        if let (Err(error), false) = (&written, self.is_failing) {
            let name = self.sink.name();
            let _ = writeln!(
                io::stderr(),
                "{name}: {error}; log lines are dropped until it works again"
            );
        }
        self.is_failing = written.is_err();
        written.is_ok()
    }
}

/// Lines that wait for a thread that writes them.
struct Queue {
    waiting: Mutex<Waiting>,
    /// There are lines.
    filled: Condvar,
    /// There are none, and the last one is written.
    idle: Condvar,
    most: usize,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that the thread has taken and not written yet.
    taken: usize,
    taken_bytes: usize,
    closed: bool,
}

impl Queue {
    fn start(most: usize, writer: Arc<Writer>) -> Result<Arc<Self>, LogError> {
        let queue = Arc::new(Self {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            idle: Condvar::new(),
            most,
        });
        let own = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("logs".to_owned());
        thread.spawn(move || own.work(&writer)).map_err(|error| {
            LogError::new(format!("cannot start the thread that writes logs: {error}"))
        })?;
        Ok(queue)
    }

    /// Takes a copy of the line if there is room.
    fn push(&self, line: &[u8]) -> bool {
        let mut waiting = lock(&self.waiting);
        let lines = waiting.lines.len() + waiting.taken;
        let bytes = waiting.bytes + waiting.taken_bytes;
        if lines >= self.most || bytes + line.len() > MAX_LOG_QUEUE_BYTES {
            return false;
        }
        waiting.lines.push_back(line.to_vec());
        waiting.bytes += line.len();
        self.filled.notify_one();
        true
    }

    fn work(&self, writer: &Writer) {
        let mut waiting = lock(&self.waiting);
        loop {
            while let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len();
                (waiting.taken, waiting.taken_bytes) = (1, line.len());
                drop(waiting);
                writer.write(&line);
                waiting = lock(&self.waiting);
                (waiting.taken, waiting.taken_bytes) = (0, 0);
            }
            self.idle.notify_all();
            if waiting.closed {
                return;
            }
            waiting = self
                .filled
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_until_empty(&self) {
        let end = Instant::now() + LOG_FLUSH_TIMEOUT;
        let mut waiting = lock(&self.waiting);
        while !waiting.lines.is_empty() || waiting.taken > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.idle.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Output {
    /// What waits is still written, by the thread alone.
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            lock(&queue.waiting).closed = true;
            queue.filled.notify_one();
        }
    }
}
