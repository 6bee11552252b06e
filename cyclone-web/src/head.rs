//! The head of a request, typed on demand.
//!
//! Most requests are answered from their method and their path alone. So the HTTP/1 engine hands a head over as
//! the bytes that came, checked, and the types of the `http` crate are made of them when somebody asks.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// The head of a request.
pub(crate) struct Head {
    method: Method,
    version: Version,
    /// When all of it had come.
    arrived: Instant,
    raw: Raw,
    uri: OnceLock<Uri>,
    headers: OnceLock<HeaderMap>,
    extensions: Extensions,
}

/// A head as it came, checked.
#[derive(Default)]
struct Raw {
    bytes: Bytes,
    /// Where the request target stands, and where its path ends.
    target: Range<u32>,
    path_end: u32,
    /// Where the first header field begins.
    fields: u32,
    /// How many there are.
    count: u32,
}

/// What a parser knows of a head: places in its bytes.
pub(crate) struct Places {
    pub(crate) target: Range<usize>,
    /// Where the path ends; nothing for a target that is no path.
    pub(crate) path_end: Option<usize>,
    pub(crate) fields: usize,
    pub(crate) count: usize,
}

impl Head {
    /// A head off the wire. The target has to be one that [`Uri`] takes, and the fields of the form that
    /// `httparse` takes.
    pub(crate) fn raw(
        method: Method,
        version: Version,
        bytes: Bytes,
        places: &Places,
        uri: Option<Uri>,
        arrived: Instant,
    ) -> Self {
        Self {
            method,
            version,
            arrived,
            raw: Raw {
                target: narrow(places.target.start)..narrow(places.target.end),
                path_end: places.path_end.map_or(0, narrow),
                fields: narrow(places.fields),
                count: narrow(places.count),
                bytes,
            },
            uri: uri.map_or_else(OnceLock::new, OnceLock::from),
            headers: OnceLock::new(),
            extensions: Extensions::new(),
        }
    }

    /// A head that another library has read.
    pub(crate) fn typed(parts: Parts, arrived: Instant) -> Self {
        Self {
            method: parts.method,
            version: parts.version,
            arrived,
            raw: Raw::default(),
            uri: OnceLock::from(parts.uri),
            headers: OnceLock::from(parts.headers),
            extensions: parts.extensions,
        }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn arrived(&self) -> Instant {
        self.arrived
    }

    pub(crate) fn uri(&self) -> &Uri {
        self.uri.get_or_init(|| {
            let Raw { bytes, target, .. } = &self.raw;
            let target = bytes.slice(target.start as usize..target.end as usize);
            Uri::from_maybe_shared(target).unwrap_or_default()
        })
    }

    /// The path of the target.
    pub(crate) fn path(&self) -> &str {
        match self.raw_text(self.raw.target.start, self.raw.path_end) {
            Some(path) if !path.is_empty() => path,
            _ => self.uri().path(),
        }
    }

    /// The query of the target.
    pub(crate) fn query(&self) -> Option<&str> {
        if self.raw.path_end == 0 {
            return self.uri().query();
        }
        if self.raw.path_end == self.raw.target.end {
            return None;
        }
        self.raw_text(self.raw.path_end + 1, self.raw.target.end)
    }

    fn raw_text(&self, start: u32, end: u32) -> Option<&str> {
        let bytes = self.raw.bytes.get(start as usize..end as usize)?;
        std::str::from_utf8(bytes).ok()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.headers
            .get_or_init(|| self.raw.headers().unwrap_or_default())
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    pub(crate) fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// The head in the types of the `http` crate, around `body`.
    pub(crate) fn into_request<B>(mut self, body: B) -> Request<B> {
        self.uri();
        self.headers();
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.version_mut() = self.version;
        *request.uri_mut() = self.uri.take().unwrap_or_default();
        *request.headers_mut() = self.headers.take().unwrap_or_default();
        *request.extensions_mut() = self.extensions;
        request
    }
}

impl Raw {
    #[cold]
    fn headers(&self) -> Option<HeaderMap> {
        let section = self.bytes.slice(self.fields as usize..);
        let count = self.count as usize;
        let mut headers = HeaderMap::with_capacity(count);
        each_field(&section, count, |name, value| {
            let name = HeaderName::from_bytes(name).ok()?;
            let value = HeaderValue::from_maybe_shared(section.slice(value)).ok()?;
            headers.try_append(name, value).ok()?;
            Some(())
        })?;
        Some(headers)
    }
}

/// Header fields that are read without an allocation for their places.
const INLINE_FIELDS: usize = 32;

/// Reads a field section that is known to be well formed.
fn each_field(
    section: &[u8],
    count: usize,
    mut field: impl FnMut(&[u8], Range<usize>) -> Option<()>,
) -> Option<()> {
    let mut inline = [httparse::EMPTY_HEADER; INLINE_FIELDS];
    let mut many;
    let fields = if count <= INLINE_FIELDS {
        &mut inline[..]
    } else {
        many = vec![httparse::EMPTY_HEADER; count];
        &mut many[..]
    };
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(section, fields)
    else {
        return None;
    };
    let origin = section.as_ptr().addr();
    for parsed in fields {
        let start = parsed.value.as_ptr().addr().wrapping_sub(origin);
        let place = if parsed.value.is_empty() {
            0..0
        } else {
            start..start + parsed.value.len()
        };
        field(parsed.name.as_bytes(), place)?;
    }
    Some(())
}

/// Places in a head are far below 4 GiB: heads are limited.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
