//! HTTP on one connection: our HTTP/1 and hyper's HTTP/2, inside the same framing rules, limits and time limits.
//!
//! One future per connection drives everything. The parts:
//! - `http1`: HTTP/1, where every connection begins; tells HTTP/2 by its first bytes.
//! - `http2`: HTTP/2, with hyper's codec.
//! - `hyper1`: HTTP/1 with hyper's codec, for a request whose service can take over a connection from hyper only.
//! - `watch`: the one timer of a connection, and the signals of the server.
//! - `close`: ends a connection so that the client can read the last answer.
//! - `host`, `refusal`: what is refused, and how.
//! - `factory`: the public way in for any `tower::Service`.
//!
//! For hyper's connections:
//! - [`wire`]: what is happening on the connection, shared by the parts below.
//! - `stream`: the byte stream under hyper; looks for targets with a `fragment`.
//! - `call`: the service above hyper, which checks the framing of each request (`framing`) first.

use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cyclone_core::{Connection, Peer, Session};
use tokio::time::{Instant, sleep_until};

use crate::body::Body;
use crate::head::Head;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::reply::Reply;

mod call;
mod close;
mod factory;
mod fragment;
mod framing;
mod host;
mod http1;
mod http2;
mod hyper1;
mod refusal;
mod stream;
mod watch;
mod wire;

use http1::{Ending, Expected, Stop};
use hyper1::End;
use hyper1::clock::after;
use stream::Stream;
use watch::Watch;
use wire::{Driver, Flag};

pub use factory::{Http, HttpProtocol};
pub(crate) use http1::Download;
#[cfg(feature = "hyper-http1")]
pub use hyper1::oracle::Http1Engine;
#[cfg(feature = "hyper-http1")]
pub(crate) use hyper1::oracle::serve_by;
pub(crate) use wire::{Upload, Wire};

/// What HTTP is called in TLS, the better first (RFC 9113, section 3.2, and RFC 7301, section 6).
pub(crate) const ALPN: &[&str] = &["h2", "http/1.1", "http/1.0"];

/// What serves the requests of a connection.
pub(crate) trait HttpService: Clone + Send + Sync + 'static {
    /// The answer to come.
    type Future: Future<Output = Reply> + Send + Unpin;

    /// Answers a request. The future is dropped when the client is gone.
    fn call(&self, head: Head, body: Body, connection: &Arc<ConnectionInfo>) -> Self::Future;

    /// Whether the request, which offers to switch protocols, has to come from hyper: for services of other
    /// libraries, who know no other way to take over a connection.
    fn wants_hyper(&self, head: &Head, connection: &ConnectionInfo) -> bool;
}

/// What a request's connection is: its peer and its place in the server.
///
/// It goes beside the request rather than in its extensions, which would cost an allocation per request.
#[derive(Debug)]
pub struct ConnectionInfo {
    peer: Peer,
    session: Session,
    limits: Arc<Limits>,
    pub(crate) meter: Meter,
    /// Wakes the connection's task.
    pub(crate) driver: Driver,
    /// The HTTP/1 connection is being polled: whoever is polled with its waker is polled by it.
    driving: Flag,
    /// A signal or the timer wants the connection's task to look.
    signalled: Flag,
    /// What only hyper's connections need.
    wire: OnceLock<Box<Wire>>,
}

impl ConnectionInfo {
    /// For a connection of a server of ours.
    pub(crate) fn of(connection: &Connection, limits: Arc<Limits>) -> Self {
        let (peer, session) = (connection.peer().clone(), connection.session().clone());
        let meter = Meter::of(&session);
        Self::new(peer, session, limits, meter)
    }

    pub(crate) fn new(peer: Peer, session: Session, limits: Arc<Limits>, meter: Meter) -> Self {
        Self {
            peer,
            session,
            limits,
            meter,
            driver: Driver::default(),
            driving: Flag::default(),
            signalled: Flag::default(),
            wire: OnceLock::new(),
        }
    }

    /// The two addresses.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The scheme of its requests.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.peer.is_tls() { "https" } else { "http" }
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

    pub(crate) fn is_driving(&self) -> bool {
        self.driving.is_set()
    }

    pub(crate) fn wire(&self) -> &Wire {
        self.wire.get_or_init(Box::default)
    }
}

