//! What is done with an answer on its way out: entity tags, reason phrases.
//!
//! The usual answer has nothing of it, and does not pay for it: that there is something is a phase of the output.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use hyper::ext::ReasonPhrase;

use super::{Phase, RequestContext, Written};
use crate::body::Body;
use crate::conditional::{Precondition, Validators};
use crate::error::{Error, Result};
use crate::etag::ETag;
use crate::handler::guarded;
use crate::http_date;
use crate::stream::Outcome;

/// The longest reason phrase, in bytes.
pub const MAX_REASON: usize = 256;

/// What is to be done, in the extensions of the request.
#[derive(Clone, Default)]
struct Marks {
    tags: bool,
    reason: Option<(StatusCode, ReasonPhrase)>,
}

impl RequestContext {
    /// Sets the status of the response with a reason phrase of its own, as the second argument of Tornado's
    /// `set_status`. Clients of HTTP/1 may show it; HTTP/2 has none.
    ///
    /// After a [`flush`](Self::flush) it has no effect.
    ///
    /// # Errors
    /// A 500 when the phrase has something other than visible ASCII and spaces, or more than
    /// [`MAX_REASON`](crate::MAX_REASON) bytes: text from elsewhere in it has been a hole (CVE-2025-67724).
    pub fn set_status_with_reason(&mut self, status: StatusCode, reason: &str) -> Result<()> {
        let is_sound = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if reason.len() > MAX_REASON || !reason.bytes().all(is_sound) {
            return Err(Error::internal("the handler set an invalid reason phrase"));
        }
        let phrase = ReasonPhrase::try_from(Bytes::copy_from_slice(reason.as_bytes()))?;
        if !self.output.is_answered() {
            self.output.status = status;
            self.marks().reason = Some((status, phrase));
        }
        Ok(())
    }

    /// The reason phrase that was set for the status.
    pub(crate) fn reason(&self) -> Option<&str> {
        let marks = self.head.extensions().get::<Marks>()?;
        let (status, reason) = marks.reason.as_ref()?;
        if *status != self.output.status {
            return None;
        }
        std::str::from_utf8(reason.as_bytes()).ok()
    }

    /// Has the answer tagged, or not.
    pub(crate) fn set_tagging(&mut self, yes: bool) {
        if yes || self.output.phase == Phase::Marked {
            self.marks().tags = yes;
        }
    }

    fn marks(&mut self) -> &mut Marks {
        if self.output.phase == Phase::Open {
            self.output.phase = Phase::Marked;
        }
        self.head.extensions_mut().get_or_insert_default()
    }

    fn take_marks(&mut self) -> (bool, Option<ReasonPhrase>) {
        let marks = self.head.extensions_mut().remove::<Marks>();
        let Marks { tags, reason } = marks.unwrap_or_default();
        let reason = reason.filter(|(status, _)| *status == self.output.status);
        (tags, reason.map(|(_, reason)| reason))
    }

    #[cold]
    pub(super) fn respond_marked(mut self: Box<Self>) -> Outcome {
        let (tags, reason) = self.take_marks();
        if tags {
            self.tag();
        }
        self.output.phase = Phase::Open;
        let Some(reason) = reason else {
            return Outcome::Written(self);
        };
        let mut response = self.into_response();
        response.extensions_mut().insert(reason);
        Outcome::Response(Box::new(response))
    }

    /// Gives a response that the handler brought the reason phrase that was set for its status.
    #[cold]
    pub(super) fn mark_foreign(&mut self, response: &mut http::Response<Body>) {
        if let (_, Some(reason)) = self.take_marks() {
            response.extensions_mut().insert(reason);
        }
    }

    /// Tags the answer, and cuts it down when the client has it already.
    fn tag(&mut self) {
        let is_head = self.is_head_request();
        let reads = is_head || *self.head.method() == Method::GET;
        if !reads || self.output.status != StatusCode::OK {
            return;
        }
        let tag = match self.response_headers().get(header::ETAG) {
            Some(value) => value.to_str().ok().and_then(|value| value.parse().ok()),
            None => {
                let tag = self.computed_tag(is_head);
                if let Some(tag) = &tag {
                    let value = tag.header_value();
                    self.response_headers_mut().insert(header::ETAG, value);
                }
                tag
            }
        };
        let last_modified = self.response_headers().get(header::LAST_MODIFIED);
        let last_modified = last_modified.and_then(http_date::parse);
        if tag.is_none() && last_modified.is_none() {
            return;
        }
        let current = Validators {
            etag: tag.as_ref(),
            last_modified,
        };
        let outcome = Precondition::evaluate(self.head.method(), self.head.headers(), current);
        self.output.status = match outcome {
            Precondition::Proceed => return,
            Precondition::NotModified => StatusCode::NOT_MODIFIED,
            Precondition::Failed => StatusCode::PRECONDITION_FAILED,
        };
        self.output.written = Written::Nothing;
        self.output.media = None;
        #[cfg(feature = "security")]
        self.forget_nonce();
        let headers = self.response_headers_mut();
        strip_representation(headers);
        if headers.contains_key(header::ETAG) {
            headers.remove(header::LAST_MODIFIED);
        }
    }

    fn computed_tag(&self, is_head: bool) -> Option<ETag> {
        let body = self.output.written.as_slice();
        if is_head && body.is_empty() {
            // The body of the `GET` is not known.
            return None;
        }
        match &self.handler {
            Some(handler) => guarded("compute_etag", || handler.compute_etag(self, body)).flatten(),
            None => Some(ETag::of(body)),
        }
    }
}

/// What describes a body, and goes with it (RFC 9110 section 15.4.5).
const OF_REPRESENTATION: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
];

/// Takes away what describes a body that is not sent.
pub(super) fn strip_representation(headers: &mut HeaderMap) {
    for name in OF_REPRESENTATION {
        headers.remove(name);
    }
}
