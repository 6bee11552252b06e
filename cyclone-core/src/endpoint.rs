//! Where a server listens: typed, and as the strings that Twisted users know.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use error::EndpointError;

mod error;
mod parse;
#[cfg(test)]
mod tests;

/// Connections that the kernel queues before the server accepts them, unless said otherwise.
pub const DEFAULT_BACKLOG: u32 = 1024;

/// Permission bits of a Unix domain socket unless said otherwise: owner and group may connect.
pub const DEFAULT_UNIX_MODE: u32 = 0o660;

/// Where a server listens.
///
/// The builder is the primary form; the string form is for configuration files and command lines:
///
/// | string | meaning |
/// |---|---|
/// | `tcp:8888` | all interfaces, IPv4 |
/// | `tcp:8888:interface=127.0.0.1` | one interface; an IPv6 address is written `\:\:1` |
/// | `tcp:0:interface=127.0.0.1:backlog=64:reuseport=1` | a port that the kernel picks; queue of 64; shared port |
/// | `unix:/run/app.sock:mode=660` | a Unix domain socket, with octal permission bits |
///
/// A backslash takes the next character as it is, so `:` can stand in a path.
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
/// `tls:`, `systemd:`, `fd:` and `proxy=` are recognised and refused as [not supported
/// yet](EndpointError::is_unsupported).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Tcp(Tcp),
    Unix(Unix),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tcp {
    pub(crate) port: u16,
    pub(crate) interface: IpAddr,
    pub(crate) backlog: u32,
    pub(crate) reuse_port: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unix {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) backlog: u32,
}

impl Endpoint {
    /// A TCP port on all IPv4 interfaces; 0 lets the kernel pick one.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self {
            kind: Kind::Tcp(Tcp {
                port,
                interface: Ipv4Addr::UNSPECIFIED.into(),
                backlog: DEFAULT_BACKLOG,
                reuse_port: false,
            }),
        }
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
        Self {
            kind: Kind::Unix(Unix {
                path: path.into(),
                mode: DEFAULT_UNIX_MODE,
                backlog: DEFAULT_BACKLOG,
            }),
        }
    }

    /// Listens on one interface only; no effect on a Unix domain socket.
    #[must_use]
    pub fn interface(mut self, address: impl Into<IpAddr>) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.interface = address.into();
        }
        self
    }

    /// Sets how many connections the kernel queues, [`DEFAULT_BACKLOG`] unless called. The kernel has a
    /// ceiling of its own.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        match &mut self.kind {
            Kind::Tcp(tcp) => tcp.backlog = connections,
            Kind::Unix(unix) => unix.backlog = connections,
        }
        self
    }

    /// Lets several processes or threads listen on the same port (`SO_REUSEPORT`); off unless called, and
    /// without effect on a Unix domain socket.
    #[must_use]
    pub fn reuse_port(mut self, yes: bool) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.reuse_port = yes;
        }
        self
    }

    /// Sets the permission bits of a Unix domain socket; no effect on TCP. Only the lowest nine bits count.
    #[must_use]
    pub fn mode(mut self, bits: u32) -> Self {
        if let Kind::Unix(unix) = &mut self.kind {
            unix.mode = bits & 0o777;
        }
        self
    }

    /// The name of its socket in a set of sockets: its text without the options that do not say where it is.
    pub(crate) fn socket_name(&self) -> String {
        let place = match &self.kind {
            Kind::Tcp(tcp) => Self::tcp(tcp.port).interface(tcp.interface),
            Kind::Unix(unix) => Self::unix(&unix.path),
        };
        place.to_string()
    }

    /// The path, for a Unix domain socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Unix(unix) => Some(&unix.path),
            Kind::Tcp(_) => None,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::tcp(address.port()).interface(address.ip())
    }
}

impl fmt::Display for Endpoint {
    /// The string form; what equals a default is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp(tcp) => {
                write!(f, "tcp:{}", tcp.port)?;
                if tcp.interface != IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
                    write!(
                        f,
                        ":interface={}",
                        parse::escape(&tcp.interface.to_string())
                    )?;
                }
                display_backlog(f, tcp.backlog)?;
                if tcp.reuse_port {
                    f.write_str(":reuseport=1")?;
                }
            }
            Kind::Unix(unix) => {
                write!(f, "unix:{}", parse::escape(&unix.path.to_string_lossy()))?;
                if unix.mode != DEFAULT_UNIX_MODE {
                    write!(f, ":mode={:o}", unix.mode)?;
                }
                display_backlog(f, unix.backlog)?;
            }
        }
        Ok(())
    }
}

fn display_backlog(f: &mut fmt::Formatter<'_>, backlog: u32) -> fmt::Result {
    if backlog == DEFAULT_BACKLOG {
        return Ok(());
    }
    write!(f, ":backlog={backlog}")
}
