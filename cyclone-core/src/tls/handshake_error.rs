//! Why a handshake failed.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{Error as RustlsError, InvalidMessage};

/// Why a TLS connection did not come about.
///
/// No byte of the application was sent or received, so trying again is safe; whether it helps, the
/// [kind](Self::kind) says.
#[derive(Debug)]
pub struct HandshakeError {
    kind: HandshakeErrorKind,
    detail: Detail,
}

/// The sort of a [`HandshakeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeErrorKind {
    /// The time limit passed. The other side, or we, may be slow or busy.
    TimedOut,
    /// The other side went away.
    Closed,
    /// The other side does not speak TLS: HTTP on the port of HTTPS, for instance.
    NotTls,
    /// The certificate of the other side is missing or not to be trusted. Trying again does not help.
    Certificate,
    /// The client asked for a server that is not here. Trying again does not help.
    UnknownName,
    /// The two sides have no version, cipher suite or application protocol in common. Trying again does not help.
    Incompatible,
    /// The other side refused us and said why (an alert): it may not trust our certificate.
    Rejected,
    /// The other side broke the protocol.
    Protocol,
    /// It was an authority that asked whether a name is ours (RFC 8737), and it was answered. That is no failure,
    /// but there is no connection either.
    #[cfg(feature = "acme")]
    Challenge,
    /// The connection under it failed.
    Io,
}

#[derive(Debug)]
enum Detail {
    TimedOut {
        limit: Duration,
        stage: Stage,
    },
    UnknownName(Option<String>),
    Name(String),
    #[cfg(feature = "acme")]
    Challenge,
    Tls(RustlsError),
    Io(io::Error),
}

/// How far a handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The server waits for the first message of the client.
    Hello,
    /// As many handshakes as may be are under way.
    Turn,
    /// The rest.
    Exchange,
}

impl HandshakeError {
    pub(crate) fn timed_out(limit: Duration, stage: Stage) -> Self {
        Self {
            kind: HandshakeErrorKind::TimedOut,
            detail: Detail::TimedOut { limit, stage },
        }
    }

    pub(crate) fn unknown_name(name: Option<String>) -> Self {
        Self {
            kind: HandshakeErrorKind::UnknownName,
            detail: Detail::UnknownName(name),
        }
    }

    #[cfg(feature = "acme")]
    pub(crate) fn challenge() -> Self {
        Self {
            kind: HandshakeErrorKind::Challenge,
            detail: Detail::Challenge,
        }
    }

    /// A client was given something that names no server.
    pub(crate) fn bad_name(name: &str) -> Self {
        Self {
            kind: HandshakeErrorKind::UnknownName,
            detail: Detail::Name(name.to_owned()),
        }
    }

    pub(crate) fn tls(error: RustlsError) -> Self {
        let kind = match &error {
            RustlsError::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => HandshakeErrorKind::NotTls,
            RustlsError::InvalidCertificate(_)
            | RustlsError::InvalidCertRevocationList(_)
            | RustlsError::NoCertificatesPresented
            | RustlsError::UnsupportedNameType => HandshakeErrorKind::Certificate,
            RustlsError::PeerIncompatible(_) | RustlsError::NoApplicationProtocol => {
                HandshakeErrorKind::Incompatible
            }
            RustlsError::AlertReceived(_) => HandshakeErrorKind::Rejected,
            _ => HandshakeErrorKind::Protocol,
        };
        Self {
            kind,
            detail: Detail::Tls(error),
        }
    }

    /// The sort of error.
    #[must_use]
    pub fn kind(&self) -> HandshakeErrorKind {
        self.kind
    }
}

impl From<io::Error> for HandshakeError {
    /// Errors of TLS come inside of those of I/O.
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(tls) = inner.and_then(|error| error.downcast_ref::<RustlsError>()) {
            return Self::tls(tls.clone());
        }
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::WriteZero => HandshakeErrorKind::Closed,
            _ => HandshakeErrorKind::Io,
        };
        Self {
            kind,
            detail: Detail::Io(error),
        }
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        let kind = match error.kind {
            HandshakeErrorKind::TimedOut => io::ErrorKind::TimedOut,
            HandshakeErrorKind::Closed => io::ErrorKind::UnexpectedEof,
            HandshakeErrorKind::UnknownName => io::ErrorKind::InvalidInput,
            HandshakeErrorKind::Io => match &error.detail {
                Detail::Io(error) => error.kind(),
                _ => io::ErrorKind::Other,
            },
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Detail::TimedOut { limit, stage } => {
                let doing = match stage {
                    Stage::Hello => "waiting for the client's first message",
                    Stage::Turn => "waiting for a turn, too many handshakes are under way",
                    Stage::Exchange => "in the middle of it",
                };
                write!(f, "the TLS handshake took longer than {limit:?}, {doing}")
            }
            Detail::UnknownName(Some(name)) => {
                write!(f, "no certificate for the name `{}`", name.escape_debug())
            }
            Detail::UnknownName(None) => f.write_str("the client asks for no name"),
            #[cfg(feature = "acme")]
            Detail::Challenge => f.write_str("the authority was told that the name is ours"),
            Detail::Name(name) => write!(f, "`{}` names no server", name.escape_debug()),
            Detail::Tls(error) if self.kind == HandshakeErrorKind::NotTls => {
                write!(f, "the other side does not speak TLS ({error})")
            }
            Detail::Tls(error) => write!(f, "the TLS handshake failed: {error}"),
            Detail::Io(error) => write!(f, "the TLS handshake failed: {error}"),
        }
    }
}

impl Error for HandshakeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.detail {
            Detail::Tls(error) => Some(error),
            Detail::Io(error) => Some(error),
            _ => None,
        }
    }
}
