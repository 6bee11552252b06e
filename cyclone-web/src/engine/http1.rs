//! HTTP/1.1 and HTTP/1.0: drives a [`Machine`] with a connection and a service.
//!
//! One future per connection does everything: it reads when the socket is ready, polls the handler and the body of
//! its response, and writes. It reads once per wake-up unless there is more, and writes all that is ready at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cyclone_core::Connection;
use http_body::Body as _;
use tokio::time::Instant;

use super::watch::Watch;
use super::{ConnectionInfo, HttpService, close};
use crate::body::Body;
use crate::reply::Reply;

mod chunked;
mod clock;
mod date;
mod encode;
mod inbox;
mod io;
mod machine;
mod outbox;
mod parse;
mod pool;
mod receiving;
mod repeat;
mod target;
mod upload;

use io::Moved;
use machine::{Machine, Next};

pub(crate) use machine::{Ending, Expected};
pub(crate) use upload::Download;

/// Requests that are served before other connections have their turn.
const REQUESTS_PER_TURN: u32 = 64;

/// Steps of all kinds before that: bodies come and go in pieces of any size, down to none.
const STEPS_PER_TURN: u32 = 1024;

/// Why the driver stops.
pub(crate) enum Stop {
    /// The client speaks HTTP/2.
    Http2,
    /// The service wants the connection from hyper, to take it to another protocol: the request that is next, whose
    /// head has so many bytes.
    Hyper(usize),
    /// The connection has to be closed, or given away.
    End(Ending),
    /// The connection is dead, or has to be.
    Dead(std::io::Error),
}

/// Serves the requests of one connection.
pub(crate) struct Driver<S: HttpService> {
    connection: Connection,
    info: Arc<ConnectionInfo>,
    service: S,
    machine: Machine,
    exchange: Exchange<S::Future>,
    /// Whether the exchange may get on when it is polled.
    is_fresh: bool,
    /// Bytes were written that the transport may keep.
    is_unflushed: bool,
    /// The last read took all there was.
    is_drained: bool,
    /// However the connection ends now, it ends with a reset.
    resets: bool,
    /// The timer is not set for what is due: somebody else had it.
    is_timed_by_others: bool,
}

enum Exchange<F> {
    /// There is no request.
    None,
    /// The handler works.
    Running(F),
    /// The body of the response is on its way.
    Sending(Box<Body>),
}

impl<S: HttpService> Driver<S> {
    /// Drives a connection that was opened at `opened` and is old at `old_at`.
    pub(crate) fn new(
        connection: Connection,
        info: Arc<ConnectionInfo>,
        service: S,
        opened: Instant,
        old_at: Instant,
    ) -> Self {
        Self {
            connection,
            info,
            service,
            machine: Machine::new(opened.into_std(), old_at.into_std()),
            exchange: Exchange::None,
            is_fresh: false,
            is_unflushed: false,
            is_drained: false,
            resets: false,
            is_timed_by_others: false,
        }
    }

    /// Says what the client may speak; either version unless called.
    pub(crate) fn expect(&mut self, expected: Expected) {
        self.machine.expected = expected;
    }

    /// Goes on with a connection that rests since `since`, after `bytes` of its next request.
    pub(crate) fn resume(&mut self, bytes: &[u8], since: Instant) {
        self.machine.resume(bytes, since.into_std());
        self.is_timed_by_others = true;
    }

    /// The connection, and what came of it and has not been used.
    pub(crate) fn into_parts(mut self) -> (Connection, Bytes, S) {
        (self.connection, self.machine.inbox.take(), self.service)
    }

    /// Ready when the connection has to go to other hands.
    pub(crate) fn poll(&mut self, watch: &mut Watch<'_>, cx: &mut Context<'_>) -> Poll<Stop> {
        self.info.driving.set();
        let polled = self.drive(watch, cx);
        self.info.driving.clear();
        polled
    }

