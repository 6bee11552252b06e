//! A bound socket of any kind that an [`Endpoint`] names.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::endpoint::{DEFAULT_BACKLOG, Endpoint, Inherited, Kind};
use crate::keep_alive;
use crate::peer::{Address, Peer, canonical};
use crate::sockets::{InUse, Sockets};
use crate::transport::Transport;
use inherited::Family;
use unix::{Place, SocketFile};

mod activation;
mod advice;
mod inherited;
mod owner;
mod tcp;
mod unix;

/// A bound and listening socket; dropping it closes it and removes the file of a Unix domain socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    /// Whether accepted TCP connections get `TCP_NODELAY`.
    no_delay: bool,
    /// Its place in the set of sockets of the server.
    in_use: Option<InUse>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Place),
}

impl Listener {
    /// Binds, unless the set has a socket of the endpoint's name.
    ///
    /// # Errors
    /// Those of the system, with what may help.
    pub(crate) async fn bind(endpoint: &Endpoint, sockets: Option<&Sockets>) -> io::Result<Self> {
        let bound = Self::bind_socket(endpoint, sockets).await;
        bound.map_err(|error| advice::advise(endpoint, error))
    }

    async fn bind_socket(endpoint: &Endpoint, sockets: Option<&Sockets>) -> io::Result<Self> {
        let name = endpoint.socket_name();
        let handed_over = sockets.and_then(|sockets| sockets.take(&name));
        let backlog = endpoint.backlog.unwrap_or(DEFAULT_BACKLOG);
        let socket = match (&endpoint.kind, handed_over) {
            (Kind::Tcp(tcp), None) => Socket::Tcp(tcp::bind(tcp, backlog)?),
            (Kind::Tcp(_), Some(socket)) => {
                inherited::check(&socket, Family::Tcp)?;
                Socket::Tcp(inherited::tcp(socket, Some(backlog))?)
            }
            (Kind::Unix(unix), None) => unix::bind(unix, backlog, sockets).await?,
            (Kind::Unix(unix), Some(socket)) => {
                inherited::check(&socket, Family::Unix)?;
                // Its own idea of its name is of no use: it was bound under a draft of it.
                let file = SocketFile::inherited(unix, sockets)?;
                Socket::Unix(inherited::unix(socket, Some(backlog))?, file.into())
            }
            (Kind::Abstract(name), None) => unix::bind_abstract(name, backlog)?,
            (Kind::Abstract(_), Some(socket)) => {
                inherited::check(&socket, Family::Unix)?;
                Self::adopt(socket, Some(backlog))?
            }
            (Kind::Inherited(which), handed_over) => {
                let socket = match (handed_over, which) {
                    (Some(socket), _) => socket,
                    (None, Inherited::SystemdIndex(index)) => activation::by_index(*index)?,
                    (None, Inherited::SystemdName(name)) => activation::by_name(name)?,
                    (None, Inherited::Number(number)) => activation::by_number(*number)?,
                };
                Self::adopt(socket, endpoint.backlog)?
            }
        };
        let recorded = match (&socket, sockets) {
            (_, None) => None,
            (Socket::Tcp(listener), Some(sockets)) => Some(sockets.record(name, listener)),
            (Socket::Unix(listener, _), Some(sockets)) => Some(sockets.record(name, listener)),
        };
        let in_use = recorded.transpose()?;
        if let (Socket::Tcp(listener), Some(seconds)) = (&socket, endpoint.keep_alive_seconds) {
            keep_alive::set(listener, seconds)?;
        }
        let no_delay = endpoint.no_delay;
        Ok(Self {
            socket,
            no_delay,
            in_use,
        })
    }

    /// Listens with a socket of any family that another process made, which keeps its file too.
    fn adopt(socket: OwnedFd, backlog: Option<u32>) -> io::Result<Socket> {
        Ok(match inherited::family_of(&socket)? {
            Family::Tcp => Socket::Tcp(inherited::tcp(socket, backlog)?),
            Family::Unix => {
                let listener = inherited::unix(socket, backlog)?;
                let address = Address::from(&listener.local_addr()?);
                Socket::Unix(listener, address.into())
            }
        })
    }

    /// The address it is bound to, with the port that the kernel picked.
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Socket::Unix(_, place) => Ok(place.address()),
        }
    }

    /// Says that the server serves: a socket that a predecessor handed over is its own from now on.
    pub(crate) fn claim(&mut self) {
        if let Socket::Unix(_, place) = &mut self.socket {
            place.claim();
        }
    }

    /// Takes the next connection once there is one.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Transport, Peer)>> {
        Poll::Ready(match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                accepted_tcp(stream, remote, self.no_delay)
            }
            Socket::Unix(listener, place) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                Ok((stream.into(), Peer::new((&remote).into(), place.address())))
            }
        })
    }

    /// Stops waiting for connections: what is left is the kernel's queue.
    pub(crate) fn into_queue(self) -> io::Result<Queue> {
        // Nobody is given the socket any more, and it closes with the queue.
        drop(self.in_use);
        match self.socket {
            Socket::Tcp(listener) => Ok(Queue::Tcp(listener.into_std()?, self.no_delay)),
            Socket::Unix(listener, place) => {
                let local = place.address();
                // Without the file nobody can connect any more, so that the queue only shrinks.
                drop(place);
                Ok(Queue::Unix(listener.into_std()?, local))
            }
        }
    }
}

/// The connections that the kernel has queued for a listener that is about to close.
#[derive(Debug)]
pub(crate) enum Queue {
    Tcp(std::net::TcpListener, bool),
    Unix(std::os::unix::net::UnixListener, Address),
}

impl Queue {
    /// Takes the next queued connection; the kernel itself is asked, as the runtime may not have heard of it.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub(crate) fn accept(&self) -> io::Result<(Transport, Peer)> {
        match self {
            Self::Tcp(listener, no_delay) => {
                let (stream, remote) = listener.accept()?;
                let stream = stream
                    .set_nonblocking(true)
                    .and_then(|()| TcpStream::from_std(stream));
                accepted_tcp(stream.map_err(lost)?, remote, *no_delay)
            }
            Self::Unix(listener, local) => {
                let (stream, remote) = listener.accept()?;
                let stream = stream
                    .set_nonblocking(true)
                    .and_then(|()| UnixStream::from_std(stream));
                let peer = Peer::new((&remote).into(), local.clone());
                Ok((stream.map_err(lost)?.into(), peer))
            }
        }
    }
}

fn accepted_tcp(
    stream: TcpStream,
    remote: SocketAddr,
    no_delay: bool,
) -> io::Result<(Transport, Peer)> {
    if no_delay {
        // A small answer must not wait for the acknowledgement of the one before it (Nagle).
        stream.set_nodelay(true).map_err(lost)?;
    }
    let local = stream.local_addr().map_err(lost)?;
    let peer = Peer::new(canonical(remote).into(), canonical(local).into());
    Ok((stream.into(), peer))
}

/// An error that concerns a connection after it was accepted, told apart from those of `accept` itself.
fn lost(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, error)
}
