//! The extensions of version 2: type, length, value (section 2.2, "TLV").

use std::fmt;

use super::crc32c::crc32c;
use super::{MAX_UNIQUE_ID_BYTES, ProxyError, ProxyHeader};

/// One extension: a type and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    kind: u8,
    value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The type of the protocol that was negotiated over the connection (`PP2_TYPE_ALPN`).
    pub const ALPN: u8 = 0x01;
    /// The type of the host name that the client asked for (`PP2_TYPE_AUTHORITY`).
    pub const AUTHORITY: u8 = 0x02;
    /// The type of the checksum (`PP2_TYPE_CRC32C`). It is checked, and written by
    /// [`encode_v2_with_checksum`](ProxyHeader::encode_v2_with_checksum); no header here has it.
    pub const CRC32C: u8 = 0x03;
    /// The type of padding (`PP2_TYPE_NOOP`).
    pub const NOOP: u8 = 0x04;
    /// The type of the proxy's name for the connection (`PP2_TYPE_UNIQUE_ID`).
    pub const UNIQUE_ID: u8 = 0x05;
    /// The type of what the proxy knows of the client's TLS (`PP2_TYPE_SSL`).
    pub const SSL: u8 = 0x20;
    /// The type of the name of a network namespace (`PP2_TYPE_NETNS`).
    pub const NETNS: u8 = 0x30;

    /// The type, one of the constants here or another.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The value as it came.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.value
    }
}

impl fmt::Debug for Tlv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.escape_ascii();
        write!(f, "Tlv({:#04x}, \"{value}\")", self.kind)
    }
}

/// The extensions of a header, in their order.
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// The value of the first of a type.
    fn value_of(mut self, kind: u8) -> Option<&'a [u8]> {
        self.find(|tlv| tlv.kind == kind).map(|tlv| tlv.value)
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        // What a header has was checked when it came.
        let (tlv, rest) = split(self.rest).ok().flatten()?;
        self.rest = rest;
        Some(tlv)
    }
}

