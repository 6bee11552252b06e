//! A bound socket of any kind that an [`Endpoint`] names.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};
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

    /// Waits for the next connection.
    ///
    /// # Cancel safety
    /// No connection is lost when the future is dropped.
    pub(crate) async fn accept(&self) -> io::Result<(Transport, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                // A small answer must not wait for the acknowledgement of the one before it (Nagle).
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?;
                Ok((stream.into(), Peer::new(remote.into(), local.into())))
            }
            Self::Unix(listener, file) => {
                let (stream, remote) = listener.accept().await?;
                let local = Address::Unix(Some(file.path.clone()));
                Ok((stream.into(), Peer::new((&remote).into(), local)))
            }
        }
    }
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
    // Bound under another name and renamed once its permissions are set: nobody can connect in between, and
    // what a dead process left under the name is replaced in one step.
    let mut draft = unix.path.clone().into_os_string();
    draft.push("~");
    let draft = PathBuf::from(draft);
    remove_if_there(&draft)?;
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
        remove_if_there(&draft)?;
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
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "the path exists and is no socket",
            ));
        }
        Ok(_) => {}
    }
    match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another server listens at the path",
        )),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