    fn drive(&mut self, watch: &mut Watch<'_>, cx: &mut Context<'_>) -> Poll<Stop> {
        watch.poll(cx);
        if watch.is_cut() {
            let error = std::io::ErrorKind::ConnectionAborted;
            return Poll::Ready(Stop::Dead(error.into()));
        }
        if watch.is_draining() {
            self.machine.close_soon();
        }
        let mut now = None;
        if let Some(stop) = self.work(cx, &mut now) {
            return Poll::Ready(stop);
        }
        self.machine.inbox.rest();
        let limits = self.info.limits();
        let is_asked = watch.is_elapsed() || std::mem::take(&mut self.is_timed_by_others);
        let read_clock = || Instant::now().into_std();
        let tick = self.machine.tick(is_asked, now, limits, read_clock);
        let Some((at, due, now)) = tick else {
            return Poll::Pending;
        };
        if now < at {
            watch.wake_at(Instant::from_std(at));
            return Poll::Pending;
        }
        if let Err(error) = self.machine.expire(due, cx) {
            return Poll::Ready(Stop::Dead(error));
        }
        // What was due is done and something else is next.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does all that is possible now.
    fn work(&mut self, cx: &mut Context<'_>, now: &mut Option<std::time::Instant>) -> Option<Stop> {
        self.is_fresh = true;
        self.is_drained = false;
        let (mut served, mut steps) = (0, 0);
        if self.machine.is_quiet() && !self.is_unflushed {
            match self.read(cx) {
                Poll::Ready(Ok(Moved::Some)) => {}
                Poll::Ready(Ok(Moved::None)) | Poll::Pending => return None,
                Poll::Ready(Err(error)) => return Some(Stop::Dead(error)),
            }
        }
        loop {
            let has_more = match self.advance(cx, now, &mut served) {
                Ok(true) if served <= REQUESTS_PER_TURN && steps < STEPS_PER_TURN => {
                    steps += 1;
                    continue;
                }
                Ok(has_more) => has_more,
                // Earlier answers go first.
                Err(Stop::Hyper(_)) if self.has_unsent() => match self.write(cx) {
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Ready(Err(error)) => return Some(Stop::Dead(error)),
                    Poll::Pending => return None,
                },
                Err(stop) => return Some(stop),
            };
            let was_full = self.machine.outbox.is_full();
            match self.write(cx) {
                Poll::Ready(Ok(Moved::Some)) if was_full && !has_more => continue,
                Poll::Ready(Ok(_)) | Poll::Pending => {}
                Poll::Ready(Err(error)) => return Some(Stop::Dead(error)),
            }
            if self.machine.is_ending() {
                if !self.has_unsent()
                    && let Some(ending) = self.machine.take_ending()
                {
                    if self.resets && !ending.reset {
                        close::reset(&self.connection, false);
                    }
                    return Some(Stop::End(ending));
                }
                return None;
            }
            if has_more {
                // It is the turn of other connections.
                cx.waker().wake_by_ref();
                return None;
            }
            match self.read(cx) {
                Poll::Ready(Ok(Moved::Some)) => {}
                Poll::Ready(Ok(Moved::None)) | Poll::Pending => return None,
                Poll::Ready(Err(error)) => return Some(Stop::Dead(error)),
            }
        }
    }

    /// Whether there are bytes that the client cannot have yet.
    fn has_unsent(&self) -> bool {
        self.is_unflushed || !self.machine.outbox.is_empty()
    }

    /// Goes a step forward without looking at the socket, if that is possible.
    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        now: &mut Option<std::time::Instant>,
        served: &mut u32,
    ) -> Result<bool, Stop> {
        if self.machine.is_ending() {
            return Ok(false);
        }
        match &mut self.exchange {
            Exchange::None => self.next(cx, now, served),
            Exchange::Running(future) => {
                if std::mem::take(&mut self.is_fresh)
                    && let Poll::Ready(reply) = Pin::new(future).poll(cx)
                {
                    self.exchange = Exchange::None;
                    self.respond(reply, cx, now);
                    return Ok(true);
                }
                Ok(self.pump(cx))
            }
            Exchange::Sending(_) => Ok(self.send(cx) || self.pump(cx)),
        }
    }

