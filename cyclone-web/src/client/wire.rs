//! The body of a response as it comes off the wire, with its times.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::{ClientError, ClientPhase, Outcome};
use super::exchange;
use super::pool::Lease;
use super::timeouts::after;
use super::upload::Watch;

/// The body of a response. Read to its end, it gives its connection back; dropped before, it closes it.
pub(crate) struct Wire {
    incoming: Option<Incoming>,
    lease: Option<Lease>,
    /// A connection whose request is still being sent is of no use to others.
    watch: Arc<Watch>,
    between: Duration,
    /// Set while we wait.
    silent: Option<Pin<Box<Sleep>>>,
    total: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(crate) fn new(
        incoming: Incoming,
        lease: Lease,
        watch: Arc<Watch>,
        between: Duration,
        total: Option<Instant>,
    ) -> Self {
        let mut wire = Self {
            incoming: Some(incoming),
            lease: Some(lease),
            watch,
            between,
            silent: None,
            total: total.map(|at| Box::pin(sleep_until(at))),
        };
        if wire.is_end_stream() {
            wire.finish();
        }
        wire
    }

    fn finish(&mut self) {
        self.incoming = None;
        self.silent = None;
        if let Some(lease) = self.lease.take()
            && self.watch.is_done()
        {
            lease.finish();
        }
    }

    fn fail(&mut self, error: ClientError) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        self.incoming = None;
        self.lease = None;
        Poll::Ready(Some(Err(error)))
    }

    fn poll_times(&mut self, cx: &mut Context<'_>) -> Option<ClientPhase> {
        let between = self.between;
        let silent = self
            .silent
            .get_or_insert_with(|| Box::pin(sleep_until(after(Instant::now(), between))));
        if silent.as_mut().poll(cx).is_ready() {
            return Some(ClientPhase::BetweenBytes);
        }
        let total = self.total.as_mut()?;
        let is_over = total.as_mut().poll(cx).is_ready();
        is_over.then_some(ClientPhase::Total)
    }
}

impl http_body::Body for Wire {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.silent = None;
                // A server that always has something would never make us wait.
                if let Some(total) = &this.total
                    && total.deadline() <= Instant::now()
                {
                    let phase = ClientPhase::Total;
                    return this.fail(ClientError::timeout(phase, Outcome::Answered));
                }
                if this.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = exchange::broken(error).outcome_is(Outcome::Answered);
                this.fail(error)
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => match this.poll_times(cx) {
                Some(phase) => this.fail(ClientError::timeout(phase, Outcome::Answered)),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
