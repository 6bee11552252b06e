//! The connection to a backend.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

/// How long a full queue of a Unix domain socket is left alone.
const QUEUE_FULL: Duration = Duration::from_millis(10);

/// Where a backend is: `HOST:PORT`, or `unix:` and a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UpstreamAddress(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Tcp(String),
    Unix(PathBuf),
}

impl FromStr for UpstreamAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self(Kind::Unix(path.into())));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self(Kind::Tcp(text.to_owned())))
            }
            _ => Err(format!("`{text}` is neither HOST:PORT nor unix:PATH")),
        }
    }
}

impl TryFrom<String> for UpstreamAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp(address) => f.write_str(address),
            Kind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why there is no connection to a backend; nothing of a client's was sent.
#[derive(Debug)]
pub(super) enum NotConnected {
    /// It said clearly that it is not there.
    Refused(io::Error),
    /// It said nothing in time.
    Slow(Duration),
    /// This process or machine has no descriptor, memory or port left: no fault of the backend's.
    Ours(io::Error),
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "cannot connect: {error}"),
            Self::Slow(limit) => write!(f, "no connection in {} s", limit.as_secs_f64()),
            Self::Ours(error) => write!(f, "nothing left to connect with: {error}"),
        }
    }
}

/// A connection to a backend.
#[derive(Debug)]
pub(super) enum Upstream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Upstream {
    /// Connects, and sends a header of the PROXY protocol where there is one.
    pub(super) async fn connect(
        address: &UpstreamAddress,
        header: &[u8],
        limit: Duration,
    ) -> Result<Self, NotConnected> {
        let connecting = async {
            let mut stream = match &address.0 {
                Kind::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    // What a client wrote at once goes on at once.
                    stream.set_nodelay(true)?;
                    Self::Tcp(stream)
                }
                Kind::Unix(path) => Self::Unix(connect_unix(path).await?),
            };
            stream.write_all(header).await?;
            Ok(stream)
        };
        match timeout(limit, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if is_ours(&error) => Err(NotConnected::Ours(error)),
            Ok(Err(error)) => Err(NotConnected::Refused(error)),
            Err(_elapsed) => Err(NotConnected::Slow(limit)),
        }
    }

    /// Makes the other side see a reset rather than an end, when this is dropped: what it was sent is not all.
    pub(super) fn reset_when_dropped(&self) {
        if let Self::Tcp(stream) = self {
            // At worst it sees an end.
            let _ = stream.set_zero_linger();
        }
    }

    /// Ready when a read may give something.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }
}

/// Connects as soon as the queue of the listener has room, as TCP does by itself: a full one refuses nobody (unix(7),
/// EAGAIN).
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(QUEUE_FULL).await,
            connected => return connected,
        }
    }
}

/// Whether an error tells of this process or machine rather than of the backend (connect(2)).
fn is_ours(error: &io::Error) -> bool {
    let ours = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
    ];
    Errno::from_io_error(error).is_some_and(|errno| ours.contains(&errno))
}

impl AsyncRead for Upstream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_ours_is_not_blamed_on_the_backend() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL] {
            assert!(is_ours(&errno.into()), "{errno}");
        }
        for errno in [Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::NOENT] {
            assert!(!is_ours(&errno.into()), "{errno}");
        }
        assert!(!is_ours(&io::Error::other("no such host")));
    }

    #[tokio::test]
    async fn a_port_without_a_listener_and_a_path_without_a_socket_refuse() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let refused = Upstream::connect(&address, b"", LIMIT).await;
        assert!(
            matches!(refused, Err(NotConnected::Refused(_))),
            "{refused:?}"
        );
        let nowhere = "unix:/nonexistent/socket".parse().unwrap();
        let refused = Upstream::connect(&nowhere, b"", LIMIT).await;
        assert!(
            matches!(refused, Err(NotConnected::Refused(_))),
            "{refused:?}"
        );
    }

    /// Nobody accepts, and the queue of the kernel is full.
    #[tokio::test]
    async fn a_backend_that_does_not_answer_is_slow() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap().to_string().parse().unwrap();
        let _listener = socket.listen(0).unwrap();
        let mut kept = Vec::new();
        loop {
            match Upstream::connect(&address, b"", Duration::from_millis(200)).await {
                Ok(stream) => kept.push(stream),
                Err(NotConnected::Slow(_)) => break,
                Err(error) => panic!("{error}"),
            }
            assert!(kept.len() < 100, "the queue is never full");
        }
    }

    /// As above, and a place in the queue is taken when there is one.
    #[tokio::test]
    async fn a_full_queue_of_a_unix_domain_socket_is_slow_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = tokio::net::UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(0).unwrap();
        let address: UpstreamAddress = format!("unix:{}", path.display()).parse().unwrap();
        let mut kept = Vec::new();
        loop {
            match Upstream::connect(&address, b"", Duration::from_millis(200)).await {
                Ok(stream) => kept.push(stream),
                Err(NotConnected::Slow(_)) => break,
                Err(error) => panic!("{error}"),
            }
            assert!(kept.len() < 100, "the queue is never full");
        }
        let (connected, accepted) =
            tokio::join!(Upstream::connect(&address, b"", LIMIT), listener.accept());
        connected.unwrap();
        accepted.unwrap();
    }
}
