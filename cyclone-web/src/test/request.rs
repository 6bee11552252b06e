//! A request of a test, built by chaining and sent by `await`.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::Serialize;

use super::limit::within;
use super::response::{TestRedirect, TestStream};
use super::target::{encoded, local, resolved};
use super::{TestClient, TestError, TestForm, TestResponse};
use crate::body::Body;

/// A request of a test. `await` sends it and reads the whole answer.
#[must_use = "it is not sent until it is awaited"]
pub struct TestRequest {
    pub(super) client: TestClient,
    method: Method,
    target: String,
    headers: HeaderMap,
    cookies: Vec<(String, String)>,
    content: Content,
    redirects: usize,
    /// What was wrong with it first; told when it is sent.
    error: Option<TestError>,
}

enum Content {
    None,
    Whole(Bytes),
    Stream(Body),
}

impl TestRequest {
    pub(super) fn new(client: TestClient, method: Method, target: &str) -> Self {
        let redirects = client.shared.redirects;
        let (target, error) = match local(target, &client.shared.host) {
            Ok(target) => (target, None),
            Err(error) => (String::new(), Some(error)),
        };
        Self {
            client,
            method,
            target,
            headers: HeaderMap::new(),
            cookies: Vec::new(),
            content: Content::None,
            redirects,
            error,
        }
    }

