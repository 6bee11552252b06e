//! Files of certificates: which there are, and whether they have changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{Place, TlsError, TlsErrorKind};
use super::identity::Identity;

/// The most certificates that are taken from one folder.
pub const MAX_FOLDER_IDENTITIES: usize = 10_000;

/// What files look like from outside; it differs once one of them was written or replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Nothing for a file that is not there.
    files: Vec<Option<Look>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Fingerprint {
    /// Symbolic links are followed: what counts is the file in the end.
    pub(crate) fn of(paths: &[PathBuf]) -> Self {
        let look = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some(Look {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
            })
        };
        Self {
            files: paths.iter().map(look).collect(),
        }
    }
}

/// Puts `bytes` into a file that only its owner may read (mode 0600), in one step: whoever reads the path finds the
/// old file or the new one.
#[cfg(any(feature = "self-signed", feature = "acme"))]
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let draft = path.with_file_name(format!(".{:08x}~", fastrand::u32(..)));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| {
        // It may not be there; that it could not be written is what counts.
        let _ = fs::remove_file(&draft);
        TlsError::new(TlsErrorKind::File, "cannot be written")
            .at(Place::file(path))
            .because(error)
    })
}

/// The identities in a folder, in the order of the file names.
pub(crate) fn identities_in(folder: &Path) -> Result<Vec<Identity>, TlsError> {
    let failed = |error: std::io::Error| {
        TlsError::new(TlsErrorKind::File, "the folder cannot be read")
            .at(Place::file(folder))
            .because(error)
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !is_hidden && matches!(extension, Some("pem" | "crt")) {
            paths.push(path);
        }
        if paths.len() > MAX_FOLDER_IDENTITIES {
            let message = format!("has more than {MAX_FOLDER_IDENTITIES} certificates");
            return Err(TlsError::new(TlsErrorKind::File, message).at(Place::file(folder)));
        }
    }
    if paths.is_empty() {
        return Err(
            TlsError::new(TlsErrorKind::Certificate, "has no certificate")
                .at(Place::file(folder))
                .fix(
                    "put `NAME.pem` with certificates and key there, or `NAME.crt` and `NAME.key`",
                ),
        );
    }
    paths.sort();
    let identities = paths.into_iter().map(|path| {
        let is_whole = path.extension().is_some_and(|extension| extension == "pem");
        let key = path.with_extension("key");
        if is_whole {
            Identity::file(path)
        } else {
            Identity::files(path, key)
        }
    });
    Ok(identities.collect())
}
