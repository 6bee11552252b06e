//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

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

/// The two addresses of an accepted connection, and what its opening found out.
///
/// Behind a proxy that the endpoint trusts they are what its PROXY header says; everywhere else what the transport
/// itself knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    remote: Address,
    local: Address,
    /// One pointer, as few connections have any of it.
    found: Option<Arc<Found>>,
}

/// What the opening of a connection found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    proxy: Option<Address>,
}

impl Peer {
    /// A peer at `remote` that reached us at `local`.
    #[must_use]
    pub fn new(remote: Address, local: Address) -> Self {
        Self {
            remote,
            local,
            found: None,
        }
    }

    /// A peer at `remote` that reached `local` through this proxy.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the step of the PROXY header")
    )]
    pub(crate) fn through(remote: Address, local: Address, proxy: Address) -> Self {
        let found = Found { proxy: Some(proxy) };
        Self {
            remote,
            local,
            found: Some(Arc::new(found)),
        }
    }

    /// Where the peer is; behind a proxy, where the proxy says that it is.
    #[must_use]
    pub fn remote(&self) -> &Address {
        &self.remote
    }

    /// Where the proxy is that the peer came through, as the transport knows it; `None` without one.
    #[must_use]
    pub fn proxy(&self) -> Option<&Address> {
        self.found.as_ref()?.proxy.as_ref()
    }

    /// Which of our addresses it reached; behind a proxy, which of the proxy's.
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
