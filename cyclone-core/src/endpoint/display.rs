//! The string form of an endpoint; what equals a default is left out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::text::{escape, escape_path};
use super::{DEFAULT_OPENING_TIMEOUT, DEFAULT_UNIX_MODE, Endpoint, Inherited, Kind, Tcp, Unix};

impl fmt::Display for Endpoint {
    /// The string form; what equals a default is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp(tcp) => {
                f.write_str(if self.is_tls() { "tls" } else { "tcp" })?;
                display_tcp(f, tcp)?;
            }
            Kind::Unix(unix) => display_unix(f, unix)?,
            Kind::Abstract(name) => write!(f, "unix:@{}", escape(name))?,
            Kind::Inherited(Inherited::Number(number)) => write!(f, "fd:{number}")?,
            Kind::Inherited(Inherited::SystemdIndex(index)) => write!(f, "systemd:{index}")?,
            // What looks like an index is not one.
            Kind::Inherited(Inherited::SystemdName(name)) => match name.parse::<u32>() {
                Ok(_) => write!(f, "systemd:name={}", escape(name))?,
                Err(_) => write!(f, "systemd:{}", escape(name))?,
            },
        }
        if let Some(backlog) = self.backlog {
            write!(f, ":backlog={backlog}")?;
        }
        if !self.no_delay {
            f.write_str(":nodelay=0")?;
        }
        if let Some(seconds) = self.keep_alive_seconds {
            write!(f, ":keepalive={seconds}")?;
        }
        if let Some(proxy) = &self.proxy {
            write!(f, ":{proxy}")?;
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            write!(f, "{tls}")?;
        }
        if self.opening_timeout != DEFAULT_OPENING_TIMEOUT {
            write!(f, ":opening={}", self.opening_timeout.as_secs_f64())?;
        }
        Ok(())
    }
}

fn display_tcp(f: &mut fmt::Formatter<'_>, tcp: &Tcp) -> fmt::Result {
    write!(f, ":{}", tcp.port)?;
    if tcp.interface != IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        write!(f, ":interface={}", escape(&tcp.interface.to_string()))?;
    }
    if tcp.v6_only {
        f.write_str(":v6only=1")?;
    }
    if tcp.reuse_port {
        f.write_str(":reuseport=1")?;
    }
    Ok(())
}

fn display_unix(f: &mut fmt::Formatter<'_>, unix: &Unix) -> fmt::Result {
    write!(f, "unix:{}", escape_path(&unix.path.to_string_lossy()))?;
    if unix.mode != DEFAULT_UNIX_MODE {
        write!(f, ":mode={:o}", unix.mode)?;
    }
    for (name, value) in [("owner", &unix.owner), ("group", &unix.group)] {
        if let Some(value) = value {
            write!(f, ":{name}={}", escape(value))?;
        }
    }
    Ok(())
}
