//! Conditional requests (RFC 9110 13): 304 and 412.

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use http::{HeaderMap, Method};

use crate::etag::{Candidate, Candidates, ETag, SentTag, single_tag};
use crate::http_date;

/// What tells one version of a representation from another; the representation exists.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// Its entity tag.
    pub etag: Option<&'a ETag>,
    /// When it was last changed; compared in whole seconds.
    pub last_modified: Option<SystemTime>,
}

/// What a conditional request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Precondition {
    /// Do what the method says.
    Proceed,
    /// Answer 304 without content: the client has this version.
    NotModified,
    /// Answer 412 and change nothing: the client has another version in mind.
    Failed,
}

impl Precondition {
    /// Decides in the order of RFC 9110 13.2.2.
    ///
    /// `If-Match` beats `If-Unmodified-Since`, `If-None-Match` beats `If-Modified-Since`; tags are
    /// compared strongly for `If-Match` and weakly for `If-None-Match`. A date that is malformed or
    /// sent twice is ignored. Linear in the size of the headers.
    ///
    /// ```
    /// use cyclone_web::{ETag, Precondition, Validators};
    /// use http::{HeaderMap, HeaderValue, Method, header::IF_NONE_MATCH};
    ///
    /// let etag = ETag::strong("v1")?;
    /// let current = Validators { etag: Some(&etag), last_modified: None };
    /// let mut headers = HeaderMap::new();
    /// headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"v0\", W/\"v1\""));
    /// assert_eq!(
    ///     Precondition::evaluate(&Method::GET, &headers, current),
    ///     Precondition::NotModified
    /// );
    /// # Ok::<(), cyclone_web::InvalidETag>(())
    /// ```
    pub fn evaluate(method: &Method, headers: &HeaderMap, current: Validators<'_>) -> Self {
        let reads = *method == Method::GET || *method == Method::HEAD;
        let modified_at = current.last_modified.and_then(http_date::whole_seconds);

        if headers.contains_key(IF_MATCH) {
            if !matches(headers, &IF_MATCH, current.etag, SentTag::strong_eq) {
                return Self::Failed;
            }
        } else if let Some(limit) = date(headers, &IF_UNMODIFIED_SINCE)
            && modified_at.is_some_and(|modified| modified > limit)
        {
            return Self::Failed;
        }

        if headers.contains_key(IF_NONE_MATCH) {
            if matches(headers, &IF_NONE_MATCH, current.etag, SentTag::weak_eq) {
                return if reads {
                    Self::NotModified
                } else {
                    Self::Failed
                };
            }
        } else if reads
            && let Some(limit) = date(headers, &IF_MODIFIED_SINCE)
            && modified_at.is_some_and(|modified| modified <= limit)
        {
            return Self::NotModified;
        }
        Self::Proceed
    }
}

/// Tells whether a `Range` may be honoured: there is no `If-Range`, or it names this version.
///
/// A tag is compared strongly. A date must be exactly that of the last change, and old enough to be
/// a strong validator: a second before `now` at least (RFC 9110 13.1.5, 8.8.2.2).
pub(crate) fn range_applies(headers: &HeaderMap, current: Validators<'_>, now: SystemTime) -> bool {
    let mut values = headers.get_all(IF_RANGE).iter();
    let Some(value) = values.next() else {
        return true;
    };
    if values.next().is_some() {
        return false;
    }
    if let Some(tag) = single_tag(value.as_bytes()) {
        return current
            .etag
            .is_some_and(|etag| etag.as_sent().strong_eq(tag));
    }
    let sent = http_date::parse(value).and_then(http_date::whole_seconds);
    let Some(last_modified) = current.last_modified else {
        return false;
    };
    let settled = now
        .duration_since(last_modified)
        .is_ok_and(|age| age >= Duration::from_secs(1));
    settled && sent.is_some() && sent == http_date::whole_seconds(last_modified)
}

fn matches<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    etag: Option<&'a ETag>,
    same: impl Fn(SentTag<'a>, SentTag<'a>) -> bool,
) -> bool {
    let mut candidates = headers
        .get_all(name)
        .iter()
        .flat_map(|value| Candidates::new(value.as_bytes()));
    candidates.any(|candidate| match candidate {
        Candidate::Any => true,
        Candidate::Tag(tag) => etag.is_some_and(|etag| same(etag.as_sent(), tag)),
    })
}

/// Reads a date in seconds since 1970; `None` when there is not exactly one valid one.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    http_date::whole_seconds(http_date::parse(value)?)
}
