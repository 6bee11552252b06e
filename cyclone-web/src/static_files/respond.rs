//! From a file and a request to a response.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};

use super::entry::{Entry, IMMUTABLE, Variant};
use super::file::{self, Stamp};
use super::hooks::Hooks;
use super::stream::{FileBody, Part, read_first};
use super::{StaticError, StaticFiles, blocking};
use crate::body::Body;
use crate::conditional::{Precondition, Validators, range_applies};
use crate::range::{ByteRange, Requested};

/// For another version than the one asked for: not to be kept under that address.
const OTHER_VERSION: HeaderValue = HeaderValue::from_static("no-cache");

/// What answers a request.
pub(super) enum Answer {
    Ready(Response<Body>),
    /// The body is still to be read.
    Open(Box<Opening>),
}

/// A response without its body, and where that is.
pub(super) struct Opening {
    response: Response<Body>,
    /// The name of the entry.
    entry: Box<str>,
    /// The name of the file in the coding that was chosen.
    file: Box<str>,
    stamp: Stamp,
    parts: VecDeque<Part>,
}

/// Whether the version of the file was asked for.
#[derive(Clone, Copy)]
enum Version {
    None,
    Current,
    Other,
}

impl StaticFiles {
    /// Answers from what is in memory; of a large file all but the body.
    pub(super) fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        entry: &Entry,
    ) -> Result<Answer, StaticError> {
        let variant = entry.choose(headers);
        let file = &variant.file;
        let current = Validators {
            etag: Some(&file.etag),
            last_modified: file.stamp.modified,
        };
        let version = match version(uri) {
            None => Version::None,
            Some(version) if version == entry.identity.file.etag.tag() => Version::Current,
            Some(_) => Version::Other,
        };
        match Precondition::evaluate(method, headers, current) {
            Precondition::Proceed => {}
            Precondition::NotModified => {
                return Ok(self.bare(StatusCode::NOT_MODIFIED, entry, variant, version));
            }
            Precondition::Failed => {
                return Ok(self.bare(StatusCode::PRECONDITION_FAILED, entry, variant, version));
            }
        }
        // Ranges are defined for GET alone (RFC 9110 14.2).
        if *method == Method::GET
            && headers.contains_key(RANGE)
            && range_applies(headers, current, (self.settings.clock)())
        {
            match Requested::from_headers(headers, file.size) {
                Requested::Whole => {}
                Requested::Parts(parts) => return partial(entry, variant, version, &parts),
                Requested::Unsatisfiable => {
                    let status = StatusCode::RANGE_NOT_SATISFIABLE;
                    let mut answer = self.bare(status, entry, variant, version);
                    if let Answer::Ready(response) = &mut answer {
                        let size = header_value(format!("bytes */{}", file.size))?;
                        let headers = response.headers_mut();
                        headers.insert(CONTENT_RANGE, size);
                        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                    }
                    return Ok(answer);
                }
            }
        }
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = whole(variant, version);
        match &file.content {
            _ if *method == Method::HEAD => {}
            Some(content) => *response.body_mut() = Body::from(content.clone()),
            None => {
                let all = Part::File {
                    start: 0,
                    length: file.size,
                };
                return Ok(open(response, entry, variant, VecDeque::from([all])));
            }
        }
        Ok(Answer::Ready(response))
    }

    /// An answer without content.
    fn bare(
        &self,
        status: StatusCode,
        entry: &Entry,
        variant: &Variant,
        version: Version,
    ) -> Answer {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let mut headers = HeaderMap::with_capacity(6);
        variant.file.describe(&mut headers, entry.varies());
        let cache_control = match version {
            Version::None => variant.headers.get(CACHE_CONTROL).cloned(),
            Version::Current => Some(IMMUTABLE),
            Version::Other => Some(OTHER_VERSION),
        };
        if let Some(value) = cache_control {
            headers.insert(CACHE_CONTROL, value);
        }
        if self.settings.hooks.add_headers() {
            Hooks::without_content(variant, &mut headers);
        }
        *response.headers_mut() = headers;
        Answer::Ready(response)
    }

    /// Opens a large file, looks whether it is the one that is known, and reads its first piece, all in one
    /// trip to a blocking thread. `None` when it is another, which is then forgotten.
    pub(super) async fn open(
        &self,
        opening: Box<Opening>,
    ) -> Result<Option<Response<Body>>, StaticError> {
        let this = self.clone();
        blocking(move || {
            let mut opening = *opening;
            let began = this.memory.cache.now();
            let root = &this.settings.root;
            let Some(file) = file::reopen(root, &opening.file, &opening.stamp)? else {
                this.memory.cache.remove(&opening.entry, began);
                return Ok(None);
            };
            read_first(&file, &mut opening.parts).map_err(StaticError::from_io)?;
            let body = FileBody::new(Arc::new(file), opening.parts);
            *opening.response.body_mut() = Body::new(body);
            Ok(Some(opening.response))
        })
        .await
    }
}

fn open(
    response: Response<Body>,
    entry: &Entry,
    variant: &Variant,
    parts: VecDeque<Part>,
) -> Answer {
    Answer::Open(Box::new(Opening {
        response,
        entry: entry.name.clone(),
        file: entry.name_of(variant.file.encoding).into(),
        stamp: variant.file.stamp,
        parts,
    }))
}

/// The headers of a whole answer.
fn whole(variant: &Variant, version: Version) -> HeaderMap {
    match version {
        Version::None => variant.headers.clone(),
        Version::Current => variant.versioned().clone(),
        Version::Other => {
            let mut headers = variant.headers.clone();
            headers.insert(CACHE_CONTROL, OTHER_VERSION);
            headers
        }
    }
}

/// One stretch of the file, or several in the order of the file (RFC 9110 14.6, 15.3.7).
fn partial(
    entry: &Entry,
    variant: &Variant,
    version: Version,
    ranges: &[ByteRange],
) -> Result<Answer, StaticError> {
    let file = &variant.file;
    let mut headers = whole(variant, version);
    let parts = match ranges {
        &[range] => {
            let length = range.end - range.start;
            headers.insert(CONTENT_RANGE, content_range(range, file.size)?);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            VecDeque::from([Part::File {
                start: range.start,
                length,
            }])
        }
        several => multipart(&mut headers, entry, file.size, several)?,
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    *response.headers_mut() = headers;
    match &file.content {
        Some(content) => *response.body_mut() = from_memory(content, parts),
        None => return Ok(open(response, entry, variant, parts)),
    }
    Ok(Answer::Ready(response))
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
            let mut all = Vec::new();
            for piece in first.into_iter().chain(second).chain(pieces) {
                all.extend_from_slice(&piece);
            }
            Body::from(all)
        }
    }
}

fn multipart(
    headers: &mut HeaderMap,
    entry: &Entry,
    size: u64,
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
        head.extend_from_slice(content_range(*range, size)?.as_bytes());
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
    Ok(parts)
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
