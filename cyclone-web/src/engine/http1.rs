//! HTTP/1.1 and HTTP/1.0: drives a [`Machine`] with a connection and a service.
//!
//! One future per connection does everything: it reads when the socket is ready, polls the handler and the body of
//! its response, and writes. It reads once per wake-up unless there is more, and writes all that is ready at once.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use cyclone_core::Connection;
use http_body::Body as _;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio::time::Instant;

use super::watch::Watch;
use super::{ConnectionInfo, HttpService};
use crate::body::Body;
use crate::reply::Reply;

mod chunked;
mod clock;
mod date;
mod encode;
mod inbox;
mod machine;
mod outbox;
mod parse;
mod pool;
mod receiving;
mod target;
mod upload;

use machine::{Answered, Machine, Next};

pub(crate) use machine::Ending;
pub(crate) use upload::Download;

/// Requests that are served before other connections have their turn.
const REQUESTS_PER_TURN: u32 = 64;

/// The most bytes that are read ahead of a request in progress.
const AHEAD_BYTES: usize = 32 * 1024;

/// Bytes of a body from which on it is read to where it stays.
const DIRECT_BYTES: u64 = 16 * 1024;

/// The most bytes of a body that are read at once.
const PIECE_BYTES: u64 = 128 * 1024;

/// Why the driver stops.
pub(crate) enum Stop {
    /// The client speaks HTTP/2.
    Http2,
    /// The service wants the connection from hyper, to take it to another protocol.
    Hyper,
    /// The connection has to be closed, or given away.
    End(Ending),
    /// The connection is dead, or has to be.
    Dead(io::Error),
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
    /// Where a large body is read to.
    pieces: BytesMut,
}

enum Exchange<F> {
    /// There is no request.
    None,
    /// The handler works.
    Running(F),
    /// The body of the response is on its way.
    Sending(Box<Body>),
}

