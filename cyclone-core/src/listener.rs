//! A bound socket of any kind that an [`Endpoint`] names.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use crate::endpoint::{Endpoint, Kind, Tcp, Unix};
use crate::peer::{Address, Peer};
use crate::transport::Transport;

/// How long the probe whether a Unix domain socket is alive may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A bound and listening socket; dropping it closes it and removes the file of a Unix domain socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    pub(crate) async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match &endpoint.kind {
            Kind::Tcp(tcp) => bind_tcp(tcp).map(Self::Tcp),
            Kind::Unix(unix) => {
                let (listener, file) = bind_unix(unix).await?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// The address it is bound to, with the port that the kernel picked.
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, file) => Ok(Address::Unix(Some(file.path.clone()))),
        }
    }

    /// Takes the next connection once there is one.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Transport, Peer)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                accepted_tcp(stream, remote)
            }
            Self::Unix(listener, file) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                let local = Address::Unix(Some(file.path.clone()));
                Ok((stream.into(), Peer::new((&remote).into(), local)))
            }
        })
    }

    /// Stops waiting for connections: what is left is the kernel's queue.
    pub(crate) fn into_queue(self) -> io::Result<Queue> {
        match self {
            Self::Tcp(listener) => listener.into_std().map(Queue::Tcp),
            Self::Unix(listener, file) => {
                let local = Address::Unix(Some(file.path.clone()));
                // Without the file nobody can connect any more, so that the queue only shrinks.
                drop(file);
                Ok(Queue::Unix(listener.into_std()?, local))
            }
        }
    }
}

/// The connections that the kernel has queued for a listener that is about to close.
#[derive(Debug)]
pub(crate) enum Queue {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, Address),
}

impl Queue {
    /// Takes the next queued connection; the kernel itself is asked, as the runtime may not have heard of it.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub(crate) fn accept(&self) -> io::Result<(Transport, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept()?;
                let stream = stream
                    .set_nonblocking(true)
                    .and_then(|()| TcpStream::from_std(stream));
                accepted_tcp(stream.map_err(lost)?, remote)
            }
            Self::Unix(listener, local) => {
                let (stream, remote) = listener.accept()?;
                let stream = stream
                    .set_nonblocking(true)
                    .and_then(|()| UnixStream::from_std(stream));
                let remote = Address::Unix(remote.as_pathname().map(PathBuf::from));
                Ok((
                    stream.map_err(lost)?.into(),
                    Peer::new(remote, local.clone()),
                ))
            }
        }
    }
}

fn accepted_tcp(stream: TcpStream, remote: SocketAddr) -> io::Result<(Transport, Peer)> {
    // A small answer must not wait for the acknowledgement of the one before it (Nagle).
    stream.set_nodelay(true).map_err(lost)?;
    let local = stream.local_addr().map_err(lost)?;
    Ok((stream.into(), Peer::new(remote.into(), local.into())))
}

/// An error that concerns a connection after it was accepted, told apart from those of `accept` itself.
fn lost(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, error)
}

fn bind_tcp(tcp: &Tcp) -> io::Result<TcpListener> {
    let socket = if tcp.interface.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restarted server may take its port back although old connections linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    if tcp.reuse_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(SocketAddr::new(tcp.interface, tcp.port))?;
    socket.listen(tcp.backlog)
}

async fn bind_unix(unix: &Unix) -> io::Result<(UnixListener, SocketFile)> {
    refuse_live_socket(&unix.path).await?;
    // Bound under another name and renamed once it listens with the right permissions: who finds the file can
    // connect, and what a dead process left under the name is replaced in one step.
    let draft = unix
        .path
        .with_file_name(format!(".{:08x}~", fastrand::u32(..)));
    let socket = tokio::net::UnixSocket::new_stream()?;
    socket.bind(&draft)?;
    let ready = fs::set_permissions(&draft, fs::Permissions::from_mode(unix.mode))
        .and_then(|()| socket.listen(unix.backlog))
        .and_then(|listener| {
            let file = SocketFile::new(&unix.path, &draft)?;
            fs::rename(&draft, &unix.path)?;
            Ok((listener, file))
        });
    if ready.is_err() {
        fs::remove_file(&draft)?;
    }
    ready
}

/// Fails with `AddrInUse` when a server answers at `path`, or when something else than a socket is there.
async fn refuse_live_socket(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return in_use("the path exists and is no socket");
        }
        Ok(_) => {}
    }
    match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(()),
            // Its queue is full (connect(2), EAGAIN).
            io::ErrorKind::WouldBlock => in_use("another server listens at the path and is busy"),
            _ => Err(error),
        },
        Ok(Ok(_)) | Err(_) => in_use("another server listens at the path"),
    }
}

fn in_use(reason: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::AddrInUse, reason))
}

/// The file of a Unix domain socket, removed on drop unless another server has put its own there since.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path, draft: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(draft)?;
        Ok(Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}
