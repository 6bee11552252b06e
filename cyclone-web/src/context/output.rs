//! Writing the response: status, headers, cookies, body.

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use super::RequestContext;
use crate::body::Body;
use crate::cookies::SetCookie;
use crate::error::{Error, Result};
use crate::response::{Kind, Response};
use crate::stream::Outcome;

/// The media types that the shorthands set.
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a handler has written so far.
#[derive(Default)]
pub(super) struct Output {
    status: StatusCode,
    headers: HeaderMap,
    /// The type of what was written, unless the headers have one.
    media: Option<HeaderValue>,
    cookies: Vec<SetCookie>,
    written: Written,
    /// Head and body were handed over, to the response or to the stream.
    phase: Phase,
    close: bool,
    /// The `content-length` of a response that the handler brought.
    declared: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Flushed,
    Answered,
}

/// The body until it is sent; the usual single piece is never copied.
#[derive(Default)]
enum Written {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Written {
    fn push(&mut self, chunk: Bytes) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(chunk),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + chunk.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&chunk);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&chunk);
                Self::Many(all)
            }
        };
    }

    fn take(&mut self) -> Bytes {
        match std::mem::take(self) {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(all) => all.freeze(),
        }
    }
}

impl Output {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn is_answered(&self) -> bool {
        self.phase != Phase::Open
    }
}

