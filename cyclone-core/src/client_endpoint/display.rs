//! The string form of a client's endpoint.

use std::fmt;

use super::{ClientEndpoint, DEFAULT_CLIENT_TIMEOUT, Kind};
use crate::endpoint::text::{escape, escape_path};

impl fmt::Display for ClientEndpoint {
    /// The string form; what equals a default is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp(tcp) => {
                let kind = if self.is_tls() { "tls" } else { "tcp" };
                write!(f, "{kind}:{}:{}", escape(&tcp.host), tcp.port)?;
                if let Some(ours) = tcp.bind_address {
                    write!(f, ":bindAddress={}", escape(&ours.to_string()))?;
                }
                if !tcp.no_delay {
                    f.write_str(":nodelay=0")?;
                }
                if let Some(seconds) = tcp.keep_alive_seconds {
                    write!(f, ":keepalive={seconds}")?;
                }
            }
            Kind::Unix(path) => write!(f, "unix:{}", escape_path(&path.to_string_lossy()))?,
            Kind::Abstract(name) => write!(f, "unix:@{}", escape(name))?,
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            write!(f, "{tls}")?;
        }
        if self.timeout != DEFAULT_CLIENT_TIMEOUT {
            write!(f, ":timeout={}", self.timeout.as_secs_f64())?;
        }
        Ok(())
    }
}
