//! A certificate, and what stands in it.

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

use super::name;

/// A certificate (X.509, RFC 5280): its bytes, and what stands in it.
///
/// Two certificates are equal when their bytes are.
#[derive(Clone)]
pub struct Certificate {
    der: CertificateDer<'static>,
    facts: OnceLock<Option<Box<Facts>>>,
}

#[derive(Clone)]
struct Facts {
    subject: String,
    issuer: String,
    serial: String,
    common_name: Option<String>,
    names: Vec<SubjectName>,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// A name of the owner of a certificate: one of its subject alternative names (RFC 5280, 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubjectName {
    /// A host, `example.org` or `*.example.org`.
    Dns(String),
    /// An address of a host.
    Ip(IpAddr),
    /// An address of electronic mail.
    Email(String),
    /// A URI, `spiffe://example.org/service` for instance.
    Uri(String),
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Email(name) | Self::Uri(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl Certificate {
    /// Takes the bytes (DER). They are looked at when something is asked for.
    pub(crate) fn new(der: CertificateDer<'static>) -> Self {
        Self {
            der,
            facts: OnceLock::new(),
        }
    }

    /// The bytes (DER).
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The distinguished name of the owner, as RFC 4514 writes it: `CN=alice,O=Example`; empty when there is none.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.facts().map_or("", |facts| &facts.subject)
    }

    /// The distinguished name of who signed it, as RFC 4514 writes it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.facts().map_or("", |facts| &facts.issuer)
    }

    /// The common name within [`subject`](Self::subject), the first if there are several.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.facts()?.common_name.as_deref()
    }

    /// The serial number in hexadecimal digits, which with the [`issuer`](Self::issuer) is unique.
    #[must_use]
    pub fn serial(&self) -> &str {
        self.facts().map_or("", |facts| &facts.serial)
    }

    /// The subject alternative names.
    #[must_use]
    pub fn names(&self) -> &[SubjectName] {
        self.facts().map_or(&[], |facts| &facts.names)
    }

    /// Since when it is valid.
    #[must_use]
    pub fn valid_from(&self) -> SystemTime {
        self.facts()
            .map_or(SystemTime::UNIX_EPOCH, |facts| facts.not_before)
    }

    /// Until when it is valid.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.facts()
            .map_or(SystemTime::UNIX_EPOCH, |facts| facts.not_after)
    }

    /// Whether the bytes are a certificate at all.
    pub(crate) fn is_readable(&self) -> bool {
        self.facts().is_some()
    }

    fn facts(&self) -> Option<&Facts> {
        self.facts
            .get_or_init(|| Facts::read(&self.der).map(Box::new))
            .as_deref()
    }
}

impl Facts {
    fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let names = certificate
            .subject_alternative_name()
            .ok()
            .flatten()
            .map(|extension| {
                let names = extension.value.general_names.iter();
                names.filter_map(subject_name).collect()
            });
        let common_name = certificate.subject().iter_common_name().next();
        // A zero in front only says that the number is not negative (X.690, 8.3).
        let serial = match certificate.raw_serial() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            serial => serial,
        };
        Some(Self {
            subject: name::text(certificate.subject()),
            issuer: name::text(certificate.issuer()),
            serial: serial.iter().map(|byte| format!("{byte:02x}")).collect(),
            common_name: common_name
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned),
            names: names.unwrap_or_default(),
            not_before: time(certificate.validity().not_before),
            not_after: time(certificate.validity().not_after),
        })
    }
}

fn subject_name(name: &GeneralName<'_>) -> Option<SubjectName> {
    Some(match name {
        GeneralName::DNSName(name) => SubjectName::Dns(name.to_ascii_lowercase()),
        GeneralName::RFC822Name(name) => SubjectName::Email((*name).to_owned()),
        GeneralName::URI(name) => SubjectName::Uri((*name).to_owned()),
        GeneralName::IPAddress(bytes) => SubjectName::Ip(address(bytes)?),
        _ => return None,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Times before 1970 are the same to us: over.
pub(super) fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("names", &self.names())
            .field("serial", &self.serial())
            .finish_non_exhaustive()
    }
}
