//! What a handler fails with: a status for the client and the reasons for the log.

use std::borrow::{Borrow, Cow};
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use cyclone_core::PortError;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::arguments::{ArgumentsError, DeserializeError};
use crate::body::{Body, BodyError};
use crate::response::Response;

#[cfg(test)]
mod tests;

/// What handlers return: a [`Response`], so that the compiler finds the path on which one is forgotten.
pub type Result<T = Response> = std::result::Result<T, Error>;

/// A request that could not be served, as Tornado's `HTTPError`: the status that the client gets, what it is
/// told, and what is only logged.
///
/// Any other error turns into one by `?`. It is a 500 then, unless its type says better: a body over the
/// limit is 413, a body that came too slowly 408, a bus or store that is full or away 503. The text of such an error
/// is logged and never shown to the client.
///
/// ```
/// use cyclone_web::{Error, RequestContext, Result};
///
/// async fn account(cx: &mut RequestContext) -> Result {
///     let id: u64 = cx.argument("id")?.parse().map_err(|_| Error::bad_request("id is no number"))?;
///     match id {
///         7 => cx.text("the seventh"),
///         _ => Err(Error::new(http::StatusCode::NOT_FOUND)),
///     }
/// }
/// # let _ = account;
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    status: StatusCode,
    message: Option<Cow<'static, str>>,
    log: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    headers: HeaderMap,
    reason: Option<String>,
    /// Where in the program it was made, or another error became it.
    location: &'static Location<'static>,
    /// It is none: the answer to end the request with. Responses are not `Sync`.
    answer: Option<Mutex<Option<Response>>>,
}

impl Error {
    /// An error with this status and nothing to say about it.
    #[must_use]
    #[track_caller]
    pub fn new(status: StatusCode) -> Self {
        Self {
            inner: Box::new(Inner {
                status,
                message: None,
                log: None,
                source: None,
                headers: HeaderMap::new(),
                reason: None,
                location: Location::caller(),
                answer: None,
            }),
        }
    }

    /// No error but an answer, to end a request from any depth by `?` as Tornado's exception `Finish` does: neither is it
    /// logged, nor does [`write_error`](crate::RequestHandler::write_error) see it.
    ///
    /// ```
    /// use cyclone_web::{Error, RequestContext, Result};
    ///
    /// fn only_weekdays(cx: &mut RequestContext, is_sunday: bool) -> Result<()> {
    ///     if is_sunday {
    ///         return Err(Error::finish(cx.text("closed")?));
    ///     }
    ///     Ok(())
    /// }
    ///
    /// async fn shop(cx: &mut RequestContext) -> Result {
    ///     only_weekdays(cx, true)?;
    ///     cx.text("open")
    /// }
    /// # let _ = shop;
    /// ```
    #[must_use]
    #[track_caller]
    pub fn finish(answer: impl Into<Response>) -> Self {
        let mut error = Self::new(StatusCode::OK);
        error.inner.answer = Some(Mutex::new(Some(answer.into())));
        error
    }

    /// A 400 that tells the client what is wrong with the request.
    #[track_caller]
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).message(message)
    }

    /// A 404.
    #[must_use]
    #[track_caller]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND)
    }

    /// A 500 with a line for the log.
    #[track_caller]
    pub fn internal(log: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR).log(log)
    }

    /// A 401 with a challenge of any scheme, as cyclone's `HTTPAuthenticationRequired`: a
    /// [`Challenge`](crate::Challenge), or the value of `WWW-Authenticate` as it is. What is no header value makes it a
    /// 500.
    #[must_use]
    #[track_caller]
    pub fn authentication_required<C>(challenge: C) -> Self
    where
        C: TryInto<HeaderValue>,
        C::Error: fmt::Display,
    {
        Self::new(StatusCode::UNAUTHORIZED).challenge(challenge)
    }

    /// Adds another challenge: a client takes the scheme it likes best.
    #[must_use]
    pub fn challenge<C>(self, challenge: C) -> Self
    where
        C: TryInto<HeaderValue>,
        C::Error: fmt::Display,
    {
        match challenge.try_into() {
            Ok(challenge) => self.header(http::header::WWW_AUTHENTICATE, challenge),
            Err(invalid) => Self::internal(invalid.to_string()),
        }
    }

    /// A 405 that names the methods which are allowed (RFC 9110, 15.5.6).
    #[track_caller]
    pub(crate) fn method_not_allowed(
        allowed: impl IntoIterator<Item = impl Borrow<Method>>,
    ) -> Self {
        let mut names = String::new();
        for method in allowed {
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(method.borrow().as_str());
        }
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED);
        match HeaderValue::from_str(&names) {
            Ok(names) => error.header(http::header::ALLOW, names),
            Err(_invalid) => error,
        }
    }

    /// Sets what the client is told beside the status; the default error page escapes it.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.inner.message = Some(message.into());
        self
    }

    /// Sets what is logged and never shown.
    #[must_use]
    pub fn log(mut self, line: impl Into<String>) -> Self {
        self.inner.log = Some(line.into());
        self
    }

    /// Sets the error behind this one; it is logged and never shown.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Sets the reason phrase of the status line and of the error page, in the place of the usual one of the status: the
    /// `reason` of Tornado's `HTTPError`. One that [cannot be sent](crate::RequestContext::set_status_with_reason) leaves
    /// the usual one.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.inner.reason = Some(reason.into());
        self
    }

    /// Adds a header to the error response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.inner.headers.append(name, value);
        self
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status
    }

    /// What the client is told beside the status.
    #[must_use]
    pub fn client_message(&self) -> Option<&str> {
        self.inner.message.as_deref()
    }

    /// Headers of the error response.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.inner.headers
    }

    /// The error behind this one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.inner.source.as_deref()
    }
}

