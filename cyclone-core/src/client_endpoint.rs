//! Where a client connects to: typed, and as the strings that Twisted users know.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::keep_alive;
use crate::peer::{Address, Peer};
use crate::session::Session;
#[cfg(feature = "tls")]
use crate::tls::{ClientTls, HandshakeError};
use crate::transport::Transport;
pub use error::ConnectError;

mod display;
mod error;
mod parse;
mod race;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

/// How long connecting may take, finding the addresses of a name included, unless the endpoint says otherwise.
pub const DEFAULT_CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time that connecting may take.
pub(crate) const LONGEST_CLIENT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// How long an attempt goes on alone before the next address is tried too (RFC 8305 section 5, "Connection Attempt
/// Delay").
pub const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many addresses of a name are tried at most.
pub const MAX_ADDRESSES_TRIED: usize = 32;

/// Where a client connects to.
///
/// The builder is the primary form; the string form is for configuration files and command lines:
///
/// | string | meaning |
/// |---|---|
/// | `tcp:example.com:80` | a host by name or address, and a port; the colons of IPv6 are written `\:` |
/// | `tcp:host=example.com:port=80:timeout=5:bindAddress=192.0.2.1` | so many seconds at most; from this address |
/// | `tcp:example.com:80:keepalive=60:nodelay=0` | as for a server's [`Endpoint`](crate::Endpoint) |
/// | `unix:/run/app.sock`, `unix:path=/run/app.sock:timeout=5` | a Unix domain socket |
/// | `unix:@app` | an abstract Unix domain socket, on Linux |
///
/// With the feature `tls`, without which these strings are [refused](crate::EndpointError::is_unsupported):
///
/// | string | meaning |
/// |---|---|
/// | `tls:example.com:443` | TLS with a server that an authority of this machine vouches for |
/// | `tls:10.0.0.1:443:name=example.com:roots=ca.pem` | the name that the server has to prove; who may vouch for it (PEM) |
/// | `tls:example.com:443:cert=me.crt:key=me.key:alpn=h2:versions=1.3` | a certificate of ours; application protocols |
///
/// A Unix domain socket takes these options too; there `name` is needed.
///
/// A name with several addresses is connected to as RFC 8305 says ("Happy Eyeballs"): IPv6 and IPv4 in turns, the
/// next address as soon as one has failed or [`CONNECTION_ATTEMPT_DELAY`] is over, and the first that answers is it.
/// The system finds the addresses, all of them before the first is tried.
///
/// ```no_run
/// use cyclone_core::ClientEndpoint;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint: ClientEndpoint = "tcp:example.com:80:timeout=5".parse()?;
/// let mut connection = endpoint.connect().await?;
/// connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
/// let mut answer = Vec::new();
/// connection.read_to_end(&mut answer).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientEndpoint {
    kind: Kind,
    timeout: Duration,
    #[cfg(feature = "tls")]
    tls: Option<tls::EndpointTls>,
    /// The name that the server has to prove, where it is not the host.
    #[cfg(feature = "tls")]
    server_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Tcp(Tcp),
    Unix(PathBuf),
    /// A Unix domain socket without a file, by its name.
    Abstract(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tcp {
    host: String,
    port: u16,
    bind_address: Option<IpAddr>,
    no_delay: bool,
    keep_alive_seconds: Option<u16>,
}

impl ClientEndpoint {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            timeout: DEFAULT_CLIENT_TIMEOUT,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            server_name: None,
        }
    }

    /// A TCP port of a host, which is a name or an address.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::new(Kind::Tcp(Tcp {
            host: host.into(),
            port,
            bind_address: None,
            no_delay: true,
            keep_alive_seconds: None,
        }))
    }

    /// A Unix domain socket at `path`.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Kind::Unix(path.into()))
    }

    /// An abstract Unix domain socket, which Linux has.
    pub fn unix_abstract(name: impl Into<String>) -> Self {
        Self::new(Kind::Abstract(name.into()))
    }

    /// Sets how long connecting may take, [`DEFAULT_CLIENT_TIMEOUT`] unless called: an hour at most, in
    /// milliseconds.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        let limit = limit.clamp(Duration::from_millis(1), LONGEST_CLIENT_TIMEOUT);
        self.timeout = Duration::from_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Connects from this address of ours; addresses of the other family are not tried then. No effect on Unix
    /// domain sockets.
    #[must_use]
    pub fn bind_address(mut self, address: impl Into<IpAddr>) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.bind_address = Some(address.into());
        }
        self
    }

    /// Whether small writes go out at once (`TCP_NODELAY`); on unless called. No effect on Unix domain sockets.
    #[must_use]
    pub fn no_delay(mut self, yes: bool) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.no_delay = yes;
        }
        self
    }

    /// Has the kernel probe a server that was silent for so long, as [`Endpoint::keep_alive`] does for clients.
    ///
    /// [`Endpoint::keep_alive`]: crate::Endpoint::keep_alive
    #[must_use]
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.keep_alive_seconds = Some(keep_alive::whole_seconds(silence));
        }
        self
    }

    /// Speaks TLS: the connection begins with a handshake, within the same time. The server has to prove that it is
    /// the host, or the [`server_name`](Self::server_name); what was agreed upon is in
    /// [`Peer::tls`](crate::Peer::tls).
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls::EndpointTls::ready(tls));
        self
    }

    /// Sets the name that the server has to prove with TLS: the host unless called. A Unix domain socket has none.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether the connection speaks TLS.
    fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// The host, for TCP.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.kind {
            Kind::Tcp(tcp) => Some(&tcp.host),
            _ => None,
        }
    }

    /// The path, for a Unix domain socket that has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Unix(path) => Some(path),
            _ => None,
        }
    }

    /// Connects. The session of the connection is a [detached](Session::detached) one, its peer the server.
    ///
    /// # Errors
    /// [`ConnectError`] with every address that was tried and why it failed. Nothing was sent, so trying again is
    /// safe.
    ///
    /// # Cancel safety
    /// Dropping the future ends every attempt.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + self.timeout;
        let (transport, peer) = self.open(deadline).await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let name = self.server_name.as_deref().or(self.host());
            let opened = (transport, peer);
            return self
                .handshake(tls, name.unwrap_or_default(), opened, deadline)
                .await;
        }
        Ok(Connection::new(transport, peer, Session::detached()))
    }

    /// Connects, without whatever comes above the socket.
    async fn open(&self, deadline: Instant) -> Result<(Transport, Peer), ConnectError> {
        match &self.kind {
            Kind::Tcp(tcp) => {
                let addresses = self.addresses(tcp, deadline).await?;
                let connect = |address| connect(tcp, address);
                let raced = race::race(addresses, deadline, connect).await;
                raced.map_err(|tried| ConnectError::failed(self, tried))
            }
            Kind::Unix(path) => {
                let address = Address::Unix(Some(path.clone()));
                self.open_unix(path.clone(), address, deadline).await
            }
            Kind::Abstract(name) => {
                let address = Address::Abstract(name.clone().into());
                let path = PathBuf::from(format!("\0{name}"));
                self.open_unix(path, address, deadline).await
            }
        }
    }

    #[cfg(feature = "tls")]
    async fn handshake(
        &self,
        tls: &tls::EndpointTls,
        name: &str,
        (transport, peer): (Transport, Peer),
        deadline: Instant,
    ) -> Result<Connection, ConnectError> {
        let tls = tls.load().map_err(|error| ConnectError::tls(self, error))?;
        let shaken = timeout_at(deadline, tls.connect(name, transport)).await;
        let shaken = shaken.unwrap_or_else(|_| Err(no_answer().into()));
        let failed = |error: HandshakeError| {
            ConnectError::failed(self, vec![(peer.remote().clone(), error.into())])
        };
        let stream = shaken.map_err(failed)?;
        let peer = peer.with_tls(stream.info());
        Ok(Connection::new(stream, peer, Session::detached()))
    }

    /// The addresses to try, in their order.
    async fn addresses(
        &self,
        tcp: &Tcp,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = timeout_at(deadline, lookup_host((tcp.host.as_str(), tcp.port)));
        let found = found.await.unwrap_or_else(|_| Err(no_answer()));
        let found = found.map_err(|error| ConnectError::no_address(self, error))?;
        let usable = |address: &SocketAddr| {
            tcp.bind_address
                .is_none_or(|ours| ours.is_ipv4() == address.is_ipv4())
        };
        let addresses = race::in_turns(found.filter(usable));
        if addresses.is_empty() {
            let reason = "the name has no address of the family of `bindAddress`";
            let error = io::Error::new(io::ErrorKind::AddrNotAvailable, reason);
            return Err(ConnectError::no_address(self, error));
        }
        Ok(addresses)
    }

    async fn open_unix(
        &self,
        path: PathBuf,
        address: Address,
        deadline: Instant,
    ) -> Result<(Transport, Peer), ConnectError> {
        let connected = timeout_at(deadline, UnixStream::connect(path)).await;
        let opened = connected
            .unwrap_or_else(|_| Err(no_answer()))
            .and_then(|stream| Ok((Address::from(&stream.local_addr()?), stream)));
        match opened {
            Ok((local, stream)) => Ok((stream.into(), Peer::new(address, local))),
            Err(error) => Err(ConnectError::failed(self, vec![(address, error)])),
        }
    }
}

async fn connect(tcp: &Tcp, address: SocketAddr) -> io::Result<(Transport, Peer)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(ours) = tcp.bind_address {
        socket.bind(SocketAddr::new(ours, 0))?;
    }
    connected(tcp, socket.connect(address).await?, address)
}

fn connected(tcp: &Tcp, stream: TcpStream, address: SocketAddr) -> io::Result<(Transport, Peer)> {
    let local = stream.local_addr()?;
    if local == address {
        // The kernel has given us the very port that we asked for, at which nobody listens. While we had it nobody
        // could, so it must not linger either.
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        let reason = "connection refused, nobody listens";
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, reason));
    }
    stream.set_nodelay(tcp.no_delay)?;
    if let Some(seconds) = tcp.keep_alive_seconds {
        keep_alive::set(&stream, seconds)?;
    }
    Ok((stream.into(), Peer::new(address.into(), local.into())))
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

impl From<SocketAddr> for ClientEndpoint {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            // A link-local address means nothing without it (RFC 4007 section 11).
            SocketAddr::V6(address) if address.scope_id() != 0 => {
                format!("{}%{}", address.ip(), address.scope_id())
            }
            _ => address.ip().to_string(),
        };
        Self::tcp(host, address.port())
    }
}
