//! Listening sockets that came from another process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType, listen};
use tokio::net::{TcpListener, UnixListener};

/// What kind of listening socket an endpoint needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Tcp,
    Unix,
}

/// Fails unless the socket is a listening stream socket of the family.
pub(super) fn check(socket: &impl AsFd, family: Family) -> io::Result<()> {
    if family_of(socket)? == family {
        return Ok(());
    }
    invalid(match family {
        Family::Tcp => "the inherited socket is no TCP socket",
        Family::Unix => "the inherited socket is no Unix domain socket",
    })
}

/// The family of a listening stream socket; an error for every other descriptor.
pub(super) fn family_of(socket: &impl AsFd) -> io::Result<Family> {
    let kind = match socket_type(socket) {
        Ok(kind) => kind,
        Err(rustix::io::Errno::NOTSOCK) => return invalid("the inherited descriptor is no socket"),
        Err(error) => return Err(error.into()),
    };
    if kind != SocketType::STREAM {
        return invalid("the inherited socket is no stream socket");
    }
    if !socket_acceptconn(socket)? {
        return invalid("the inherited socket does not listen");
    }
    match socket_domain(socket)? {
        AddressFamily::INET | AddressFamily::INET6 => Ok(Family::Tcp),
        AddressFamily::UNIX => Ok(Family::Unix),
        _ => invalid("the inherited socket is of a family that is not supported"),
    }
}

pub(super) fn tcp(socket: OwnedFd, backlog: Option<u32>) -> io::Result<TcpListener> {
    queue(&socket, backlog)?;
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

pub(super) fn unix(socket: OwnedFd, backlog: Option<u32>) -> io::Result<UnixListener> {
    queue(&socket, backlog)?;
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Sets the length of the queue; `listen` on a socket that listens changes nothing else.
fn queue(socket: &OwnedFd, backlog: Option<u32>) -> io::Result<()> {
    let Some(backlog) = backlog else {
        return Ok(());
    };
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    Ok(listen(socket, backlog)?)
}

fn invalid<T>(reason: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}
