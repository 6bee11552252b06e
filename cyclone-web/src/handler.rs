//! The handler trait: a method for every verb, and hooks around them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Method;
use http_body_util::BodyExt as _;

use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::error_page;
use crate::etag::ETag;
use crate::finish::{Ending, Finish};
use crate::guards;
use crate::response::Response;
use crate::running::Running;
use crate::user::CurrentUser;
use conclude::conclude;
pub(crate) use conclude::{conclude_plain, guarded};
pub(crate) use fallback::Fallback;

mod conclude;
mod fallback;

/// Serves the requests of a route, as Tornado's class of the same name: a method for each verb and hooks
/// around them. One value serves all requests of its route at once; what belongs to a request lives in its
/// [`RequestContext`].
///
/// The order for every request: [`set_default_headers`](Self::set_default_headers),
/// [`current_user`](Self::current_user), [`prepare`](Self::prepare), the method, the response,
/// [`on_finish`](Self::on_finish). An error at any point goes to [`write_error`](Self::write_error).
///
/// When the client goes away, the future of the method is dropped where it stands. Work that must outlive the
/// client is spawned on purpose.
///
/// ```
/// use cyclone_web::{Application, RequestContext, RequestHandler, Result};
///
/// struct Hello;
/// impl RequestHandler for Hello {
///     async fn get(&self, cx: &mut RequestContext) -> Result {
///         let name = cx.argument("name")?;
///         cx.text(format!("hello, {name}"))
///     }
/// }
/// let app = Application::new().route("/", Hello);
/// # let _ = app;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no request handler",
    note = "implement `RequestHandler` for it, with `async fn get(&self, cx: &mut RequestContext) -> Result`",
    note = "a plain `async fn` is registered with `app.get(path, function)` and its like, not with `app.route`"
)]
pub trait RequestHandler: Send + Sync + 'static {
    /// The methods this handler knows; others are 405. A 405 names these in `Allow` (RFC 9110, 15.5.6), so
    /// narrow the list to what is implemented.
    const SUPPORTED_METHODS: &'static [Method] = SUPPORTED_METHODS;

    /// Whether the connection may be used for a next request; `false` answers with `connection: close`.
    const KEEP_ALIVE: bool = true;

    /// Whether the handler takes the request body as a stream. Unless it does, an urlencoded form is read
    /// before [`prepare`](Self::prepare), so that [`RequestContext::argument`] sees it.
    const STREAM_BODY: bool = false;

    /// Whether the body is given to [`data_received`](Self::data_received) piece by piece, between
    /// [`prepare`](Self::prepare) and the method: Tornado's `@stream_request_body`. The body is a
    /// [stream](Self::STREAM_BODY) then.
    const DATA_RECEIVED: bool = false;

    /// Whether answers to `GET` and `HEAD` get the entity tag that [`compute_etag`](Self::compute_etag) makes; with
    /// `None` it is as [`Application::etag`](crate::Application::etag) says.
    const ETAG: Option<bool> = None;

    /// Whether requests are checked as `Application::xsrf` says (feature `security`), if it was called; `false` is
    /// cyclone's `no_xsrf`, for an interface whose clients send no cookies.
    ///
    /// The token is looked for in the form only when that was read before: not when the handler streams its body, and a
    /// multipart form when [`Application::multipart`](crate::Application) was called. Otherwise it has to be in a
    /// header or in the query.
    const XSRF: bool = true;

    /// Whether there has to be a [current user](Self::current_user), as Tornado's `@authenticated`. After
    /// [`prepare`](Self::prepare) and before the method, other visitors are sent to the login, or refused, as
    /// [`RequestContext::login_required`] says.
    const AUTHENTICATED: bool = false;

    /// Whether [`Application::current_user`](crate::Application::current_user) is asked for the user. `false` saves the
    /// work where nobody wants to know.
    const FIND_USER: bool = true;

    /// Sets headers that every response of this handler has, error responses too.
    fn set_default_headers(&self, cx: &mut RequestContext) {
        let _ = cx;
    }

    /// Finds the user of a request, before [`prepare`](Self::prepare); [`RequestContext::current_user`] has him then.
    ///
    /// With `None`, which is what it returns unless overridden, the application is asked
    /// ([`Application::current_user`](crate::Application::current_user)).
    ///
    /// # Errors
    /// An error is the answer.
    fn current_user(
        &self,
        cx: &mut RequestContext,
    ) -> impl Future<Output = Result<Option<CurrentUser>>> + Send {
        let _ = cx;
        async { Ok(None) }
    }

    /// Runs before the method, whichever it is; a response here is the answer and the method is not called. For a
    /// method that is not among the [supported ones](Self::SUPPORTED_METHODS) it does not run.
    ///
    /// # Errors
    /// An error is the answer likewise.
    fn prepare(
        &self,
        cx: &mut RequestContext,
    ) -> impl Future<Output = Result<Option<Response>>> + Send {
        let _ = cx;
        async { Ok(None) }
    }

    /// Takes a piece of the request body, in a handler that has [`DATA_RECEIVED`](Self::DATA_RECEIVED) switched on. The
    /// client is not read further while it runs: that is the back-pressure. What has to be kept from one piece to the
    /// next goes into [`extensions_mut`](RequestContext::extensions_mut).
    ///
    /// The method runs when the last piece has been taken. The limit of the body holds;
    /// [`set_body_limit`](RequestContext::set_body_limit) in [`prepare`](Self::prepare) changes it.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use cyclone_web::{RequestContext, RequestHandler, Result};
    ///
    /// #[derive(Clone, Default)]
    /// struct Lines(usize);
    ///
    /// struct CountLines;
    /// impl RequestHandler for CountLines {
    ///     const DATA_RECEIVED: bool = true;
    ///
    ///     async fn data_received(&self, cx: &mut RequestContext, chunk: Bytes) -> Result<()> {
    ///         let lines = chunk.iter().filter(|&&byte| byte == b'\n').count();
    ///         cx.extensions_mut().get_or_insert_default::<Lines>().0 += lines;
    ///         Ok(())
    ///     }
    ///
    ///     async fn post(&self, cx: &mut RequestContext) -> Result {
    ///         let lines = cx.extensions().get::<Lines>().map_or(0, |lines| lines.0);
    ///         cx.text(format!("{lines} lines"))
    ///     }
    /// }
    /// # let _ = CountLines;
    /// ```
    ///
    /// # Errors
    /// An error is the answer; the rest of the body is not read.
    fn data_received(
        &self,
        cx: &mut RequestContext,
        chunk: Bytes,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (cx, chunk);
        async { Ok(()) }
    }

    /// Makes the entity tag of an answer that is about to be sent, as Tornado's `compute_etag`; asked for answers with
    /// status 200 to `GET` and `HEAD` that were not flushed and have no `ETag` yet, where tags are
    /// [switched on](Self::ETAG). With `None` there is no tag.
    ///
    /// Unless overridden it is a strong tag: SHA-256 of the body, cut to 128 bits.
    fn compute_etag(&self, cx: &RequestContext, body: &[u8]) -> Option<ETag> {
        let _ = cx;
        Some(ETag::of(body))
    }

    /// Answers `HEAD`; calls [`get`](Self::get) unless overridden, the body of which is not sent.
    ///
    /// # Errors
    /// Any error goes to [`write_error`](Self::write_error); so for the other methods.
    fn head(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.get(cx)
    }

    /// Answers `GET`.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn get(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.default(cx)
    }

    /// Answers `POST`.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn post(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.default(cx)
    }

    /// Answers `DELETE`.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn delete(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.default(cx)
    }

    /// Answers `PATCH`.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn patch(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.default(cx)
    }

    /// Answers `PUT`.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn put(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.default(cx)
    }

    /// Answers `OPTIONS`.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn options(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.default(cx)
    }

    /// Answers `QUERY`, the safe method with a body.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn query(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        self.default(cx)
    }

    /// Answers every method that the handler does not implement. Unless overridden that is 405, or for `OPTIONS` a 204
    /// that names the [methods](Self::SUPPORTED_METHODS) in `Allow` (RFC 9110, 9.3.7).
    ///
    /// # Errors
    /// As [`head`](Self::head).
    fn default(&self, cx: &mut RequestContext) -> impl Future<Output = Result> + Send {
        let method = cx.method().clone();
        let options =
            (method == Method::OPTIONS).then(|| cx.answer_options(Self::SUPPORTED_METHODS));
        async move {
            if let Some(options) = options {
                return options;
            }
            let others = Self::SUPPORTED_METHODS.iter();
            Err(Error::method_not_allowed(
                others.filter(|other| **other != method),
            ))
        }
    }

    /// Writes the response to an error; what was written before is gone. Called only while nothing has been
    /// sent.
    ///
    /// Unless overridden it is the application's error page: a small HTML page of the status and the
    /// [message](Error::message).
    ///
    /// # Errors
    /// An error here is logged, and the client gets the plain page of the first error.
    fn write_error(
        &self,
        cx: &mut RequestContext,
        error: &Error,
    ) -> impl Future<Output = Result> + Send {
        let page = error_page::write(cx, error);
        async move { page }
    }

    /// The language that the user of the request has chosen, as Tornado's `get_user_locale`: a code such as `pt_BR`,
    /// or `None` when he has not.
    ///
    /// Asked once, when [`RequestContext::locale`] is first called. It must not block; what has to be waited for is
    /// set by [`RequestContext::set_locale`] in [`prepare`](Self::prepare).
    #[cfg(feature = "locale")]
    fn user_locale(&self, cx: &RequestContext) -> Option<String> {
        let _ = cx;
        None
    }

    /// Runs once when the request is over, whether the response reached the connection or the client went
    /// away. It must not block.
    fn on_finish(&self, cx: &RequestContext, finish: &Finish) {
        let _ = (cx, finish);
    }

    /// Runs, before [`on_finish`](Self::on_finish), when the client went away before it had the whole response.
    fn on_connection_close(&self, cx: &RequestContext) {
        let _ = cx;
    }
}

