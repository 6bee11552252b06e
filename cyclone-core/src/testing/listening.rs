//! Where clients connect to.

use std::{io, net::SocketAddr, path::PathBuf};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::{Accepting, wire::Wire};

/// Connections that the kernel queues for the proxy.
const BACKLOG: u32 = 1024;

/// The listening side of a proxy.
pub(super) enum Listening {
    Tcp(TcpListening),
    Unix(UnixListening),
    /// Connections are made by hand.
    Memory,
}

impl Listening {
    /// Waits for a client.
    pub(super) async fn accept(&mut self) -> io::Result<Wire> {
        match self {
            Self::Tcp(listening) => listening.accept().await,
            Self::Unix(listening) => listening.accept().await,
            Self::Memory => std::future::pending().await,
        }
    }

    pub(super) async fn set(&mut self, accepting: Accepting) -> io::Result<()> {
        match self {
            Self::Tcp(listening) => listening.set(accepting).await,
            Self::Unix(listening) => listening.set(accepting),
            Self::Memory => Ok(()),
        }
    }
}

pub(super) struct TcpListening {
    address: SocketAddr,
    /// Bound and not listening: the port stays ours while nobody listens, and connections are refused.
    _reserved: TcpSocket,
    listener: Option<TcpListener>,
    /// Fills the queue of the kernel.
    filler: Option<TcpStream>,
    accepts: bool,
}

impl TcpListening {
    /// Listens on a free port of the loopback interface of the same family as `like`.
    pub(super) fn bind(like: SocketAddr) -> io::Result<Self> {
        let loopback = match like {
            SocketAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
            SocketAddr::V6(_) => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)),
        };
        let reserved = socket(loopback)?;
        let address = reserved.local_addr()?;
        Ok(Self {
            address,
            listener: Some(socket(address)?.listen(BACKLOG)?),
            _reserved: reserved,
            filler: None,
            accepts: true,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&self) -> io::Result<Wire> {
        match &self.listener {
            Some(listener) if self.accepts => Ok(Wire::tcp(listener.accept().await?.0)),
            _ => std::future::pending().await,
        }
    }

    async fn set(&mut self, accepting: Accepting) -> io::Result<()> {
        // A listener that goes resets what it has not accepted.
        self.listener = None;
        self.filler = None;
        self.accepts = accepting == Accepting::Forward;
        match accepting {
            Accepting::Forward => self.listener = Some(socket(self.address)?.listen(BACKLOG)?),
            Accepting::Refuse => {}
            Accepting::Ignore => {
                // With room for one, which is ours: the kernel drops the SYN of all others.
                self.listener = Some(socket(self.address)?.listen(0)?);
                self.filler = Some(TcpStream::connect(self.address).await?);
            }
        }
        Ok(())
    }
}

/// A socket that shares its address with others of ours.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

pub(super) struct UnixListening {
    path: PathBuf,
    listener: Option<UnixListener>,
    accepts: bool,
}

impl UnixListening {
    pub(super) fn bind(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            listener: Some(UnixListener::bind(&path)?),
            path,
            accepts: true,
        })
    }

    async fn accept(&self) -> io::Result<Wire> {
        match &self.listener {
            Some(listener) if self.accepts => Ok(Wire::Unix(listener.accept().await?.0)),
            _ => std::future::pending().await,
        }
    }

    fn set(&mut self, accepting: Accepting) -> io::Result<()> {
        self.accepts = accepting == Accepting::Forward;
        match accepting {
            // The name stays, and nobody listens.
            Accepting::Refuse => self.listener = None,
            Accepting::Forward | Accepting::Ignore if self.listener.is_none() => {
                std::fs::remove_file(&self.path)?;
                self.listener = Some(UnixListener::bind(&self.path)?);
            }
            Accepting::Forward | Accepting::Ignore => {}
        }
        Ok(())
    }
}

impl Drop for UnixListening {
    fn drop(&mut self) {
        // Whoever removed it before us is welcome.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Where the server is.
pub(super) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Target {
    pub(super) async fn connect(&self) -> io::Result<Wire> {
        match self {
            Self::Tcp(address) => TcpStream::connect(address).await.map(Wire::tcp),
            Self::Unix(path) => UnixStream::connect(path).await.map(Wire::Unix),
        }
    }
}
