//! What an application says of its files: Tornado's `get_cache_time` and `set_extra_headers`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue};

use super::StaticFiles;
use super::entry::Variant;

/// A file that is to be served, as hooks of [`StaticFiles`] see it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StaticFile<'a> {
    /// Its name below the root, decoded, `css/site.css` for instance.
    pub path: &'a str,
    /// When it was changed last, where that is known.
    pub modified: Option<SystemTime>,
    /// Its media type, guessed by its name.
    pub content_type: &'a HeaderValue,
    /// Bytes of it, before any coding.
    pub size: u64,
}

type CacheTime = dyn Fn(&StaticFile<'_>) -> Option<Duration> + Send + Sync;
type ExtraHeaders = dyn Fn(&StaticFile<'_>, &mut HeaderMap) + Send + Sync;

#[derive(Clone, Default)]
pub(super) struct Hooks {
    cache_time: Option<Arc<CacheTime>>,
    extra_headers: Option<Arc<ExtraHeaders>>,
}

impl StaticFiles {
    /// Says how long a file that was asked for without its version may be kept by clients and proxies, as Tornado's
    /// `get_cache_time`; with `None` for a file [`cache_control`](Self::cache_control) holds. A file that was asked for
    /// with its version may be kept for a year.
    ///
    /// It is called when a file is read, not for every request.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cyclone_web::StaticFiles;
    ///
    /// let files = StaticFiles::new("static")
    ///     .cache_time(|file| file.path.ends_with(".woff2").then_some(Duration::from_secs(86_400)));
    /// # let _ = files;
    /// ```
    #[must_use]
    pub fn cache_time(
        mut self,
        time: impl Fn(&StaticFile<'_>) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        self.edit().hooks.cache_time = Some(Arc::new(time));
        self
    }

    /// Adds fields to the answers with a file, or changes them, its media type for instance: Tornado's
    /// `set_extra_headers` and `get_content_type`. An answer without content, such as 304, has them too, but for those
    /// that describe the content.
    ///
    /// It is called when a file is read, not for every request. `Content-Length` and `ETag` stay what they are.
    ///
    /// ```
    /// use cyclone_web::StaticFiles;
    /// use http::HeaderValue;
    ///
    /// let files = StaticFiles::new("static").extra_headers(|file, headers| {
    ///     if file.path.ends_with(".wasm") {
    ///         headers.insert("cross-origin-embedder-policy", HeaderValue::from_static("require-corp"));
    ///     }
    /// });
    /// # let _ = files;
    /// ```
    #[must_use]
    pub fn extra_headers(
        mut self,
        add: impl Fn(&StaticFile<'_>, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.edit().hooks.extra_headers = Some(Arc::new(add));
        self
    }
}

impl Hooks {
    pub(super) fn cache_control(&self, file: &StaticFile<'_>) -> Option<HeaderValue> {
        let time = self.cache_time.as_ref()?(file)?;
        HeaderValue::try_from(format!("public, max-age={}", time.as_secs())).ok()
    }

    /// Whether answers have fields that nobody else knows of.
    pub(super) fn add_headers(&self) -> bool {
        self.extra_headers.is_some()
    }

    pub(super) fn prepare(&self, file: &StaticFile<'_>, headers: &mut HeaderMap) {
        let Some(add) = &self.extra_headers else {
            return;
        };
        let fixed = [CONTENT_LENGTH, ETAG].map(|name| (headers.get(&name).cloned(), name));
        add(file, headers);
        for (value, name) in fixed {
            headers.remove(&name);
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }

    /// The fields of a whole answer for one without content (RFC 9110, section 15.4.5).
    pub(super) fn without_content(variant: &Variant, headers: &mut HeaderMap) {
        for name in variant.headers.keys() {
            let describes_content = *name == CONTENT_TYPE
                || *name == CONTENT_LENGTH
                || *name == CONTENT_RANGE
                || *name == http::header::CONTENT_ENCODING
                || *name == http::header::ACCEPT_RANGES
                || *name == CACHE_CONTROL;
            if !describes_content && !headers.contains_key(name) {
                for value in variant.headers.get_all(name) {
                    headers.append(name, value.clone());
                }
            }
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("cache_time", &self.cache_time.is_some())
            .field("extra_headers", &self.extra_headers.is_some())
            .finish()
    }
}
