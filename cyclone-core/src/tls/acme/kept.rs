//! Files of certificates and accounts.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::tls::error::{Place, TlsError, TlsErrorKind};

/// Makes a folder that only its owner may enter (mode 0700), unless there is one, and sees that files can be put there.
pub(super) fn make_folder(path: &Path) -> Result<(), TlsError> {
    let failed = |message: &str, error: io::Error| {
        TlsError::new(TlsErrorKind::File, message)
            .at(Place::file(path))
            .because(error)
            .fix("make it, and give it to the user of this process")
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| failed("the folder cannot be made", error))?;
    access(path, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| failed("the folder cannot be written to", error.into()))
}

/// What a file has; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, TlsError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlsError::new(TlsErrorKind::File, "cannot be read")
            .at(Place::file(path))
            .because(error)),
    }
}

/// Sixteen digits that tell lists of words apart (FNV-1a). They are no secret.
pub(super) fn mark(words: &[&str]) -> String {
    let mut mark: u64 = 0xcbf2_9ce4_8422_2325;
    for word in words {
        // No word has a zero: so one long word is not two short ones.
        for byte in word.bytes().chain([0]) {
            mark = (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{mark:016x}")
}

#[cfg(test)]
mod tests {
    use super::mark;

    #[test]
    fn marks_are_those_of_fnv_and_tell_lists_apart() {
        // Of no byte at all the offset is left.
        assert_eq!(mark(&[]), "cbf29ce484222325");
        let marks = [
            &["a", "b"][..],
            &["ab"],
            &["a"],
            &["b", "a"],
            &["a", "b", ""],
        ];
        let marks = marks.map(mark);
        for (at, one) in marks.iter().enumerate() {
            assert!(!marks[..at].contains(one), "{marks:?}");
        }
    }
}
