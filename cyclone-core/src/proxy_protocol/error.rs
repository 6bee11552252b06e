//! What can be wrong with a header.

use std::error::Error;
use std::fmt;

/// Bytes that are no valid header, or a header that cannot be written: the fault is the sender's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyError {
    kind: ProxyErrorKind,
    what: &'static str,
}

/// The sort of a [`ProxyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyErrorKind {
    /// The bytes do not begin as a header does: perhaps there is no proxy.
    NoHeader,
    /// Something is longer than its limit.
    TooLong,
    /// A part is not as the format wants it.
    Malformed,
    /// The checksum of a header of version 2 is not that of its bytes.
    Checksum,
}

impl ProxyError {
    fn new(kind: ProxyErrorKind, what: &'static str) -> Self {
        Self { kind, what }
    }

    pub(super) fn no_header() -> Self {
        Self::new(ProxyErrorKind::NoHeader, "header")
    }

    pub(super) fn too_long(what: &'static str) -> Self {
        Self::new(ProxyErrorKind::TooLong, what)
    }

    pub(super) fn malformed(what: &'static str) -> Self {
        Self::new(ProxyErrorKind::Malformed, what)
    }

    pub(super) fn checksum() -> Self {
        Self::new(ProxyErrorKind::Checksum, "checksum")
    }

    /// The sort of error.
    #[must_use]
    pub fn kind(&self) -> ProxyErrorKind {
        self.kind
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what;
        match self.kind {
            ProxyErrorKind::NoHeader => f.write_str("no PROXY header of the expected version"),
            ProxyErrorKind::TooLong => write!(f, "PROXY header: the {what} is too long"),
            ProxyErrorKind::Malformed => write!(f, "PROXY header: malformed {what}"),
            ProxyErrorKind::Checksum => f.write_str("PROXY header: wrong checksum"),
        }
    }
}

impl Error for ProxyError {}
