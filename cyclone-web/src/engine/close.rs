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

use cyclone_core::Connection;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use tokio::time::timeout;

use crate::limits::Limits;

/// The most bytes that are thrown away in one go, in bytes; on the stack.
const SCRATCH_BYTES: usize = 16 * 1024;

/// Sends `last` and closes.
///
/// With `linger` the client may still be sending. Without it, it is only looked whether something has come.
pub(crate) async fn close(mut connection: Connection, last: &[u8], linger: bool, limits: &Limits) {
    match timeout(limits.write_stall, finish_writing(&mut connection, last)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => return,
    }
    if linger || has_come(&mut connection).await {
        // However it ends, the connection is dropped.
        let _ = timeout(limits.linger_time, throw_away(&mut connection, limits)).await;
    }
}

/// Has the connection end with a reset, as soon as it is dropped, or properly again.
pub(crate) fn reset(connection: &Connection, resets: bool) {
    if let Some(tcp) = connection.transport().carrier_tcp() {
        // That a broken response looks whole to the client, or the reverse, is the worst that happens.
        let _ = if resets {
            tcp.set_zero_linger()
        } else {
            without_linger(tcp)
        };
    }
}

#[expect(
    deprecated,
    reason = "only a time to linger blocks, and this takes it away"
)]
fn without_linger(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_linger(None)
}

async fn finish_writing(connection: &mut Connection, last: &[u8]) -> io::Result<()> {
    if !last.is_empty() {
        connection.write_all(last).await?;
    }
    connection.shutdown().await
}

/// Whether bytes that nobody will read have come already.
async fn has_come(connection: &mut Connection) -> bool {
    let look = std::future::poll_fn(|cx| {
        let polled = poll_discard(connection, cx);
        Poll::Ready(matches!(polled, Poll::Ready(Ok(1..))))
    });
    // A task that has used up its budget would be told that there is nothing.
    unconstrained(look).await
}

/// Reads until the client closes, or a limit is reached.
async fn throw_away(connection: &mut Connection, limits: &Limits) {
    let mut left = limits.linger_bytes;
    while left > 0 {
        let discard = std::future::poll_fn(|cx| poll_discard(connection, cx));
        match timeout(limits.linger_idle, discard).await {
            Ok(Ok(count @ 1..)) => left = left.saturating_sub(count as u64),
            _ => return,
        }
    }
}

fn poll_discard(connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
    let mut scratch = ReadBuf::uninit(&mut scratch);
    Pin::new(connection)
        .poll_read(cx, &mut scratch)
        .map_ok(|()| scratch.filled().len())
}