impl RequestContext {
    /// The status of the response; 200 until it is set.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.output.status
    }

    /// Sets the status of the response.
    ///
    /// The reason phrase is always the standard one: HTTP/2 has none, and text from elsewhere in it has been
    /// a hole (CVE-2025-67724).
    ///
    /// After a [`flush`](Self::flush) it has no effect: the status has been sent.
    pub fn set_status(&mut self, status: StatusCode) {
        if !self.is_flushed() {
            self.output.status = status;
        }
    }

    /// The headers of the response so far.
    #[must_use]
    pub fn response_headers(&self) -> &HeaderMap {
        &self.output.headers
    }

    /// The headers of the response, to change.
    pub fn response_headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.output.headers
    }

    /// Sets a header of the response in the place of any of that name.
    ///
    /// # Errors
    /// A 500 when the name is no token or the value has a control character (CVE-2012-2374): nothing of it
    /// reaches the client.
    pub fn set_header<N, V>(&mut self, name: N, value: V) -> Result<()>
    where
        N: TryInto<HeaderName>,
        N::Error: Into<http::Error>,
        V: TryInto<HeaderValue>,
        V::Error: Into<http::Error>,
    {
        let (name, value) = header_pair(name, value)?;
        self.output.headers.insert(name, value);
        Ok(())
    }

    /// Adds a header to the response beside any of that name.
    ///
    /// # Errors
    /// As [`set_header`](Self::set_header).
    pub fn add_header<N, V>(&mut self, name: N, value: V) -> Result<()>
    where
        N: TryInto<HeaderName>,
        N::Error: Into<http::Error>,
        V: TryInto<HeaderValue>,
        V::Error: Into<http::Error>,
    {
        let (name, value) = header_pair(name, value)?;
        self.output.headers.append(name, value);
        Ok(())
    }

    /// Takes every header of that name off the response.
    pub fn clear_header(&mut self, name: impl header::AsHeaderName) {
        self.output.headers.remove(name);
    }

    /// Sets a cookie with the response, in the place of one of the same name, path and domain.
    ///
    /// # Errors
    /// A 500 when the name, the value or an attribute has a character that would change the header
    /// (GHSA-78cv-mqj4-43f7).
    pub fn set_cookie(&mut self, cookie: SetCookie) -> Result<()> {
        cookie.header_value()?;
        self.output.cookies.retain(|other| !cookie.replaces(other));
        self.output.cookies.push(cookie);
        Ok(())
    }

    /// Has the client forget a cookie that was set on path `/` without a domain.
    ///
    /// # Errors
    /// As [`set_cookie`](Self::set_cookie).
    pub fn clear_cookie(&mut self, name: &str) -> Result<()> {
        self.set_cookie(SetCookie::removal(name))
    }

    /// Closes the connection after this response.
    pub fn close_connection(&mut self) {
        self.output.close = true;
    }

    /// Adds to the response body. Nothing is sent before [`finish`](Self::finish) or [`flush`](Self::flush).
    pub fn write(&mut self, chunk: impl Into<Bytes>) {
        let chunk = chunk.into();
        if !chunk.is_empty() {
            self.output.written.push(chunk);
        }
    }

    /// Drops what was written and not yet flushed.
    pub fn clear_written(&mut self) {
        self.output.written = Written::Nothing;
    }

    /// Ends the response with what was written. Without a `content-type` it is HTML.
    ///
    /// # Errors
    /// None; it is a [`Result`] so that it can be returned as it is.
    pub fn finish(&mut self) -> Result {
        Ok(Response::written())
    }

    /// Ends the response with plain text.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn text(&mut self, text: impl Into<Bytes>) -> Result {
        self.finish_as(TEXT, text.into())
    }

    /// Ends the response with HTML. Text from elsewhere has to be escaped by then.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn html(&mut self, html: impl Into<Bytes>) -> Result {
        self.finish_as(HTML, html.into())
    }

    /// Ends the response with a value as JSON.
    ///
    /// # Errors
    /// A 500 when the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let json = serde_json::to_vec(value)?;
        self.finish_as(JSON, json.into())
    }

    /// Ends the response with a rendered template; [`Application::templates`](crate::Application::templates)
    /// says where they are.
    ///
    /// # Errors
    /// A 500 when there is no such template or it fails; the log has file, line and excerpt.
    #[cfg(feature = "templates")]
    pub fn render(&mut self, template: &str, values: impl Serialize) -> Result {
        let html = self.render_string(template, values)?;
        self.html(html)
    }

    /// Renders a template to text.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    #[cfg(feature = "templates")]
    pub fn render_string(&mut self, template: &str, values: impl Serialize) -> Result<String> {
        let Some(templates) = &self.app().templates else {
            return Err(Error::internal("the application has no templates"));
        };
        templates.render(template, values).map_err(|error| {
            let detail = format!("{error:#}");
            Error::internal(detail)
        })
    }

    /// Ends the response with a redirect (302) to `target`: a path, or a whole URL.
    ///
    /// # Errors
    /// A 500 when the target cannot be a header value.
    pub fn redirect(&mut self, target: &str) -> Result {
        self.redirect_with(StatusCode::FOUND, target)
    }

    /// Ends the response with a redirect of the given status, 301, 303, 307 or 308 for instance.
    ///
    /// A target that begins with several slashes or backslashes is cut to one slash: browsers read `//host`
    /// and `/\host` as another host (CVE-2023-28370). Control characters are taken out, spaces and what is not
    /// ASCII percent-encoded.
    ///
    /// # Errors
    /// A 500 when the status is no redirect, the target cannot be a header value, or the response was flushed.
    pub fn redirect_with(&mut self, status: StatusCode, target: &str) -> Result {
        if self.is_flushed() {
            return Err(Error::internal("a redirect came after a flush"));
        }
        if !status.is_redirection() {
            return Err(Error::internal(format!("{status} is no redirect")));
        }
        let location = safe_location(target);
        self.set_header(header::LOCATION, location)?;
        self.clear_written();
        self.set_status(status);
        self.finish()
    }

    fn finish_as(&mut self, media: HeaderValue, body: Bytes) -> Result {
        self.output.media = Some(media);
        self.write(body);
        self.finish()
    }

    /// Forgets everything that was written but the default headers to come, for an error response.
    pub(crate) fn start_error(&mut self, status: StatusCode) {
        self.output.headers.clear();
        self.output.media = None;
        self.output.cookies.clear();
        self.clear_written();
        self.output.status = status;
    }

    /// Sets the headers of an error in the place of any of their names.
    pub(crate) fn add_error_headers(&mut self, error: &Error) {
        for name in error.headers().keys() {
            self.output.headers.remove(name);
        }
        for (name, value) in error.headers() {
            self.output.headers.append(name, value.clone());
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
    pub(super) fn take_head(&mut self, flushing: bool) -> (StatusCode, HeaderMap) {
        self.output.phase = if flushing {
            Phase::Flushed
        } else {
            Phase::Answered
        };
        let mut headers = std::mem::take(&mut self.output.headers);
        if self.output.close || !self.output.cookies.is_empty() {
            self.add_common_headers(&mut headers);
        }
        (self.output.status, headers)
    }

    pub(super) fn take_media(&mut self) -> Option<HeaderValue> {
        self.output.media.take()
    }

    pub(super) fn take_written(&mut self) -> Bytes {
        self.output.written.take()
    }

    #[cold]
    fn add_common_headers(&mut self, headers: &mut HeaderMap) {
        for cookie in self.output.cookies.drain(..) {
            // Checked when it was set.
            if let Ok(value) = cookie.header_value() {
                headers.append(header::SET_COOKIE, value);
            }
        }
        if self.output.close && self.parts.version < Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Turns the answer of the handler into what the connection gets.
    pub(crate) fn respond(self: Box<Self>, response: Response) -> Outcome {
        match response.kind {
            Kind::Written if !self.is_flushed() => Outcome::Written(self),
            Kind::Written => self.end_stream(),
            Kind::Http(response) => self.respond_with(*response),
        }
    }

    /// The response of what was written; the usual case, and free of detours for that.
    pub(crate) fn into_response(mut self: Box<Self>) -> http::Response<Body> {
        let body = self.output.written.take();
        let media = self.output.media.take();
        let (status, mut headers) = self.take_head(false);
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if bodiless {
            headers.remove(header::CONTENT_TYPE);
            headers.remove(header::CONTENT_LENGTH);
            Bytes::new()
        } else {
            let declares = body.is_empty() && self.is_head_request();
            if !declares && !headers.is_empty() {
                // The length is known, and hyper would trust a wrong one.
                headers.remove(header::CONTENT_LENGTH);
            }
            if media.is_some() || !body.is_empty() {
                add_media(&mut headers, media);
            }
            body
        };
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

    /// A response that the handler brought: headers of the context are added where it has none of the name.
    fn foreign_response(&mut self, mut response: http::Response<Body>) -> http::Response<Body> {
        self.output.status = response.status();
        self.output.written = Written::Nothing;
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

    pub(super) fn is_head_request(&self) -> bool {
        self.parts.method == Method::HEAD
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Gives a body its `content-type` unless it has one.
pub(super) fn add_media(headers: &mut HeaderMap, media: Option<HeaderValue>) {
    if headers.is_empty() || !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, media.unwrap_or(HTML));
    }
}

fn header_pair<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue)>
where
    N: TryInto<HeaderName>,
    N::Error: Into<http::Error>,
    V: TryInto<HeaderValue>,
    V::Error: Into<http::Error>,
{
    let name = name.try_into().map_err(|error| bad_header(error.into()))?;
    let value = value.try_into().map_err(|error| bad_header(error.into()))?;
    Ok((name, value))
}

fn bad_header(error: http::Error) -> Error {
    Error::internal("the handler set an invalid header").because(error)
}

/// What is percent-encoded in a redirect's target, beside what is not ASCII.
const UNSAFE_IN_LOCATION: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// Keeps a redirect on the host it names.
fn safe_location(target: &str) -> String {
    let printable: String = target.chars().filter(|c| !c.is_control()).collect();
    let cleaned = utf8_percent_encode(printable.trim(), UNSAFE_IN_LOCATION).to_string();
    let rest = cleaned.trim_start_matches(['/', '\\']);
    let slashes = cleaned.len() - rest.len();
    if slashes > 1 || cleaned.starts_with('\\') {
        return format!("/{rest}");
    }
    cleaned
}
