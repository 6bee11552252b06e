//! The body of requests and responses.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::TryStreamExt as _;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};

mod clock;
mod error;
mod guard;
mod inbound;
#[cfg(test)]
mod tests;

pub(crate) use error::BoxError;
pub use error::{BodyError, BodyErrorKind};
pub(crate) use guard::{BodyEnd, BodyGuard};
pub(crate) use inbound::Inbound;

#[cfg(feature = "decompression")]
use crate::decompression::{Coding, Expanding};
use crate::engine::Download;

/// The body of a request or a response.
///
/// It is an [`http_body::Body`] of [`Bytes`]: bodies of other libraries go in with [`Body::new`], and this one
/// goes out to any of them as it is. A request body off the wire carries the limits of its connection and
/// fails with a [`BodyError`] that names the status to answer.
///
/// ```
/// use cyclone_web::Body;
///
/// let hello = Body::from("hello");
/// let nothing = Body::empty();
/// # let _ = (hello, nothing);
/// ```
pub struct Body {
    kind: Kind,
    /// Data bytes that have come out.
    passed: u64,
    /// Data bytes that may come out.
    limit: u64,
    guard: Option<Box<dyn BodyGuard>>,
    /// The body goes with an answer that has none on the wire.
    unsent: bool,
}

enum Kind {
    Empty,
    Full(Bytes),
    Download(Box<Download>),
    Inbound(Box<Inbound>),
    #[cfg(feature = "decompression")]
    Expanding(Box<Expanding>),
    Boxed(UnsyncBoxBody<Bytes, BodyError>),
}

/// The largest piece that a whole body is handed over in, in bytes: what was handed over is told, and what a
/// client never took should not be.
const PIECE_BYTES: usize = 64 * 1024;

/// The largest whole body that an HTTP/1 connection takes in one piece, in bytes.
pub(crate) const WHOLE_BYTES: usize = 256 * 1024;

