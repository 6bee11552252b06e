//! Drives an HTTP/1 connection of hyper's with our time limits.
//!
//! Services of other libraries take over a connection by hyper's `OnUpgrade`, which only hyper can make. So a
//! request that offers to switch protocols, and is for one of them, is served here. With the feature
//! `hyper-http1` whole connections can be ([`oracle`]).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, timeout};

use super::call::Calls;
use super::framing::Refusal;
use super::refusal;
use super::stream::Stream;
use super::watch::Watch;
use super::wire::{Answer, Upload, Wire};
use super::{ConnectionInfo, HttpService};

pub(crate) mod clock;
#[cfg(feature = "hyper-http1")]
pub(crate) mod oracle;
#[cfg(feature = "hyper-http1")]
mod preface;

use clock::{Clock, Due};

/// The largest buffer for reading from and writing to the socket, in bytes. Larger ones are slower: the
/// allocator maps and unmaps them.
const BUFFER_BYTES: usize = 64 * 1024;

/// How the drive ends.
pub(crate) enum End {
    /// The connection is idle. Bytes of the next head may have come already.
    Rest {
        stream: Stream,
        ahead: Bytes,
        since: Instant,
    },
    /// HTTP is over; the connection lives on in other hands.
    Upgraded,
    /// The connection has to be closed.
    Close {
        stream: Stream,
        /// The last answer.
        refusal: Option<Refusal>,
        /// The client may still be sending.
        linger: bool,
        /// What broke the connection, if something did.
        error: Option<io::Error>,
    },
    /// The connection is dead, or has to be.
    Dead(io::Error),
}

/// Serves requests on a connection that has bytes of one, until it rests or ends.
pub(crate) async fn serve<S: HttpService>(
    stream: Stream,
    service: S,
    head_since: Instant,
    watch: &mut Watch<'_>,
    old_at: Instant,
) -> End {
    let mut driver = Box::new(Driver::new(stream, service, head_since, old_at));
    let stop = std::future::poll_fn(|cx| driver.poll(watch, cx)).await;
    driver.end(stop)
}

/// Ends a connection, after `refusal` if there is one.
pub(crate) async fn close(mut stream: Stream, refusal: Option<Refusal>, linger: bool) {
    let info = stream.info().clone();
    let limits = info.limits();
    let sent = std::future::poll_fn(|cx| stream.poll_send(cx));
    if !matches!(timeout(limits.write_stall, sent).await, Ok(Ok(()))) || stream.is_reset() {
        return;
    }
    let last = refusal.map(refusal::bytes).unwrap_or_default();
    super::close::close(stream.into_connection(), &last, linger, limits).await;
}

/// Stays with a connection that has left HTTP: it remains the server's, and ends when this is dropped, which
/// the server does when it cuts the connection.
pub(crate) async fn until_gone(wire: &Wire, watch: &mut Watch<'_>) -> io::Result<()> {
    let _cut = CutOnDrop(wire);
    std::future::poll_fn(|cx| {
        watch.poll(cx);
        if watch.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if wire.gone.is_set() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await
}

/// Makes every further use of the byte stream fail.
struct CutOnDrop<'a>(&'a Wire);

impl Drop for CutOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cut.set();
        self.0.body_reader.wake();
        self.0.writer.wake();
    }
}

/// hyper's own limit on header fields.
const HYPER_HEADER_COUNT: usize = 100;

/// Why the driver stops.
enum Stop {
    Finished,
    Failed(hyper::Error),
    Due(Due),
    Cut,
}

/// Serves requests until the connection is idle for a while or over.
struct Driver<S: HttpService> {
    connection: UpgradeableConnection<TokioIo<Stream>, Calls<S>>,
    info: Arc<ConnectionInfo>,
    clock: Clock,
    /// Bytes of the current unwanted body that have been thrown away, and the number of its request.
    drained: u64,
    drained_of: u32,
}

impl<S: HttpService> Driver<S> {
    /// Drives a stream that has (a part of) a request head, which began to come at `head_since`.
    fn new(stream: Stream, service: S, head_since: Instant, old_at: Instant) -> Self {
        let info = Arc::clone(stream.info());
        let limits = info.limits();
        let mut builder = Builder::new();
        builder
            .timer(TokioTimer::new())
            // Our own timers know idle connections from slow heads.
            .header_read_timeout(None)
            .max_header_size(limits.header_section)
            .max_buf_size(BUFFER_BYTES.max(limits.header_section));
        // hyper keeps its default number of headers on the stack, any other one on the heap.
        if limits.header_count != HYPER_HEADER_COUNT {
            builder.max_headers(limits.fields());
        }
        let calls = Calls::new(service, Arc::clone(&info), false);
        Self {
            connection: builder
                .serve_connection(TokioIo::new(stream), calls)
                .with_upgrades(),
            clock: Clock::new(info.wire(), head_since, old_at),
            info,
            drained: 0,
            drained_of: 0,
        }
    }

    fn wire(&self) -> &Wire {
        self.info.wire()
    }