/// The methods that a handler knows unless it says otherwise. `TRACE` is absent on purpose, `CONNECT` is for
/// proxies.
pub(crate) const SUPPORTED_METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::DELETE,
    Method::PATCH,
    Method::PUT,
    Method::OPTIONS,
    Method::QUERY,
];

/// A handler with its type erased: what a route keeps.
pub(crate) trait DynHandler: Send + Sync + 'static {
    fn run(self: Arc<Self>, cx: Box<RequestContext>) -> Running;

    /// Whether it wants to know [how a request ended](Self::on_end).
    fn has_hooks(&self) -> bool {
        false
    }

    fn on_end(&self, cx: &RequestContext, finish: &Finish) {
        let _ = (cx, finish);
    }

    fn compute_etag(&self, cx: &RequestContext, body: &[u8]) -> Option<ETag> {
        let _ = cx;
        Some(ETag::of(body))
    }

    #[cfg(feature = "locale")]
    fn user_locale(&self, cx: &RequestContext) -> Option<String> {
        let _ = cx;
        None
    }

    /// Whether it is a service of another library, which may want to take over the connection.
    fn is_foreign(&self) -> bool {
        false
    }
}

impl<H: RequestHandler> DynHandler for H {
    fn run(self: Arc<Self>, mut cx: Box<RequestContext>) -> Running {
        Running::new(async move {
            let answering = AssertUnwindSafe(answer::<H, false>(&*self, &mut cx)).catch_unwind();
            match answering.await {
                Ok(Ok(response)) => cx.respond(response),
                failed => Box::pin(conclude(&*self, cx, failed)).await,
            }
        })
    }

