//! The body of a request on its way from the connection to whoever reads it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::body::{BodyError, BodyErrorKind};
use crate::engine::ConnectionInfo;

/// What the connection and the reader share: one piece at a time.
#[derive(Debug)]
pub(crate) struct Upload(Mutex<State>);

#[derive(Debug)]
struct State {
    piece: Option<Bytes>,
    trailers: Option<HeaderMap>,
    end: End,
    /// The declared bytes that the reader has not had.
    left: Option<u64>,
    interest: Interest,
    reader: Option<Waker>,
    /// The reader was polled by the connection itself when it began to wait.
    is_driven: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// There may be more.
    Open,
    Ended,
    Failed(BodyErrorKind),
}

/// What the reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Nothing for now.
    Quiet,
    /// The next piece.
    Wanted,
    /// Nothing any more: it was dropped.
    Dropped,
    /// Nothing any more, and the rest is not worth reading either.
    Abandoned,
}

impl Upload {
    /// A body of `length` bytes, or of as many as come.
    pub(crate) fn new(length: Option<u64>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            piece: None,
            trailers: None,
            end: End::Open,
            left: length,
            interest: Interest::Quiet,
            reader: None,
            is_driven: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn interest(&self) -> Interest {
        self.lock().interest
    }

    /// Hands a piece to the reader, who [wants](Interest::Wanted) it.
    pub(crate) fn push(&self, piece: Bytes, cx: &Context<'_>) {
        self.change(cx, |state| {
            state.interest = Interest::Quiet;
            state.piece = Some(piece);
        });
    }

    /// Says that the body is whole. The connection is done with it.
    pub(crate) fn end(&self, trailers: Option<HeaderMap>, cx: &Context<'_>) {
        self.change(cx, |state| {
            state.trailers = trailers;
            state.end = End::Ended;
        });
    }

    /// Says that no more comes, and why.
    pub(crate) fn fail(&self, kind: BodyErrorKind, cx: &Context<'_>) {
        self.change(cx, |state| state.end = End::Failed(kind));
    }

    /// Says that the connection is gone, unless the body had an end before. The reader may be in any task.
    pub(crate) fn cut_short(&self) {
        self.change(&Context::from_waker(Waker::noop()), |state| {
            if state.end == End::Open {
                state.end = End::Failed(BodyErrorKind::Disconnected);
            }
        });
    }

    /// Changes the state and wakes the reader, unless it is polled by the connection that does this: that one looks
    /// again by itself. To be polled by its task is not enough, which may do other things.
    fn change(&self, cx: &Context<'_>, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let (reader, is_driven) = (state.reader.take(), state.is_driven);
        drop(state);
        if let Some(reader) = reader
            && !(is_driven && reader.will_wake(cx.waker()))
        {
            reader.wake();
        }
    }
}

/// The reader's end.
#[derive(Debug)]
pub(crate) struct Download {
    upload: Arc<Upload>,
    connection: Arc<ConnectionInfo>,
    done: bool,
}

impl Download {
    pub(crate) fn new(upload: Arc<Upload>, connection: Arc<ConnectionInfo>) -> Self {
        Self {
            upload,
            connection,
            done: false,
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let mut state = self.upload.lock();
        if let Some(piece) = state.piece.take() {
            state.left = state.left.map(|left| left - piece.len() as u64);
            self.done = state.is_over();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(trailers) = state.trailers.take() {
            self.done = true;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match state.end {
            End::Open => {
                state.reader = Some(cx.waker().clone());
                state.is_driven = self.connection.is_driving();
                let is_driven = state.is_driven;
                let is_new = state.interest != Interest::Wanted;
                state.interest = Interest::Wanted;
                drop(state);
                // The connection's task has to read, and to mind the time.
                if is_new && is_driven {
                    self.connection.driver.wake_from(cx.waker());
                } else if is_new {
                    self.connection.driver.wake();
                }
                Poll::Pending
            }
            End::Ended => {
                self.done = true;
                Poll::Ready(None)
            }
            End::Failed(kind) => {
                self.done = true;
                state.interest = Interest::Abandoned;
                Poll::Ready(Some(Err(BodyError::new(kind))))
            }
        }
    }

    /// Gives up on the rest, whatever its length: the connection closes after the response.
    pub(crate) fn abandon(&mut self) {
        self.leave(Interest::Abandoned);
    }

    fn leave(&mut self, interest: Interest) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let mut state = self.upload.lock();
        state.interest = interest;
        state.piece = None;
        let is_open = state.end == End::Open;
        drop(state);
        if is_open {
            self.connection.driver.wake();
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.done || self.upload.lock().is_over()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        if self.done {
            return SizeHint::with_exact(0);
        }
        match self.upload.lock().left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

impl State {
    /// Whether the reader has had everything.
    fn is_over(&self) -> bool {
        self.end == End::Ended && self.piece.is_none() && self.trailers.is_none()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.leave(Interest::Dropped);
    }
}
