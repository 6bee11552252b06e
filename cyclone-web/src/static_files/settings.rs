//! What is configured, and how a name becomes an entry.

use std::sync::Arc;

use super::StaticError;
use super::cache::Sibling;
use super::encoding::Encoding;
use super::file::{self, Found, Representation};
use super::{Duration, Entry, HeaderValue, PathBuf, STATIC_CACHE_SIZE, STATIC_CHECK_INTERVAL};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) root: PathBuf,
    pub(super) default_filename: Option<String>,
    pub(super) hidden: bool,
    pub(super) precompressed: bool,
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) url_prefix: String,
    pub(super) cache_size: u64,
    pub(super) check_interval: Duration,
}

/// What a name leads to.
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
            check_interval: STATIC_CHECK_INTERVAL,
        }
    }

    /// Reads what is at a name. Blocks.
    pub(super) fn load(&self, name: &str) -> Result<Target, StaticError> {
        let identity = match file::find(&self.root, name, Encoding::Identity)? {
            Found::File(file) => file,
            Found::Directory => return Ok(Target::Directory),
        };
        let mut siblings = Vec::new();
        if self.precompressed {
            for (extension, encoding) in [("br", Encoding::Brotli), ("gz", Encoding::Gzip)] {
                let sibling = format!("{name}.{extension}");
                siblings.push(self.load_sibling(sibling, encoding, &identity));
            }
        }
        Ok(Target::File(Arc::new(Entry {
            name: name.into(),
            content_type: content_type(name),
            identity,
            siblings,
        })))
    }

    fn load_sibling(&self, name: String, encoding: Encoding, identity: &Representation) -> Sibling {
        // Whatever is wrong with it, there is the file itself.
        match file::find(&self.root, &name, encoding) {
            Ok(Found::File(file)) => Sibling {
                name,
                stamp: Some(file.stamp),
                file: (file.stamp.modified >= identity.stamp.modified).then_some(file),
            },
            Ok(Found::Directory) | Err(_) => Sibling {
                name,
                file: None,
                stamp: None,
            },
        }
    }
}

/// Guesses by the end of the name; text is UTF-8.
fn content_type(name: &str) -> HeaderValue {
    let guess = mime_guess::from_path(name).first_raw();
    let essence = guess.unwrap_or("application/octet-stream");
    if essence == "application/javascript" {
        // RFC 9239.
        HeaderValue::from_static("text/javascript; charset=utf-8")
    } else if essence.starts_with("text/") {
        let text = format!("{essence}; charset=utf-8");
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(essence))
    } else {
        HeaderValue::from_static(essence)
    }
}
