//! What a test gets back.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version, response};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use super::limit::within;
use super::{TestError, TestErrorKind};
use crate::body::Body;

/// Most bytes of an answer that is read as a whole: 64 MiB. Longer ones are read by [`TestStream`].
pub const MAX_TEST_BODY: usize = 64 << 20;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct TestResponse {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
    target: String,
    redirects: Vec<TestRedirect>,
}

/// A redirect that was followed on the way to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRedirect {
    /// The status of it.
    pub status: StatusCode,
    /// The path and the query that it led to.
    pub target: String,
}

impl TestResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The version of HTTP that it came with.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// All fields of the head.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first field of that name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        text_of(&self.headers, name)
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is no JSON, or not that of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, TestError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!(
                "the body is not the JSON that was asked for: {}",
                self.text()
            );
            TestError::new(TestErrorKind::Response, message).because(error)
        })
    }

    /// What the answer itself says of a cookie, with its attributes: the `Set-Cookie` of that name.
    /// [`TestClient::cookie`](super::TestClient::cookie) tells what the client has kept.
    #[must_use]
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        let all = self.headers.get_all(http::header::SET_COOKIE).iter();
        let mut texts = all.filter_map(|value| value.to_str().ok());
        texts.find(|text| {
            let rest = text.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('='))
        })
    }

    /// The path and the query that answered, after all redirects that were followed.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The redirects that were followed, the first one first.
    #[must_use]
    pub fn redirects(&self) -> &[TestRedirect] {
        &self.redirects
    }
}

/// An answer whose body is read as it comes. Dropping it closes the connection, as a client does that goes away: a handler
/// that writes notices at once, one that only waits after [`Limits::half_close_grace`](crate::Limits), 10 s.
pub struct TestStream {
    head: response::Parts,
    body: Body,
    time_limit: Duration,
    target: String,
    redirects: Vec<TestRedirect>,
}

impl TestStream {
    pub(super) fn new(
        response: response::Response<Body>,
        time_limit: Duration,
        target: String,
        redirects: Vec<TestRedirect>,
    ) -> Self {
        let (head, body) = response.into_parts();
        Self {
            head,
            body,
            time_limit,
            target,
            redirects,
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// All fields of the head.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The first field of that name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        text_of(&self.head.headers, name)
    }

    /// Waits for the next piece of the body, which may be cut anywhere; `None` at its end.
    ///
    /// # Errors
    /// When the connection ends before the body does, or the time limit passes.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TestError> {
        within(self.time_limit, next(&mut self.body)).await
    }

    /// Reads the rest of the body.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk), and when it has more than [`MAX_TEST_BODY`] bytes.
    pub async fn finish(self) -> Result<TestResponse, TestError> {
        within(self.time_limit, self.rest()).await
    }

    pub(super) async fn rest(mut self) -> Result<TestResponse, TestError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = next(&mut self.body).await? {
            if body.len() + chunk.len() > MAX_TEST_BODY {
                let message = format!("the body has more than {MAX_TEST_BODY} bytes");
                return Err(TestError::new(TestErrorKind::Response, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(TestResponse {
            status: self.head.status,
            version: self.head.version,
            headers: self.head.headers,
            body: body.freeze(),
            target: self.target,
            redirects: self.redirects,
        })
    }
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, TestError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(TestError::connection(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl fmt::Debug for TestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStream")
            .field("status", &self.head.status)
            .field("headers", &self.head.headers)
            .finish_non_exhaustive()
    }
}
