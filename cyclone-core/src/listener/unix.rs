//! Unix domain sockets: the file, its permissions and who may replace it.

use std::fs;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

#[cfg(target_os = "linux")]
use super::inherited;
use super::{Socket, owner};
use crate::endpoint::Unix;
use crate::peer::Address;
use crate::sockets::Sockets;

/// How long the probe whether a Unix domain socket is alive may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest path of a Unix domain socket in bytes: the room in its address, less a zero byte (unix(7)).
const LONGEST_PATH_BYTES: usize = 107;

/// The longest abstract name; it has a zero byte in front.
const LONGEST_NAME_BYTES: usize = 107;

/// Where a Unix domain socket is.
#[derive(Debug)]
pub(super) enum Place {
    /// At a file that goes with the server.
    File(SocketFile),
    /// Somewhere that is not ours to remove.
    Elsewhere(Address),
}

impl Place {
    pub(super) fn address(&self) -> Address {
        match self {
            Self::File(file) => Address::Unix(Some(file.path.clone())),
            Self::Elsewhere(address) => address.clone(),
        }
    }

    /// Whatever file there is goes with this server from now on.
    pub(super) fn claim(&mut self) {
        if let Self::File(file) = self {
            file.claim();
        }
    }
}

impl From<SocketFile> for Place {
    fn from(file: SocketFile) -> Self {
        Self::File(file)
    }
}

impl From<Address> for Place {
    fn from(address: Address) -> Self {
        Self::Elsewhere(address)
    }
}

pub(super) async fn bind(
    unix: &Unix,
    backlog: u32,
    sockets: Option<&Sockets>,
) -> io::Result<Socket> {
    let (owner, group) = owners(unix)?;
    let dead = dead_socket(&unix.path).await?;
    // Bound under another name and renamed once it listens with the right permissions: who finds the file can
    // connect, and what a dead process left under the name is replaced in one step.
    let draft = unix
        .path
        .with_file_name(format!(".{:08x}~", fastrand::u32(..)));
    for path in [&unix.path, &draft] {
        if path.as_os_str().len() > LONGEST_PATH_BYTES {
            let reason = format!(
                "the path, or that of its draft `{}`, has more than {LONGEST_PATH_BYTES} bytes",
                draft.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
    }
    let socket = tokio::net::UnixSocket::new_stream()?;
    socket.bind(&draft)?;
    let ready = give(&draft, owner, group, unix.mode)
        .and_then(|()| socket.listen(backlog))
        .and_then(|listener| {
            let file = SocketFile::new(&unix.path, &draft, sockets)?;
            publish(&draft, &unix.path, dead)?;
            Ok(Socket::Unix(listener, file.into()))
        });
    if ready.is_err() {
        fs::remove_file(&draft)?;
    }
    ready
}

/// Gives the socket at `path` to its owner, with its permissions.
fn give(path: &Path, owner: Option<u32>, group: Option<u32>, mode: u32) -> io::Result<()> {
    let socket = Pinned::new(path)?;
    if owner.is_some() || group.is_some() {
        chown(socket.path(), owner, group)?;
    }
    fs::set_permissions(socket.path(), fs::Permissions::from_mode(mode))
}

/// The numbers of the owner and the group that a socket is to have.
fn owners(unix: &Unix) -> io::Result<(Option<u32>, Option<u32>)> {
    let owner = unix.owner.as_deref().map(owner::user).transpose()?;
    let group = unix.group.as_deref().map(owner::group).transpose()?;
    Ok((owner, group))
}

/// Whether a socket has its owner and permissions already.
fn fits(unix: &Unix) -> io::Result<bool> {
    let (owner, group) = owners(unix)?;
    let found = fs::symlink_metadata(&unix.path)?;
    Ok(found.mode() & 0o777 == unix.mode
        && owner.is_none_or(|owner| owner == found.uid())
        && group.is_none_or(|group| group == found.gid()))
}

fn chown(path: &Path, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
    std::os::unix::fs::chown(path, owner, group).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::new(
            error.kind(),
            "only root may give a socket to another `owner`, and only its members to a `group`",
        ),
        _ => error,
    })
}