/// The first extension and what follows it; `None` at the end.
fn split(bytes: &[u8]) -> Result<Option<(Tlv<'_>, &[u8])>, ProxyError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let cut_short = ProxyError::malformed("extension");
    let Some((&[kind, high, low], rest)) = bytes.split_first_chunk() else {
        return Err(cut_short);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (value, rest) = rest.split_at_checked(length).ok_or(cut_short)?;
    Ok(Some((Tlv { kind, value }, rest)))
}

/// Checks the extensions of a header and its checksum, and gives them without that. `before` is what stands in
/// front of them.
pub(super) fn check(before: &[&[u8]], bytes: &[u8]) -> Result<Vec<u8>, ProxyError> {
    let mut rest = bytes;
    let mut checksum = None;
    while let Some((tlv, after)) = split(rest)? {
        if tlv.kind == Tlv::CRC32C {
            let value = <[u8; 4]>::try_from(tlv.value);
            let value = value.map_err(|_| ProxyError::malformed("checksum"))?;
            let end = bytes.len() - after.len();
            if checksum.replace((u32::from_be_bytes(value), end)).is_some() {
                return Err(ProxyError::malformed("checksum"));
            }
        } else {
            check_value(tlv)?;
        }
        rest = after;
    }
    let Some((checksum, end)) = checksum else {
        return Ok(bytes.to_vec());
    };
    let (first, last) = (&bytes[..end - 4], &bytes[end..]);
    let mut pieces = before.to_vec();
    pieces.extend([first, &[0; 4], last]);
    if crc32c(&pieces) != checksum {
        return Err(ProxyError::checksum());
    }
    // Without its type and length too.
    Ok([&first[..first.len() - 3], last].concat())
}

/// Checks the value of an extension whose type has rules for it.
fn check_value(tlv: Tlv<'_>) -> Result<(), ProxyError> {
    match tlv.kind {
        Tlv::AUTHORITY if std::str::from_utf8(tlv.value).is_err() => {
            Err(ProxyError::malformed("authority"))
        }
        Tlv::UNIQUE_ID if tlv.value.len() > MAX_UNIQUE_ID_BYTES => {
            Err(ProxyError::too_long("unique id"))
        }
        Tlv::SSL => {
            let fixed = tlv.value.split_first_chunk::<SSL_FIXED_BYTES>();
            let (_, mut rest) = fixed.ok_or(ProxyError::malformed("TLS extension"))?;
            while let Some((_, after)) = split(rest)? {
                rest = after;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The flags, and the result of the verification.
const SSL_FIXED_BYTES: usize = 1 + 4;

/// What the proxy knows of the client's TLS (section 2.2.6).
#[derive(Clone, Debug)]
pub struct SslInfo<'a> {
    client: u8,
    verify: u32,
    more: Tlvs<'a>,
}

impl<'a> SslInfo<'a> {
    fn of(value: &'a [u8]) -> Option<Self> {
        let (&[client, a, b, c, d], rest) = value.split_first_chunk::<SSL_FIXED_BYTES>()?;
        Some(Self {
            client,
            verify: u32::from_be_bytes([a, b, c, d]),
            more: Tlvs { rest },
        })
    }

    /// Whether the client speaks TLS with the proxy.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.client & 0x01 != 0
    }

    /// Whether the client gave a certificate on this connection, or earlier in its TLS session.
    #[must_use]
    pub fn has_client_certificate(&self) -> bool {
        self.client & 0x06 != 0
    }

    /// Whether the client gave a certificate and the proxy verified it.
    #[must_use]
    pub fn is_client_verified(&self) -> bool {
        self.has_client_certificate() && self.verify == 0
    }

    /// The version of TLS, such as `TLSv1.3`.
    #[must_use]
    pub fn version(&self) -> Option<&'a str> {
        self.text(0x21)
    }

    /// The common name in the client's certificate.
    #[must_use]
    pub fn common_name(&self) -> Option<&'a str> {
        self.text(0x22)
    }

    /// The cipher, such as `ECDHE-RSA-AES128-GCM-SHA256`.
    #[must_use]
    pub fn cipher(&self) -> Option<&'a str> {
        self.text(0x23)
    }

    /// The client's certificate in DER, where the proxy sends it (`PP2_SUBTYPE_SSL_CLIENT_CERT`).
    #[must_use]
    pub fn client_certificate(&self) -> Option<&'a [u8]> {
        self.more.clone().value_of(0x28)
    }

    /// All that the proxy says of it, these included.
    #[must_use]
    pub fn details(&self) -> Tlvs<'a> {
        self.more.clone()
    }

    fn text(&self, kind: u8) -> Option<&'a str> {
        std::str::from_utf8(self.more.clone().value_of(kind)?).ok()
    }
}

impl ProxyHeader {
    /// The extensions, in their order; version 1 has none.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs { rest: &self.tlvs }
    }

    /// The protocol that was negotiated over the client's connection, such as `h2`.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tlvs().value_of(Tlv::ALPN)
    }

    /// The host name that the client asked for: with TLS the server name of its handshake.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        std::str::from_utf8(self.tlvs().value_of(Tlv::AUTHORITY)?).ok()
    }

    /// The proxy's name for the connection, [`MAX_UNIQUE_ID_BYTES`] at most.
    #[must_use]
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.tlvs().value_of(Tlv::UNIQUE_ID)
    }

    /// What the proxy knows of the client's TLS.
    #[must_use]
    pub fn ssl(&self) -> Option<SslInfo<'_>> {
        SslInfo::of(self.tlvs().value_of(Tlv::SSL)?)
    }

    /// Adds an extension, which only version 2 can carry.
    ///
    /// # Errors
    /// When the header would become longer than [`MAX_V2_BYTES`](super::MAX_V2_BYTES), or the value breaks a rule
    /// of its type. A [checksum](Tlv::CRC32C) is not added by hand.
    pub fn with_tlv(mut self, kind: u8, value: &[u8]) -> Result<Self, ProxyError> {
        let length = u16::try_from(value.len());
        let length = length.map_err(|_| ProxyError::too_long("extension"))?;
        if kind == Tlv::CRC32C {
            return Err(ProxyError::malformed("checksum"));
        }
        check_value(Tlv { kind, value })?;
        if self.has_no_room(3 + value.len()) {
            return Err(ProxyError::too_long("header"));
        }
        self.tlvs.push(kind);
        self.tlvs.extend(length.to_be_bytes());
        self.tlvs.extend(value);
        Ok(self)
    }
}