    /// Begins the next request if one has come.
    fn next(
        &mut self,
        cx: &mut Context<'_>,
        now: &mut Option<std::time::Instant>,
        served: &mut u32,
    ) -> Result<bool, Stop> {
        let limits = self.info.limits();
        if !self.machine.is_ready_for_next() {
            if self.machine.pump(limits, cx) {
                return Ok(true);
            }
            self.machine.settle();
            return Ok(false);
        }
        if self.machine.inbox.is_empty() {
            self.machine.settle();
            return Ok(false);
        }
        if self.machine.outbox.is_full() {
            return Ok(false);
        }
        let arrived = *now.get_or_insert_with(|| Instant::now().into_std());
        if let Some(head) = self.machine.begin_repeated(limits, arrived) {
            *served += 1;
            let future = self.service.call(head, Body::empty(), &self.info);
            self.run(future, cx, now);
            return Ok(true);
        }
        let (request, used) = match self.machine.next_request(limits, arrived) {
            Next::Request(request, used) => (request, used),
            Next::Nothing => {
                self.machine.settle_input();
                return Ok(false);
            }
            Next::Http2 => return Err(Stop::Http2),
        };
        if request.upgrade && self.service.wants_hyper(&request.head, &self.info) {
            return Err(Stop::Hyper(used));
        }
        *served += 1;
        let (head, body) = self.machine.begin(request, used, &self.info);
        let future = self.service.call(head, body, &self.info);
        self.run(future, cx, now);
        Ok(true)
    }

    /// Polls a handler for the first time.
    #[inline]
    fn run(
        &mut self,
        mut future: S::Future,
        cx: &mut Context<'_>,
        now: &mut Option<std::time::Instant>,
    ) {
        // Most handlers answer at once: they are never stored.
        match Pin::new(&mut future).poll(cx) {
            Poll::Ready(reply) => {
                drop(future);
                self.respond(reply, cx, now);
            }
            Poll::Pending => {
                self.exchange = Exchange::Running(future);
                self.is_fresh = false;
            }
        }
    }

    /// Moves the body of the request on.
    fn pump(&mut self, cx: &Context<'_>) -> bool {
        if self.machine.pump(self.info.limits(), cx) {
            self.is_fresh = true;
            return true;
        }
        false
    }

    fn respond(&mut self, reply: Reply, cx: &Context<'_>, now: &mut Option<std::time::Instant>) {
        // What becomes of a body that nobody wants any more decides about the connection.
        while self.machine.pump(self.info.limits(), cx) {}
        let now = *now.get_or_insert_with(|| Instant::now().into_std());
        let body = match reply {
            Reply::Written(context) => self.machine.respond_written(context, now),
            Reply::Response(response) => self.machine.respond(*response, now),
        };
        if let Some(body) = body {
            if self.machine.ends_response_by_closing() {
                // Whatever ends it before its end, the client must not take for the end.
                close::reset(&self.connection, true);
                self.resets = true;
            }
            self.exchange = Exchange::Sending(Box::new(body));
            self.is_fresh = true;
        }
    }

    /// Takes the next piece of the response's body, and says whether there was one.
    fn send(&mut self, cx: &mut Context<'_>) -> bool {
        let Exchange::Sending(body) = &mut self.exchange else {
            return false;
        };
        if !self.is_fresh || self.machine.outbox.is_full() {
            return false;
        }
        let frame = match Pin::new(&mut **body).poll_frame(cx) {
            Poll::Pending => {
                self.is_fresh = false;
                return false;
            }
            Poll::Ready(frame) => frame,
        };
        let over = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.machine.send(data);
                    if !(body.is_end_stream() || self.machine.has_sent_all()) {
                        return true;
                    }
                    Ok(None)
                }
                Err(frame) => Ok(frame.into_trailers().ok()),
            },
            Some(Err(error)) => Err(error),
            None => Ok(None),
        };
        self.exchange = Exchange::None;
        match over {
            Ok(trailers) => self.machine.finish(trailers.as_ref()),
            Err(error) => self.machine.abort(std::io::Error::other(error)),
        }
        true
    }
}
