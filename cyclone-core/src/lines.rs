//! Line protocols: a bounded reader and writer of text lines, as Twisted's `LineReceiver`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::peer::Peer;
use crate::resources::{Context, Resources};
use crate::session::Session;

/// Bytes that a line may have without its end, unless said otherwise; Twisted's figure.
pub const DEFAULT_MAX_LINE_BYTES: usize = 16_384;

/// How long a peer may take for a line, unless said otherwise.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long one write may take before the peer counts as gone, unless said otherwise.
pub const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection read and written line by line.
///
/// A line ends at LF; a CR before it is taken off, so telnet and `nc` are both understood. Written lines end
/// with CR LF. Bytes that are no UTF-8 are an error, as are lines over the limit: the connection should end
/// then.
///
/// ```
/// use cyclone_core::{Connection, Lines, protocol_fn};
///
/// let echo = protocol_fn("echo", |connection: Connection| async move {
///     let mut lines = Lines::new(connection);
///     while let Some(line) = lines.read().await? {
///         lines.write(&line).await?;
///     }
///     Ok(())
/// });
/// # let _ = echo;
/// ```
#[derive(Debug)]
pub struct Lines {
    /// Reads are buffered, writes go straight through.
    connection: BufReader<Connection>,
    /// What was read of a line whose end is still to come.
    partial: Vec<u8>,
    /// A line was too long: what follows is the rest of it, not a line.
    lost: bool,
    max_line_bytes: usize,
    idle_timeout: Duration,
    write_timeout: Duration,
}

impl Lines {
    /// Reads and writes `connection` with the default limits.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self {
            connection: BufReader::new(connection),
            partial: Vec::new(),
            lost: false,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
        }
    }

    /// Sets how many bytes a line may have, [`DEFAULT_MAX_LINE_BYTES`] unless called.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line_bytes = bytes;
        self
    }

    /// Sets how long [`read`](Self::read) waits for a line, [`DEFAULT_IDLE_TIMEOUT`] unless called.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Sets how long one write may take, [`DEFAULT_WRITE_TIMEOUT`] unless called.
    #[must_use]
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = limit;
        self
    }

    /// The addresses of the connection.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.connection.get_ref().peer()
    }

    /// The connection's place in the server.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.connection.get_ref().session()
    }

    /// Reads the next line without its end; `None` when the peer has closed. Text after the last line end is
    /// a line too, as it stands.
    ///
    /// # Errors
    /// `InvalidData` for a line that is too long (again and again: its rest is never taken for a line) or no
    /// UTF-8, `TimedOut` after the idle time limit, and what the transport reports. Only after `TimedOut` does
    /// it make sense to read on.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: what was read is kept for the next call.
    pub async fn read(&mut self) -> io::Result<Option<String>> {
        let limit = self.idle_timeout;
        match timeout(limit, self.read_until_end()).await {
            Ok(line) => line,
            Err(_elapsed) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "no line came in time",
            )),
        }
    }

    async fn read_until_end(&mut self) -> io::Result<Option<String>> {
        loop {
            if self.lost {
                return Err(too_long());
            }
            // Two more than the limit: a line at the limit and its CR LF.
            let most = self.max_line_bytes.saturating_add(2);
            let room = most.saturating_sub(self.partial.len());
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            let read = (&mut self.connection).take(room);
            let mut read = std::pin::pin!(read);
            let read = read.read_until(b'\n', &mut self.partial).await?;
            let ended = self.partial.last() == Some(&b'\n');
            if !ended && read > 0 && self.partial.len() < most {
                continue;
            }
            if !ended && self.partial.is_empty() {
                return Ok(None);
            }
            return self.take_line(ended).map(Some);
        }
    }

    fn take_line(&mut self, ended: bool) -> io::Result<String> {
        let mut line = std::mem::take(&mut self.partial);
        if ended {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        if line.len() > self.max_line_bytes {
            self.lost = true;
            return Err(too_long());
        }
        String::from_utf8(line)
            .map_err(|_invalid| io::Error::new(io::ErrorKind::InvalidData, "line is no utf-8"))
    }

    /// Writes one line and its end and flushes. Line breaks inside the text are written as they are.
    ///
    /// # Errors
    /// `TimedOut` when the peer does not read, and what the transport reports; part of the line may have been
    /// sent, so the connection should end.
    ///
    /// # Cancel safety
    /// Dropping the future may leave part of the line sent.
    pub async fn write(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 2);
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        let writing = async {
            self.connection.write_all(&bytes).await?;
            self.connection.flush().await
        };
        match timeout(self.write_timeout, writing).await {
            Ok(written) => written,
            Err(_elapsed) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer does not read",
            )),
        }
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "line too long")
}

impl Context for Lines {
    fn resources(&self) -> &Resources {
        self.connection.get_ref().resources()
    }
}
