//! The head of a request, typed on demand.
//!
//! Most requests are answered from their method and their path alone. So the HTTP/1 engine hands a head over as
//! the bytes that came, checked, and the types of the `http` crate are made of them when somebody asks.

use std::cell::Cell;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

use crate::kept;

/// The head of a request.
pub(crate) struct Head {
    method: Method,
    version: Version,
    /// When all of it had come.
    arrived: Instant,
    raw: Raw,
    typed: OnceLock<Box<Typed>>,
    extensions: Extensions,
}

/// What somebody has asked for.
#[derive(Default)]
struct Typed {
    uri: OnceLock<Uri>,
    headers: OnceLock<HeaderMap>,
}

/// A head as it came, checked.
#[derive(Default)]
pub(crate) struct Raw {
    /// The target, if it is a path, with a query perhaps.
    pub(crate) target: Target,
    /// The length of the path in it.
    pub(crate) path: u32,
    /// The header fields with the empty line behind them.
    pub(crate) section: Section,
    /// How many there are.
    pub(crate) fields: u32,
}

impl Head {
    /// A head off the wire. The target has to be one that [`Uri`] takes, and the fields of the form that
    /// `httparse` takes.
    pub(crate) fn raw(
        method: Method,
        version: Version,
        raw: Raw,
        uri: Option<Uri>,
        arrived: Instant,
    ) -> Self {
        Self {
            method,
            version,
            arrived,
            raw,
            typed: uri.map_or_else(OnceLock::new, |uri| {
                OnceLock::from(Box::new(Typed {
                    uri: OnceLock::from(uri),
                    headers: OnceLock::new(),
                }))
            }),
            extensions: Extensions::new(),
        }
    }

    /// A head that another library has read.
    pub(crate) fn from_parts(parts: Parts, arrived: Instant) -> Self {
        Self {
            method: parts.method,
            version: parts.version,
            arrived,
            raw: Raw::default(),
            typed: OnceLock::from(Box::new(Typed {
                uri: OnceLock::from(parts.uri),
                headers: OnceLock::from(parts.headers),
            })),
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
        self.typed().uri.get_or_init(|| {
            let uri = Uri::try_from(self.raw.target.0.as_slice());
            uri.unwrap_or_default()
        })
    }

    /// The path of the target.
    pub(crate) fn path(&self) -> &str {
        text(self.path_bytes())
    }

    /// The bytes of the path of the target, which are UTF-8: to find a route it need not be known.
    pub(crate) fn path_bytes(&self) -> &[u8] {
        match self.raw.target.0.get(..self.raw.path as usize) {
            Some(path) if !path.is_empty() => path,
            _ => self.uri().path().as_bytes(),
        }
    }

    /// The bytes of the query of the target, which are UTF-8.
    pub(crate) fn query_bytes(&self) -> Option<&[u8]> {
        if self.raw.path == 0 {
            return self.uri().query().map(str::as_bytes);
        }
        self.raw.target.0.get(self.raw.path as usize + 1..)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.typed()
            .headers
            .get_or_init(|| self.raw.headers().unwrap_or_default())
    }

    /// The header fields, to change them.
    #[cfg(feature = "decompression")]
    pub(crate) fn headers_mut(&mut self) -> Option<&mut HeaderMap> {
        self.headers();
        self.typed.get_mut()?.headers.get_mut()
    }

    fn typed(&self) -> &Typed {
        self.typed.get_or_init(Box::default)
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
        let mut typed = self.typed.take().unwrap_or_default();
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.version_mut() = self.version;
        *request.uri_mut() = typed.uri.take().unwrap_or_default();
        *request.headers_mut() = typed.headers.take().unwrap_or_default();
        *request.extensions_mut() = self.extensions;
        request
    }
}

impl Raw {
    #[cold]
    fn headers(&self) -> Option<HeaderMap> {
        let fields = self.fields as usize;
        let mut headers = HeaderMap::with_capacity(fields);
        // All values share one piece of memory.
        let section = Bytes::copy_from_slice(&self.section.0);
        each_field(&section, fields, |name, value| {
            let name = HeaderName::from_bytes(name).ok()?;
            let value = HeaderValue::from_maybe_shared(section.slice(value)).ok()?;
            headers.try_append(name, value).ok()?;
            Some(())
        })?;
        if headers.contains_key(header::TRANSFER_ENCODING) {
            // It does not count, and whoever passes the request on must not pass both (RFC 9112 section 6.3).
            headers.remove(header::CONTENT_LENGTH);
        } else if let Some(length) = headers.get(header::CONTENT_LENGTH).cloned() {
            // Those that were repeated are the same.
            headers.insert(header::CONTENT_LENGTH, length);
        }
        Some(headers)
    }
}

/// The text of a piece of a target, cut beside an ASCII character.
fn text(utf8: &[u8]) -> &str {
    std::str::from_utf8(utf8).unwrap_or_default()
}

/// A place or a number in a head: these are limited far below 4 GiB.
pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A field section, in memory that the thread uses again.
#[derive(Default)]
pub(crate) struct Section(Vec<u8>);

/// A request target, likewise: UTF-8, as [`Target::copy`] is told.
#[derive(Default)]
pub(crate) struct Target(Vec<u8>);

/// The most bytes of memory of each kind that are kept for use again.
const KEPT_BYTES: usize = 4 * 1024;

thread_local! {
    static SECTION: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static TARGET: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Section {
    pub(crate) fn copy(bytes: &[u8]) -> Self {
        let mut section = kept::take(&SECTION);
        section.extend_from_slice(bytes);
        Self(section)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        kept::keep_empty(&SECTION, std::mem::take(&mut self.0), KEPT_BYTES);
    }
}

impl Target {
    /// A copy of a target that is UTF-8.
    pub(crate) fn copy(utf8: &[u8]) -> Self {
        let mut target = kept::take(&TARGET);
        target.extend_from_slice(utf8);
        Self(target)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        kept::keep_empty(&TARGET, std::mem::take(&mut self.0), KEPT_BYTES);
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
