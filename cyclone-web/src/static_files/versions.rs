//! Addresses with the version of a file.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cache::Cached;
use super::{StaticFiles, path};

/// What may stand in a path as it is.
pub(crate) const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

impl StaticFiles {
    /// Returns the address of a file with its version, `/static/app.js?v=…`, to be put into pages.
    ///
    /// The path is that of the file below the root, not encoded. A file that is missing has no
    /// version. The first time, and then at most once a second, this looks at the disk on the
    /// caller's thread, and may read up to [`cached_file_size`](Self::cached_file_size) bytes.
    #[must_use]
    pub fn static_url(&self, path: &str) -> String {
        let path = path.trim_start_matches('/');
        let prefix = &self.settings.url_prefix;
        let encoded = utf8_percent_encode(path, PATH);
        match self.version(path) {
            Some(version) => format!("{prefix}{encoded}?v={version}"),
            None => format!("{prefix}{encoded}"),
        }
    }

    /// Returns the version of a file: the text of its `ETag`. Looks at the disk as
    /// [`static_url`](Self::static_url) does.
    #[must_use]
    pub fn version(&self, path: &str) -> Option<String> {
        let name = path::normalize_decoded(Cow::Borrowed(path), self.settings.hidden).ok()?;
        let memory = &self.memory;
        let entry = match memory.cache.get(&name, self.settings.check_interval) {
            Cached::Fresh(entry) => {
                memory.counts.hits.fetch_add(1, Relaxed);
                entry
            }
            Cached::Due { .. } | Cached::Unknown => {
                memory.counts.misses.fetch_add(1, Relaxed);
                self.look(&name).ok()?.into_file()?
            }
        };
        Some(entry.identity.file.etag.tag().to_owned())
    }
}
