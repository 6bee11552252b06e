//! The proxy that breaks connections: that it does what it says, in memory and over sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{io, time::Duration};

use cyclone_core::testing::{
    Accepting, Cut, Direction, FAULT_PROXY_BUFFER_BYTES, FaultProxy, FaultStream, Flow, Toxics,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split},
    time::{Instant, timeout},
};

use crate::support::within;

mod memory;
mod sockets;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Gives everything back, until the client ends.
async fn echo(connection: impl AsyncRead + AsyncWrite) {
    let (mut read, mut write) = split(connection);
    // A connection that is cut ends it as well.
    let _ = copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}

fn echoing() -> FaultProxy {
    FaultProxy::in_memory(echo)
}

/// Sends `text` and reads as much.
async fn round(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &[u8]) -> io::Result<()> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, text);
    Ok(())
}

/// All that comes until the end, and how that was.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await;
    (bytes, end)
}