impl Body {
    /// A body without a byte.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Kind::Empty)
    }

    /// Wraps a body of another library. A `Body` is returned as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        if let Some(body) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return body.take().unwrap_or_default();
        }
        match body {
            Some(body) => Self::of(Kind::Boxed(
                body.map_err(|error| BodyError::from_source(error.into()))
                    .boxed_unsync(),
            )),
            None => Self::empty(),
        }
    }

    /// A body that sends the items of a stream as they come.
    ///
    /// An error of the stream breaks the response off, so that the client can tell that it is incomplete.
    pub fn from_stream<S, D, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self::new(StreamBody::new(
            stream
                .map_ok(|data| Frame::data(data.into()))
                .map_err(|error| BodyError::from_source(error.into())),
        ))
    }

    /// The body of a request on an HTTP/1 connection.
    pub(crate) fn download(download: Download, limit: u64) -> Self {
        let mut body = Self::of(Kind::Download(Box::new(download)));
        body.limit = limit;
        body
    }

    /// The body of a request on a connection of hyper's.
    pub(crate) fn inbound(inbound: Inbound, limit: u64) -> Self {
        let mut body = Self::of(Kind::Inbound(Box::new(inbound)));
        body.limit = limit;
        body
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            passed: 0,
            limit: u64::MAX,
            guard: None,
            unsent: false,
        }
    }

    /// Sets the most bytes that may come out of this body; one more is a [`BodyErrorKind::TooLarge`].
    ///
    /// A request body has [`Limits::body`](crate::Limits::body) until then.
    pub fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
        #[cfg(feature = "decompression")]
        if let Kind::Expanding(expanding) = &mut self.kind {
            expanding.body_mut().set_limit(bytes);
        }
    }

    /// Sets a limit unless the body has one from whoever passed it on.
    pub(crate) fn set_limit_if_none(&mut self, bytes: u64) {
        if self.limit == u64::MAX {
            self.limit = bytes;
        }
    }

    /// Whether what the body declares (`content-length`) is within its limit.
    ///
    /// # Errors
    /// [`BodyErrorKind::TooLarge`].
    pub fn check_declared(&self) -> Result<(), BodyError> {
        #[cfg(feature = "decompression")]
        if let Kind::Expanding(expanding) = &self.kind {
            return expanding.body().check_declared();
        }
        let declared = self.size_hint().lower();
        if self.passed.saturating_add(declared) > self.limit {
            return Err(self.too_large());
        }
        Ok(())
    }

    /// The same body, expanded. Its limit holds for what comes in and for what comes out.
    #[cfg(feature = "decompression")]
    #[must_use]
    pub(crate) fn expanded(self, coding: Coding) -> Self {
        let limit = self.limit;
        let mut body = Self::of(Kind::Expanding(Box::new(Expanding::new(self, coding))));
        body.limit = limit;
        body
    }

    /// Has `guard` told how this body ends.
    #[must_use]
    pub(crate) fn with_guard(mut self, guard: Box<dyn BodyGuard>) -> Self {
        self.guard = Some(match self.guard.take() {
            None => guard,
            Some(inner) => Box::new(guard::Both(inner, guard)),
        });
        self
    }

    /// Says that the body belongs to an answer that has none on the wire (`HEAD`, 204, 304): to drop it unread
    /// is to finish it.
    pub(crate) fn set_unsent(&mut self) {
        self.unsent = true;
    }

    /// Takes the bytes out of a body that is whole, and not too large to be written at once.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        match &mut self.kind {
            Kind::Empty => Some(Bytes::new()),
            Kind::Full(bytes) if bytes.len() <= WHOLE_BYTES => {
                self.passed += bytes.len() as u64;
                Some(std::mem::take(bytes))
            }
            _ => None,
        }
    }

    /// Says that the connection has taken what [`take_whole`](Self::take_whole) gave.
    pub(crate) fn tell_taken(mut self) {
        self.tell(true, false);
    }

    fn too_large(&self) -> BodyError {
        BodyError::new(BodyErrorKind::TooLarge { limit: self.limit })
    }

    fn poll_kind(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // Before the first byte, so that a client that waits for `100 Continue` is not told to go on.
        if self.passed == 0
            && matches!(self.kind, Kind::Download(_) | Kind::Inbound(_))
            && let Err(error) = self.check_declared()
        {
            return Poll::Ready(Some(Err(error)));
        }
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
            }
            Kind::Download(download) => download.poll_frame(cx),
            Kind::Inbound(inbound) => inbound.poll_frame(cx),
            #[cfg(feature = "decompression")]
            Kind::Expanding(expanding) => expanding.poll_frame(cx),
            // A panic is an error of the body, of which the client and the guard are told.
            Kind::Boxed(body) => catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)))
                .unwrap_or_else(|_| {
                    let kind = BodyErrorKind::Source;
                    let panicked = BodyError::with_source(kind, "the body panicked");
                    Poll::Ready(Some(Err(panicked)))
                }),
        }
    }

    /// Counts a frame; an error when it is beyond the limit.
    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), BodyError> {
        if let Some(data) = frame.data_ref() {
            self.passed = self.passed.saturating_add(data.len() as u64);
            if self.passed > self.limit {
                return Err(self.too_large());
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Download(download) => download.abandon(),
            Kind::Inbound(inbound) => inbound.abandon(),
            _ => {}
        }
        if self.guard.is_some() {
            let cause = std::error::Error::source(&error);
            tracing::error!(%error, cause, "response body failed");
        }
        self.kind = Kind::Empty;
        self.tell(false, true);
        Poll::Ready(Some(Err(error)))
    }

    fn tell(&mut self, complete: bool, failed: bool) {
        if let Some(guard) = self.guard.take() {
            guard.ended(BodyEnd {
                complete,
                failed,
                bytes: self.passed,
            });
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match ready!(this.poll_kind(cx)) {
            Some(Ok(frame)) => {
                if let Err(error) = this.count(&frame) {
                    return this.fail(error);
                }
                // hyper drops a body that says it has ended instead of polling it for `None`.
                if this.guard.is_some() && this.is_end_stream() {
                    this.tell(true, false);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => this.fail(error),
            None => {
                this.kind = Kind::Empty;
                this.tell(true, false);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Download(download) => download.is_end_stream(),
            Kind::Inbound(inbound) => inbound.is_end_stream(),
            #[cfg(feature = "decompression")]
            Kind::Expanding(expanding) => expanding.is_end_stream(),
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Download(download) => download.size_hint(),
            Kind::Inbound(inbound) => inbound.size_hint(),
            #[cfg(feature = "decompression")]
            Kind::Expanding(_) => SizeHint::default(),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.guard.is_some() {
            let complete = self.unsent || self.is_end_stream();
            self.tell(complete, false);
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Empty => f.write_str("Body(empty)"),
            Kind::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Download(_) | Kind::Inbound(_) => f.write_str("Body(inbound)"),
            #[cfg(feature = "decompression")]
            Kind::Expanding(_) => f.write_str("Body(expanding)"),
            Kind::Boxed(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::of(Kind::Full(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from(Bytes::from_static(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}
