//! Why a client did not connect.

use std::error::Error;
use std::fmt;
use std::io;

use super::ClientEndpoint;
use crate::peer::Address;

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
    Failed(Vec<(Address, io::Error)>),
}

impl ConnectError {
    pub(super) fn no_address(endpoint: &ClientEndpoint, source: io::Error) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            kind: Kind::NoAddress(source),
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
            Kind::NoAddress(_) => &[],
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

    fn errors(&self) -> impl Iterator<Item = &io::Error> {
        let alone = match &self.kind {
            Kind::NoAddress(error) => Some(error),
            Kind::Failed(_) => None,
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
        let last = self.errors().last()?;
        Some(last)
    }
}