/// A socket by a path that leads to nothing else.
///
/// Its own does not do: who may write in its folder can put a link under the name, and chown(2) and chmod(2) follow
/// links. They would give away a file of ours.
#[cfg(target_os = "linux")]
struct Pinned {
    path: PathBuf,
    _socket: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Pinned {
    fn new(path: &Path) -> io::Result<Self> {
        use rustix::fs::{FileType, Mode, OFlags, fstat, open};
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let socket = open(path, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&socket)?.st_mode) != FileType::Socket {
            let reason = "something else was put in the place of the socket";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        let pinned = PathBuf::from(format!("/proc/self/fd/{}", socket.as_raw_fd()));
        // Without proc(5) there is only the name.
        let path = if pinned.exists() {
            pinned
        } else {
            path.to_owned()
        };
        Ok(Self {
            path,
            _socket: socket,
        })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(not(target_os = "linux"))]
struct Pinned<'a>(&'a Path);

#[cfg(not(target_os = "linux"))]
impl<'a> Pinned<'a> {
    fn new(path: &'a Path) -> io::Result<Self> {
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        self.0
    }
}

#[cfg(target_os = "linux")]
pub(super) fn bind_abstract(name: &str, backlog: u32) -> io::Result<Socket> {
    use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    if name.len() > LONGEST_NAME_BYTES {
        let reason = format!("the name has more than {LONGEST_NAME_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::bind(
        &socket,
        &SocketAddrUnix::new_abstract_name(name.as_bytes())?,
    )?;
    let listener = inherited::unix(socket, Some(backlog))?;
    let address = Address::Abstract(name.as_bytes().to_vec());
    Ok(Socket::Unix(listener, address.into()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn bind_abstract(_name: &str, _backlog: u32) -> io::Result<Socket> {
    let reason = "this system has no abstract Unix domain sockets: use a path";
    Err(io::Error::new(io::ErrorKind::Unsupported, reason))
}

/// The socket that a dead process has left at `path`, if there is any. Fails with `AddrInUse` when a server answers
/// there, or when something else than a socket is there.
async fn dead_socket(path: &Path) -> io::Result<Option<Identity>> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return in_use("the path exists and is no socket");
    }
    let dead = Some((found.dev(), found.ino()));
    match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(dead),
            // It was closed just now.
            io::ErrorKind::ConnectionReset => Ok(dead),
            // Its queue is full (connect(2), EAGAIN).
            io::ErrorKind::WouldBlock => in_use("another server listens at the path and is busy"),
            _ => Err(error),
        },
        Ok(Ok(_)) | Err(_) => in_use("another server listens at the path"),
    }
}

fn in_use<T>(reason: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::AddrInUse, reason))
}

/// Puts the socket at `draft` where everybody finds it, in the place of nothing or of the dead one that was seen there.
///
/// Of two servers that start at once neither may take the other's place: that one would listen, be reached by nobody
/// and say nothing.
#[cfg(target_os = "linux")]
fn publish(draft: &Path, path: &Path, dead: Option<Identity>) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    let how = match dead {
        None => RenameFlags::NOREPLACE,
        Some(_) => RenameFlags::EXCHANGE,
    };
    let begun = "another server has just begun to listen at the path";
    match (renameat_with(CWD, draft, CWD, path, how), dead) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(dead)) if identity(draft)? == dead => fs::remove_file(draft),
        (Ok(()), Some(_)) => {
            renameat_with(CWD, draft, CWD, path, RenameFlags::EXCHANGE)?;
            in_use(begun)
        }
        (Err(Errno::EXIST), None) => in_use(begun),
        // The dead one was removed meanwhile.
        (Err(Errno::NOENT), Some(_)) => publish(draft, path, None),
        // A file system that knows plain renaming only (rename(2)).
        (Err(Errno::INVAL | Errno::NOSYS), _) => fs::rename(draft, path),
        (Err(error), _) => Err(error.into()),
    }
}

/// Puts the socket at `draft` where everybody finds it.
#[cfg(not(target_os = "linux"))]
fn publish(draft: &Path, path: &Path, _dead: Option<Identity>) -> io::Result<()> {
    fs::rename(draft, path)
}

/// Device and number of a file: names come and go.
type Identity = (u64, u64);

fn identity(path: &Path) -> io::Result<Identity> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// The file of a Unix domain socket, removed on drop unless another server has put its own there since.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
    /// Whether it is a predecessor's, which still serves as long as this server does not.
    is_foreign: bool,
    /// The endpoint whose owner and permissions it lacks; found out early, as a path means something else after chroot(2).
    wanted: Option<Box<Unix>>,
    /// Says whether the file is to stay.
    sockets: Option<Sockets>,
}

impl SocketFile {
    /// The file of a socket that was bound at `draft` and will be at `path`.
    fn new(path: &Path, draft: &Path, sockets: Option<&Sockets>) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(draft)?,
            is_foreign: false,
            wanted: None,
            sockets: sockets.cloned(),
        })
    }

    /// The file of a socket that another process has bound.
    pub(super) fn inherited(unix: &Unix, sockets: Option<&Sockets>) -> io::Result<Self> {
        let found = Self::new(&unix.path, &unix.path, sockets);
        let mut file = found.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let reason = "a socket was handed over, but its file is gone, so that nobody could connect: restart the \
                              program instead";
                io::Error::new(error.kind(), reason)
            }
            _ => error,
        })?;
        file.is_foreign = true;
        let is_as_wanted = fits(unix).unwrap_or(false);
        file.wanted = (!is_as_wanted).then(|| Box::new(unix.clone()));
        Ok(file)
    }

    /// It is ours now: its owner and permissions become those of our endpoint, which may not be the predecessor's.
    fn claim(&mut self) {
        self.is_foreign = false;
        let Some(unix) = self.wanted.take() else {
            return;
        };
        let given =
            owners(&unix).and_then(|(owner, group)| give(&unix.path, owner, group, unix.mode));
        if let Err(error) = given {
            let path = unix.path.display();
            tracing::error!(%path, %error, "the socket file keeps the owner and permissions that it has");
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_foreign || self.sockets.as_ref().is_some_and(Sockets::keeps_files) {
            return;
        }
        let ours = identity(&self.path).is_ok_and(|found| found == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}

#[cfg(test)]
mod tests;