/// What came of an attempt to read or write.
enum Moved {
    /// Bytes.
    Some,
    /// None: nothing was wanted, or nothing is possible.
    None,
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
            pieces: BytesMut::new(),
        }
    }

    /// Goes on with a connection that rests, after `bytes` of its next request.
    pub(crate) fn resume(&mut self, bytes: &[u8]) {
        self.machine.resume(bytes, Instant::now().into_std());
    }

    /// The connection, and what came of it and has not been used.
    pub(crate) fn into_parts(mut self) -> (Connection, Bytes, S) {
        (self.connection, self.machine.inbox.take(), self.service)
    }

    /// Ready when the connection has to go to other hands.
    pub(crate) fn poll(&mut self, watch: &mut Watch<'_>, cx: &mut Context<'_>) -> Poll<Stop> {
        watch.poll(cx);
        if watch.is_cut() {
            return Poll::Ready(Stop::Dead(io::ErrorKind::ConnectionAborted.into()));
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
        let tick = self.machine.tick(watch.is_elapsed(), limits, || {
            now.unwrap_or_else(|| Instant::now().into_std())
        });
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
        let mut served = 0;
        loop {
            let has_more = match self.advance(cx, now, &mut served) {
                Ok(true) if served <= REQUESTS_PER_TURN => continue,
                Ok(has_more) => has_more,
                // Earlier answers go first.
                Err(Stop::Hyper) if !self.machine.outbox.is_empty() => match self.write(cx) {
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Ready(Err(error)) => return Some(Stop::Dead(error)),
                    Poll::Pending => return None,
                },
                Err(stop) => return Some(stop),
            };
            let was_full = self.machine.outbox.is_full();
            match self.write(cx) {
                Poll::Ready(Ok(Moved::Some)) if was_full => continue,
                Poll::Ready(Ok(_)) | Poll::Pending => {}
                Poll::Ready(Err(error)) => return Some(Stop::Dead(error)),
            }
            if self.machine.is_ending() {
                if self.machine.outbox.is_empty()
                    && let Some(ending) = self.machine.take_ending()
                {
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
            Exchange::None => self.next(now, served, cx),
            Exchange::Running(future) => {
                if std::mem::take(&mut self.is_fresh)
                    && let Poll::Ready(reply) = Pin::new(future).poll(cx)
                {
                    while self.machine.pump(self.info.limits(), cx) {}
                    self.exchange = Exchange::None;
                    self.respond(reply, now);
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
        now: &mut Option<std::time::Instant>,
        served: &mut u32,
        cx: &Context<'_>,
    ) -> Result<bool, Stop> {
        let limits = self.info.limits();
        if self.machine.pump(limits, cx) {
            return Ok(true);
        }
        self.machine.settle();
        if !self.machine.is_ready_for_next()
            || self.machine.outbox.is_full()
            || self.machine.inbox.is_empty()
        {
            return Ok(self.machine.is_ending());
        }
        let arrived = *now.get_or_insert_with(|| Instant::now().into_std());
        match self.machine.next_request(limits, arrived) {
            Next::Nothing => {
                self.machine.settle_input();
                Ok(self.machine.is_ending())
            }
            Next::Http2 => Err(Stop::Http2),
            Next::Request(request, used) => {
                if request.upgrade && self.service.wants_hyper(&request.head) {
                    return Err(Stop::Hyper);
                }
                *served += 1;
                let (head, body) = self.machine.begin(request, used, &self.info);
                self.exchange = Exchange::Running(self.service.call(head, body, &self.info));
                self.is_fresh = true;
                Ok(true)
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

    fn respond(&mut self, reply: Reply, now: &mut Option<std::time::Instant>) {
        let now = *now.get_or_insert_with(|| Instant::now().into_std());
        let (response, media) = reply.into_parts();
        let (head, body) = response.into_parts();
        if let Answered::Body(body) = self.machine.respond(&head, media.as_ref(), body, now) {
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
            Err(error) => self.machine.abort(io::Error::other(error)),
        }
        true
    }

    /// Writes what waits.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        let machine = &mut self.machine;
        if machine.outbox.is_empty() && !self.is_unflushed {
            return Poll::Ready(Ok(Moved::None));
        }
        self.is_unflushed = true;
        while !machine.outbox.is_empty() {
            let connection = Pin::new(&mut self.connection);
            let polled = match machine.outbox.single() {
                Some(bytes) => connection.poll_write(cx, bytes),
                None => connection.poll_write_vectored(cx, &machine.outbox.slices()),
            };
            match polled {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => machine.wrote(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    machine.blocked = true;
                    return Poll::Pending;
                }
            }
        }
        ready!(Pin::new(&mut self.connection).poll_flush(cx))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(Moved::Some))
    }

    /// Reads what has come, if it is wanted.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        if self.machine.is_at_end() {
            return Poll::Ready(Ok(Moved::None));
        }
        if self.machine.wants_data() >= DIRECT_BYTES {
            return self.read_data(cx);
        }
        let held = self.machine.inbox.len();
        let limits = self.info.limits();
        let most = if matches!(self.exchange, Exchange::None) && !self.machine.wants_body() {
            // A head that is too long has been refused before.
            limits.header_section.max(AHEAD_BYTES)
        } else if self.machine.wants_body() {
            usize::MAX
        } else {
            AHEAD_BYTES
        };
        if held >= most {
            return Poll::Ready(Ok(Moved::None));
        }
        let wanted = if held < pool::INPUT_BYTES {
            0
        } else {
            most.min(2 * held)
        };
        let mut buffer = ReadBuf::new(self.machine.inbox.room(wanted));
        match Pin::new(&mut self.connection).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                let count = buffer.filled().len();
                self.came(count);
                Poll::Ready(Ok(Moved::Some))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn came(&mut self, count: usize) {
        if count == 0 {
            self.machine.put_end();
        } else {
            self.machine.inbox.came(count);
        }
    }

    /// Reads data of a body to where it stays.
    #[inline(never)]
    fn read_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        let most = self.machine.wants_data().min(PIECE_BYTES);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.pieces.reserve(most);
        let read = self.connection.read_buf(&mut self.pieces);
        let polled = pin!(read).poll(cx);
        match polled {
            Poll::Ready(Ok(0)) => {
                self.machine.put_end();
                Poll::Ready(Ok(Moved::Some))
            }
            Poll::Ready(Ok(_)) => {
                let mut data = self.pieces.split();
                if data.len() > most {
                    let behind = data.split_off(most);
                    self.machine.put(&behind);
                }
                self.machine.put_data(data.freeze(), self.info.limits(), cx);
                self.is_fresh = true;
                Poll::Ready(Ok(Moved::Some))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}
