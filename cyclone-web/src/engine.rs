//! HTTP on one connection: hyper's codecs inside our framing rules, limits and time limits.
//!
//! One future per connection drives everything. The parts:
//! - [`wire`]: what is happening on the connection, shared by the parts below.
//! - `stream`: the byte stream under hyper.
//! - `call`: the service above hyper, which checks the framing of each request (`framing`) first.
//! - `preface`: tells HTTP/2 from HTTP/1 by the first bytes; also where an idle connection rests, without any
//!   buffer.
//! - `http1`, `http2`: drive hyper's connections with one timer (`watch`) each.
//! - `close`: ends a connection so that the client can read the last answer.
//! - `factory`: the public way in for any `tower::Service`.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Connection, Peer, Session};
use http::Response;
use http::request::Parts;
use tokio::time::{Instant, sleep_until};

use crate::body::Body;
use crate::limits::Limits;

mod call;
mod close;
mod factory;
mod fragment;
mod framing;
mod host;
mod http1;
mod http2;
mod preface;
mod refusal;
mod stream;
mod watch;
mod wire;

use http1::End;
use http1::clock::after;
use preface::{Age, Opening};
use stream::Stream;
use watch::Watch;

pub use factory::{Http, HttpProtocol};
pub(crate) use wire::{Upload, Wire};

/// What serves the requests of a connection.
pub(crate) trait HttpService: Clone + Send + Sync + 'static {
    /// The answer to come.
    type Future: Future<Output = Response<Body>> + Send;

    /// Answers a request. The future is dropped when the client is gone.
    ///
    /// The request comes in two parts: each time it is put together or taken apart it is copied.
    fn call(&self, parts: Parts, body: Body, connection: &Arc<ConnectionInfo>) -> Self::Future;
}

/// What a request's connection is: its peer and its place in the server.
///
/// It goes beside the request rather than in its extensions, which would cost an allocation per request.
#[derive(Debug)]
pub struct ConnectionInfo {
    peer: Peer,
    session: Session,
    limits: Arc<Limits>,
    wire: Wire,
    opened: Instant,
}

impl ConnectionInfo {
    pub(crate) fn new(peer: Peer, session: Session, limits: Arc<Limits>) -> Self {
        Self {
            peer,
            session,
            limits,
            wire: Wire::default(),
            opened: Instant::now(),
        }
    }

    /// Takes note of the arrival of a request.
    fn note_request(&self) {
        let since = self.opened.elapsed().as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.wire.begun.store(since, Ordering::Relaxed);
    }

    /// When the last request arrived. Reading a clock costs more than it looks: this saves one per request.
    pub(crate) fn begun(&self) -> Instant {
        self.opened + Duration::from_nanos(self.wire.begun.load(Ordering::Relaxed))
    }

    /// The two addresses.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The connection's place in the server: shutdown signals, registry entry, resources.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The limits that hold on the connection.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }
}

/// Serves HTTP/1 and HTTP/2 (with prior knowledge) on a connection until it ends.
///
/// # Errors
/// What broke the connection: a socket error, a client that broke the protocol.
///
/// # Cancel safety
/// Dropping the future closes the connection and drops the handlers that run on it.
pub(crate) async fn serve<S: HttpService>(
    connection: Connection,
    service: S,
    limits: Arc<Limits>,
) -> io::Result<()> {
    let accepted = Instant::now();
    let info = Arc::new(ConnectionInfo::new(
        connection.peer().clone(),
        connection.session().clone(),
        limits,
    ));
    let old_at = after(accepted, info.limits.connection_age);
    let draining = pin!(info.session.draining());
    let cut = pin!(info.session.cut());
    let sleep = pin!(sleep_until(after(accepted, info.limits.header_timeout)));
    let mut watch = Watch::new(Arc::clone(&info), draining, cut, sleep);
    let mut stream = Stream::new(connection, Arc::clone(&info));
    let mut ahead = Bytes::new();
    let mut age = Age::New(accepted);
    // Whatever is rare or only for a busy connection is boxed, so that an idle one does not hold its memory.
    let (stream, refusal, linger, error) = loop {
        let head_since = match preface::open(&mut stream, &mut watch, ahead, age, old_at).await {
            Opening::Http1(bytes, since) => {
                stream.set_ahead(bytes);
                since
            }
            Opening::Http2(bytes) => {
                stream.set_ahead(bytes);
                return Box::pin(http2::drive(stream, service, &mut watch, old_at)).await;
            }
            Opening::Nothing => break (stream, None, false, None),
            Opening::Late => break (stream, Some(refusal::LATE_HEAD), false, None),
            Opening::Dead(error) => return Err(error),
        };
        let service = service.clone();
        let mut driver = Box::new(http1::Driver::new(stream, service, head_since, old_at));
        let stop = std::future::poll_fn(|cx| driver.poll(&mut watch, cx)).await;
        match driver.end(stop) {
            End::Rest {
                stream: idle,
                ahead: bytes,
                since,
            } => {
                stream = idle;
                stream.rest();
                ahead = bytes;
                age = Age::Idle(since);
            }
            End::Upgraded => return until_gone(&info.wire, &mut watch).await,
            End::Close {
                stream,
                refusal,
                linger,
                error,
            } => break (stream, refusal, linger, error),
            End::Dead(error) => return Err(error),
        }
    };
    Box::pin(close::close(stream, refusal, linger)).await;
    error.map_or(Ok(()), Err)
}

/// Stays with a connection that has left HTTP: it remains the server's, and ends when this is dropped, which
/// the server does when it cuts the connection.
async fn until_gone(wire: &Wire, watch: &mut Watch<'_>) -> io::Result<()> {
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
