//! Everything known of one name.

use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use super::encoding::{Encoding, negotiate};
use super::file::{self, Representation, Stamp};
use super::hooks::{Hooks, StaticFile};
use super::settings::Settings;

/// Bytes that an entry is counted for besides its representations.
const ENTRY_OVERHEAD: u64 = 512;

/// Bytes that a representation is counted for besides its content: the headers, mostly.
const REPRESENTATION_OVERHEAD: u64 = 3072;

/// For what was asked for by its version: it never changes.
pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// What a name leads to, in each coding there is, with the headers of its answers.
#[derive(Debug)]
pub(super) struct Entry {
    /// The name below the root, as decoded.
    pub(super) name: Box<str>,
    pub(super) content_type: HeaderValue,
    pub(super) identity: Variant,
    /// The files that were compressed before, where they were looked for.
    pub(super) siblings: Vec<Sibling>,
    /// The files were left alone for long enough before they were read: unless a stamp says so, they did
    /// not change since.
    settled: bool,
}

/// A file such as `app.js.br` next to `app.js`.
#[derive(Debug)]
pub(super) struct Sibling {
    pub(super) name: String,
    /// None when there is none that may be used.
    pub(super) file: Option<Variant>,
    /// What was there, usable or not.
    pub(super) stamp: Option<Stamp>,
}

/// A representation with the headers of its answers.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) file: Representation,
    /// Those of a whole answer to a request without a version.
    pub(super) headers: HeaderMap,
    /// The same for a request with the version of the file; made when the first one comes.
    versioned: OnceLock<HeaderMap>,
}

impl Variant {
    pub(super) fn new(file: Representation) -> Self {
        Self {
            file,
            headers: HeaderMap::new(),
            versioned: OnceLock::new(),
        }
    }

    pub(super) fn versioned(&self) -> &HeaderMap {
        self.versioned.get_or_init(|| {
            let mut headers = self.headers.clone();
            headers.insert(CACHE_CONTROL, IMMUTABLE);
            headers
        })
    }

    /// Makes the headers of a whole answer.
    fn prepare(
        &mut self,
        described: &StaticFile<'_>,
        varies: bool,
        cache: Option<&HeaderValue>,
        hooks: &Hooks,
    ) {
        let file = &self.file;
        let mut headers = HeaderMap::with_capacity(9);
        file.describe(&mut headers, varies);
        headers.insert(CONTENT_TYPE, described.content_type.clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(file.size));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(name) = file.encoding.name() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        if let Some(value) = cache {
            headers.insert(CACHE_CONTROL, value.clone());
        }
        hooks.prepare(described, &mut headers);
        self.headers = headers;
    }

    fn cost(&self) -> u64 {
        let content = self.file.content.as_ref();
        let content = content.filter(|_| !self.file.is_borrowed);
        REPRESENTATION_OVERHEAD + content.map_or(0, |content| content.len() as u64)
    }
}

impl Representation {
    /// The headers that a 304 has too (RFC 9110 15.4.5), but for `Cache-Control`.
    pub(super) fn describe(&self, headers: &mut HeaderMap, varies: bool) {
        headers.insert(ETAG, self.etag_value.clone());
        if let Some(last_modified) = &self.last_modified {
            headers.insert(LAST_MODIFIED, last_modified.clone());
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if varies {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
    }
}

impl Entry {
    /// `now` is the time before the files were looked at.
    pub(super) fn new(
        name: &str,
        identity: Variant,
        siblings: Vec<Sibling>,
        settings: &Settings,
        now: SystemTime,
    ) -> Self {
        let mut entry = Self {
            name: name.into(),
            content_type: content_type(name),
            settled: identity.file.is_settled(now)
                && siblings.iter().all(|sibling| {
                    let stamp = sibling.stamp.as_ref();
                    stamp.is_none_or(|stamp| stamp.is_settled(now))
                }),
            identity,
            siblings,
        };
        let varies = entry.varies();
        let described = StaticFile {
            path: name,
            modified: entry.identity.file.stamp.modified,
            content_type: &entry.content_type,
            size: entry.identity.file.size,
        };
        let hooks = &settings.hooks;
        let cache = hooks.cache_control(&described);
        let cache = cache.as_ref().or(settings.cache_control.as_ref());
        let used = entry.siblings.iter_mut().filter_map(|s| s.file.as_mut());
        for variant in std::iter::once(&mut entry.identity).chain(used) {
            variant.prepare(&described, varies, cache, hooks);
        }
        entry
    }

    /// Whether the answer depends on what the client accepts.
    pub(super) fn varies(&self) -> bool {
        self.siblings.iter().any(|sibling| sibling.file.is_some())
    }

    /// Looks whether a load would find the files that were read: the same ones, unchanged, and still to be
    /// reached without leaving the root. Blocks.
    pub(super) fn is_current(&self, root: &Path) -> bool {
        self.settled
            && file::stamp(root, &self.name).as_ref() == Some(&self.identity.file.stamp)
            && self
                .siblings
                .iter()
                .all(|sibling| file::stamp(root, &sibling.name) == sibling.stamp)
    }

    /// The variant that the client likes best.
    pub(super) fn choose(&self, headers: &HeaderMap) -> &Variant {
        if self.siblings.is_empty() {
            return &self.identity;
        }
        let usable = |encoding: Encoding| {
            let mut files = self.siblings.iter().filter_map(|s| s.file.as_ref());
            files.find(|variant| variant.file.encoding == encoding)
        };
        let (brotli, gzip) = (usable(Encoding::Brotli), usable(Encoding::Gzip));
        let chosen = match negotiate(headers, brotli.is_some(), gzip.is_some()) {
            Encoding::Brotli => brotli,
            Encoding::Gzip => gzip,
            Encoding::Identity => None,
        };
        chosen.unwrap_or(&self.identity)
    }

    pub(super) fn name_of(&self, encoding: Encoding) -> &str {
        let has = |variant: &Option<Variant>| {
            let encodings = variant.as_ref().map(|variant| variant.file.encoding);
            encodings == Some(encoding)
        };
        let sibling = self.siblings.iter().find(|sibling| has(&sibling.file));
        sibling.map_or(&self.name, |sibling| &sibling.name)
    }

    /// Bytes that it takes.
    pub(super) fn cost(&self) -> u64 {
        let siblings = self.siblings.iter().filter_map(|s| s.file.as_ref());
        let variants = std::iter::once(&self.identity).chain(siblings);
        ENTRY_OVERHEAD + self.name.len() as u64 + variants.map(Variant::cost).sum::<u64>()
    }
}

/// Guesses by the end of the name; text is UTF-8.
fn content_type(name: &str) -> HeaderValue {
    let guess = mime_guess::from_path(name).first_raw();
    HeaderValue::from_static(match guess.unwrap_or("application/octet-stream") {
        // RFC 9239.
        "application/javascript" | "text/javascript" => "text/javascript; charset=utf-8",
        // As constants they are copied without counting references.
        "text/css" => "text/css; charset=utf-8",
        "text/html" => "text/html; charset=utf-8",
        "text/plain" => "text/plain; charset=utf-8",
        essence if essence.starts_with("text/") => {
            let text = format!("{essence}; charset=utf-8");
            return HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(essence));
        }
        essence => essence,
    })
}
