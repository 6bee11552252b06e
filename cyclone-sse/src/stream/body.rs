//! `SseBody`: the body of the response.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::attachment::{Attachment, Signal};
use super::heartbeat::Heartbeat;
use super::source::Source;
use super::{DRAIN_RETRY_MIN, DRAIN_RETRY_SPREAD, EventStream};
use crate::event::{Event, put_retry};

/// What is sent when the stream has been silent for long: an empty comment.
///
/// It has no empty line after it: that would make some clients show an event without data.
const HEARTBEAT: Bytes = Bytes::from_static(b":\n");

/// The body of a response with events; each chunk is of whole events.
///
/// Dropping it, as a server does when the client has gone, ends the subscription at once.
pub struct SseBody {
    /// Gone when the stream has ended.
    source: Option<Source>,
    /// Gone when there are none left, as there are after the first chunk of most streams.
    words: Option<Box<Words>>,
    heartbeat: Option<Heartbeat>,
    max_chunk: u32,
    /// The stream ends because the server shuts down.
    draining: bool,
    attachment: Option<Attachment>,
}

/// What is said beside the events.
struct Words {
    preface: Option<Bytes>,
    farewell: Option<Event>,
}

impl SseBody {
    pub(super) fn new(stream: EventStream) -> Self {
        Self {
            words: Words::new(stream.preface(), stream.farewell),
            source: Some(stream.source),
            max_chunk: u32::try_from(stream.max_chunk).unwrap_or(u32::MAX),
            heartbeat: stream.heartbeat.map(Heartbeat::new),
            draining: false,
            attachment: stream
                .session
                .map(|session| Attachment::new(&session, stream.on_drain)),
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(source) = &mut self.source else {
            return Poll::Ready(None);
        };
        match self.attachment.as_mut().map(|session| session.poll(cx)) {
            Some(Signal::Cut) => {
                self.draining = false;
                return Poll::Ready(self.end());
            }
            Some(Signal::Drain) => {
                self.draining = true;
                if !source.finish() {
                    return Poll::Ready(self.end());
                }
            }
            Some(Signal::None) | None => {}
        }
        if let Some(words) = &mut self.words
            && let Some(preface) = words.preface.take()
        {
            self.words.take_if(|words| words.farewell.is_none());
            return Poll::Ready(Some(preface));
        }
        let max_chunk = usize::try_from(self.max_chunk).unwrap_or(usize::MAX);
        match source.poll_chunk(cx, max_chunk) {
            Poll::Ready(Some(chunk)) => {
                if let Some(heartbeat) = &mut self.heartbeat {
                    heartbeat.sent();
                }
                Poll::Ready(Some(chunk))
            }
            Poll::Ready(None) => Poll::Ready(self.end()),
            Poll::Pending => match &mut self.heartbeat {
                Some(heartbeat) => {
                    ready!(source.poll_due(cx, heartbeat.due()));
                    heartbeat.sent();
                    Poll::Ready(Some(HEARTBEAT))
                }
                None => Poll::Pending,
            },
        }
    }

    /// Lets go of everything, and returns what is sent last when the server shuts down.
    fn end(&mut self) -> Option<Bytes> {
        let held = self.source.take().and_then(|mut source| source.take_held());
        self.attachment = None;
        self.heartbeat = None;
        if !self.draining {
            return None;
        }
        let (preface, farewell) = match self.words.take() {
            Some(words) => (words.preface, words.farewell),
            None => (None, None),
        };
        let mut out = BytesMut::new();
        out.extend(preface);
        out.extend(held);
        let spread = DRAIN_RETRY_SPREAD.mul_f64(fastrand::f64());
        put_retry(&mut out, DRAIN_RETRY_MIN + spread);
        if let Some(farewell) = farewell {
            out.extend_from_slice(&farewell.encode());
        }
        Some(out.freeze())
    }
}

impl Words {
    fn new(preface: Option<Bytes>, farewell: Option<Event>) -> Option<Box<Self>> {
        let has_any = preface.is_some() || farewell.is_some();
        has_any.then(|| Box::new(Self { preface, farewell }))
    }
}

impl Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = ready!(self.get_mut().poll_chunk(cx));
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_none()
    }
}

impl fmt::Debug for SseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseBody")
            .field("ended", &self.source.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cyclone_core::Session;

    use super::super::OnDrain;
    use super::*;
    use crate::Events;

    /// A server has one of each for every client. They are what the allocator gives for 128 and 96 bytes, less its
    /// own 8 bytes.
    #[test]
    fn what_a_client_costs_is_bounded() {
        assert!(size_of::<SseBody>() <= 120);
        assert!(size_of::<Events>() <= 64);
        let session = Session::detached();
        let attachment = Attachment::new(&session, OnDrain::End);
        assert!(attachment.size() <= 88);
    }
}