/// Serves HTTP/1 and HTTP/2 on a connection until it ends. Over TLS the client has said which it wants; HTTP/2 in the
/// clear is known by its first bytes.
///
/// # Errors
/// What broke the connection: a socket error, a client that broke the protocol.
///
/// # Cancel safety
/// Dropping the future closes the connection and drops the handlers that run on it.
pub(crate) fn serve<S: HttpService>(
    connection: Connection,
    service: S,
    limits: Arc<Limits>,
) -> impl Future<Output = io::Result<()>> + Send {
    let accepted = Instant::now();
    let info = Arc::new(ConnectionInfo::of(&connection, limits));
    let old_at = after(accepted, info.limits.connection_age);
    let mut driver = http1::Driver::new(connection, Arc::clone(&info), service, accepted, old_at);
    driver.expect(expected(&info.peer));
    // An idle connection holds this future and nothing else. So it has room for one driver, which is not moved,
    // and whatever is rare or only for a busy connection is boxed.
    async move {
        let draining = pin!(info.session.draining());
        let cut = pin!(info.session.cut());
        let first = after(accepted, info.limits.header_timeout).min(old_at);
        let sleep = pin!(sleep_until(first));
        let mut watch = Watch::new(Arc::clone(&info), draining, cut, sleep);
        let stop = std::future::poll_fn(|cx| driver.poll(&mut watch, cx)).await;
        Box::pin(go_on(stop, driver, &info, &mut watch, old_at)).await
    }
}

/// What a client may speak (RFC 9113, section 3.2: over TLS it is HTTP/2 only if that was agreed upon).
fn expected(peer: &Peer) -> Expected {
    match peer.alpn() {
        _ if !peer.is_tls() => Expected::Either,
        Some(b"h2") => Expected::Http2,
        _ => Expected::Http1,
    }
}

/// Goes on with a connection whose driver stopped.
async fn go_on<S: HttpService>(
    mut stop: Stop,
    mut driver: http1::Driver<S>,
    info: &Arc<ConnectionInfo>,
    watch: &mut Watch<'_>,
    old_at: Instant,
) -> io::Result<()> {
    loop {
        let (connection, ahead, service) = driver.into_parts();
        match stop {
            Stop::Dead(error) => return Err(error),
            Stop::End(ending) => return end(connection, ahead, ending, info).await,
            Stop::Http2 => {
                let mut stream = Stream::new(connection, Arc::clone(info));
                stream.set_ahead(ahead);
                return http2::drive(stream, service, watch, old_at).await;
            }
            Stop::Hyper(used) => {
                let mut stream = Stream::new(connection, Arc::clone(info));
                stream.set_only_request(ahead, used);
                match detour(stream, service.clone(), watch, old_at).await {
                    ControlFlow::Break(result) => return result,
                    ControlFlow::Continue((connection, ahead, since)) => {
                        let (info, now) = (Arc::clone(info), Instant::now());
                        driver = http1::Driver::new(connection, info, service, now, old_at);
                        driver.resume(&ahead, since);
                    }
                }
            }
        }
        stop = std::future::poll_fn(|cx| driver.poll(watch, cx)).await;
    }
}

/// Ends an HTTP/1 connection: closes it, or gives it away.
async fn end(
    connection: Connection,
    ahead: Bytes,
    ending: Ending,
    info: &ConnectionInfo,
) -> io::Result<()> {
    if let Some(status) = ending.refused {
        info.meter.refuses(status);
    }
    if let Some(sender) = ending.upgrade {
        sender.send(connection, ahead);
        return Ok(());
    }
    if ending.reset {
        // Without a reset the client would take what it has for the whole response.
        close::reset(&connection, true);
    } else {
        close::close(connection, &[], ending.linger, &info.limits).await;
    }
    ending.error.map_or(Ok(()), Err)
}

/// Serves one request with hyper.
async fn detour<S: HttpService>(
    stream: Stream,
    service: S,
    watch: &mut Watch<'_>,
    old_at: Instant,
) -> ControlFlow<io::Result<()>, (Connection, Bytes, Instant)> {
    let info = Arc::clone(stream.info());
    let served = hyper1::serve(stream, service, Instant::now(), watch, old_at).await;
    ControlFlow::Break(match served {
        End::Rest {
            stream,
            ahead,
            since,
        } => return ControlFlow::Continue((stream.into_connection(), ahead, since)),
        End::Upgraded => hyper1::until_gone(info.wire(), watch).await,
        End::Close {
            stream,
            refusal,
            linger,
            error,
        } => {
            hyper1::close(stream, refusal, linger).await;
            error.map_or(Ok(()), Err)
        }
        End::Dead(error) => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cyclone_core::Connection;

    use crate::{Application, Limits};

    /// Every connection costs this, whatever it does: 10,000 idle ones are served from little memory.
    #[tokio::test]
    async fn the_future_of_a_connection_is_small() {
        let (connection, _client) = Connection::in_memory();
        let serving = super::serve(connection, Application::new(), Arc::new(Limits::default()));
        let bytes = size_of_val(&serving);
        assert!(bytes <= 800, "{bytes} bytes");
    }
}
