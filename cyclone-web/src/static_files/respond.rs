//! From a file and a request to a response.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, LAST_MODIFIED, LOCATION, RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};

use super::cache::Entry;
use super::encoding::{Encoding, negotiate};
use super::file::{self, Representation};
use super::stream::{FileBody, Part, read_exactly};
use super::{STATIC_CHUNK, StaticError, StaticFiles, blocking};
use crate::body::Body;
use crate::conditional::{Precondition, Validators, range_applies};
use crate::range::{ByteRange, Requested};

/// For what was asked for by its version: it never changes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// For another version than the one asked for: not to be kept under that address.
const OTHER_VERSION: HeaderValue = HeaderValue::from_static("no-cache");

impl StaticFiles {
    /// `None` when the file changed since it was looked at, which is then forgotten.
    pub(super) async fn respond(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        entry: &Entry,
    ) -> Result<Option<Response<Body>>, StaticError> {
        let file = entry.choose(headers);
        let current = Validators {
            etag: Some(&file.etag),
            last_modified: file.stamp.modified,
        };
        let mut response = Response::new(Body::empty());
        self.describe(response.headers_mut(), uri, entry, file);
        match Precondition::evaluate(method, headers, current) {
            Precondition::Proceed => {}
            Precondition::NotModified => {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return Ok(Some(response));
            }
            Precondition::Failed => {
                *response.status_mut() = StatusCode::PRECONDITION_FAILED;
                return Ok(Some(response));
            }
        }
        response
            .headers_mut()
            .insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));

        // Ranges are defined for GET alone (RFC 9110 14.2).
        let ranged = *method == Method::GET
            && headers.contains_key(RANGE)
            && range_applies(headers, current, SystemTime::now());
        let requested = if ranged {
            Requested::from_headers(headers, file.size)
        } else {
            Requested::Whole
        };
        let parts = match requested {
            Requested::Whole => {
                let whole = ByteRange {
                    start: 0,
                    end: file.size,
                };
                plain(response.headers_mut(), entry, file, whole)
            }
            Requested::Parts(parts) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                match parts.as_slice() {
                    &[part] => {
                        let range = content_range(part, file.size)?;
                        response.headers_mut().insert(CONTENT_RANGE, range);
                        plain(response.headers_mut(), entry, file, part)
                    }
                    several => multipart(response.headers_mut(), entry, file, several)?,
                }
            }
            Requested::Unsatisfiable => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                let size = header_value(format!("bytes */{}", file.size))?;
                response.headers_mut().insert(CONTENT_RANGE, size);
                return Ok(Some(response));
            }
        };
        if *method == Method::GET {
            match self.body(entry, file, parts).await? {
                Some(body) => *response.body_mut() = body,
                None => return Ok(None),
            }
        }
        Ok(Some(response))
    }

    /// The headers that a 304 has too (RFC 9110 15.4.5).
    fn describe(&self, headers: &mut HeaderMap, uri: &Uri, entry: &Entry, file: &Representation) {
        headers.insert(ETAG, file.etag_value.clone());
        if let Some(last_modified) = &file.last_modified {
            headers.insert(LAST_MODIFIED, last_modified.clone());
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if entry.siblings.iter().any(|sibling| sibling.file.is_some()) {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        let cache_control = match version(uri) {
            Some(version) if version == entry.identity.etag.tag() => Some(IMMUTABLE),
            Some(_) => Some(OTHER_VERSION),
            None => self.settings.cache_control.clone(),
        };
        if let Some(cache_control) = cache_control {
            headers.insert(CACHE_CONTROL, cache_control);
        }
    }

    async fn body(
        &self,
        entry: &Entry,
        file: &Representation,
        parts: VecDeque<Part>,
    ) -> Result<Option<Body>, StaticError> {
        if let Some(content) = &file.content {
            return Ok(Some(from_memory(content, parts)));
        }
        let this = self.clone();
        let name = entry.name_of(file.encoding).to_owned();
        let main = entry.name.clone();
        let stamp = file.stamp;
        blocking(move || {
            let Some(mut file) = file::reopen(&this.settings.root, &name, &stamp)? else {
                this.cache.remove(&main);
                return Ok(None);
            };
            let parts = read_first(&mut file, parts).map_err(StaticError::from_io)?;
            Ok(Some(Body::new(FileBody::new(file, parts))))
        })
        .await
    }
}

impl Entry {
    fn choose(&self, headers: &HeaderMap) -> &Representation {
        let usable = |encoding: Encoding| {
            let mut files = self
                .siblings
                .iter()
                .filter_map(|sibling| sibling.file.as_ref());
            files.find(|file| file.encoding == encoding)
        };
        let (brotli, gzip) = (usable(Encoding::Brotli), usable(Encoding::Gzip));
        let chosen = match negotiate(headers, brotli.is_some(), gzip.is_some()) {
            Encoding::Brotli => brotli,
            Encoding::Gzip => gzip,
            Encoding::Identity => None,
        };
        chosen.unwrap_or(&self.identity)
    }

    fn name_of(&self, encoding: Encoding) -> &str {
        let has = |file: &Option<Representation>| {
            file.as_ref().is_some_and(|file| file.encoding == encoding)
        };
        let sibling = self.siblings.iter().find(|sibling| has(&sibling.file));
        sibling.map_or(&self.name, |sibling| &sibling.name)
    }
}

/// Reads the first piece in the same trip to a blocking thread as the opening. Blocks.
fn read_first(
    file: &mut std::fs::File,
    mut parts: VecDeque<Part>,
) -> std::io::Result<VecDeque<Part>> {
    if let Some(&Part::File { start, length }) = parts.front() {
        let piece = length.min(STATIC_CHUNK);
        let bytes = read_exactly(file, start, piece)?;
        parts.pop_front();
        if length > piece {
            parts.push_front(Part::File {
                start: start + piece,
                length: length - piece,
            });
        }
        parts.push_front(Part::Memory(bytes));
    }
    Ok(parts)
}

fn from_memory(content: &Bytes, parts: VecDeque<Part>) -> Body {
    let mut pieces = parts.into_iter().map(|part| match part {
        Part::Memory(bytes) => bytes,
        Part::File { start, length } => {
            // Ranges were cut to the size of this content.
            let at = |offset: u64| {
                usize::try_from(offset).map_or(content.len(), |n| n.min(content.len()))
            };
            content.slice(at(start)..at(start + length))
        }
    });
    match (pieces.next(), pieces.next()) {
        (Some(only), None) => Body::from(only),
        (first, second) => {
            let all = first.into_iter().chain(second).chain(pieces);
            Body::from(all.flatten().collect::<Vec<u8>>())
        }
    }
}

/// The headers and the content of one stretch of the file.
fn plain(
    headers: &mut HeaderMap,
    entry: &Entry,
    file: &Representation,
    range: ByteRange,
) -> VecDeque<Part> {
    let length = range.end - range.start;
    headers.insert(CONTENT_TYPE, entry.content_type.clone());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    content_encoding(headers, file);
    VecDeque::from([Part::File {
        start: range.start,
        length,
    }])
}

/// Several ranges, in the order of the file (RFC 9110 14.6, 15.3.7.2).
fn multipart(
    headers: &mut HeaderMap,
    entry: &Entry,
    file: &Representation,
    ranges: &[ByteRange],
) -> Result<VecDeque<Part>, StaticError> {
    let random = || RandomState::new().build_hasher().finish();
    let boundary = format!("{:016x}{:016x}", random(), random());
    let mut parts = VecDeque::new();
    let mut total = 0;
    for range in ranges {
        let mut head = format!("\r\n--{boundary}\r\nContent-Type: ").into_bytes();
        head.extend_from_slice(entry.content_type.as_bytes());
        head.extend_from_slice(b"\r\nContent-Range: ");
        head.extend_from_slice(content_range(*range, file.size)?.as_bytes());
        head.extend_from_slice(b"\r\n\r\n");
        let length = range.end - range.start;
        total += head.len() as u64 + length;
        parts.push_back(Part::Memory(head.into()));
        parts.push_back(Part::File {
            start: range.start,
            length,
        });
    }
    let end = format!("\r\n--{boundary}--\r\n");
    total += end.len() as u64;
    parts.push_back(Part::Memory(end.into()));
    let content_type = header_value(format!("multipart/byteranges; boundary={boundary}"))?;
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(total));
    content_encoding(headers, file);
    Ok(parts)
}

fn content_encoding(headers: &mut HeaderMap, file: &Representation) {
    if let Some(name) = file.encoding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
}

fn content_range(range: ByteRange, size: u64) -> Result<HeaderValue, StaticError> {
    header_value(format!("bytes {}-{}/{size}", range.start, range.end - 1))
}

fn header_value(text: String) -> Result<HeaderValue, StaticError> {
    HeaderValue::try_from(text).map_err(|error| StaticError::Io(std::io::Error::other(error)))
}

/// The argument `v` of the query.
fn version(uri: &Uri) -> Option<&str> {
    let pairs = uri.query()?.split('&');
    pairs.filter_map(|pair| pair.strip_prefix("v=")).next_back()
}

/// Redirects a directory to itself with a slash.
///
/// The target is relative to the request and begins with `./`, so that it can neither be taken for
/// another host (CVE-2023-28370) nor for another scheme, and stays right below any mount.
pub(super) fn add_slash(uri: &Uri) -> Result<Response<Body>, StaticError> {
    let last = uri.path().rsplit(['/', '\\']).next().unwrap_or_default();
    let mut target = format!("./{last}/");
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response
        .headers_mut()
        .insert(LOCATION, header_value(target)?);
    Ok(response)
}
