//! Whole connections on hyper: the engine of before, to compare ours with.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::preface::{self, Age, Opening};
use super::{End, close, serve, until_gone};
use crate::engine::stream::Stream;
use crate::engine::watch::Watch;
use crate::engine::{HttpService, http2, refusal};

/// Serves a connection until it ends.
///
/// # Errors
/// What broke the connection.
pub(crate) async fn run<S: HttpService>(
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
        match serve(stream, bytes, service.clone(), since, watch, old_at).await {
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
