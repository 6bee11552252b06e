//! Requests that come through `tower` from a server that is not ours.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cyclone_core::{Address, Peer, Session};
use http::{Request, Response};
use tokio::time::Instant;

use crate::body::{Body, BoxError};
use crate::engine::ConnectionInfo;
use crate::head::Head;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::stream::Exchange;

/// Finds what is known of the connection in the extensions, where our server and mounts put it; a detached
/// session otherwise. The body gets the limit that our own server would have set.
pub(super) fn adopt<B>(
    request: Request<B>,
    limits: &Arc<Limits>,
) -> (Head, Body, Arc<ConnectionInfo>)
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    let session = parts.extensions.remove::<Session>();
    let peer = parts.extensions.remove::<Peer>();
    let info = ConnectionInfo::new(
        peer.unwrap_or_else(|| Peer::new(Address::Memory, Address::Memory)),
        session.unwrap_or_else(Session::detached),
        Arc::clone(limits),
        // The server that the request came to counts it.
        Meter::none(),
    );
    let mut body = Body::new(body);
    body.set_limit_if_none(limits.body);
    (
        Head::from_parts(parts, Instant::now().into_std()),
        body,
        Arc::new(info),
    )
}

/// The answer of an [`Application`](super::Application) to come.
#[must_use = "futures do nothing unless polled"]
pub struct Answer {
    exchange: Exchange,
}

impl Answer {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange }
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.exchange)
            .poll(cx)
            .map(|reply| Ok(reply.into_response()))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
