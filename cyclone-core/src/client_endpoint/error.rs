//! Why a client did not connect.

use std::error::Error;
use std::fmt;
use std::io;

use super::ClientEndpoint;
use crate::peer::Address;
#[cfg(feature = "tls")]
use crate::tls::TlsError;

/// Why a client did not connect, with every address that was tried.
///
/// Nothing was sent to the server's protocol, so that trying again is safe, later or elsewhere.
#[derive(Debug)]
pub struct ConnectError {
    endpoint: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    NoAddress(io::Error),
    #[cfg(feature = "tls")]
    Tls(TlsError),
    Failed(Vec<(Address, io::Error)>),
}

impl ConnectError {
    pub(super) fn no_address(endpoint: &ClientEndpoint, source: io::Error) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            kind: Kind::NoAddress(source),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(endpoint: &ClientEndpoint, source: TlsError) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            kind: Kind::Tls(source),
        }
    }

    pub(super) fn failed(endpoint: &ClientEndpoint, tried: Vec<(Address, io::Error)>) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            kind: Kind::Failed(tried),
        }
    }

    /// The addresses that were tried and why each failed, in the order in which they failed; none when the name has
    /// none that can be used.
    pub fn tried(&self) -> impl Iterator<Item = (&Address, &io::Error)> {
        let tried = match &self.kind {
            Kind::Failed(tried) => tried.as_slice(),
            _ => &[],
        };
        tried.iter().map(|(address, error)| (address, error))
    }

    /// Whether the time was up while somebody had not answered yet, the resolver of names or a server.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.errors()
            .any(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    /// Whether no address could be found for the host.
    #[must_use]
    pub fn is_unknown_host(&self) -> bool {
        matches!(self.kind, Kind::NoAddress(_))
    }

    /// What is wrong with the files that TLS needs: a mistake in the configuration, trying again does not help.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls_error(&self) -> Option<&TlsError> {
        match &self.kind {
            Kind::Tls(error) => Some(error),
            _ => None,
        }
    }

    fn errors(&self) -> impl Iterator<Item = &io::Error> {
        let alone = match &self.kind {
            Kind::NoAddress(error) => Some(error),
            _ => None,
        };
        alone
            .into_iter()
            .chain(self.tried().map(|(_, error)| error))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to `{}`", self.endpoint)?;
        match &self.kind {
            Kind::NoAddress(error) => write!(f, ": no address to try: {error}"),
            #[cfg(feature = "tls")]
            Kind::Tls(error) => write!(f, ": {error}"),
            Kind::Failed(tried) => {
                for (number, (address, error)) in tried.iter().enumerate() {
                    let between = if number == 0 { ": " } else { ", " };
                    write!(f, "{between}{address}: {}", Reason(error))?;
                }
                Ok(())
            }
        }
    }
}

/// An error in few words, with what may help.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        if error.raw_os_error().is_none() {
            return error.fmt(f);
        }
        match error.kind() {
            io::ErrorKind::NotFound => f.write_str("there is no such socket"),
            io::ErrorKind::ConnectionRefused => f.write_str("connection refused, nobody listens"),
            // A Unix domain socket (connect(2), EAGAIN).
            io::ErrorKind::WouldBlock => f.write_str("the server's queue is full"),
            io::ErrorKind::AddrNotAvailable => {
                f.write_str("address not available, is `bindAddress` one of this machine?")
            }
            _ => error.fmt(f),
        }
    }
}

impl Error for ConnectError {
    /// The only error, or the last one.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        #[cfg(feature = "tls")]
        if let Kind::Tls(error) = &self.kind {
            return Some(error);
        }
        let last = self.errors().last()?;
        Some(last)
    }
}
