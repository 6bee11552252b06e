//! Where a server listens: typed, and as the strings that Twisted users know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::EndpointError;
pub(crate) use proxy::Versions;
pub use proxy::{ProxyProtocol, Untrusted};
#[cfg(feature = "tls")]
pub(crate) use tls::EndpointTls;

use crate::keep_alive;
#[cfg(feature = "tls")]
use crate::tls::{ServerTls, TlsError};

mod display;
pub(crate) mod error;
mod parse;
mod proxy;
#[cfg(test)]
mod tests;
pub(crate) mod text;
#[cfg(feature = "tls")]
mod tls;

/// Connections that the kernel queues before the server accepts them, unless said otherwise.
pub const DEFAULT_BACKLOG: u32 = 1024;

/// Permission bits of a Unix domain socket unless said otherwise: owner and group may connect.
pub const DEFAULT_UNIX_MODE: u32 = 0o660;

/// How long a connection may take to get to its protocol, all steps together, unless the endpoint says otherwise.
pub const DEFAULT_OPENING_TIMEOUT: Duration = Duration::from_secs(15);

/// What [`Endpoint::opening_timeout`] can be at most.
const LONGEST_OPENING_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Where a server listens.
///
/// The builder is the primary form; the string form is for configuration files and command lines:
///
/// | string | meaning |
/// |---|---|
/// | `tcp:8888` | all interfaces, IPv4 |
/// | `tcp:8888:interface=\:\:` | all interfaces, IPv6 and IPv4; with `:v6only=1` IPv6 alone, as `tcp6:8888` |
/// | `tcp:8888:interface=127.0.0.1` | one interface; an IPv6 address is written `\:\:1` |
/// | `tcp:0:interface=127.0.0.1:backlog=64:reuseport=1` | a port that the kernel picks; queue of 64; shared port |
/// | `tcp:8888:keepalive=60:nodelay=0` | silent peers are probed after 60 s; small writes may wait (Nagle) |
/// | `unix:/run/app.sock:mode=660:owner=app:group=33` | a Unix domain socket; octal permission bits, name or number |
/// | `unix:@app` | an abstract Unix domain socket, on Linux: no file and no permissions |
/// | `systemd:0`, `systemd:web` | a socket that systemd made, by its index or name (`FileDescriptorName=`) |
/// | `fd:3` | a listening socket that whoever started the process left under this number |
///
/// Everywhere:
///
/// | option | meaning |
/// |---|---|
/// | `proxy=v1`, `v2`, `any`, `off` | connections begin with a PROXY header ([`ProxyProtocol`]) |
/// | `trust=10.0.0.0/8,unix` | who may send it: networks, `loopback`, `unix`; unless given the last two |
/// | `untrusted=refuse`, `direct` | what becomes of the others |
/// | `opening=15` | seconds that the header (and whatever else comes before the protocol) may take |
///
/// A backslash takes the next character as it is, so `:` can stand in a path. Twisted's keyword forms
/// (`tcp:port=80`, `unix:address=/a`, `systemd:domain=INET:index=0`, `haproxy:tcp:80`) are read too.
///
/// ```
/// use cyclone_core::Endpoint;
///
/// let typed = Endpoint::tcp(8888).interface(std::net::Ipv4Addr::LOCALHOST);
/// let parsed: Endpoint = "tcp:8888:interface=127.0.0.1".parse()?;
/// assert_eq!(typed, parsed);
/// assert_eq!(typed.to_string(), "tcp:8888:interface=127.0.0.1");
/// # Ok::<(), cyclone_core::EndpointError>(())
/// ```
///
/// With the feature `tls`, without which these strings are [refused](EndpointError::is_unsupported):
///
/// | string | meaning |
/// |---|---|
/// | `tls:8443:cert=server.crt:key=server.key` | TLS on a TCP port, with every option of `tcp`; the files are PEM |
/// | `tls:8443:cert=server.pem` | certificates and key in one file |
/// | `tls:8443:certs=/etc/certs:sni=known` | every certificate in a folder; unknown names are refused (`any`, `known`, `required`) |
/// | `tls:8443:cert=a.crt:key=a.key:ca=clients.pem:client=optional:crl=clients.crl` | certificates of clients (`required` unless given) and what is revoked |
/// | `tls:8443:cert=a.pem:versions=1.3:alpn=h2,http/1.1:handshake=5` | versions of TLS, application protocols, seconds for a handshake |
/// | `tls:8443:selfsigned=localhost,127.0.0.1:cert=dev.pem` | a certificate made on the spot, kept in the file if there is one |
/// | `tls:443:acme=example.org,www.example.org:cache=/var/lib/app/acme:contact=me@example.org` | a certificate of Let's Encrypt, with the feature `acme`; `directory=` names another authority, or `staging` |
/// | `ssl:8443:privateKey=server.pem:certKey=server.crt:extraCertChain=chain.pem` | Twisted's names |
///
/// Of the other kinds `unix`, `systemd` and `fd` take these options too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub(crate) kind: Kind,
    /// Absent for the default, which is the launcher's for a socket that came from elsewhere.
    pub(crate) backlog: Option<u32>,
    pub(crate) no_delay: bool,
    pub(crate) keep_alive_seconds: Option<u16>,
    pub(crate) proxy: Option<ProxyProtocol>,
    pub(crate) opening_timeout: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<EndpointTls>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Tcp(Tcp),
    Unix(Unix),
    /// A Unix domain socket without a file, by its name.
    Abstract(String),
    /// What another process made.
    Inherited(Inherited),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tcp {
    pub(crate) port: u16,
    pub(crate) interface: IpAddr,
    pub(crate) v6_only: bool,
    pub(crate) reuse_port: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unix {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    /// A name or a number.
    pub(crate) owner: Option<String>,
    pub(crate) group: Option<String>,
}

/// How a socket is found that another process made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Inherited {
    SystemdIndex(u32),
    SystemdName(String),
    Number(u32),
}

