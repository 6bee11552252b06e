//! Whole connections on hyper: the engine of before, to compare ours with.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use cyclone_core::Connection;
use tokio::time::{Instant, sleep_until};

use super::clock::after;
use super::preface::{self, Age, Opening};
use super::{End, close, serve, until_gone};
use crate::engine::stream::Stream;
use crate::engine::watch::Watch;
use crate::engine::{self, ConnectionInfo, HttpService, http2, refusal};
use crate::limits::Limits;

/// What speaks HTTP/1 on the connections of a listener.
///
/// The choice is there for one release, in case the engine of this crate does something to your clients that hyper
/// did not; what that may be is listed in `docs/http1-differences.md` of the repository. The next release has
/// neither the feature `hyper-http1` nor this type. HTTP/2 is hyper's either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http1Engine {
    /// The engine of this crate. The default.
    #[default]
    Cyclone,
    /// hyper, inside the same limits.
    Hyper,
}

/// Serves a connection until it ends, with the engine that was chosen.
///
/// # Errors
/// What broke the connection.
pub(crate) async fn serve_by<S: HttpService>(
    http1: Http1Engine,
    connection: Connection,
    service: S,
    limits: Arc<Limits>,
) -> io::Result<()> {
    if http1 == Http1Engine::Cyclone {
        return engine::serve(connection, service, limits).await;
    }
    let accepted = Instant::now();
    let info = Arc::new(ConnectionInfo::of(&connection, limits));
    let old_at = after(accepted, info.limits.connection_age);
    let draining = pin!(info.session.draining());
    let cut = pin!(info.session.cut());
    let sleep = pin!(sleep_until(after(accepted, info.limits.header_timeout)));
    let mut watch = Watch::new(Arc::clone(&info), draining, cut, sleep);
    let stream = Stream::new(connection, Arc::clone(&info));
    run(stream, service, &mut watch, accepted, old_at).await
}

/// Serves a connection until it ends.
///
/// # Errors
/// What broke the connection.
async fn run<S: HttpService>(
    mut stream: Stream,
    service: S,
    watch: &mut Watch<'_>,
    accepted: Instant,
    old_at: Instant,
) -> io::Result<()> {
    let info = Arc::clone(stream.info());
    let mut ahead = Bytes::new();
    let mut age = Age::New(accepted);
    let (stream, refusal, linger, error) = loop {
        let (bytes, since) = match preface::open(&mut stream, watch, ahead, age, old_at).await {
            Opening::Http1(bytes, since) => (bytes, since),
            Opening::Http2(bytes) => {
                stream.set_ahead(bytes);
                return http2::drive(stream, service, watch, old_at).await;
            }
            Opening::Nothing => break (stream, None, false, None),
            Opening::Late => break (stream, Some(refusal::LATE_HEAD), false, None),
            Opening::Dead(error) => return Err(error),
        };
        stream.set_ahead(bytes);
        match serve(stream, service.clone(), since, watch, old_at).await {
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
            End::Upgraded => return until_gone(info.wire(), watch).await,
            End::Close {
                stream,
                refusal,
                linger,
                error,
            } => break (stream, refusal, linger, error),
            End::Dead(error) => return Err(error),
        }
    };
    close(stream, refusal, linger).await;
    error.map_or(Ok(()), Err)
}
