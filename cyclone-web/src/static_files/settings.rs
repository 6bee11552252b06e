//! What is configured, and how a name becomes an entry.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

#[cfg(feature = "embed")]
use super::embedded::Embedded;
use super::encoding::Encoding;
use super::entry::{Entry, Sibling, Variant};
use super::file::{self, Found};
use super::hooks::Hooks;
use super::{
    MAX_CACHED_FILE, STATIC_CACHE_SIZE, STATIC_CHECK_INTERVAL, StaticError, path::normalize,
};

/// A file takes at most one part in this many of the memory for all.
const CACHE_SHARE: u64 = 4;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) root: PathBuf,
    pub(super) default_filename: Option<String>,
    pub(super) hidden: bool,
    pub(super) precompressed: bool,
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) url_prefix: String,
    pub(super) cache_size: u64,
    pub(super) cached_file_size: u64,
    pub(super) check_interval: Duration,
    pub(super) hooks: Hooks,
    /// Files of the program, in the place of a directory.
    #[cfg(feature = "embed")]
    pub(super) embedded: Option<Embedded>,
    /// What the time stamps of files are compared with.
    pub(super) clock: fn() -> SystemTime,
}

/// What a name leads to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    File(Arc<Entry>),
    Directory,
}

impl Target {
    pub(super) fn into_file(self) -> Option<Arc<Entry>> {
        match self {
            Self::File(entry) => Some(entry),
            Self::Directory => None,
        }
    }
}

impl Settings {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            default_filename: None,
            hidden: false,
            precompressed: false,
            cache_control: None,
            url_prefix: "/static/".to_owned(),
            cache_size: STATIC_CACHE_SIZE,
            cached_file_size: MAX_CACHED_FILE,
            check_interval: STATIC_CHECK_INTERVAL,
            hooks: Hooks::default(),
            #[cfg(feature = "embed")]
            embedded: None,
            clock: SystemTime::now,
        }
    }

    /// The name that a path, still encoded, asks for; that of the default file when it ends with a slash.
    pub(super) fn name<'a>(
        &'a self,
        path: &'a str,
        slash: bool,
    ) -> Result<Cow<'a, str>, StaticError> {
        let name = normalize(path, self.hidden)?;
        match &self.default_filename {
            Some(default) if slash && name.is_empty() => Ok(default.into()),
            Some(default) if slash => Ok(format!("{name}/{default}").into()),
            _ => Ok(name),
        }
    }

    /// Bytes up to which a file is read as a whole.
    fn whole(&self) -> u64 {
        let share = (self.cache_size / CACHE_SHARE).max(MAX_CACHED_FILE);
        self.cached_file_size.min(share)
    }

    /// Reads what is at a name. Blocks.
    pub(super) fn load(&self, name: &str) -> Result<Target, StaticError> {
        let now = (self.clock)();
        let find = |name: &str, encoding| self.look_at(name, encoding, now);
        let identity = match find(name, Encoding::Identity)? {
            Found::File(file) => Variant::new(file),
            Found::Directory => return Ok(Target::Directory),
        };
        let mut siblings = Vec::new();
        if self.precompressed {
            for (extension, encoding) in [("br", Encoding::Brotli), ("gz", Encoding::Gzip)] {
                let name = format!("{name}.{extension}");
                // Whatever is wrong with it, there is the file itself.
                let file = match find(&name, encoding) {
                    Ok(Found::File(file)) => Some(file),
                    Ok(Found::Directory) | Err(_) => None,
                };
                let stamp = file.as_ref().map(|file| file.stamp);
                let fits = |stamp: &file::Stamp| stamp.modified >= identity.file.stamp.modified;
                siblings.push(Sibling {
                    name,
                    file: file.filter(|file| fits(&file.stamp)).map(Variant::new),
                    stamp,
                });
            }
        }
        let entry = Entry::new(name, identity, siblings, self, now);
        Ok(Target::File(Arc::new(entry)))
    }

    fn look_at(
        &self,
        name: &str,
        encoding: Encoding,
        now: SystemTime,
    ) -> Result<Found, StaticError> {
        #[cfg(feature = "embed")]
        if let Some(embedded) = &self.embedded {
            return embedded.find(name, encoding);
        }
        file::find(&self.root, name, encoding, self.whole(), now)
    }
}
