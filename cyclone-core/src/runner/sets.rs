//! Which worker listens on which sockets.
//!
//! The first worker binds; the others get sockets like its own. Where the endpoint allows several sockets
//! (`SO_REUSEPORT`) each worker has one, and the kernel spreads the connections; otherwise all have the same.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use rustix::net::sockopt::{
    ipv6_v6only, set_ipv6_v6only, set_socket_reuseaddr, set_socket_reuseport, socket_domain,
    socket_reuseport,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

use super::worker::Set;
use crate::endpoint::{DEFAULT_BACKLOG, Endpoint};
use std::os::fd::OwnedFd;

#[cfg(test)]
pub(crate) mod tests;

/// Duplicates of all sockets of a set.
pub(crate) fn duplicate(set: &Set) -> io::Result<Set> {
    let sockets = set.iter();
    sockets
        .map(|(name, socket)| Ok((name.clone(), socket.try_clone()?)))
        .collect()
}

/// What one more worker listens on beside the one that has `set`.
pub(crate) fn another(set: &Set) -> io::Result<Set> {
    let sockets = set.iter();
    sockets
        .map(|(name, socket)| {
            let own = match spreads(socket.as_fd()) {
                true => beside(socket.as_fd()),
                false => socket.try_clone(),
            };
            // Sockets of different users cannot share a port (socket(7)): after privileges were dropped
            // there can be no more of them.
            let own = own.or_else(|error| {
                tracing::warn!(endpoint = name, %error, "workers share one listening socket");
                socket.try_clone()
            });
            Ok((name.clone(), own?))
        })
        .collect()
}

/// Spreads the sets of a predecessor's workers over this many workers at most.
///
/// No set is left over: connections may be waiting in its sockets.
pub(crate) fn distribute(sets: Vec<Set>, workers: usize) -> Vec<Set> {
    let heirs = workers.min(sets.len());
    let mut distributed: Vec<Set> = (0..heirs).map(|_| Set::new()).collect();
    for (at, set) in sets.into_iter().enumerate() {
        if let Some(mine) = distributed.get_mut(at.checked_rem(workers).unwrap_or_default()) {
            mine.extend(set);
        }
    }
    distributed
}

/// Whether the kernel spreads connections over several sockets of this address.
fn spreads(socket: BorrowedFd<'_>) -> bool {
    let internet = socket_domain(socket)
        .is_ok_and(|domain| matches!(domain, AddressFamily::INET | AddressFamily::INET6));
    internet && socket_reuseport(socket).unwrap_or(false)
}

/// Another socket that listens at the address of this one.
fn beside(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let address = SocketAddr::try_from(getsockname(socket)?)?;
    let domain = socket_domain(socket)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let new = socket_with(domain, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&new, true)?;
    set_socket_reuseport(&new, true)?;
    if domain == AddressFamily::INET6 {
        set_ipv6_v6only(&new, ipv6_v6only(socket)?)?;
    }
    bind(&new, &address)?;
    // The endpoint sets its own length of the queue when it takes the socket.
    listen(&new, i32::try_from(DEFAULT_BACKLOG).unwrap_or(i32::MAX))?;
    Ok(new)
}

/// The files of the Unix domain sockets of a program, to be removed when it ends.
#[derive(Debug, Default)]
pub(crate) struct SocketFiles {
    files: Vec<SocketFile>,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Whether a predecessor made it.
    inherited: bool,
}

impl SocketFiles {
    /// Notes the files of the sockets in `set`, once.
    pub(crate) fn note(&mut self, set: &Set, inherited: bool) {
        for (name, _) in set {
            let endpoint: Option<Endpoint> = name.parse().ok();
            let Some(path) = endpoint.as_ref().and_then(Endpoint::path) else {
                continue;
            };
            if self.files.iter().any(|file| file.path == path) {
                continue;
            }
            if let Some(identity) = identity(path) {
                self.files.push(SocketFile {
                    path: path.to_owned(),
                    identity,
                    inherited,
                });
            }
        }
    }

    /// Removes the files, or only those that were not inherited; one that belongs to another server by now stays.
    pub(crate) fn remove(&mut self, inherited_too: bool) {
        for file in self.files.drain(..) {
            let ours = identity(&file.path) == Some(file.identity);
            if !ours || (file.inherited && !inherited_too) {
                continue;
            }
            if let Err(error) = fs::remove_file(&file.path) {
                tracing::warn!(path = %file.path.display(), %error, "cannot remove the socket file");
            }
        }
    }
}

/// Device and number of a socket's file.
fn identity(path: &std::path::Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    let is_socket = found.file_type().is_socket();
    is_socket.then(|| (found.dev(), found.ino()))
}
