//! Line protocols: a bounded reader and writer of text lines, as Twisted's `LineReceiver`.

use std::future::{Future, poll_fn};
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::codec::{Decoder, Encoder};

use crate::codec::{LineCodec, LineEvent};
use crate::connection::Connection;
use crate::peer::Peer;
use crate::resources::{Context, Resources};
use crate::session::Session;

/// How long a peer may take for a line, unless said otherwise.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long one write may take before the peer counts as gone, unless said otherwise.
pub const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that are asked of the transport at a time.
const READ_BYTES: usize = 8 * 1024;

/// A connection read and written line by line.
///
/// A line ends at LF; a CR before it is taken off, so telnet and `nc` are both understood. Written lines end
/// with CR LF. [`with_codec`](Self::with_codec) has other ends. Bytes that are no UTF-8 are an error, as are lines
/// over the limit: the connection should end then.
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
///
/// # As in Twisted
///
/// It is `LineReceiver` turned around: the protocol asks for what comes next and need not remember in which mode it
/// is. Nothing is read that was not asked for, so a peer that sends too fast has to wait.
///
/// | Twisted | here |
/// |---|---|
/// | `lineReceived` | [`read`](Self::read), [`read_bytes`](Self::read_bytes) |
/// | `setRawMode`, `rawDataReceived` | [`read_raw`](Self::read_raw), [`read_raw_exact`](Self::read_raw_exact) |
/// | `setLineMode(extra)` | [`unread(extra)`](Self::unread) |
/// | `lineLengthExceeded` | an error that ends, or with [`discard_long_lines`](Self::discard_long_lines) does not |
/// | `sendLine`, `transport.write` | [`write`](Self::write), [`write_raw`](Self::write_raw) |
/// | `delimiter`, `MAX_LENGTH` | [`with_codec`](Self::with_codec), [`max_line_bytes`](Self::max_line_bytes) |
///
/// ```
/// use std::io;
/// use cyclone_core::{Connection, Lines};
///
/// /// The most that a client may put.
/// const MAX_PUT_BYTES: usize = 1024 * 1024;
///
/// async fn store(connection: Connection) -> io::Result<()> {
///     let mut lines = Lines::new(connection);
///     while let Some(line) = lines.read().await? {
///         let put = line.strip_prefix("PUT ").and_then(|length| length.parse().ok());
///         match put {
///             Some(length) if length <= MAX_PUT_BYTES => {
///                 let value = lines.read_raw_exact(length).await?;
///                 lines.write(&format!("STORED {}", value.len())).await?;
///             }
///             _ => lines.write("ERROR").await?,
///         }
///     }
///     Ok(())
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # let (connection, mut peer) = Connection::in_memory();
/// # peer.write_all(b"PUT 6\r\nab\r\ncdPUT x\r\nPUT 0\r\n").await?;
/// # peer.shutdown().await?;
/// # store(connection).await?;
/// # let mut said = String::new();
/// # peer.read_to_string(&mut said).await?;
/// # assert_eq!(said, "STORED 6\r\nERROR\r\nSTORED 0\r\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Lines {
    connection: Connection,
    codec: LineCodec,
    /// What was read and not yet asked for.
    buffer: BytesMut,
    idle_timeout: Duration,
    write_timeout: Duration,
}

