//! Ends a connection so that the client can read the last answer.
//!
//! A socket that is closed while bytes of the client wait in it, or are on their way, answers them with a
//! reset, and a reset makes the client's system throw away what the client has not read yet: the very answer
//! that says why. So the write side is shut down first, and what still comes is read and thrown away for a
//! while (RFC 9112 section 9.6).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::framing::Refusal;
use super::refusal;
use super::stream::Stream;
use crate::limits::Limits;

/// The most bytes that are thrown away in one go, in bytes; on the stack.
const SCRATCH_BYTES: usize = 16 * 1024;

/// Sends a last answer, if there is one, and closes.
///
/// With `linger` the client may still be sending. Without it, it is only looked whether something has come.
pub(crate) async fn close(mut stream: Stream, refusal: Option<Refusal>, linger: bool) {
    let info = stream.info().clone();
    let limits = info.limits();
    match timeout(limits.write_stall, finish_writing(&mut stream, refusal)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => return,
    }
    if linger || has_come(&mut stream).await {
        // However it ends, the connection is dropped.
        let _ = timeout(limits.linger_time, throw_away(&mut stream, limits)).await;
    }
}

async fn finish_writing(stream: &mut Stream, refusal: Option<Refusal>) -> io::Result<()> {
    std::future::poll_fn(|cx| stream.poll_send(cx)).await?;
    if stream.is_reset() {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let connection = stream.connection_mut();
    if let Some(refusal) = refusal {
        connection.write_all(&refusal::bytes(refusal)).await?;
    }
    std::future::poll_fn(|cx| Pin::new(&mut *connection).poll_shutdown(cx)).await
}

/// Whether bytes that nobody will read have come already.
async fn has_come(stream: &mut Stream) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(matches!(poll_discard(stream, cx), Poll::Ready(Ok(1..)))))
        .await
}

/// Reads until the client closes, or a limit is reached.
async fn throw_away(stream: &mut Stream, limits: &Limits) {
    let mut left = limits.linger_bytes;
    while left > 0 {
        let discard = std::future::poll_fn(|cx| poll_discard(stream, cx));
        match timeout(limits.linger_idle, discard).await {
            Ok(Ok(count @ 1..)) => left = left.saturating_sub(count as u64),
            _ => return,
        }
    }
}

fn poll_discard(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
    let mut scratch = ReadBuf::uninit(&mut scratch);
    Pin::new(stream.connection_mut())
        .poll_read(cx, &mut scratch)
        .map_ok(|()| scratch.filled().len())
}
