//! What may help when an endpoint cannot be bound.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;

use rustix::io::Errno;

use crate::endpoint::{Endpoint, Kind, Tcp};

/// Ports below this one are for root (ip(7)).
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// An error of the system, with what may help.
#[derive(Debug)]
struct Advised {
    source: io::Error,
    advice: String,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source.kind(), self.advice)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// The error with advice, if there is any; its kind stays.
pub(super) fn advise(endpoint: &Endpoint, error: io::Error) -> io::Error {
    // Our own errors say all there is to say.
    let Some(number) = error.raw_os_error() else {
        return error;
    };
    let advice = match &endpoint.kind {
        Kind::Tcp(tcp) => about_tcp(tcp, number),
        Kind::Unix(unix) => {
            let folder = unix.path.parent().filter(|folder| *folder != "");
            let folder = folder.map_or_else(|| ".".into(), |folder| folder.to_string_lossy());
            match error.kind() {
                io::ErrorKind::NotFound => Some(format!("there is no folder `{folder}`")),
                io::ErrorKind::PermissionDenied => {
                    Some(format!("this process may not make files in `{folder}`"))
                }
                io::ErrorKind::ReadOnlyFilesystem => Some(format!(
                    "`{folder}` cannot be written to, nothing there can"
                )),
                _ => None,
            }
        }
        Kind::Abstract(_) if error.kind() == io::ErrorKind::AddrInUse => {
            Some("another socket has this name".to_owned())
        }
        Kind::Abstract(_) | Kind::Inherited(_) => None,
    };
    match advice {
        Some(advice) => {
            let kind = error.kind();
            let source = error;
            io::Error::new(kind, Advised { source, advice })
        }
        None => error,
    }
}

fn about_tcp(tcp: &Tcp, number: i32) -> Option<String> {
    let port = tcp.port;
    let advice = match Errno::from_raw_os_error(number) {
        Errno::ACCESS if port < FIRST_UNPRIVILEGED_PORT => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE (AmbientCapabilities= in a unit of systemd)"
        }
        Errno::ADDRINUSE if tcp.reuse_port => {
            "a process of another user, or one that does not share it, has the port"
        }
        Errno::ADDRINUSE if tcp.interface.is_ipv6() && !tcp.v6_only => {
            "another socket has the port, for IPv6 or IPv4; `v6only=1` asks for IPv6 alone, and processes of one \
             user share a port when all say `reuseport=1`"
        }
        Errno::ADDRINUSE => {
            "another socket has the port; processes of one user share it when all say `reuseport=1`"
        }
        Errno::ADDRNOTAVAIL => {
            let interface: IpAddr = tcp.interface;
            return Some(format!(
                "no interface of this machine has the address {interface}"
            ));
        }
        Errno::AFNOSUPPORT if tcp.interface.is_ipv6() => {
            "this machine has no IPv6: use `interface=0.0.0.0`"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}
