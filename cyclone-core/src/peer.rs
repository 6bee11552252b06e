//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The address of one end of a connection, or of a listener.
///
/// Its text form is `127.0.0.1:80`, `unix:/run/app.sock`, `unix:` (a client that bound no name) or `memory`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An internet address and port.
    Tcp(SocketAddr),
    /// A Unix domain socket; `None` for an unnamed one, as clients usually are.
    Unix(Option<PathBuf>),
    /// An in-process connection, as tests use.
    Memory,
}

impl Address {
    /// The internet address, for TCP.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            _ => None,
        }
    }

    /// The socket address, for TCP.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<&tokio::net::unix::SocketAddr> for Address {
    fn from(address: &tokio::net::unix::SocketAddr) -> Self {
        Self::Unix(address.as_pathname().map(PathBuf::from))
    }
}

/// The two addresses of an accepted connection.
///
/// It holds what the transport itself knows. What a proxy claims in a header is not here: a claim has to be
/// trusted first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    remote: Address,
    local: Address,
}

impl Peer {
    /// A peer at `remote` that reached us at `local`.
    #[must_use]
    pub fn new(remote: Address, local: Address) -> Self {
        Self { remote, local }
    }

    /// Where the peer is.
    #[must_use]
    pub fn remote(&self) -> &Address {
        &self.remote
    }

    /// Which of our addresses it reached.
    #[must_use]
    pub fn local(&self) -> &Address {
        &self.local
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.remote.fmt(f)
    }
}
