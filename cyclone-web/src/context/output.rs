//! Writing the response: status, headers, cookies, body.

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::RequestContext;
use crate::cookies::{MAX_CLEARED_COOKIES, SetCookie};
use crate::error::{Error, Result};
use crate::response::Response;

pub(super) use answer::add_media;

mod answer;
mod marks;
mod redirect;
mod written;

pub use marks::MAX_REASON;
pub(crate) use written::Written;

/// The media types that the shorthands set.
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a handler has written so far.
#[derive(Default)]
pub(super) struct Output {
    status: StatusCode,
    /// Most responses have none but their type.
    headers: Option<Box<HeaderMap>>,
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
    /// As before, and something is to be done with the answer: [`Marks`](marks::Marks) says what.
    Marked,
    Flushed,
    Answered,
}

impl Output {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Flushed | Phase::Answered)
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
    /// The reason phrase is the standard one; see [`set_status_with_reason`](Self::set_status_with_reason).
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
        or_empty(&self.output.headers)
    }

    /// The headers of the response, to change.
    pub fn response_headers_mut(&mut self) -> &mut HeaderMap {
        self.output.headers.get_or_insert_default()
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
        self.response_headers_mut().insert(name, value);
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
        self.response_headers_mut().append(name, value);
        Ok(())
    }

    /// Takes every header of that name off the response.
    pub fn clear_header(&mut self, name: impl header::AsHeaderName) {
        if let Some(headers) = &mut self.output.headers {
            headers.remove(name);
        }
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

    /// Has the client forget every cookie that it sent, as those that were set on path `/` without a domain: Tornado's
    /// `clear_all_cookies`. At most [`MAX_CLEARED_COOKIES`](crate::MAX_CLEARED_COOKIES); a cookie with an invalid name
    /// cannot be cleared, and stays.
    ///
    /// For a whole site the header `Clear-Site-Data: "cookies"` does more.
    pub fn clear_all_cookies(&mut self) {
        let mut names: Vec<String> = Vec::new();
        for (name, _value) in self.cookies().iter() {
            if names.len() == MAX_CLEARED_COOKIES {
                break;
            }
            if !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
        for name in names {
            if let Err(error) = self.set_cookie(SetCookie::removal(name)) {
                tracing::debug!(%error, "cookie cannot be cleared");
            }
        }
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
        self.output.written.push_json(value)?;
        self.output.media = Some(JSON);
        self.finish()
    }

    /// Says that what is written is HTML, unless the headers say otherwise.
    #[cfg(feature = "templates")]
    pub(super) fn set_media_html(&mut self) {
        self.output.media = Some(HTML);
    }

    fn finish_as(&mut self, media: HeaderValue, body: Bytes) -> Result {
        self.output.media = Some(media);
        self.write(body);
        self.finish()
    }
}

/// Headers that may not be there.
fn or_empty(headers: &Option<Box<HeaderMap>>) -> &HeaderMap {
    static EMPTY: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
    headers.as_deref().unwrap_or_else(|| &EMPTY)
}

fn take(headers: &mut Option<Box<HeaderMap>>) -> HeaderMap {
    headers
        .take()
        .map_or_else(HeaderMap::new, |headers| *headers)
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
