//! Who is at the other end of a connection.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::proxy_protocol::ProxyHeader;
#[cfg(feature = "tls")]
use crate::tls::TlsInfo;

/// The address of one end of a connection, or of a listener.
///
/// Its text form is `127.0.0.1:80`, `unix:/run/app.sock`, `unix:` (a client that bound no name), `unix:@app` or
/// `memory`. Control characters in a name are escaped: a client may choose its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An internet address and port.
    Tcp(SocketAddr),
    /// A Unix domain socket; `None` for an unnamed one, as clients usually are.
    Unix(Option<PathBuf>),
    /// An abstract Unix domain socket, by its name without the zero byte in front (Linux).
    Abstract(Vec<u8>),
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
            Self::Unix(Some(path)) => {
                f.write_str("unix:")?;
                path.to_string_lossy().chars().try_for_each(|character| {
                    match character.is_control() {
                        true => character.escape_default().fmt(f),
                        false => f.write_char(character),
                    }
                })
            }
            Self::Unix(None) => f.write_str("unix:"),
            Self::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
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
        let address: std::os::unix::net::SocketAddr = address.clone().into();
        (&address).into()
    }
}

impl From<&std::os::unix::net::SocketAddr> for Address {
    fn from(address: &std::os::unix::net::SocketAddr) -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = abstract_name(address) {
            return Self::Abstract(name.to_vec());
        }
        Self::Unix(address.as_pathname().map(PathBuf::from))
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(address: &std::os::unix::net::SocketAddr) -> Option<&[u8]> {
    std::os::linux::net::SocketAddrExt::as_abstract_name(address)
}

#[cfg(target_os = "android")]
fn abstract_name(address: &std::os::unix::net::SocketAddr) -> Option<&[u8]> {
    std::os::android::net::SocketAddrExt::as_abstract_name(address)
}

/// The address with IPv4 as such: sockets for both families show it in the form of IPv6.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
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
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsInfo>>,
    proxy: Option<Address>,
    proxy_header: Option<ProxyHeader>,
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

    /// A peer at `remote` that reached `local` through this one, a proxy.
    pub(crate) fn through(mut self, remote: Address, local: Address) -> Self {
        self.local = local;
        let proxy = std::mem::replace(&mut self.remote, remote);
        self.find(|found| found.proxy = Some(proxy))
    }

    pub(crate) fn with_proxy_header(self, header: ProxyHeader) -> Self {
        self.find(|found| found.proxy_header = Some(header))
    }

    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(self, tls: &Arc<TlsInfo>) -> Self {
        self.find(|found| found.tls = Some(Arc::clone(tls)))
    }

    /// Adds what the opening of the connection found out.
    fn find(mut self, found: impl FnOnce(&mut Found)) -> Self {
        found(Arc::make_mut(self.found.get_or_insert_default()));
        self
    }

    /// Where the peer is; behind a proxy, where the proxy says that it is.
    #[must_use]
    pub fn remote(&self) -> &Address {
        &self.remote
    }

    /// What the two sides agreed upon, for a connection over TLS: the certificate of the client, the name it asked
    /// for. `None` for a connection in the clear.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.found.as_ref()?.tls.as_deref()
    }

    /// Whether the connection is encrypted with TLS, by this server.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls().is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// The application protocol that was agreed upon with TLS (ALPN, RFC 7301), `h2` for instance.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        #[cfg(feature = "tls")]
        return self.tls()?.alpn();
        #[cfg(not(feature = "tls"))]
        return None;
    }

    /// Where the proxy is that the peer came through, as the transport knows it; `None` without one, and for a
    /// connection of the proxy's own.
    #[must_use]
    pub fn proxy(&self) -> Option<&Address> {
        self.found.as_ref()?.proxy.as_ref()
    }

    /// The PROXY header that came before the connection, with what else it says: the name that the client asked for,
    /// its TLS. `None` without one.
    #[must_use]
    pub fn proxy_header(&self) -> Option<&ProxyHeader> {
        self.found.as_ref()?.proxy_header.as_ref()
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

impl From<&Peer> for ProxyHeader {
    /// The header for whoever the connection of this peer is forwarded to. Addresses of two kinds become
    /// [`ProxyAddresses::Unknown`](crate::proxy_protocol::ProxyAddresses::Unknown).
    fn from(peer: &Peer) -> Self {
        fn name(address: &Address) -> Option<Vec<u8>> {
            match address {
                Address::Unix(None) => Some(Vec::new()),
                Address::Unix(Some(path)) => Some(path.as_os_str().as_encoded_bytes().to_vec()),
                Address::Abstract(name) => Some([b"\0", name.as_slice()].concat()),
                _ => None,
            }
        }
        let (remote, local) = (peer.remote(), peer.local());
        if let (Some(remote), Some(local)) = (remote.socket_addr(), local.socket_addr()) {
            return Self::forwarding(remote, local);
        }
        let unix = name(remote).zip(name(local));
        unix.and_then(|(remote, local)| Self::forwarding_unix(&remote, &local).ok())
            .unwrap_or_else(Self::unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    /// A client may bind what name it likes, and its name stands in logs and on terminals.
    #[test]
    fn what_a_path_has_for_terminals_and_log_files_is_escaped() {
        for (path, shown) in [
            ("/run/app.sock", "unix:/run/app.sock"),
            ("/tmp/\u{fc}ber uns", "unix:/tmp/\u{fc}ber uns"),
            ("/a\n2026 INFO b", "unix:/a\\n2026 INFO b"),
            ("/\u{1b}[2J\u{7f}\u{9b}", "unix:/\\u{1b}[2J\\u{7f}\\u{9b}"),
        ] {
            assert_eq!(Address::Unix(Some(path.into())).to_string(), shown);
        }
    }
}
