//! The PROXY protocol, versions 1 and 2: how a proxy says whom it forwards, before the first byte of the
//! connection.
//!
//! The headers themselves, for proxies and for servers of one's own; a [`Server`](crate::Server) reads them at
//! endpoints that [say so](crate::Endpoint::proxy). Nothing here reads or writes a socket.
//!
//! After `proxy-protocol.txt` of HAProxy (Willy Tarreau, revision of 2024), whose sections the comments name.
//!
//! ```
//! use cyclone_core::proxy_protocol::{ProxyHeader, parse};
//!
//! let client = "192.0.2.7:51000".parse()?;
//! let header = ProxyHeader::forwarding(client, "198.51.100.1:443".parse()?);
//! assert_eq!(header.encode_v1(), b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n");
//!
//! let mut bytes = header.encode_v2();
//! let length = bytes.len();
//! bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
//! assert_eq!(parse(&bytes[..length - 1])?, None, "one byte is missing");
//! assert_eq!(parse(&bytes)?, Some((header, length)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::net::SocketAddr;

pub use error::{ProxyError, ProxyErrorKind};
pub use tlv::{SslInfo, Tlv, Tlvs};

mod crc32c;
mod encode;
mod error;
#[cfg(test)]
mod tests;
mod tlv;
mod v1;
mod v2;

/// The longest header of version 1 in bytes, its CR LF included (section 2.1).
pub const MAX_V1_BYTES: usize = 107;

/// The longest header of version 2 in bytes that is read here, its first 16 included. The format would allow
/// 65,551; senders are asked to stay below 536, client certificates aside (section 2.2).
pub const MAX_V2_BYTES: usize = 8 * 1024;

/// The longest unique id in bytes (section 2.2.5).
pub const MAX_UNIQUE_ID_BYTES: usize = 128;

/// The bytes of the address of a Unix domain socket (section 2.2).
pub const UNIX_ADDRESS_BYTES: usize = 108;

/// What a header of either version says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    addresses: ProxyAddresses,
    datagrams: bool,
    /// The extensions as they stand in the header, without the checksum; they are well formed.
    tlvs: Vec<u8>,
}

/// Whose connection is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyAddresses {
    /// The connection is the proxy's own, for a health check for instance (`LOCAL`, version 2).
    Local,
    /// The proxy does not know, or cannot say it in this format (`UNKNOWN`, `AF_UNSPEC`).
    Unknown,
    /// An internet connection.
    Ip {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// A connection of Unix domain sockets (version 2). A name is a path, or a zero byte and an abstract name;
    /// it is empty for a socket without one.
    Unix {
        /// The client.
        source: Vec<u8>,
        /// Where the client connected to.
        destination: Vec<u8>,
    },
}

impl ProxyHeader {
    fn new(addresses: ProxyAddresses) -> Self {
        Self {
            addresses,
            datagrams: false,
            tlvs: Vec::new(),
        }
    }

    /// The header of a connection from `source` to `destination` that is forwarded.
    #[must_use]
    pub fn forwarding(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::new(ProxyAddresses::Ip {
            source,
            destination,
        })
    }

    /// The header of a connection of Unix domain sockets; the names are as in [`ProxyAddresses::Unix`].
    ///
    /// # Errors
    /// When a name is longer than [`UNIX_ADDRESS_BYTES`].
    pub fn forwarding_unix(source: &[u8], destination: &[u8]) -> Result<Self, ProxyError> {
        if source.len().max(destination.len()) > UNIX_ADDRESS_BYTES {
            return Err(ProxyError::too_long("name of a Unix domain socket"));
        }
        Ok(Self::new(ProxyAddresses::Unix {
            source: v2::trimmed(source).to_vec(),
            destination: v2::trimmed(destination).to_vec(),
        }))
    }

    /// The header of a connection of the proxy's own.
    #[must_use]
    pub fn local() -> Self {
        Self::new(ProxyAddresses::Local)
    }

    /// The header of a connection that is forwarded for somebody who cannot be named.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new(ProxyAddresses::Unknown)
    }

    /// Whose connection it is.
    #[must_use]
    pub fn addresses(&self) -> &ProxyAddresses {
        &self.addresses
    }

    /// Whether what the proxy forwards are datagrams, as UDP has them.
    #[must_use]
    pub fn is_datagrams(&self) -> bool {
        self.datagrams
    }
}

/// Reads a header of either version at the beginning of `bytes`, and says how many bytes it has; `None` when
/// more are needed.
///
/// As long as it is `None`, every byte there is belongs to the header. Nothing after the header is looked at.
///
/// # Errors
/// [`ProxyError`] when there is no valid header; more bytes would not change that. The connection is to be
/// closed: whatever sent this is no proxy that can be understood.
pub fn parse(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    match bytes.first() {
        None => Ok(None),
        Some(first) if *first == v1::PREFIX[0] => parse_v1(bytes),
        Some(first) if *first == v2::SIGNATURE[0] => parse_v2(bytes),
        Some(_) => Err(ProxyError::no_header()),
    }
}

/// Like [`parse`], for version 1 only.
///
/// # Errors
/// As [`parse`].
pub fn parse_v1(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    v1::parse(bytes)
}

/// Like [`parse`], for version 2 only.
///
/// # Errors
/// As [`parse`].
pub fn parse_v2(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    v2::parse(bytes)
}

/// Whether `bytes` begin as `wanted` does, as far as they go.
fn begin_as(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.iter().zip(wanted).all(|(is, wanted)| is == wanted)
}
