//! Streaming out of a handler: `flush` hands a chunk to the response body, and the body owns the handler.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::StatusCode;
use http::response::Parts;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyEnd, BodyError, BodyErrorKind};
use crate::context::RequestContext;
use crate::error::Error;
use crate::finish::Ending;
use crate::reply::Reply;
use crate::running::Running;

/// How a handler ended. It is small, because it is passed on several times.
pub(crate) enum Outcome {
    /// Nothing was flushed: the response is what was written.
    Written(Box<RequestContext>),
    /// Nothing was flushed: this is the response, its guard in its body.
    Response(Box<http::Response<Body>>),
    /// The response was flushed and is whole; the context ends with the body.
    Streamed(Box<RequestContext>),
    /// Something was flushed and the handler failed or panicked: the client must see a break, no end.
    Aborted(Box<RequestContext>),
}

impl Outcome {
    /// The status of the response.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Response(response) => response.status(),
            Self::Written(context) | Self::Streamed(context) | Self::Aborted(context) => {
                context.status()
            }
        }
    }
}

/// Where a handler puts what it flushes and the response takes it from: one chunk at a time, so that a
/// handler is never further ahead of its client than that.
#[derive(Default)]
pub(crate) struct Pipe {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    head: Option<Box<Parts>>,
    chunk: Option<Bytes>,
    flushing: Option<Waker>,
    /// Bytes that the connection took.
    taken: u64,
    /// The connection needs no more of the body: it was a `HEAD`, or `content-length` is reached.
    satisfied: bool,
}

impl Pipe {
    /// Puts head (the first time) and chunk, and waits until the connection took the chunk.
    pub(crate) async fn flush(self: Arc<Self>, head: Option<Box<Parts>>, chunk: Bytes) {
        let first = head.is_some();
        {
            let mut state = self.lock();
            if first {
                state.head = head;
            }
            state.put(chunk);
        }
        if first {
            FLUSHED.set(Some(Arc::clone(&self)));
        }
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.head.is_none() && state.chunk.is_none() {
                return Poll::Ready(());
            }
            state.flushing = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Puts what is left when the handler is done; nobody waits for it.
    pub(crate) fn put_last(&self, chunk: Bytes) {
        self.lock().put(chunk);
    }

    /// Bytes that the connection took so far.
    pub(crate) fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Whether the connection took all that it needs.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.lock().satisfied
    }

    /// Says that the connection needs nothing of the body.
    pub(crate) fn satisfy(&self) {
        self.lock().satisfied = true;
    }

    fn take_head(&self) -> Option<Box<Parts>> {
        let mut state = self.lock();
        let head = state.head.take();
        state.wake_when_empty();
        head
    }

    fn take_chunk(&self) -> Option<Bytes> {
        let mut state = self.lock();
        let chunk = state.chunk.take()?;
        state.taken += chunk.len() as u64;
        state.wake_when_empty();
        Some(chunk)
    }

    fn has_chunk(&self) -> bool {
        self.lock().chunk.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts a chunk, behind the one that a flush left which was given up.
    fn put(&mut self, chunk: Bytes) {
        self.chunk = match self.chunk.take() {
            Some(before) if chunk.is_empty() => Some(before),
            Some(before) => Some([before, chunk].concat().into()),
            None => (!chunk.is_empty()).then_some(chunk),
        };
    }

    fn wake_when_empty(&mut self) {
        if self.head.is_none()
            && self.chunk.is_none()
            && let Some(waker) = self.flushing.take()
        {
            waker.wake();
        }
    }
}

thread_local! {
    /// Where the first flush of a handler leaves its pipe for the [`Exchange`] that polls it: on the same
    /// thread and in the same poll, so it is empty between polls. Requests that never flush have no pipe.
    static FLUSHED: Cell<Option<Arc<Pipe>>> = const { Cell::new(None) };
}

/// Polls a handler until its response can begin: it ended, or it flushed for the first time.
pub(crate) struct Exchange {
    running: Option<Running>,
}

impl Exchange {
    pub(crate) fn new(running: Running) -> Self {
        Self {
            running: Some(running),
        }
    }
}

impl Future for Exchange {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(running) = self.running.as_mut() else {
            return Poll::Pending;
        };
        // Not empty when the handler of another request, which has flushed, polls this one.
        let outer = FLUSHED.take();
        let polled = running.poll(cx);
        let flushed = FLUSHED.replace(outer);
        if let Poll::Ready(Outcome::Written(context)) = polled {
            self.running = None;
            return Poll::Ready(Reply::Written(context));
        }
        self.respond(polled, flushed)
    }
}

