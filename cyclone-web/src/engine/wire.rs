//! What is happening on a connection, shared by the three that see a part of it each: the byte stream under
//! hyper, the service above it and the bodies that pass between them.
//!
//! All of it is plain loads and stores: for HTTP/1 one task writes nearly everything, and whoever writes from
//! another task wakes the connection's task afterwards.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;
use hyper::body::Incoming;

use super::ConnectionInfo;
use super::fragment::Fragments;

/// Where the response to the current HTTP/1 request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Answer {
    /// There is no request, or its response is in the socket.
    None = 0,
    /// The handler or the response's body still runs.
    Awaited = 1,
    /// All of it has been handed to hyper; some of it may not be in the socket yet.
    Handed = 2,
}

/// Where the body of the current HTTP/1 request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Upload {
    /// There is none, or all of it has been read.
    None = 0,
    /// Somebody may still read it.
    Open = 1,
    /// Nobody wants the rest, which is read and thrown away.
    Draining = 2,
    /// Nobody wants the rest, and it is not worth reading.
    Abandoned = 3,
}

/// The shared state of one connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Counts reads and writes that moved bytes.
    pub(crate) progress: Counter,
    /// Bytes written.
    pub(crate) written: AtomicU64,
    /// A part of a request head has come.
    pub(crate) receiving: Flag,
    /// hyper is given one request and no more.
    pub(crate) only: Flag,
    /// The client has closed its side.
    pub(crate) eof: Flag,
    /// hyper wants to write and the socket takes nothing.
    pub(crate) write_blocked: Flag,
    /// Written bytes wait in our buffer for the answers to further pipelined requests.
    pub(crate) deferred: Flag,
    /// A handler waits for bytes of the request body.
    pub(crate) body_wanted: Flag,
    /// The request body took too long.
    pub(crate) body_late: Flag,
    /// Bytes of the current request body that have been read.
    pub(crate) body_bytes: AtomicU64,
    /// The next response is the last one.
    pub(crate) closing: Flag,
    /// The connection is (about to be) no longer HTTP.
    pub(crate) upgraded: Flag,
    /// There was a request that could be the last of HTTP: hyper may give the connection away once an answer is
    /// flushed, that of a later request too.
    pub(crate) may_leave: Flag,
    /// The connection must not be used any more.
    pub(crate) cut: Flag,
    /// Only the end of the connection tells the client where the current response ends, if it has no length.
    pub(crate) close_delimited: Flag,
    /// The byte stream has been dropped.
    pub(crate) gone: Flag,
    /// Requests in progress on an HTTP/2 connection.
    pub(crate) streams: AtomicU32,
    /// Response bodies on HTTP/2 streams that have handed over data for which there is no room in the client's
    /// windows.
    pub(crate) held_back: AtomicU32,
    /// Counts how often there was room after all.
    pub(crate) let_go: AtomicU32,
    /// Requests so far.
    pub(crate) requests: Counter,
    /// The status that hyper wanted to answer an unreadable head with; 0 for none.
    pub(crate) refused: AtomicU16,
    answer: AtomicU8,
    upload: AtomicU8,
    /// Request targets with a fragment.
    pub(crate) fragments: Fragments,
    /// Wakes the reader of the request body.
    pub(crate) body_reader: AtomicWaker,
    /// Wakes the writer of a connection that has left HTTP.
    pub(crate) writer: AtomicWaker,
    unread: Mutex<Option<Incoming>>,
}

impl Wire {
    pub(crate) fn answer(&self) -> Answer {
        match self.answer.load(Ordering::Acquire) {
            0 => Answer::None,
            1 => Answer::Awaited,
            _ => Answer::Handed,
        }
    }

    pub(crate) fn set_answer(&self, answer: Answer) {
        self.answer.store(answer as u8, Ordering::Release);
    }

    pub(crate) fn upload(&self) -> Upload {
        match self.upload.load(Ordering::Acquire) {
            0 => Upload::None,
            1 => Upload::Open,
            2 => Upload::Draining,
            _ => Upload::Abandoned,
        }
    }

    pub(crate) fn set_upload(&self, upload: Upload) {
        self.upload.store(upload as u8, Ordering::Release);
    }

    /// Whether a request is in progress; bytes that come belong to it or to its successors.
    pub(crate) fn is_busy(&self) -> bool {
        self.answer() != Answer::None || self.upload() == Upload::Open
    }

    /// Begins a request.
    pub(crate) fn begin(&self) {
        self.requests.add();
        self.receiving.clear();
        self.body_wanted.clear();
        self.body_late.clear();
        self.body_bytes.store(0, Ordering::Relaxed);
        self.set_answer(Answer::Awaited);
    }

    /// Leaves the rest of a request body to the connection's task, to be read and thrown away.
    pub(crate) fn drain(&self, incoming: Incoming) {
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(incoming);
        self.set_upload(Upload::Draining);
    }

    /// The body that [`drain`](Self::drain) left.
    pub(crate) fn unread(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the waker of signals and timer does: it says that they are worth a look, and wakes the task.
impl Wake for ConnectionInfo {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signalled.set();
        self.driver.wake();
    }
}

/// The waker of the connection's task; unlike an `AtomicWaker` it keeps it when it wakes.
#[derive(Debug, Default)]
pub(crate) struct Driver(Mutex<Option<Waker>>);

impl Driver {
    pub(crate) fn set(&self, waker: &Waker) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    /// Wakes the task, unless it is the one that `waker` wakes: that one is running.
    pub(crate) fn wake_from(&self, waker: &Waker) {
        if let Some(task) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && !task.will_wake(waker)
        {
            task.wake_by_ref();
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }
}

/// A flag that many see.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Clears the flag and says whether it was set.
    pub(crate) fn take(&self) -> bool {
        self.is_set() && self.0.swap(false, Ordering::AcqRel)
    }
}

/// A counter with a single writer at a time; it wraps.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU32);

impl Counter {
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self) {
        let next = self.0.load(Ordering::Relaxed).wrapping_add(1);
        self.0.store(next, Ordering::Relaxed);
    }
}
