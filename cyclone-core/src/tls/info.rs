//! What the two sides of a TLS connection agreed upon.

use std::fmt;

use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use super::certificate::Certificate;
use super::error::TlsError;

/// A version of TLS. Older ones are not there: RFC 8996 forbids them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), with forward secrecy only.
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl TlsVersion {
    pub(crate) fn rustls(self) -> &'static rustls::SupportedProtocolVersion {
        match self {
            Self::V1_2 => &rustls::version::TLS12,
            Self::V1_3 => &rustls::version::TLS13,
        }
    }
}

impl fmt::Display for TlsVersion {
    /// `TLSv1.2`, as OpenSSL and every server writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "TLSv1.2",
            Self::V1_3 => "TLSv1.3",
        })
    }
}

/// Checks names of application protocols (ALPN): what is longer or empty cannot be sent (RFC 7301, section 3.1).
pub(super) fn check_protocols(names: &[Vec<u8>]) -> Result<(), TlsError> {
    if names.iter().all(|name| (1..=255).contains(&name.len())) {
        return Ok(());
    }
    let message = "the name of an application protocol has 1 to 255 bytes";
    Err(TlsError::settings(message))
}

/// What the two sides of a TLS connection agreed upon, and who the other side is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    server_name: Option<Box<str>>,
    alpn: Option<Box<[u8]>>,
    version: TlsVersion,
    cipher_suite: &'static str,
    resumed: bool,
    certificates: Box<[Certificate]>,
}

impl TlsInfo {
    pub(crate) fn new(connection: &CommonState, server_name: Option<&str>) -> Self {
        let suite = connection.negotiated_cipher_suite();
        let certificates = connection.peer_certificates().unwrap_or_default();
        let certificates = certificates
            .iter()
            .map(|certificate| Certificate::new(certificate.clone()));
        Self {
            server_name: server_name.map(Into::into),
            alpn: connection.alpn_protocol().map(Into::into),
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
                _ => TlsVersion::V1_3,
            },
            cipher_suite: suite
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown"),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            certificates: certificates.collect(),
        }
    }

    /// The name of the server that the client asked for (SNI, RFC 6066), in small letters; none when it connected
    /// to an address. On the side of the server: the client chose it, it need not be a name of this server.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The application protocol that was agreed upon (ALPN, RFC 7301), `h2` for instance.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// The name of the cipher suite, `TLS13_AES_256_GCM_SHA384` for instance.
    #[must_use]
    pub fn cipher_suite(&self) -> &'static str {
        self.cipher_suite
    }

    /// Whether an earlier session went on, so that there was no full handshake.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The certificate of the other side: an authority of ours signed it, and the other side has its key. On the
    /// side of the server `None` when the client showed none, or [none was asked for](super::ClientAuth).
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&Certificate> {
        self.certificates.first()
    }

    /// The certificate of the other side and those it sent along, its own first.
    ///
    /// Only the first says who the other side is; the others are what it sent to prove that an authority signed
    /// the first.
    #[must_use]
    pub fn peer_certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}