impl Lines {
    /// Reads and writes `connection` with the default limits.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self::with_codec(connection, LineCodec::new())
    }

    /// Reads and writes `connection` by a codec that knows the ends and the limits of the lines.
    #[must_use]
    pub fn with_codec(connection: Connection, mut codec: LineCodec) -> Self {
        codec.restart();
        Self {
            connection,
            buffer: codec.take_extra(),
            codec,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
        }
    }

    /// Sets how many bytes a line may have, [`DEFAULT_MAX_LINE_BYTES`](crate::DEFAULT_MAX_LINE_BYTES) unless called.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.codec = self.codec.max_line_bytes(bytes);
        self
    }

    /// Throws a line over the limit away, as [`LineCodec::discard_long_lines`]: reading it is the same error, but
    /// when the line has ended, and the next line can be read.
    #[must_use]
    pub fn discard_long_lines(mut self) -> Self {
        self.codec = self.codec.discard_long_lines();
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
        self.connection.peer()
    }

    /// The connection's place in the server.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.connection.session()
    }

    /// Reads the next line without its end; `None` when the peer has closed. Text after the last line end is
    /// a line too, as it stands.
    ///
    /// # Errors
    /// `InvalidData` for a line that is too long (again and again: its rest is never taken for a line; with
    /// [`discard_long_lines`](Self::discard_long_lines) once) or no UTF-8, `UnexpectedEof` when the codec is strict
    /// and the last line has no end, `TimedOut` after the idle time limit, and what the transport reports. Only after
    /// `TimedOut`, or a long line that was discarded, does it make sense to read on.
    /// [`FrameError::of`](crate::FrameError::of) tells a long line.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: what was read is kept for the next call.
    pub async fn read(&mut self) -> io::Result<Option<String>> {
        let Some(line) = self.read_bytes().await? else {
            return Ok(None);
        };
        match String::from_utf8(line.into()) {
            Ok(line) => Ok(Some(line)),
            Err(_invalid) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "line is no utf-8",
            )),
        }
    }

    /// Reads the next line as [`read`](Self::read) does, whatever its bytes.
    ///
    /// # Errors
    /// As for [`read`](Self::read), without those of text.
    ///
    /// # Cancel safety
    /// As for [`read`](Self::read).
    pub async fn read_bytes(&mut self) -> io::Result<Option<BytesMut>> {
        let limit = self.idle_timeout;
        in_time(limit, "no line came in time", self.next_line()).await
    }

    async fn next_line(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            let event = self.codec.decode(&mut self.buffer)?;
            let event = match event {
                None if self.fill().await? > 0 => continue,
                None => self.codec.decode_eof(&mut self.buffer)?,
                event => event,
            };
            return match event {
                Some(LineEvent::TooLong { .. }) => Err(self.codec.too_long().into()),
                // No raw ones come: the codec is never told to expect them.
                Some(LineEvent::Line(bytes) | LineEvent::Raw(bytes)) => Ok(Some(bytes)),
                None => Ok(None),
            };
        }
    }

    /// Reads raw bytes after the last line: those that have come, at least one; `None` when the peer has closed.
    ///
    /// What turns out to be lines again is given back by [`unread`](Self::unread).
    ///
    /// # Errors
    /// `TimedOut` after the idle time limit, `InvalidData` after a line that was too long, and what the transport
    /// reports.
    ///
    /// # Cancel safety
    /// As for [`read`](Self::read).
    pub async fn read_raw(&mut self) -> io::Result<Option<BytesMut>> {
        self.begin_raw()?;
        let limit = self.idle_timeout;
        let filled = async {
            if self.buffer.is_empty() && self.fill().await? == 0 {
                return Ok(None);
            }
            Ok(Some(self.buffer.split()))
        };
        in_time(limit, "no byte came in time", filled).await
    }

    /// Reads exactly `bytes` raw bytes after the last line; what follows them are lines again.
    ///
    /// They are collected in memory, which grows with what comes: compare a length that the peer says with a limit
    /// before. The idle time limit is for all of them.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closes before, and those of [`read_raw`](Self::read_raw).
    ///
    /// # Cancel safety
    /// As for [`read`](Self::read).
    pub async fn read_raw_exact(&mut self, bytes: usize) -> io::Result<BytesMut> {
        self.begin_raw()?;
        let limit = self.idle_timeout;
        let filled = async {
            while self.buffer.len() < bytes {
                if self.fill().await? == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the peer closed before all raw bytes came",
                    ));
                }
            }
            Ok(self.buffer.split_to(bytes))
        };
        in_time(limit, "the raw bytes did not come in time", filled).await
    }

    /// Gives back the end of raw bytes that were read: they are read again, as lines or raw. Copies nothing when
    /// `extra` was split off the bytes that [`read_raw`](Self::read_raw) gave last.
    pub fn unread(&mut self, extra: impl Into<BytesMut>) {
        let later = std::mem::replace(&mut self.buffer, extra.into());
        self.buffer.unsplit(later);
        self.codec.restart();
    }

    /// The bytes are no longer lines of the codec, unless it has lost its place in them.
    fn begin_raw(&mut self) -> io::Result<()> {
        self.codec.restart();
        match self.codec.failure() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Waits for bytes and puts them into the buffer; how many, 0 at the end.
    ///
    /// A connection that waits has no buffer, where the transport can tell that something came.
    async fn fill(&mut self) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            let connection = &mut self.connection;
            poll_fn(move |cx| connection.poll_read_ready(cx)).await?;
        }
        self.buffer.reserve(READ_BYTES);
        self.connection.read_buf(&mut self.buffer).await
    }

    /// Writes one line and its end and flushes.
    ///
    /// # Errors
    /// `InvalidInput` for a text with an end of a line inside, which the peer would read as two lines: nothing of it
    /// was written. [`write_raw`](Self::write_raw) writes several lines. `TimedOut` when the peer does not read, and
    /// what the transport reports; part of the line may have been sent, so the connection should end.
    ///
    /// # Cancel safety
    /// Dropping the future may leave part of the line sent.
    pub async fn write(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        self.codec.encode(line, &mut bytes)?;
        self.write_raw(&bytes).await
    }

    /// Writes bytes as they are and flushes.
    ///
    /// # Errors
    /// As for [`write`](Self::write), whatever the bytes are.
    ///
    /// # Cancel safety
    /// As for [`write`](Self::write).
    pub async fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let limit = self.write_timeout;
        let writing = async {
            self.connection.write_all(bytes).await?;
            self.connection.flush().await
        };
        in_time(limit, "the peer does not read", writing).await
    }

    /// Takes the connection back, with what was read of it and not yet asked for.
    ///
    /// Before the connection is encrypted (`STARTTLS`) these bytes must be none: what was sent before the
    /// handshake must not count as if it came after it (CVE-2011-0411).
    #[must_use]
    pub fn into_parts(self) -> (Connection, BytesMut) {
        (self.connection, self.buffer)
    }
}

async fn in_time<T>(
    limit: Duration,
    late: &'static str,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match timeout(limit, work).await {
        Ok(done) => done,
        Err(_elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, late)),
    }
}

impl Context for Lines {
    fn resources(&self) -> &Resources {
        self.connection.resources()
    }
}