impl Exchange {
    /// The response of a handler that was polled and did not just write one.
    fn respond(&mut self, polled: Poll<Outcome>, flushed: Option<Arc<Pipe>>) -> Poll<Reply> {
        let flushed = flushed.and_then(|pipe| Some((pipe.take_head()?, pipe)));
        let source = match polled {
            Poll::Pending if flushed.is_none() => return Poll::Pending,
            Poll::Ready(Outcome::Response(response)) => {
                self.running = None;
                return Poll::Ready(Reply::Response(response));
            }
            Poll::Pending => self.running.take().map_or(Source::Done, Source::Running),
            Poll::Ready(outcome) => Source::ended(outcome),
        };
        self.running = None;
        Poll::Ready(match flushed {
            Some((head, pipe)) => {
                let body = Body::new(StreamBody::new(&head, source, pipe));
                http::Response::from_parts(*head, body).into()
            }
            // A flush always leaves its pipe behind.
            None => Error::internal("the response was lost")
                .bare_response()
                .into(),
        })
    }
}

/// The body of a flushed response. It owns the running handler: when the client goes away both are dropped.
struct StreamBody {
    source: Source,
    pipe: Arc<Pipe>,
    /// What `content-length` promises.
    declared: Option<u64>,
    /// A chunk was handed over and the connection has not been given the chance to write it out: hyper does
    /// that when a body has nothing ready.
    unwritten: bool,
}

enum Source {
    Running(Running),
    /// The handler is done; its last chunk may still be in the pipe.
    Whole(Box<RequestContext>),
    Broken(Box<RequestContext>),
    Done,
}

impl Source {
    fn ended(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Streamed(context) => Self::Whole(context),
            Outcome::Aborted(context) => Self::Broken(context),
            // After a flush no handler ends with a response of its own.
            Outcome::Written(_) | Outcome::Response(_) => Self::Done,
        }
    }
}

impl StreamBody {
    fn new(head: &Parts, source: Source, pipe: Arc<Pipe>) -> Self {
        let declared = head
            .headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let body = Self {
            source,
            pipe,
            declared,
            unwritten: false,
        };
        body.note_satisfaction();
        body
    }

    fn note_satisfaction(&self) {
        let mut state = self.pipe.lock();
        if self
            .declared
            .is_some_and(|declared| state.taken >= declared)
        {
            state.satisfied = true;
        }
    }

    /// Whether the connection was given less than `content-length` promises and waits for the rest.
    fn is_short(&self) -> bool {
        let state = self.pipe.lock();
        !state.satisfied && self.declared.is_some_and(|declared| state.taken < declared)
    }

    fn abort(&mut self, reason: &'static str) -> BodyError {
        self.finish(Ending::Aborted);
        BodyError::with_source(BodyErrorKind::Source, reason)
    }

    fn finish(&mut self, ending: Ending) {
        if let Source::Whole(context) | Source::Broken(context) =
            std::mem::replace(&mut self.source, Source::Done)
        {
            let bytes = self.pipe.taken();
            context.finished(ending, bytes);
        }
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(chunk) = self.pipe.take_chunk() {
                self.note_satisfaction();
                self.unwritten = true;
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            if std::mem::take(&mut self.unwritten) && !matches!(self.source, Source::Whole(_)) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match &mut self.source {
                Source::Running(running) => match running.poll(cx) {
                    Poll::Ready(outcome) => self.source = Source::ended(outcome),
                    Poll::Pending if self.pipe.has_chunk() => {}
                    Poll::Pending => return Poll::Pending,
                },
                Source::Whole(_) => {
                    if self.is_short() {
                        tracing::error!("response body is shorter than its content-length");
                        let reason = "the handler wrote less than content-length says";
                        return Poll::Ready(Some(Err(self.abort(reason))));
                    }
                    self.finish(Ending::Complete);
                    return Poll::Ready(None);
                }
                Source::Broken(_) => {
                    return Poll::Ready(Some(Err(
                        self.abort("the handler failed after it had begun to answer")
                    )));
                }
                Source::Done => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Done) && !self.pipe.has_chunk()
    }

    fn size_hint(&self) -> SizeHint {
        let left = |declared: u64| declared.saturating_sub(self.pipe.taken());
        self.declared.map_or_else(SizeHint::default, |declared| {
            SizeHint::with_exact(left(declared))
        })
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let ending = match self.source {
            Source::Whole(_) if self.pipe.is_satisfied() => Ending::Complete,
            Source::Whole(_) if self.pipe.has_chunk() => Ending::Disconnected,
            Source::Whole(_) if self.is_short() => Ending::Aborted,
            Source::Whole(_) => Ending::Complete,
            Source::Broken(_) => Ending::Aborted,
            _ => Ending::Disconnected,
        };
        self.finish(ending);
    }
}

/// The guard of a response whose body was not flushed: the context itself.
impl crate::body::BodyGuard for RequestContext {
    fn ended(self: Box<Self>, end: BodyEnd) {
        let ending = if end.failed {
            Ending::Aborted
        } else if end.complete || self.needs_no_more(end.bytes) {
            Ending::Complete
        } else {
            Ending::Disconnected
        };
        self.finished(ending, end.bytes);
    }
}
