//! Unix domain sockets: the file, its permissions and who may replace it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::inherited;
use crate::endpoint::Unix;
use crate::peer::Address;
use crate::sockets::Sockets;

/// How long the probe whether a Unix domain socket is alive may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Listens with a socket that another process bound to the path.
pub(super) fn adopt(
    unix: &Unix,
    socket: OwnedFd,
    sockets: Option<&Sockets>,
) -> io::Result<(UnixListener, SocketFile)> {
    // Its own idea of its name is of no use: it was bound under a draft of it.
    inherited::check(&socket, inherited::Family::Unix)?;
    let file = SocketFile::new(&unix.path, &unix.path, sockets)?;
    Ok((inherited::unix(socket, unix.backlog)?, file))
}

pub(super) async fn bind(
    unix: &Unix,
    sockets: Option<&Sockets>,
) -> io::Result<(UnixListener, SocketFile)> {
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
            let file = SocketFile::new(&unix.path, &draft, sockets)?;
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
    /// Says whether the file is to stay.
    sockets: Option<Sockets>,
}

impl SocketFile {
    fn new(path: &Path, draft: &Path, sockets: Option<&Sockets>) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(draft)?;
        Ok(Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
            sockets: sockets.cloned(),
        })
    }

    pub(super) fn address(&self) -> Address {
        Address::Unix(Some(self.path.clone()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.sockets.as_ref().is_some_and(Sockets::keeps_files) {
            return;
        }
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}
