//! Reading certificates and keys from PEM (RFC 7468), with the line of what is wrong.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs1KeyDer,
    PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use super::error::{Place, TlsError, TlsErrorKind};

/// The largest file of certificates, keys or revocation lists that is read: 64 MiB.
pub const MAX_PEM_BYTES: u64 = 64 * 1024 * 1024;

/// Where PEM comes from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Source {
    pub(crate) fn bytes(pem: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(pem.into().into())
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Bytes(_) => None,
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            path: self.path().map(Path::to_owned),
            line: None,
        }
    }

    fn read(&self) -> Result<Arc<[u8]>, TlsError> {
        match self {
            Self::File(path) => read_file(path).map(Into::into),
            Self::Bytes(bytes) => Ok(Arc::clone(bytes)),
        }
    }
}

impl fmt::Debug for Source {
    /// Never the bytes: they may be a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Bytes(_) => f.write_str("PEM"),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error: std::io::Error| {
        let fix = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "check the path, relative ones start at the working directory"
            }
            std::io::ErrorKind::PermissionDenied => "let the user of this process read it",
            _ => "check the file",
        };
        TlsError::new(TlsErrorKind::File, "cannot be read")
            .at(Place::file(path))
            .because(error)
            .fix(fix)
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_PEM_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_PEM_BYTES {
        let message = format!("is larger than {} MiB", MAX_PEM_BYTES >> 20);
        return Err(TlsError::new(TlsErrorKind::File, message).at(Place::file(path)));
    }
    Ok(bytes)
}

/// What stands between a BEGIN and its END.
struct Section {
    label: String,
    /// The line of the BEGIN, counted from 1.
    line: usize,
    /// `None` when the label is none that we know.
    content: Option<(SectionKind, Vec<u8>)>,
}

/// The certificates of a file, with their lines.
pub(crate) fn certificates(
    source: &Source,
) -> Result<Vec<(CertificateDer<'static>, usize)>, TlsError> {
    let sections = sections(source)?;
    let mut certificates = Vec::new();
    for section in &sections {
        if let Some((SectionKind::Certificate, der)) = &section.content {
            certificates.push((CertificateDer::from(der.clone()), section.line));
        }
    }
    if certificates.is_empty() {
        let error = TlsError::new(
            TlsErrorKind::Certificate,
            format!("has no certificate, but {}", found(&sections)),
        );
        let fix = if sections
            .iter()
            .any(|section| section.label.ends_with("PRIVATE KEY"))
        {
            "certificate and key may have been given in the wrong order"
        } else {
            "it needs a section `-----BEGIN CERTIFICATE-----`"
        };
        return Err(error.at(source.place()).fix(fix));
    }
    Ok(certificates)
}

/// The revocation lists of a file.
pub(crate) fn revocation_lists(
    source: &Source,
) -> Result<Vec<(CertificateRevocationListDer<'static>, usize)>, TlsError> {
    let sections = sections(source)?;
    let mut lists = Vec::new();
    for section in &sections {
        if let Some((SectionKind::Crl, der)) = &section.content {
            lists.push((
                CertificateRevocationListDer::from(der.clone()),
                section.line,
            ));
        }
    }
    if lists.is_empty() {
        let message = format!("has no revocation list, but {}", found(&sections));
        return Err(TlsError::new(TlsErrorKind::Authority, message)
            .at(source.place())
            .fix("it needs a section `-----BEGIN X509 CRL-----`"));
    }
    Ok(lists)
}

/// The one private key of a file, in any of the three forms: PKCS #8, PKCS #1 or SEC 1.
pub(crate) fn private_key(source: &Source) -> Result<(PrivateKeyDer<'static>, usize), TlsError> {
    let sections = sections(source)?;
    let mut keys = sections.iter().filter_map(|section| {
        let (kind, der) = section.content.as_ref()?;
        let key = match kind {
            SectionKind::PrivateKey => PrivatePkcs8KeyDer::from(der.clone()).into(),
            SectionKind::RsaPrivateKey => PrivatePkcs1KeyDer::from(der.clone()).into(),
            SectionKind::EcPrivateKey => PrivateSec1KeyDer::from(der.clone()).into(),
            _ => return None,
        };
        Some((key, section.line))
    });
    let error = |message: String| TlsError::new(TlsErrorKind::Key, message);
    let Some(key) = keys.next() else {
        let fix = if sections
            .iter()
            .any(|section| section.label == "CERTIFICATE")
        {
            "certificate and key may have been given in the wrong order"
        } else {
            "it needs a section that is labelled `PRIVATE KEY`"
        };
        let message = format!("has no private key, but {}", found(&sections));
        return Err(error(message).at(source.place()).fix(fix));
    };
    if let Some((_, line)) = keys.next() {
        return Err(error("has a second private key".to_owned())
            .at(source.place().at(line))
            .fix("leave the one that belongs to the certificate"));
    }
    Ok(key)
}