impl Error {
    /// What is logged and never shown.
    pub(crate) fn log_line(&self) -> Option<&str> {
        self.inner.log.as_deref()
    }

    pub(crate) fn reason_phrase(&self) -> Option<&str> {
        self.inner.reason.as_deref()
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.inner.location
    }

    /// The errors behind this one, the nearest first.
    pub(crate) fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first = self.inner.source.as_deref();
        let mut next = first.map(|source| source as &(dyn StdError + 'static));
        std::iter::from_fn(move || {
            let error = next?;
            next = error.source();
            Some(error)
        })
    }

    /// The answer, when this is [no error](Self::finish).
    pub(crate) fn take_answer(&mut self) -> Option<Response> {
        let answer = self.inner.answer.as_mut()?.get_mut();
        answer.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Names more methods in the `Allow` of a 405 that has one.
    pub(crate) fn allow_also(&mut self, methods: &[Method]) {
        let headers = &mut self.inner.headers;
        let Some(allowed) = headers.get(http::header::ALLOW) else {
            return;
        };
        let mut names = allowed.to_str().unwrap_or_default().to_owned();
        for method in methods {
            if names.split(", ").all(|name| name != method.as_str()) {
                names.push_str(if names.is_empty() { "" } else { ", " });
                names.push_str(method.as_str());
            }
        }
        if let Ok(names) = HeaderValue::try_from(names) {
            headers.insert(http::header::ALLOW, names);
        }
    }

    /// The response without a handler: status and headers, a line of text.
    pub(crate) fn bare_response(&self) -> http::Response<Body> {
        let mut response = http::Response::new(Body::from(format!("{}\n", self.inner.status)));
        *response.status_mut() = self.inner.status;
        *response.headers_mut() = self.inner.headers.clone();
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

/// The status for an error of a library: by its type, or by that of the first known one among its causes.
fn status_of(error: &(dyn StdError + 'static)) -> StatusCode {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(status) = known_status(error) {
            return status;
        }
        cause = error.source();
    }
    StatusCode::INTERNAL_SERVER_ERROR
}

fn known_status(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
    if let Some(body) = error.downcast_ref::<BodyError>() {
        return Some(body.status());
    }
    if let Some(arguments) = error.downcast_ref::<ArgumentsError>() {
        return Some(arguments.status());
    }
    if let Some(credentials) = error.downcast_ref::<crate::auth::AuthorizationError>() {
        return Some(credentials.status());
    }
    #[cfg(feature = "aws-auth")]
    if let Some(signature) = error.downcast_ref::<crate::aws::AwsSignatureError>() {
        return Some(signature.status());
    }
    #[cfg(feature = "oauth")]
    if let Some(login) = error.downcast_ref::<crate::oauth::OAuthError>() {
        return Some(login.status());
    }
    #[cfg(feature = "passwords")]
    if let Some(password) = error.downcast_ref::<crate::passwords::PasswordError>() {
        return Some(password.status());
    }
    if let Some(misfit) = error.downcast_ref::<DeserializeError>() {
        return Some(misfit.status());
    }
    #[cfg(feature = "multipart")]
    if let Some(multipart) = error.downcast_ref::<crate::multipart::MultipartError>() {
        return Some(multipart.status());
    }
    #[cfg(feature = "client")]
    if let Some(client) = error.downcast_ref::<crate::client::ClientError>() {
        return Some(client.status());
    }
    if let Some(port) = error.downcast_ref::<PortError>() {
        return port
            .is_retryable()
            .then_some(StatusCode::SERVICE_UNAVAILABLE);
    }
    #[cfg(feature = "sqlite")]
    if let Some(sqlite) = error.downcast_ref::<cyclone_sqlite::Error>() {
        return sqlite
            .is_retryable()
            .then_some(StatusCode::SERVICE_UNAVAILABLE);
    }
    None
}

impl<E> From<E> for Error
where
    E: StdError + Send + Sync + 'static,
{
    #[track_caller]
    fn from(source: E) -> Self {
        Self::new(status_of(&source)).because(source)
    }
}

impl fmt::Display for Error {
    /// The whole story on one line, for the log: status, log line, causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner.status)?;
        if let Some(message) = &self.inner.message {
            write!(f, ": {message}")?;
        }
        if let Some(log) = &self.inner.log {
            write!(f, ": {log}")?;
        }
        self.causes().try_for_each(|error| write!(f, ": {error}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.inner.status)
            .field("message", &self.inner.message)
            .field("log", &self.inner.log)
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}