    fn has_hooks(&self) -> bool {
        true
    }

    #[cfg(feature = "locale")]
    fn user_locale(&self, cx: &RequestContext) -> Option<String> {
        RequestHandler::user_locale(self, cx)
    }

    fn compute_etag(&self, cx: &RequestContext, body: &[u8]) -> Option<ETag> {
        RequestHandler::compute_etag(self, cx, body)
    }

    fn on_end(&self, cx: &RequestContext, finish: &Finish) {
        if finish.ending == Ending::Disconnected {
            guarded("on_connection_close", || self.on_connection_close(cx));
        }
        guarded("on_finish", || self.on_finish(cx, finish));
    }
}

/// A [fallback](Fallback) runs its `prepare` whatever the method.
async fn answer<H: RequestHandler, const FALLBACK: bool>(
    handler: &H,
    cx: &mut RequestContext,
) -> Result {
    handler.set_default_headers(cx);
    if !H::KEEP_ALIVE {
        cx.close_connection();
    }
    if !FALLBACK && !H::SUPPORTED_METHODS.contains(cx.method()) {
        return Err(Error::method_not_allowed(H::SUPPORTED_METHODS));
    }
    if H::ETAG == Some(true) {
        cx.set_tagging(true);
    }
    let streams_body = H::STREAM_BODY || H::DATA_RECEIVED;
    if cx.has_body() {
        guards::before_body(cx, H::XSRF)?;
        cx.open_body()?;
        if !streams_body {
            cx.read_form().await?;
        }
    }
    let mut needs_user = H::AUTHENTICATED;
    if cx.is_guarded() {
        needs_user = Box::pin(guards::before_handler(handler, cx)).await?;
    } else if let Some(user) = handler.current_user(cx).await? {
        cx.set_current_user(user);
    }
    if let Some(response) = handler.prepare(cx).await? {
        return Ok(response);
    }
    if needs_user {
        cx.check_login()?;
    }
    if !H::STREAM_BODY {
        cx.check_declared_body()?;
    }
    if FALLBACK && !H::SUPPORTED_METHODS.contains(cx.method()) {
        return Err(Error::method_not_allowed(H::SUPPORTED_METHODS));
    }
    if H::DATA_RECEIVED && cx.has_body() {
        Box::pin(receive(handler, cx)).await?;
    }
    match *cx.method() {
        Method::GET => handler.get(cx).await,
        Method::HEAD => handler.head(cx).await,
        Method::POST => handler.post(cx).await,
        Method::DELETE => handler.delete(cx).await,
        Method::PATCH => handler.patch(cx).await,
        Method::PUT => handler.put(cx).await,
        Method::OPTIONS => handler.options(cx).await,
        Method::QUERY => handler.query(cx).await,
        _ => handler.default(cx).await,
    }
}

/// Gives the body to the handler piece by piece.
async fn receive<H: RequestHandler>(handler: &H, cx: &mut RequestContext) -> Result<()> {
    let mut body = cx.take_body();
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame?.into_data() {
            handler.data_received(cx, chunk).await?;
        }
    }
    Ok(())
}
