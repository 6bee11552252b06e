//! A raw connection to the server: what is sent and read is decided byte by byte.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

/// How long the server may take for anything before that is a failure. The longest wait of its own that a client
/// here runs into on purpose is shorter.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a waiting client looks whether the time is over.
const LOOK: Duration = Duration::from_millis(200);

/// Bytes asked for at once by a reader that is not slow.
const READ_BYTES: usize = 16 * 1024;

/// The receive buffer of a slow reader. The kernel doubles it, and has a least size of its own.
const SMALL_BUFFER: usize = 2 * 1024;

/// Why an operation did not go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// The time of the test is over; nothing is wrong.
    Over,
    /// The server closed its side.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// The server did what it must not.
    Wrong(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Makes a [`Failure::Wrong`].
pub(super) fn wrong<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Wrong(what.into()))
}

/// How fast a client reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) bytes: usize,
    pub(super) pause: Duration,
}

/// A connection and what was read of it but not used yet.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    read: Vec<u8>,
    used: usize,
    pace: Option<Pace>,
    /// When a client that only waits gives up.
    over: Option<Instant>,
}

impl Wire<TcpStream> {
    pub(super) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream))
    }

    /// Reads slowly from now on, out of a small buffer: the server feels it soon.
    pub(super) fn slow_down(&mut self, pace: Pace) -> io::Result<()> {
        self.pace = Some(pace);
        set_socket_recv_buffer_size(&self.stream, SMALL_BUFFER)?;
        Ok(())
    }

    /// How long a write may wait for room; then it fails with `WouldBlock`.
    pub(super) fn write_for(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_write_timeout(Some(limit))
    }

    /// Says that nothing more will be sent, and can still read.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        match self.stream.shutdown(Shutdown::Write) {
            // The server was faster and is gone.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            other => Ok(other?),
        }
    }

    /// Ends the connection at once, with a reset instead of an end.
    pub(super) fn reset(self) -> Result<(), Failure> {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).map_err(io::Error::from)?;
        Ok(())
    }
}

impl<S: Read + Write> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
            used: 0,
            pace: None,
            over: None,
        }
    }

    /// Waiting ends with [`Failure::Over`] at this time.
    pub(super) fn until(&mut self, over: Instant) {
        self.over = Some(over);
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        Ok(self.stream.write_all(bytes.as_ref())?)
    }

    /// What was read and is not used yet.
    pub(super) fn unused(&self) -> &[u8] {
        &self.read[self.used..]
    }

    /// Marks bytes of [`unused`](Self::unused) as used.
    pub(super) fn use_up(&mut self, count: usize) {
        self.used += count;
        if self.used == self.read.len() {
            self.read.clear();
            self.used = 0;
        }
    }

    /// Reads some more.
    pub(super) fn fill(&mut self) -> Result<(), Failure> {
        let mut bytes = READ_BYTES;
        if let Some(pace) = self.pace {
            sleep(pace.pause);
            bytes = pace.bytes.min(bytes);
        }
        let start = Instant::now();
        let length = self.read.len();
        loop {
            if self.over.is_some_and(|over| Instant::now() >= over) {
                return Err(Failure::Over);
            }
            self.read.resize(length + bytes, 0);
            let result = self.stream.read(&mut self.read[length..]);
            self.read
                .truncate(length + result.as_ref().map_or(0, |count| *count));
            match result {
                Ok(0) => return Err(Failure::Closed),
                Ok(_) => return Ok(()),
                Err(error) if is_pause(error.kind()) => {
                    if start.elapsed() > PATIENCE && self.over.is_none() {
                        return wrong(format!("nothing came for {PATIENCE:?}"));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Exactly so many bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.unused().len() < count {
            self.fill()?;
        }
        let bytes = self.unused()[..count].to_vec();
        self.use_up(count);
        Ok(bytes)
    }

    /// The bytes before a mark; the mark is used up too.
    pub(super) fn take_until(&mut self, mark: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut seen = 0;
        loop {
            let unused = self.unused();
            let found = unused[seen..].windows(mark.len()).position(|w| w == mark);
            if let Some(place) = found.map(|place| seen + place) {
                let bytes = unused[..place].to_vec();
                self.use_up(place + mark.len());
                return Ok(bytes);
            }
            seen = unused.len().saturating_sub(mark.len() - 1);
            self.fill()?;
        }
    }

    /// A line without its end, as text.
    pub(super) fn line(&mut self) -> Result<String, Failure> {
        let bytes = self.take_until(b"\r\n")?;
        String::from_utf8(bytes).or_else(|_| wrong("a line is no UTF-8"))
    }

    /// Reads until the server closes, which it must in time, and returns everything that came. A reset is an
    /// end too.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, Failure> {
        let start = Instant::now();
        loop {
            if start.elapsed() > PATIENCE {
                return wrong(format!("not closed after {PATIENCE:?}"));
            }
            match self.fill() {
                Ok(()) => {}
                Err(Failure::Closed | Failure::Broken(_)) => return Ok(self.unused().to_vec()),
                Err(other) => return Err(other),
            }
        }
    }
}

/// A read that had nothing yet.
fn is_pause(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives the pieces one by one, then the end.
    pub(in super::super) struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.0.pop_front() else {
                return Ok(0);
            };
            let count = piece.len().min(buffer.len());
            buffer[..count].copy_from_slice(&piece[..count]);
            if count < piece.len() {
                self.0.push_front(piece.split_off(count));
            }
            Ok(count)
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A wire on which these pieces arrive.
    pub(in super::super) fn wire(pieces: &[&str]) -> Wire<Pieces> {
        let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec());
        Wire::new(Pieces(pieces.collect()))
    }

    #[test]
    fn a_mark_may_come_in_two_pieces() {
        let mut wire = wire(&["one\r", "\ntwo\r\nthr", "ee"]);
        assert_eq!(wire.line().unwrap(), "one");
        assert_eq!(wire.line().unwrap(), "two");
        assert_eq!(wire.take(5).unwrap(), b"three");
        assert!(matches!(wire.take(1), Err(Failure::Closed)));
    }

    #[test]
    fn a_pace_is_kept() {
        let mut wire = wire(&["abcdef"]);
        wire.pace = Some(Pace {
            bytes: 2,
            pause: Duration::ZERO,
        });
        wire.fill().unwrap();
        assert_eq!(wire.unused(), b"ab");
        assert_eq!(wire.rest().unwrap(), b"abcdef");
    }

    #[test]
    fn nothing_is_read_when_the_time_is_over() {
        let mut wire = wire(&["abc"]);
        wire.until(Instant::now());
        assert!(matches!(wire.fill(), Err(Failure::Over)));
    }
}
