//! A bound socket of any kind that an [`Endpoint`] names.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::task::{Context, Poll, ready};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::endpoint::{Endpoint, Kind};
use crate::peer::{Address, Peer};
use crate::sockets::{InUse, Sockets};
use crate::transport::Transport;
use unix::SocketFile;

mod inherited;
mod tcp;
mod unix;

/// A bound and listening socket; dropping it closes it and removes the file of a Unix domain socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    /// Its place in the set of sockets of the server.
    in_use: Option<InUse>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Binds, unless the set has a socket of the endpoint's name.
    pub(crate) async fn bind(endpoint: &Endpoint, sockets: Option<&Sockets>) -> io::Result<Self> {
        let name = endpoint.socket_name();
        let inherited = sockets.and_then(|sockets| sockets.take(&name));
        let socket = match (&endpoint.kind, inherited) {
            (Kind::Tcp(tcp), None) => Socket::Tcp(tcp::bind(tcp)?),
            (Kind::Tcp(tcp), Some(socket)) => Socket::Tcp(tcp::adopt(tcp, socket)?),
            (Kind::Unix(unix), None) => {
                let (listener, file) = unix::bind(unix, sockets).await?;
                Socket::Unix(listener, file)
            }
            (Kind::Unix(unix), Some(socket)) => {
                let (listener, file) = unix::adopt(unix, socket, sockets)?;
                Socket::Unix(listener, file)
            }
        };
        let recorded = match (&socket, sockets) {
            (_, None) => None,
            (Socket::Tcp(listener), Some(sockets)) => Some(sockets.record(name, listener)),
            (Socket::Unix(listener, _), Some(sockets)) => Some(sockets.record(name, listener)),
        };
        let in_use = recorded.transpose()?;
        Ok(Self { socket, in_use })
    }

    /// The address it is bound to, with the port that the kernel picked.
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Socket::Unix(_, file) => Ok(file.address()),
        }
    }

    /// Takes the next connection once there is one.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Transport, Peer)>> {
        Poll::Ready(match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                accepted_tcp(stream, remote)
            }
            Socket::Unix(listener, file) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                Ok((stream.into(), Peer::new((&remote).into(), file.address())))
            }
        })
    }

    /// Stops waiting for connections: what is left is the kernel's queue.
    pub(crate) fn into_queue(self) -> io::Result<Queue> {
        // Nobody is given the socket any more, and it closes with the queue.
        drop(self.in_use);
        match self.socket {
            Socket::Tcp(listener) => listener.into_std().map(Queue::Tcp),
            Socket::Unix(listener, file) => {
                let local = file.address();
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