fn found(sections: &[Section]) -> String {
    if sections.is_empty() {
        return "no PEM at all".to_owned();
    }
    let labels: Vec<String> = sections
        .iter()
        .take(4)
        .map(|section| format!("`{}` in line {}", section.label, section.line))
        .collect();
    labels.join(", ")
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Takes the text apart; what stands outside of sections is ignored, as RFC 7468 asks (section 2).
fn sections(source: &Source) -> Result<Vec<Section>, TlsError> {
    let text = source.read()?;
    let broken = |line: usize, message: String| {
        TlsError::new(TlsErrorKind::Pem, message).at(source.place().at(line))
    };
    let (mut sections, mut open) = (Vec::new(), None::<(usize, usize, Vec<u8>)>);
    let mut start = 0;
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let (number, end) = (number + 1, start + line.len());
        if let Some(label) = line.strip_prefix(BEGIN) {
            if let Some((_, begun, _)) = open {
                let message = format!("a section begins before the one of line {begun} has ended");
                return Err(broken(number, message));
            }
            let label = label.trim_ascii_end().strip_suffix(b"-----");
            let label = label.ok_or_else(|| broken(number, "ends without `-----`".to_owned()))?;
            open = Some((start, number, label.to_vec()));
        } else if let Some(label) = line.strip_prefix(END) {
            let label = label.trim_ascii_end().strip_suffix(b"-----");
            match open.take() {
                Some((from, begun, name)) if label == Some(&name) => {
                    let block = text.get(from..end).unwrap_or_default();
                    sections.push(section(source, block, begun, &name)?);
                }
                Some((_, begun, _)) => {
                    let message = format!("this is not the end of the section of line {begun}");
                    return Err(broken(number, message));
                }
                None => return Err(broken(number, "an end without a beginning".to_owned())),
            }
        }
        start = end;
    }
    if let Some((_, begun, name)) = open {
        let name = String::from_utf8_lossy(&name).into_owned();
        let error = broken(begun, format!("the section `{name}` does not end"));
        return Err(error.fix("the file seems to be cut off"));
    }
    if sections.is_empty() && text.first() == Some(&0x30) {
        return Err(TlsError::new(TlsErrorKind::Pem, "is no PEM, it looks like DER")
            .at(source.place())
            .fix("convert it, with `openssl x509 -inform der` or `openssl pkey -inform der` for instance"));
    }
    Ok(sections)
}

fn section(source: &Source, block: &[u8], line: usize, name: &[u8]) -> Result<Section, TlsError> {
    let label = String::from_utf8_lossy(name).into_owned();
    // PKCS #8 says it in the label, the old form of OpenSSL in a header (RFC 1421, 4.6.1.1).
    let headers = block.split(|byte| *byte == b'\n').skip(1);
    let is_encrypted = label == "ENCRYPTED PRIVATE KEY"
        || headers
            .take(2)
            .any(|header| header.starts_with(b"Proc-Type: 4,ENCRYPTED"));
    if is_encrypted {
        return Err(
            TlsError::new(TlsErrorKind::Key, "the private key has a password")
                .at(source.place().at(line))
                .fix("remove it with `openssl pkey -in KEY -out PLAIN`, and protect the file"),
        );
    }
    let content = match <(SectionKind, Vec<u8>)>::from_pem_slice(block) {
        Ok(content) => Some(content),
        Err(rustls_pki_types::pem::Error::NoItemsFound) => None,
        Err(error) => {
            let line = line + wrong_line(block).unwrap_or(0);
            return Err(TlsError::new(TlsErrorKind::Pem, "the base64 is broken")
                .at(source.place().at(line))
                .because(error.to_string()));
        }
    };
    Ok(Section {
        label,
        line,
        content,
    })
}

/// The first line of a block that no base64 has, counted from 0.
fn wrong_line(block: &[u8]) -> Option<usize> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/= \t\r".contains(byte);
    let lines = block.split(|byte| *byte == b'\n').enumerate().skip(1);
    lines
        .filter(|(_, line)| !line.starts_with(END))
        .find(|(_, line)| !line.iter().all(is_base64))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests;