    /// Adds a field to the head.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes());
        match (name, HeaderValue::from_bytes(value.as_ref())) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            (Err(error), _) => self.fail(TestError::request(error)),
            (_, Err(error)) => self.fail(TestError::request(error)),
        }
        self
    }

    /// Adds arguments to the query: pairs, a map, or a structure.
    pub fn query(mut self, arguments: &(impl Serialize + ?Sized)) -> Self {
        match encoded(arguments) {
            Ok(query) if !query.is_empty() => {
                self.target
                    .push(if self.target.contains('?') { '&' } else { '?' });
                self.target.push_str(&query);
            }
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
        self
    }

    /// Sends a cookie with this request only, besides those of the client.
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.retain(|(known, _)| known != name);
        self.cookies.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.content = Content::Whole(body.into());
        self
    }

    /// Sends a body as a stream, chunked: [`Body::from_stream`]. Redirects that would send it again are not followed.
    pub fn stream_body(mut self, body: Body) -> Self {
        self.content = Content::Stream(body);
        self
    }

    /// Sends JSON.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.typed("application/json", body.into()),
            Err(error) => {
                self.fail(TestError::request(error));
                self
            }
        }
    }

    /// Sends the arguments of a form: pairs, a map, or a structure.
    pub fn form(mut self, arguments: &(impl Serialize + ?Sized)) -> Self {
        match encoded(arguments) {
            Ok(body) => self.typed("application/x-www-form-urlencoded", body.into()),
            Err(error) => {
                self.fail(error);
                self
            }
        }
    }

    /// Sends a form with files.
    pub fn multipart(self, form: &TestForm) -> Self {
        let (content_type, body) = form.encode();
        self.typed(&content_type, body)
    }

    /// Follows up to so many redirects within the host, whatever the [client](super::TestClientBuilder::follow_redirects)
    /// does; 0 for none. 303 is followed by a `GET`, as are 301 and 302 after a `POST`; 307 and 308 send the same
    /// again. A redirect to another host is the answer, as is one after the last.
    pub fn follow_redirects(mut self, limit: usize) -> Self {
        self.redirects = limit;
        self
    }

    /// Sends it, and gives back the answer when its head has come.
    ///
    /// # Errors
    /// See [`TestErrorKind`](super::TestErrorKind).
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, as a client does that goes away.
    pub async fn stream(self) -> Result<TestStream, TestError> {
        let limit = self.client.shared.time_limit;
        within(limit, self.exchange()).await
    }

    /// Sends it and reads the whole answer; `await` does the same.
    ///
    /// # Errors
    /// See [`TestErrorKind`](super::TestErrorKind).
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, as a client does that goes away.
    pub async fn send(self) -> Result<TestResponse, TestError> {
        let limit = self.client.shared.time_limit;
        let answered = async { self.exchange().await?.rest().await };
        within(limit, answered).await
    }

    fn typed(mut self, content_type: &str, body: Bytes) -> Self {
        match HeaderValue::try_from(content_type) {
            Ok(value) => {
                self.headers.insert(CONTENT_TYPE, value);
            }
            Err(error) => self.fail(TestError::request(error)),
        }
        self.body(body)
    }

    pub(super) fn fail(&mut self, error: TestError) {
        self.error.get_or_insert(error);
    }

    async fn exchange(mut self) -> Result<TestStream, TestError> {
        let client = self.client.clone();
        let mut followed = Vec::new();
        loop {
            let request = self.take_request()?;
            let shared = &client.shared;
            let response = shared.backend.call(&shared.place, request).await?;
            self.keep_cookies(response.headers());
            if followed.len() < self.redirects
                && let Some(target) = self.redirected(&response)
            {
                let status = response.status();
                followed.push(TestRedirect {
                    status,
                    target: target.clone(),
                });
                self.target = target;
                self.adapt(status);
                continue;
            }
            let limit = shared.time_limit;
            return Ok(TestStream::new(response, limit, self.target, followed));
        }
    }

    /// What goes to the server.
    pub(super) fn take_request(&mut self) -> Result<Request<Body>, TestError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.client.check()?;
        let shared = &self.client.shared;
        let uri = Uri::try_from(self.target.as_str()).map_err(TestError::request)?;
        let body = match &mut self.content {
            Content::None => Body::empty(),
            Content::Whole(bytes) => Body::from(bytes.clone()),
            Content::Stream(body) => std::mem::take(body),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        let mut cookies = shared.jar().matching(&shared.host, uri.path());
        cookies.retain(|(name, _)| self.cookies.iter().all(|(own, _)| own != name));
        cookies.extend(self.cookies.iter().cloned());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        for name in shared.headers.keys() {
            if !self.headers.contains_key(name) {
                for value in shared.headers.get_all(name) {
                    headers.append(name, value.clone());
                }
            }
        }
        if !headers.contains_key(HOST) {
            let host = HeaderValue::try_from(&*shared.host).map_err(TestError::request)?;
            headers.insert(HOST, host);
        }
        if !cookies.is_empty() && !headers.contains_key(COOKIE) {
            let pairs: Vec<String> = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let value = HeaderValue::try_from(pairs.join("; ")).map_err(TestError::request)?;
            headers.insert(COOKIE, value);
        }
        Ok(request)
    }

    pub(super) fn keep_cookies(&self, headers: &HeaderMap) {
        let shared = &self.client.shared;
        let path = self.target.split('?').next().unwrap_or_default();
        let mut jar = shared.jar();
        for header in headers.get_all(SET_COOKIE) {
            jar.store(header, &shared.host, path);
        }
    }

    /// Where a redirect leads, if it can be followed.
    fn redirected<B>(&self, response: &Response<B>) -> Option<String> {
        let status = response.status();
        let again = matches!(
            status,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        let is_redirect = again
            || matches!(
                status,
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER
            );
        if !is_redirect || (again && matches!(self.content, Content::Stream(_))) {
            return None;
        }
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let location = location.split('#').next().unwrap_or_default();
        let target = resolved(&self.target, location);
        local(&target, &self.client.shared.host).ok()
    }

    /// Makes of it what is sent to the target of a redirect (RFC 9110, section 15.4).
    fn adapt(&mut self, status: StatusCode) {
        let to_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if to_get {
            self.method = Method::GET;
            self.content = Content::None;
            self.headers.remove(CONTENT_TYPE);
        }
    }
}

impl IntoFuture for TestRequest {
    type Output = Result<TestResponse, TestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for TestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
