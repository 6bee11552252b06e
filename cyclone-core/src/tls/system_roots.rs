//! The authorities that the operating system trusts.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;

use super::error::{TlsError, TlsErrorKind};
use super::pem::{self, Source};

/// Where the bundle of authorities is, by distribution.
const USUAL: &[&str] = &[
    // Debian, Ubuntu, Arch, Gentoo.
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, RHEL and theirs.
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    // openSUSE.
    "/etc/ssl/ca-bundle.pem",
    // Alpine, the BSDs, macOS.
    "/etc/ssl/cert.pem",
    // FreeBSD packages.
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Adds what can be used.
pub(super) fn add(roots: &mut RootCertStore) -> Result<(), TlsError> {
    // OpenSSL's name for it.
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    add_from(roots, named.filter(|path| !path.as_os_str().is_empty()))
}

fn add_from(roots: &mut RootCertStore, named: Option<PathBuf>) -> Result<(), TlsError> {
    let usual = || USUAL.iter().map(Path::new).find(|path| path.is_file());
    let Some(path) = named.or_else(|| usual().map(ToOwned::to_owned)) else {
        return Err(TlsError::new(
            TlsErrorKind::Authority,
            "this machine has no file of trusted authorities in the usual places",
        )
        .fix("install `ca-certificates`, or name the file in SSL_CERT_FILE"));
    };
    let certificates = pem::certificates(&Source::File(path.clone()))?;
    let certificates = certificates.into_iter().map(|(der, _)| der);
    let (added, skipped) = roots.add_parsable_certificates(certificates);
    tracing::debug!(path = %path.display(), added, skipped, "authorities of the system");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_file_is_named_in_the_error() {
        let mut roots = RootCertStore::empty();
        let error = add_from(&mut roots, Some("/nowhere/roots.pem".into())).unwrap_err();
        assert_eq!(error.path(), Some(Path::new("/nowhere/roots.pem")));
        assert!(roots.is_empty());
    }
}
