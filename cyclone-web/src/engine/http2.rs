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
use super::http1::clock::after;
use super::stream::Stream;
use super::watch::Watch;
use super::wire::Wire;
use crate::limits::Limits;

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
    let now = Instant::now();
    let mut driver = Driver {
        connection,
        tasks,
        wire: info.wire(),
        limits,
        old_at,
        idle_since: Some(now),
        requests: 0,
        blocked_since: None,
        written: 0,
        leaving_since: None,
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

struct Driver<'a, S: HttpService> {
    connection: Connection<TokioIo<Stream>, Calls<S>, Spawner>,
    tasks: Tasks,
    wire: &'a Wire,
    limits: &'a Limits,
    old_at: Instant,
    /// Since when there has been no request.
    idle_since: Option<Instant>,
    requests: u32,
    /// Since when the socket has taken nothing.
    blocked_since: Option<Instant>,
    written: u64,
    /// Since when the client has been told to go.
    leaving_since: Option<Instant>,
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
            return Poll::Ready(result.map_err(io::Error::other));
        }
        self.tasks.reap();
        self.look_at_clock(watch, cx)
    }

    /// Sends GOAWAY; requests in progress are finished (RFC 9113 section 6.8).
    fn leave(&mut self) {
        if self.leaving_since.is_none() {
            self.leaving_since = Some(Instant::now());
            Pin::new(&mut self.connection).graceful_shutdown();
        }
    }

    fn look_at_clock(&mut self, watch: &mut Watch<'_>, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let now = Instant::now();
        self.note(now);
        let mut next = if self.leaving_since.is_none() {
            self.old_at
        } else {
            after(now, self.limits.connection_age)
        };
        if let Some(blocked) = self.blocked_since {
            let at = after(blocked, self.limits.write_stall);
            if at <= now {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            next = next.min(at);
        }
        if let Some(idle) = self.idle_since {
            match self.leaving_since {
                Some(leaving) => {
                    let at = after(leaving.max(idle), self.limits.drain_time);
                    if at <= now {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    next = next.min(at);
                }
                None => next = next.min(after(idle, self.limits.keep_alive)),
            }
        }
        if next <= now {
            self.leave();
            cx.waker().wake_by_ref();
        } else {
            watch.wake_at(next);
        }
        Poll::Pending
    }

    /// Takes note of what has happened by `now`.
    fn note(&mut self, now: Instant) {
        let requests = self.wire.requests.get();
        if self.wire.streams.load(Ordering::Acquire) > 0 {
            self.idle_since = None;
        } else if requests != self.requests || self.idle_since.is_none() {
            self.idle_since = Some(now);
        }
        self.requests = requests;
        let written = self.wire.written.load(Ordering::Relaxed);
        if !self.wire.write_blocked.is_set() {
            self.blocked_since = None;
        } else if written != self.written || self.blocked_since.is_none() {
            self.blocked_since = Some(now);
        }
        self.written = written;
    }
}