    /// Ready when the connection has to be [ended](Self::end).
    fn poll(&mut self, watch: &mut Watch<'_>, cx: &mut Context<'_>) -> Poll<Stop> {
        watch.poll(cx);
        if watch.is_cut() {
            return Poll::Ready(Stop::Cut);
        }
        if watch.is_draining() {
            self.wire().closing.set();
        }
        match Pin::new(&mut self.connection).poll(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Stop::Finished),
            Poll::Ready(Err(error)) => return Poll::Ready(Stop::Failed(error)),
            Poll::Pending => {}
        }
        if self.wire().upload() == Upload::Draining {
            self.drain(cx);
        }
        if self.wire().deferred.is_set() {
            // hyper has yielded between two pipelined requests; its next poll writes or adds to the answers.
            cx.waker().wake_by_ref();
        }
        if self.clock.has_news(self.wire()) || watch.is_elapsed() {
            self.look_at_clock(watch, cx)
        } else {
            Poll::Pending
        }
    }

    fn look_at_clock(&mut self, watch: &mut Watch<'_>, cx: &Context<'_>) -> Poll<Stop> {
        let wire = self.info.wire();
        let now = Instant::now();
        self.clock.tick(wire, now);
        if wire.only.is_set() && self.clock.has_served() && !wire.upgraded.is_set() {
            return Poll::Ready(Stop::Due(Due::Rest));
        }
        if wire.eof.is_set() && wire.answer() == Answer::None {
            return Poll::Ready(Stop::Due(Due::Close));
        }
        let (at, due) = self.clock.due(wire, self.info.limits());
        if now < at {
            watch.wake_at(at);
            return Poll::Pending;
        }
        match due {
            Due::Age => wire.closing.set(),
            Due::Body => {
                wire.body_late.set();
                wire.body_reader.wake();
                self.clock.restart(now);
            }
            Due::Drain => self.give_up_draining(),
            due => return Poll::Ready(Stop::Due(due)),
        }
        // What was due is done and something else is next.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and throws away what a handler has left of a request body.
    fn drain(&mut self, cx: &mut Context<'_>) {
        let wire = self.info.wire();
        let mut unread = wire.unread();
        let Some(incoming) = &mut *unread else {
            return;
        };
        let request = wire.requests.get();
        if std::mem::replace(&mut self.drained_of, request) != request {
            self.drained = 0;
        }
        loop {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(frame))) => {
                    self.drained += frame.data_ref().map_or(0, |data| data.len() as u64);
                    if self.drained > self.info.limits().drain_bytes {
                        break;
                    }
                }
                Poll::Ready(Some(Err(_))) => break,
                Poll::Ready(None) => {
                    *unread = None;
                    self.drained = 0;
                    wire.set_upload(Upload::None);
                    cx.waker().wake_by_ref();
                    return;
                }
            }
        }
        drop(unread);
        self.give_up_draining();
    }

    /// Drops the unread body: hyper closes the connection when the response is out.
    fn give_up_draining(&mut self) {
        let wire = self.info.wire();
        *wire.unread() = None;
        self.drained = 0;
        wire.set_upload(Upload::Abandoned);
    }

    /// Takes the connection out of hyper.
    fn end(self, stop: Stop) -> End {
        let since = self.clock.since();
        let Self {
            connection, info, ..
        } = self;
        let wire = info.wire();
        let Some(parts) = connection.into_parts() else {
            return End::Upgraded;
        };
        let mut stream = parts.io.into_inner();
        // A request that was not read to its end: the client may be sending the rest of it.
        let unfinished = !wire.eof.is_set() && wire.upload() != Upload::None;
        let close = |stream, refusal: Option<Refusal>, linger, error| End::Close {
            stream,
            refusal,
            linger: linger && !wire.eof.is_set(),
            error,
        };
        match stop {
            Stop::Cut => End::Dead(io::ErrorKind::ConnectionAborted.into()),
            Stop::Finished => close(stream, None, unfinished, None),
            Stop::Failed(error) => {
                let refused = StatusCode::from_u16(wire.refused.load(Ordering::Acquire)).ok();
                let refusal = refused.map(|status| refusal::of_head(status, &parts.read_buf));
                if refusal.is_some() || error.is_parse() {
                    return close(stream, refusal, true, None);
                }
                if wire.close_delimited.is_set() {
                    // Without a reset the client would take what it has for the whole response.
                    stream.reset();
                }
                // Answers to earlier requests may still wait to be written.
                close(stream, None, false, Some(io::Error::other(error)))
            }
            Stop::Due(Due::Rest) => End::Rest {
                ahead: stream.take_behind(parts.read_buf),
                stream,
                since,
            },
            Stop::Due(Due::Head) => close(stream, Some(refusal::LATE_HEAD), false, None),
            Stop::Due(Due::Close) => close(stream, None, unfinished, None),
            Stop::Due(_) => End::Dead(io::ErrorKind::TimedOut.into()),
        }
    }
}