impl Endpoint {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            backlog: None,
            no_delay: true,
            keep_alive_seconds: None,
            proxy: None,
            opening_timeout: DEFAULT_OPENING_TIMEOUT,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// A TCP port on all IPv4 interfaces; 0 lets the kernel pick one.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self::new(Kind::Tcp(Tcp {
            port,
            interface: Ipv4Addr::UNSPECIFIED.into(),
            v6_only: false,
            reuse_port: false,
        }))
    }

    /// A TCP port on all IPv6 interfaces and none of IPv4, so that [`tcp`](Self::tcp) can stand beside it.
    #[must_use]
    pub fn tcp6(port: u16) -> Self {
        Self::tcp(port)
            .interface(Ipv6Addr::UNSPECIFIED)
            .v6_only(true)
    }

    /// A TCP port on the loopback interface only; 0 lets the kernel pick one.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self::tcp(port).interface(Ipv4Addr::LOCALHOST)
    }

    /// A Unix domain socket at `path`.
    ///
    /// A socket that a dead process left there is replaced; a live one is an error. The permission bits are
    /// [`DEFAULT_UNIX_MODE`], set before anybody can connect.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Kind::Unix(Unix {
            path: path.into(),
            mode: DEFAULT_UNIX_MODE,
            owner: None,
            group: None,
        }))
    }

    /// An abstract Unix domain socket, which Linux has (unix(7)): it has no file, and everybody in the network
    /// namespace may connect.
    pub fn unix_abstract(name: impl Into<String>) -> Self {
        Self::new(Kind::Abstract(name.into()))
    }

    /// A socket that systemd made for this process, by the name in its unit (`FileDescriptorName=`): exactly one
    /// socket may have it. Found as sd_listen_fds(3) says.
    pub fn systemd(name: impl Into<String>) -> Self {
        Self::new(Kind::Inherited(Inherited::SystemdName(name.into())))
    }

    /// A socket that systemd made for this process, by its place among them, from 0.
    #[must_use]
    pub fn systemd_index(index: u32) -> Self {
        Self::new(Kind::Inherited(Inherited::SystemdIndex(index)))
    }

    /// A listening stream socket that whoever started this process left open under this number.
    ///
    /// On Linux, where the process may duplicate its own descriptors by number (pidfd_getfd(2)); 0 works
    /// everywhere. The server listens on a duplicate that closes on exec; the number itself stays open, so that
    /// programs started by this one have it too, and peers are queued until the process ends.
    #[must_use]
    pub fn fd(number: u32) -> Self {
        Self::new(Kind::Inherited(Inherited::Number(number)))
    }

    /// Listens on one interface only; `::` is all of them, IPv4 included unless [`v6_only`](Self::v6_only). No
    /// effect on other kinds than TCP.
    #[must_use]
    pub fn interface(mut self, address: impl Into<IpAddr>) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.interface = address.into();
        }
        self
    }

    /// Whether an IPv6 interface takes IPv6 connections alone (`IPV6_V6ONLY`); off unless called, whatever the
    /// system's default. No effect on other kinds than TCP.
    #[must_use]
    pub fn v6_only(mut self, yes: bool) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.v6_only = yes;
        }
        self
    }

    /// Sets how many connections the kernel queues, [`DEFAULT_BACKLOG`] unless called; a socket that came from
    /// elsewhere keeps what it has unless called. The kernel has a ceiling of its own.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        let is_inherited = matches!(self.kind, Kind::Inherited(_));
        self.backlog = (connections != DEFAULT_BACKLOG || is_inherited).then_some(connections);
        self
    }

    /// Lets several processes or threads listen on the same port (`SO_REUSEPORT`); off unless called, and
    /// without effect on other kinds than TCP.
    #[must_use]
    pub fn reuse_port(mut self, yes: bool) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.reuse_port = yes;
        }
        self
    }

    /// Whether small writes go out at once (`TCP_NODELAY`) instead of waiting for the acknowledgement of the one
    /// before; on unless called. No effect on Unix domain sockets.
    #[must_use]
    pub fn no_delay(mut self, yes: bool) -> Self {
        self.no_delay = yes || !self.may_be_tcp();
        self
    }

    /// Has the kernel probe peers that were silent for so long (`SO_KEEPALIVE`), and end connections whose peer
    /// does not answer: three probes at intervals of a third of it, so that a dead peer is found after twice the
    /// time. Off unless called; whole seconds, 1 to 32,767. No effect on Unix domain sockets.
    #[must_use]
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        let seconds = keep_alive::whole_seconds(silence);
        self.keep_alive_seconds = self.may_be_tcp().then_some(seconds);
        self
    }

    /// Sets the permission bits of a Unix domain socket with a path; no effect on others. Only the lowest nine
    /// bits count.
    #[must_use]
    pub fn mode(mut self, bits: u32) -> Self {
        if let Kind::Unix(unix) = &mut self.kind {
            unix.mode = bits & 0o777;
        }
        self
    }

    /// Sets the owner of a Unix domain socket with a path, by name or number; no effect on others. Names are
    /// those in `/etc/passwd`. Usually only root may do this.
    #[must_use]
    pub fn owner(mut self, user: impl Into<String>) -> Self {
        if let Kind::Unix(unix) = &mut self.kind {
            unix.owner = Some(user.into());
        }
        self
    }

    /// Sets the group of a Unix domain socket with a path, by name or number; no effect on others. Names are
    /// those in `/etc/group`. Besides root, members of the group may do this.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        if let Kind::Unix(unix) = &mut self.kind {
            unix.group = Some(group.into());
        }
        self
    }

    /// Expects a PROXY header at the beginning of every connection.
    #[must_use]
    pub fn proxy(mut self, proxy: ProxyProtocol) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets how long a connection may take to get to its protocol where something stands before that, a PROXY
    /// header for instance: [`DEFAULT_OPENING_TIMEOUT`] unless called, an hour at most, in milliseconds.
    #[must_use]
    pub fn opening_timeout(mut self, limit: Duration) -> Self {
        let limit = limit.clamp(Duration::from_millis(1), LONGEST_OPENING_TIMEOUT);
        self.opening_timeout =
            Duration::from_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Serves TLS: every connection begins with a handshake, after the PROXY header if there is one. What the
    /// handshake found out is in [`Peer::tls`](crate::Peer::tls).
    ///
    /// Unless the settings name application protocols (ALPN), those of the
    /// [factory](crate::ProtocolFactory::alpn) are offered. The server keeps the certificates up to date: it runs a
    /// [`TlsReload`](crate::tls::TlsReload).
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(EndpointTls::ready(tls));
        self
    }

    /// Reads the certificates that the string form names, which otherwise the server does when it binds; nothing
    /// to do for other endpoints.
    ///
    /// Clones of the result share certificates, sessions and the limit of handshakes, as the servers of one process
    /// should, and while a configuration is only checked this finds what is wrong. It blocks on files, for
    /// milliseconds.
    ///
    /// # Errors
    /// [`TlsError`] with the file, the line and what to do.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn load_tls(mut self) -> Result<Self, TlsError> {
        self.tls = self.tls.map(EndpointTls::loaded).transpose()?;
        Ok(self)
    }

    /// The name of its socket in a set of sockets: its text without the options that do not say where it is.
    pub(crate) fn socket_name(&self) -> String {
        let place = match &self.kind {
            Kind::Tcp(tcp) => Self::tcp(tcp.port)
                .interface(tcp.interface)
                .v6_only(tcp.v6_only),
            Kind::Unix(unix) => Self::unix(&unix.path),
            kind => Self::new(kind.clone()),
        };
        place.to_string()
    }

    /// The path, for a Unix domain socket that has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Unix(unix) => Some(&unix.path),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::tcp(address.port()).interface(address.ip())
    }
}
