//! Drives an HTTP/2 connection of hyper's with our time limits.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use hyper::server::conn::http2::{Builder, Connection};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::HttpService;
use super::call::Calls;
use super::hyper1::clock::after;
use super::stream::Stream;
use super::watch::Watch;
use super::wire::Wire;
use crate::limits::Limits;

/// The most bytes that pings and other frames without data may write between two looks at a connection. What is
/// more is data on its way to the client.
const QUIET_BYTES: u64 = 512;

/// Serves a connection until it is over.
///
/// # Errors
/// What broke the connection.
pub(crate) async fn drive<S: HttpService>(
    mut stream: Stream,
    service: S,
    watch: &mut Watch<'_>,
    old_at: Instant,
) -> io::Result<()> {
    stream.set_http2();
    let info = stream.info().clone();
    let limits = info.limits();
    let tasks = Tasks::default();
    let connection = Builder::new(tasks.executor())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(limits.h2_header_list)
        .keep_alive_interval(limits.h2_ping_interval)
        .keep_alive_timeout(limits.h2_ping_timeout)
        .serve_connection(
            TokioIo::new(stream),
            Calls::new(service, info.clone(), true),
        );
    let mut driver = Driver {
        connection,
        tasks,
        wire: info.wire(),
        limits,
        old_at,
        idle: Some(Mark::of(info.wire())),
        requests: 0,
        stalled: None,
        let_go: 0,
        leaving: None,
    };
    std::future::poll_fn(|cx| driver.poll(watch, cx)).await
}

/// The streams of one connection as tasks: they end with it.
#[derive(Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn executor(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.0))
    }

    /// Forgets the tasks that have ended.
    fn reap(&self) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(result) = tasks.try_join_next() {
            if let Err(error) = result
                && error.is_panic()
            {
                tracing::error!(%error, "stream panicked");
            }
        }
    }
}

/// Spawns streams. The tasks hold it, so it must not hold the tasks.
#[derive(Clone)]
struct Spawner(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, future: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .spawn(future);
        }
    }
}

/// A moment in the life of a connection.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    /// Bytes written until then.
    written: u64,
}

impl Mark {
    fn of(wire: &Wire) -> Self {
        Self {
            at: Instant::now(),
            written: wire.written.load(Ordering::Relaxed),
        }
    }
}

struct Driver<'a, S: HttpService> {
    connection: Connection<TokioIo<Stream>, Calls<S>, Spawner>,
    tasks: Tasks,
    wire: &'a Wire,
    limits: &'a Limits,
    old_at: Instant,
    /// Since when there has been no request, or at least no byte of a response to one.
    idle: Option<Mark>,
    requests: u32,
    /// Since when nothing of the responses could be sent.
    stalled: Option<Mark>,
    let_go: u32,
    /// Since when the client has been told to go.
    leaving: Option<Instant>,
}

impl<S: HttpService> Driver<'_, S> {
    fn poll(&mut self, watch: &mut Watch<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        watch.poll(cx);
        if watch.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if watch.is_draining() {
            self.leave();
        }
        if let Poll::Ready(result) = Pin::new(&mut self.connection).poll(cx) {
            // A client that was told to go and had nothing to wait for may have closed without a word.
            let gone = self.leaving.is_some() && self.wire.streams.load(Ordering::Acquire) == 0;
            return Poll::Ready(if gone {
                Ok(())
            } else {
                result.map_err(io::Error::other)
            });
        }
        self.tasks.reap();
        self.note_requests();
        self.note_stall();
        self.look_at_clock(watch, cx)
    }

    /// Sends GOAWAY; requests in progress are finished (RFC 9113 section 6.8).
    fn leave(&mut self) {
        if self.leaving.is_none() {
            self.leaving = Some(Instant::now());
            Pin::new(&mut self.connection).graceful_shutdown();
        }
    }

    fn note_requests(&mut self) {
        let requests = self.wire.requests.get();
        if self.wire.streams.load(Ordering::Acquire) > 0 {
            self.idle = None;
        } else if requests != self.requests || self.idle.is_none() {
            self.idle = Some(Mark::of(self.wire));
        }
        self.requests = requests;
    }

    fn note_stall(&mut self) {
        let written = self.wire.written.load(Ordering::Relaxed);
        let let_go = self.wire.let_go.load(Ordering::Acquire);
        let moved = let_go != self.let_go
            || self
                .stalled
                .is_none_or(|stalled| written > stalled.written + QUIET_BYTES);
        if self.wire.held_back.load(Ordering::Acquire) == 0 && !self.wire.write_blocked.is_set() {
            self.stalled = None;
        } else if moved {
            self.stalled = Some(Mark::of(self.wire));
        }
        self.let_go = let_go;
    }

    fn look_at_clock(&mut self, watch: &mut Watch<'_>, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let now = Instant::now();
        let mut next = match self.leaving {
            None => self.old_at,
            Some(_) => after(now, self.limits.connection_age),
        };
        if let Some(stalled) = self.stalled {
            let at = after(stalled.at, self.limits.write_stall);
            if at <= now {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            next = next.min(at);
        }
        if let Some(idle) = self.idle {
            let at = match self.leaving {
                None => after(idle.at, self.limits.keep_alive),
                Some(leaving) => after(leaving.max(idle.at), self.limits.drain_time),
            };
            if at <= now && self.wire.written.load(Ordering::Relaxed) > idle.written + QUIET_BYTES {
                // The handlers are done, and what they wrote is still on its way.
                self.idle = Some(Mark::of(self.wire));
                return self.look_at_clock(watch, cx);
            }
            if at <= now && self.leaving.is_some() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            next = next.min(at);
        }
        if next <= now {
            self.leave();
            cx.waker().wake_by_ref();
        } else {
            watch.wake_at(next);
        }
        Poll::Pending
    }
}
