//! The body of a request on its way out, watched.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::body::{Body, BodyError};

/// The largest piece that is handed over at a time, in bytes, so that progress can be seen.
const PIECE: usize = 64 * 1024;

/// What is sent.
pub(crate) enum Content {
    /// Bytes, which can be sent as often as needed.
    Bytes(Bytes),
    /// A stream, which can be sent once; `None` when it was.
    Stream(Option<Body>),
}

impl Content {
    /// The content for one more attempt.
    pub(crate) fn take(&mut self) -> Option<Self> {
        match self {
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream(body) => Some(Self::Stream(Some(body.take()?))),
        }
    }

    pub(crate) fn can_be_sent(&self) -> bool {
        matches!(self, Self::Bytes(_) | Self::Stream(Some(_)))
    }
}

/// Where the sending of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The connection has something to send, since then.
    Taking(Instant),
    /// What feeds the body has nothing now, or waits for `100 Continue` since then.
    Source(Option<Instant>),
    /// All of it was handed over.
    Done(Instant),
}

/// How the sending goes, for those who watch it.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Mutex<Seen>,
    pub(crate) changed: Notify,
}

#[derive(Debug)]
struct Seen {
    stage: Stage,
    /// Nothing of the body was asked for yet.
    untouched: bool,
    may_go_on: bool,
    informational: usize,
    waker: Option<std::task::Waker>,
}

impl Watch {
    pub(crate) fn stage(&self) -> Stage {
        self.lock().stage
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage(), Stage::Done(_))
    }

    /// The server wants the body, or its time to say so is up.
    pub(crate) fn go_on(&self) {
        let mut seen = self.lock();
        seen.may_go_on = true;
        if let Stage::Source(_) = seen.stage {
            seen.stage = Stage::Source(None);
        }
        let waker = seen.waker.take();
        drop(seen);
        if let Some(waker) = waker {
            waker.wake();
        }
        self.changed.notify_one();
    }

    /// Counts a response that is not the last one (1xx).
    pub(crate) fn was_informed(&self) {
        self.lock().informational += 1;
        self.changed.notify_one();
    }

    pub(crate) fn informational(&self) -> usize {
        self.lock().informational
    }

    fn set(&self, stage: Stage) {
        let mut seen = self.lock();
        let changes = std::mem::discriminant(&seen.stage) != std::mem::discriminant(&stage);
        seen.stage = stage;
        drop(seen);
        if changes {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a request, for hyper.
pub(crate) struct Upload {
    content: Content,
    watch: Arc<Watch>,
}

impl Upload {
    /// `waits`: the body is kept back until [`Watch::go_on`].
    pub(crate) fn new(content: Content, waits: bool) -> (Self, Arc<Watch>) {
        let now = Instant::now();
        let watch = Arc::new(Watch {
            seen: Mutex::new(Seen {
                stage: Stage::Taking(now),
                untouched: true,
                may_go_on: !waits,
                informational: 0,
                waker: None,
            }),
            changed: Notify::new(),
        });
        let upload = Self {
            content,
            watch: Arc::clone(&watch),
        };
        if upload.is_end_stream() {
            watch.set(Stage::Done(now));
        }
        (upload, watch)
    }

    /// The content again, if nothing of it was taken.
    pub(crate) fn into_content(self) -> Option<Content> {
        let untouched = self.watch.lock().untouched;
        untouched.then_some(self.content)
    }

    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.content {
            Content::Bytes(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
            }
            Content::Stream(Some(body)) => Pin::new(body).poll_frame(cx),
            Content::Stream(None) => Poll::Ready(None),
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let mut seen = this.watch.lock();
        if !seen.may_go_on {
            seen.waker = Some(cx.waker().clone());
            drop(seen);
            this.watch.set(Stage::Source(Some(Instant::now())));
            return Poll::Pending;
        }
        seen.untouched = false;
        drop(seen);
        let polled = this.poll_content(cx);
        let now = Instant::now();
        let stage = match &polled {
            Poll::Pending => Stage::Source(None),
            Poll::Ready(None) => Stage::Done(now),
            Poll::Ready(Some(Err(_))) => Stage::Source(None),
            Poll::Ready(Some(Ok(_))) if this.is_end_stream() => Stage::Done(now),
            Poll::Ready(Some(Ok(_))) => Stage::Taking(now),
        };
        this.watch.set(stage);
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Stream(Some(body)) => body.is_end_stream(),
            Content::Stream(None) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(Some(body)) => body.size_hint(),
            Content::Stream(None) => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Stream(_) => f.write_str("a stream"),
        }
    }
}
