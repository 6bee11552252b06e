//! The system log: datagrams to its local socket, as RFC 3164 describes them.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::{self, MakeWriter};

use super::clock;
use super::format::Style;
use super::output::{Output, Sink};
use super::start::{Filtered, Lines};

/// Bytes of a message to the system log, at most; a longer one is cut. What rsyslog takes unless told otherwise.
pub const MAX_SYSLOG_BYTES: usize = 8 * 1024;

/// How long a message waits for a system log that is busy, at most. After that none waits until one gets through.
pub const SYSLOG_TIMEOUT: Duration = Duration::from_millis(100);

/// The facility `daemon` (RFC 3164, section 4.1.1).
const FACILITY: u8 = 3;

/// The socket of the system log, connected again when its other end is gone.
pub(super) struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    is_late: bool,
}

impl Syslog {
    /// Connects at once, as the socket may be out of reach after `chroot`; does not mind if nobody is there yet.
    pub(super) fn open(path: &Path) -> Self {
        let mut syslog = Self {
            path: path.to_owned(),
            socket: None,
            is_late: false,
        };
        let _ = syslog.socket();
        syslog
    }

    fn socket(&mut self) -> io::Result<&UnixDatagram> {
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound()?;
            socket.connect(&self.path)?;
            socket.set_write_timeout(Some(SYSLOG_TIMEOUT))?;
            socket.set_nonblocking(self.is_late)?;
            self.socket = Some(socket);
        }
        self.socket
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let sent = self.socket()?.send(message);
        let late = matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if late != self.is_late {
            self.is_late = late;
            self.socket()?.set_nonblocking(late)?;
        }
        sent.map(drop)
    }
}

impl Sink for Syslog {
    fn name(&self) -> String {
        format!("system log `{}`", self.path.display())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let end = cut(line, MAX_SYSLOG_BYTES);
        match self.send(&line[..end]) {
            // Started again: the new one listens to a new socket of the same name.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.socket = None;
                self.send(&line[..end])
            }
            sent => sent,
        }
    }
}

/// The length of the line within the limit that ends with a whole character.
fn cut(line: &[u8], most: usize) -> usize {
    if line.len() <= most {
        return line.len();
    }
    let is_continued = |at: &usize| line[*at] & 0b1100_0000 == 0b1000_0000;
    (0..=most)
        .rev()
        .find(|at| !is_continued(at))
        .unwrap_or(most)
}

/// The layer that sends each event.
pub(super) fn lines(identifier: &str, output: Arc<Output>) -> Lines {
    // What ends a tag (section 4.1.3) cannot be in it.
    let clean = |c: char| {
        if c.is_ascii_graphic() && !"[]:".contains(c) {
            c
        } else {
            '_'
        }
    };
    let tag: String = identifier.chars().map(clean).collect();
    let messages = Messages {
        tag: format!("{tag}[{}]", std::process::id()),
        output,
    };
    let layer = fmt::layer::<Filtered>()
        .with_ansi(false)
        .with_writer(messages);
    layer.event_format(Style::Syslog).boxed()
}

struct Messages {
    tag: String,
    output: Arc<Output>,
}

struct Message<'a> {
    messages: &'a Messages,
    severity: u8,
}

impl<'a> MakeWriter<'a> for Messages {
    type Writer = Message<'a>;

    fn make_writer(&'a self) -> Message<'a> {
        Message {
            messages: self,
            severity: severity(Level::INFO),
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Message<'a> {
        Message {
            messages: self,
            severity: severity(*metadata.level()),
        }
    }
}

impl io::Write for Message<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut message = header(self.severity, &self.messages.tag);
        message.extend_from_slice(line);
        self.messages.output.write(&message);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `<30>Nov 21 10:30:00 chat[4711]: ` (section 4.1; the local socket has no host name).
fn header(severity: u8, tag: &str) -> Vec<u8> {
    format!(
        "<{}>{} {tag}: ",
        FACILITY * 8 + severity,
        clock::of_syslog()
    )
    .into_bytes()
}

/// The severity of a level (section 4.1.1): error, warning, informational, debug.
const fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}
