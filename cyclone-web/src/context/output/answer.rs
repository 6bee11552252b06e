//! From what was written, or brought along, to the response that the connection gets.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version};

use super::{HTML, Output, Phase, RequestContext, Written, marks, or_empty, take};
use crate::body::Body;
use crate::error::Error;
use crate::response::{Kind, Response};
use crate::stream::Outcome;

impl RequestContext {
    /// Forgets everything that was written but the default headers to come, for an error response.
    pub(crate) fn start_error(&mut self, status: StatusCode) {
        self.output.headers = None;
        self.output.media = None;
        self.output.cookies.clear();
        self.clear_written();
        self.output.status = status;
    }

    /// Sets the headers of an error in the place of any of their names, those of every response, and its reason phrase.
    pub(crate) fn add_error_headers(&mut self, error: &Error) {
        self.add_standing_headers();
        if let Some(reason) = error.reason_phrase()
            && let Err(refused) = self.set_status_with_reason(error.status(), reason)
        {
            tracing::debug!(%refused, "reason phrase left out");
        }
        if error.headers().is_empty() {
            return;
        }
        let headers = self.response_headers_mut();
        for name in error.headers().keys() {
            headers.remove(name);
        }
        for (name, value) in error.headers() {
            headers.append(name, value.clone());
        }
    }

    /// Whether a client that took this many bytes of the body has all that it needs.
    pub(crate) fn needs_no_more(&self, bytes: u64) -> bool {
        self.is_head_request()
            || matches!(
                self.output.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            )
            || self.output.declared.is_some_and(|length| bytes >= length)
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.output.phase == Phase::Flushed
    }

    /// Marks the head as sent and gives it away.
    pub(in crate::context) fn take_head(&mut self, flushing: bool) -> (StatusCode, HeaderMap) {
        self.close_head(if flushing {
            Phase::Flushed
        } else {
            Phase::Answered
        });
        (self.output.status, take(&mut self.output.headers))
    }

    /// Marks the head as sent, and completes its headers.
    fn close_head(&mut self, phase: Phase) {
        self.output.phase = phase;
        if self.output.close || !self.output.cookies.is_empty() {
            self.add_common_headers();
        }
    }

    pub(in crate::context) fn take_media(&mut self) -> Option<HeaderValue> {
        self.output.media.take()
    }

    pub(in crate::context) fn take_written(&mut self) -> Bytes {
        std::mem::take(&mut self.output.written).into_bytes()
    }

    #[cold]
    fn add_common_headers(&mut self) {
        let close = self.output.close && self.head.version() < Version::HTTP_2;
        let cookies = std::mem::take(&mut self.output.cookies);
        let headers = self.response_headers_mut();
        for cookie in cookies {
            // Checked when it was set.
            if let Ok(value) = cookie.header_value() {
                headers.append(header::SET_COOKIE, value);
            }
        }
        if close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Turns the answer of the handler into what the connection gets.
    pub(crate) fn respond(mut self: Box<Self>, response: Response) -> Outcome {
        self.leave_body();
        let status = match &response.kind {
            Kind::Written => self.output.status,
            Kind::Http(response) => response.status(),
        };
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return self.respond_without_end(status);
        }
        match response.kind {
            Kind::Written if self.output.phase == Phase::Open => Outcome::Written(self),
            Kind::Written if self.is_flushed() => self.end_stream(),
            Kind::Written => self.respond_marked(),
            Kind::Http(response) => self.respond_with(*response),
        }
    }

    /// Closes the response of what was written, and takes its body: the usual case. The
    /// [head](Self::written_head) is what it has to be then.
    pub(crate) fn take_written_body(&mut self) -> Written {
        let body = std::mem::take(&mut self.output.written);
        let is_empty = body.as_slice().is_empty();
        self.close_head(Phase::Answered);
        let status = self.output.status;
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if bodiless {
            self.output.media = None;
            if let Some(headers) = &mut self.output.headers {
                headers.remove(header::CONTENT_TYPE);
                headers.remove(header::CONTENT_LENGTH);
                if status == StatusCode::NOT_MODIFIED {
                    marks::strip_representation(headers);
                }
            }
            return Written::Nothing;
        }
        let declares = is_empty && self.is_head_request();
        let mut typed = false;
        if let Some(headers) = &mut self.output.headers {
            if !declares {
                // The length is known.
                headers.remove(header::CONTENT_LENGTH);
            }
            typed = headers.contains_key(header::CONTENT_TYPE);
        }
        if typed {
            self.output.media = None;
        } else if self.output.media.is_none() && !is_empty {
            self.output.media = Some(HTML);
        }
        body
    }

    /// The head of the response of what was written; the `content-type` stands beside the headers.
    pub(crate) fn written_head(&self) -> (StatusCode, &HeaderMap, Option<&HeaderValue>) {
        let Output {
            status,
            headers,
            media,
            ..
        } = &self.output;
        (*status, or_empty(headers), media.as_ref())
    }

    /// The response of what was written, for servers of other libraries.
    pub(crate) fn into_response(mut self: Box<Self>) -> http::Response<Body> {
        let body = self.take_written_body().into_bytes();
        let mut headers = take(&mut self.output.headers);
        if let Some(media) = self.output.media.take() {
            headers.insert(header::CONTENT_TYPE, media);
        }
        let status = self.output.status;
        let mut response = http::Response::new(Body::from(body).with_guard(self));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    #[cold]
    fn end_stream(mut self: Box<Self>) -> Outcome {
        let last = self.take_written();
        if let Some(pipe) = &self.pipe {
            pipe.put_last(last);
        }
        Outcome::Streamed(self)
    }

    fn respond_with(mut self: Box<Self>, response: http::Response<Body>) -> Outcome {
        if self.is_flushed() {
            let error = Error::internal("a whole response came after a flush");
            self.log_error(&error, false);
            return Outcome::Aborted(self);
        }
        let response = self.foreign_response(response);
        Outcome::Response(Box::new(response.map(|body| body.with_guard(self))))
    }

    /// Answers for a handler whose status ends no request (RFC 9110 section 15.2).
    #[cold]
    fn respond_without_end(self: Box<Self>, status: StatusCode) -> Outcome {
        let error = Error::internal(format!("a {status} response does not end a request"));
        self.log_error(&error, false);
        self.respond_with(error.bare_response())
    }

    /// A response that the handler brought: headers of the context are added where it has none of the name.
    fn foreign_response(&mut self, mut response: http::Response<Body>) -> http::Response<Body> {
        self.output.status = response.status();
        self.output.written = Written::Nothing;
        if self.output.phase == Phase::Marked {
            self.mark_foreign(&mut response);
        }
        let (_status, ours) = self.take_head(false);
        let length = content_length(response.headers());
        let exact = http_body::Body::size_hint(response.body()).exact();
        if length.is_some() && exact.is_some() && exact != length && !self.is_head_request() {
            response.headers_mut().remove(header::CONTENT_LENGTH);
        } else {
            self.output.declared = length;
        }
        let theirs = response.headers_mut();
        for name in ours.keys() {
            if *name == header::SET_COOKIE || !theirs.contains_key(name) {
                for value in ours.get_all(name) {
                    theirs.append(name, value.clone());
                }
            }
        }
        response
    }

    pub(in crate::context) fn is_head_request(&self) -> bool {
        *self.head.method() == Method::HEAD
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Gives a body its `content-type` unless it has one.
pub(in crate::context) fn add_media(headers: &mut HeaderMap, media: Option<HeaderValue>) {
    if headers.is_empty() || !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, media.unwrap_or(HTML));
    }
}
