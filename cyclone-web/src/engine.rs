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
use std::sync::Arc;

use cyclone_core::{Connection, Peer, Session};
use http::{Request, Response};

use crate::body::Body;
use crate::limits::Limits;

mod call;
mod factory;
mod framing;
mod host;
mod wire;

pub use factory::{Http, HttpProtocol};
pub(crate) use wire::{Upload, Wire};

/// What serves the requests of a connection.
pub(crate) trait HttpService: Clone + Send + Sync + 'static {
    /// The answer to come.
    type Future: Future<Output = Response<Body>> + Send;

    /// Answers a request. The future is dropped when the client is gone.
    fn call(&self, request: Request<Body>, connection: &Arc<ConnectionInfo>) -> Self::Future;
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
}

impl ConnectionInfo {
    pub(crate) fn new(peer: Peer, session: Session, limits: Arc<Limits>) -> Self {
        Self {
            peer,
            session,
            limits,
            wire: Wire::default(),
        }
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
    let info = Arc::new(ConnectionInfo::new(
        connection.peer().clone(),
        connection.session().clone(),
        limits,
    ));
    hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .serve_connection(
            hyper_util::rt::TokioIo::new(connection),
            call::Calls::new(service, info, false),
        )
        .with_upgrades()
        .await
        .map_err(io::Error::other)
}
