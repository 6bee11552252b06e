//! `SseBody`: the body of the response.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cyclone_core::{Session, SessionGuard};
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{DRAIN_RETRY_MIN, DRAIN_RETRY_SPREAD, EventStream, OnDrain, Source};
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
    preface: Option<Bytes>,
    held: Option<Bytes>,
    max_chunk: usize,
    heartbeat: Option<Heartbeat>,
    farewell: Option<Event>,
    /// The stream ends because the server shuts down.
    draining: bool,
    attachment: Option<Attachment>,
}

impl SseBody {
    pub(super) fn new(stream: EventStream) -> Self {
        Self {
            preface: stream.preface(),
            source: Some(stream.source),
            held: None,
            max_chunk: stream.max_chunk,
            heartbeat: stream.heartbeat.map(Heartbeat::new),
            farewell: stream.farewell,
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
        if let Some(preface) = self.preface.take() {
            return Poll::Ready(Some(preface));
        }
        match source.poll_chunk(cx, &mut self.held, self.max_chunk) {
            Poll::Ready(Some(chunk)) => {
                if let Some(heartbeat) = &mut self.heartbeat {
                    heartbeat.sent();
                }
                Poll::Ready(Some(chunk))
            }
            Poll::Ready(None) => Poll::Ready(self.end()),
            Poll::Pending => match &mut self.heartbeat {
                Some(heartbeat) => {
                    ready!(heartbeat.poll(cx));
                    Poll::Ready(Some(HEARTBEAT))
                }
                None => Poll::Pending,
            },
        }
    }

    /// Lets go of everything, and returns what is sent last when the server shuts down.
    fn end(&mut self) -> Option<Bytes> {
        self.source = None;
        self.attachment = None;
        self.heartbeat = None;
        let held = self.held.take();
        if !self.draining {
            return None;
        }
        let mut out = BytesMut::new();
        out.extend(self.preface.take());
        out.extend(held);
        let spread = DRAIN_RETRY_SPREAD.mul_f64(fastrand::f64());
        put_retry(&mut out, DRAIN_RETRY_MIN + spread);
        if let Some(farewell) = self.farewell.take() {
            out.extend_from_slice(&farewell.encode());
        }
        Some(out.freeze())
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

/// Says when the stream has been silent for long.
struct Heartbeat {
    interval: Duration,
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    fn new(interval: Duration) -> Self {
        let last = Instant::now();
        Self {
            interval,
            last,
            timer: Box::pin(sleep_until(after(last, interval))),
        }
    }

    /// Something was sent. The timer is set anew only when it fires, which is far less often.
    fn sent(&mut self) {
        self.last = Instant::now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let due = after(self.last, self.interval);
            let silent = due <= now;
            if silent {
                self.last = now;
            }
            let next = if silent {
                after(now, self.interval)
            } else {
                due
            };
            self.timer.as_mut().reset(next);
            if silent {
                return Poll::Ready(());
            }
        }
    }
}

/// A century counts as never.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(NEVER)
}

/// The stream's place in the server.
struct Attachment {
    guard: SessionGuard,
    /// What the connection spoke before.
    protocol: &'static str,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    drain: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

const PROTOCOL: &str = "sse";

enum Signal {
    None,
    Drain,
    Cut,
}

impl Attachment {
    fn new(session: &Session, on_drain: OnDrain) -> Self {
        let protocol = session.protocol();
        session.set_protocol(PROTOCOL);
        let (cut, drain) = (session.clone(), session.clone());
        let drain = (on_drain == OnDrain::End).then(|| {
            let drain: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move { drain.draining().await });
            drain
        });
        Self {
            guard: session.hold(),
            protocol,
            cut: Box::pin(async move { cut.cut().await }),
            drain,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Signal {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Signal::Cut;
        }
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            self.drain = None;
            return Signal::Drain;
        }
        Signal::None
    }
}

impl Drop for Attachment {
    /// The connection may serve other requests. With several streams on it (HTTP/2) the last one decides.
    fn drop(&mut self) {
        if self.protocol != PROTOCOL {
            self.guard.session().set_protocol(self.protocol);
        }
    }
}
