//! The body of a request off the wire.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::clock::StreamClock;
use super::{BodyError, BodyErrorKind};
use crate::engine::{ConnectionInfo, Upload, Wire};

/// The body of a request off the wire: hyper's, with our time limits, and told to the connection.
pub(crate) struct Inbound {
    incoming: Option<Incoming>,
    connection: Arc<ConnectionInfo>,
    received: u64,
    /// The client waits for `100 Continue` and has not been told to go on.
    expecting: bool,
    /// The clock of a body on an HTTP/2 stream; an HTTP/1 connection has one timer for everything.
    clock: Option<Box<StreamClock>>,
    http2: bool,
    /// The number of the request on its HTTP/1 connection.
    request: u32,
}

impl Inbound {
    /// A body on an HTTP/1 connection.
    pub(crate) fn http1(
        incoming: Incoming,
        connection: Arc<ConnectionInfo>,
        expecting: bool,
    ) -> Self {
        let wire = connection.wire();
        wire.set_upload(Upload::Open);
        let request = wire.requests.get();
        Self {
            incoming: Some(incoming),
            connection,
            received: 0,
            expecting,
            clock: None,
            http2: false,
            request,
        }
    }

    /// A body on an HTTP/2 stream.
    pub(crate) fn http2(incoming: Incoming, connection: Arc<ConnectionInfo>) -> Self {
        Self {
            incoming: Some(incoming),
            connection,
            received: 0,
            expecting: false,
            clock: None,
            http2: true,
            request: 0,
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        self.expecting = false;
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let ended = self.note(&frame);
                if ended {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.abandon();
                Poll::Ready(Some(Err(classify(error))))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    /// Counts a frame and says whether it was the last one.
    fn note(&mut self, frame: &Frame<Bytes>) -> bool {
        if let Some(data) = frame.data_ref() {
            self.received = self.received.saturating_add(data.len() as u64);
        }
        if let Some(clock) = &mut self.clock {
            clock.stop();
        }
        if let Some(wire) = self.wire() {
            wire.body_bytes.store(self.received, Ordering::Relaxed);
            wire.body_wanted.clear();
        }
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    /// Nothing has come: waits for more, unless the client is gone or has used up its time.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.http2 {
            let clock = self.clock.get_or_insert_default();
            if clock
                .poll_late(self.connection.limits(), self.received, cx)
                .is_ready()
            {
                return self.fail(BodyErrorKind::Timeout);
            }
            return Poll::Pending;
        }
        let Some(wire) = self.wire() else {
            return Poll::Pending;
        };
        wire.body_reader.register(cx.waker());
        if !wire.body_wanted.is_set() {
            wire.body_wanted.set();
            // The connection's task has to mind the time.
            self.connection.driver.wake_from(cx.waker());
        }
        // The stream under hyper tells of an end only when hyper has taken every byte before it. So if hyper
        // has nothing for us then, the body is cut short.
        if wire.eof.is_set() {
            return self.fail(BodyErrorKind::Disconnected);
        }
        if wire.body_late.is_set() {
            return self.fail(BodyErrorKind::Timeout);
        }
        Poll::Pending
    }

    /// The state of the HTTP/1 connection, as long as it is about this request: a body that hyper has read to
    /// its end may outlive it in other hands.
    fn wire(&self) -> Option<&Wire> {
        let wire = self.connection.wire();
        (!self.http2 && wire.requests.get() == self.request).then_some(wire)
    }

    fn fail(&mut self, kind: BodyErrorKind) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.abandon();
        Poll::Ready(Some(Err(BodyError::new(kind))))
    }

    fn finish(&mut self) {
        self.incoming = None;
        self.leave(Upload::None);
    }

    /// Gives up on the rest, whatever its length: hyper closes the connection after the response, or resets
    /// the stream.
    pub(super) fn abandon(&mut self) {
        if self.incoming.take().is_some() {
            self.leave(Upload::Abandoned);
        }
    }

    fn leave(&self, upload: Upload) {
        if let Some(wire) = self.wire() {
            wire.body_wanted.clear();
            wire.set_upload(upload);
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Inbound {
    /// A body that is dropped unread must not end the connection when the rest of it is short.
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else {
            return;
        };
        let Some(wire) = self.wire() else {
            return;
        };
        let worth_it = !self.expecting
            && !wire.eof.is_set()
            && !wire.body_late.is_set()
            && incoming.size_hint().lower() <= self.connection.limits().drain_bytes;
        wire.body_wanted.clear();
        if worth_it {
            wire.drain(incoming);
            self.connection.driver.wake();
        } else {
            drop(incoming);
            wire.set_upload(Upload::Abandoned);
        }
    }
}

/// Finds out who broke the body off.
fn classify(error: hyper::Error) -> BodyError {
    let mut kind = BodyErrorKind::Disconnected;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && matches!(
                io.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
            )
        {
            kind = BodyErrorKind::Malformed;
        }
        source = cause.source();
    }
    BodyError::with_source(kind, error)
}
