//! Files that are part of the program.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rust_embed::RustEmbed;

use super::encoding::Encoding;
use super::file::{Found, Representation};
use super::{StaticError, StaticFiles};

/// The files of a type that [`RustEmbed`] was derived for.
#[derive(Clone, Copy)]
pub(super) struct Embedded {
    get: fn(&str) -> Option<rust_embed::EmbeddedFile>,
    is_directory: fn(&str) -> bool,
}

impl StaticFiles {
    /// Serves files that are part of the program: one file to install, and nothing that could be missing.
    /// [rust-embed](https://docs.rs/rust-embed) puts them there, and is re-exported as `cyclone_web::rust_embed`.
    ///
    /// Everything is as for a directory: names, tags, ranges, versions, siblings that were compressed before. In debug
    /// builds rust-embed reads the files from where they were when the program was built, so that they can be edited.
    /// [`root`](Self::root) is empty.
    ///
    /// ```
    /// use cyclone_web::rust_embed::RustEmbed;
    /// use cyclone_web::{Application, StaticFiles};
    ///
    /// #[derive(RustEmbed)]
    /// #[crate_path = "cyclone_web::rust_embed"]
    /// #[folder = "src/static_files"] // below the directory of Cargo.toml
    /// struct Assets;
    ///
    /// let app = Application::new().static_files_with("/static", StaticFiles::embedded::<Assets>());
    /// # let _ = app;
    /// ```
    #[must_use]
    pub fn embedded<E: RustEmbed>() -> Self {
        let mut this = Self::new("");
        let settings = this.edit();
        settings.root = Path::new("").to_owned();
        settings.embedded = Some(Embedded {
            get: E::get,
            is_directory: is_directory::<E>,
        });
        this
    }
}

fn is_directory<E: RustEmbed>(name: &str) -> bool {
    name.is_empty()
        || E::iter().any(|file| {
            let rest = file.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('/'))
        })
}

impl Embedded {
    pub(super) fn find(&self, name: &str, encoding: Encoding) -> Result<Found, StaticError> {
        let Some(file) = (self.get)(name) else {
            return match (self.is_directory)(name) {
                true => Ok(Found::Directory),
                false => Err(StaticError::NotFound),
            };
        };
        let modified = file.metadata.last_modified();
        let modified = modified
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        let hash = file.metadata.sha256_hash();
        let (content, is_borrowed) = match file.data {
            Cow::Borrowed(content) => (Bytes::from_static(content), true),
            Cow::Owned(content) => (Bytes::from(content), false),
        };
        let file = Representation::embedded(encoding, modified, &hash, content, is_borrowed)?;
        Ok(Found::File(file))
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
