//! The application: routes and settings; a protocol factory and a `tower::Service` in one.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cyclone_core::{Connection, MissingResource, Peer, Protocol, ProtocolFactory, Resources};
use http::{Method, Request, Response};

use crate::body::{Body, BoxError};
use crate::context::RequestContext;
#[cfg(feature = "hyper-http1")]
use crate::engine::Http1Engine;
use crate::engine::{self, ConnectionInfo, HttpService};
use crate::finish::Finish;
use crate::function::{Function, HandlerFunction};
use crate::further::Further;
use crate::guards::Guards;
use crate::handler::{DynHandler, Fallback, RequestHandler};
use crate::head::Head;
use crate::limits::Limits;
#[cfg(feature = "locale")]
use crate::locale::Translations;
use crate::mount::{Mounted, MountedService};
#[cfg(feature = "multipart")]
use crate::multipart::MultipartConfig;
use crate::proxies::TrustedProxies;
use crate::refusal::{MethodNotAllowed, NotFound};
use crate::request_log::log_request;
use crate::request_span::RequestSpan;
use crate::router::{Found, Names, PathParameters, Route, Routes, UrlSpec};
#[cfg(feature = "sessions")]
use crate::sessions::Sessions;
#[cfg(feature = "security")]
use crate::signed::CookieSecrets;
use crate::static_files::StaticFiles;
use crate::stream::Exchange;
#[cfg(feature = "templates")]
use crate::templates::Templates;

mod answers;
mod files;
mod foreign;
#[cfg(any(feature = "decompression", feature = "multipart"))]
mod forms;
mod guards;
#[cfg(feature = "locale")]
mod languages;
#[cfg(feature = "templates")]
mod pages;
mod routing;
#[cfg(feature = "sessions")]
mod sessions;

/// What every request of an application shares.
#[derive(Clone)]
pub(crate) struct Shared {
    routes: Routes,
    pub(crate) names: Names,
    /// Hosts, matchers and slashes; `None` when there is nothing of it.
    further: Option<Arc<Further>>,
    not_found: Arc<dyn DynHandler>,
    pub(crate) debug: bool,
    pub(crate) log_request: Arc<RequestLog>,
    #[cfg(feature = "templates")]
    pub(crate) templates: Option<Templates>,
    #[cfg(feature = "templates")]
    pub(crate) template_values: Vec<(Arc<str>, Arc<TemplateValue>)>,
    #[cfg(feature = "locale")]
    pub(crate) translations: Option<Translations>,
    #[cfg(feature = "locale")]
    pub(crate) user_locale: Option<Arc<UserLocale>>,
    /// The first that were routed: those whose URLs `static_url` makes.
    pub(crate) static_files: Option<StaticFiles>,
    /// `None` when nothing stands before the handlers: the usual case is one look.
    pub(crate) guards: Option<Arc<Guards>>,
    pub(crate) login_url: Option<Arc<str>>,
    pub(crate) proxies: Option<Arc<TrustedProxies>>,
    #[cfg(feature = "security")]
    pub(crate) cookie_secrets: Option<Arc<CookieSecrets>>,
    #[cfg(feature = "sessions")]
    pub(crate) sessions: Option<Arc<Sessions>>,
    /// Forms are read before their handlers.
    #[cfg(feature = "multipart")]
    pub(crate) multipart: Option<Arc<MultipartConfig>>,
    /// Bodies that come compressed are expanded.
    #[cfg(feature = "decompression")]
    pub(crate) decompress: bool,
    requirements: Vec<Requirement>,
    limits: Arc<Limits>,
    #[cfg(feature = "hyper-http1")]
    http1: Http1Engine,
}

/// Logs a request when it is over.
type RequestLog = dyn Fn(&RequestContext, &Finish) + Send + Sync;

/// Computes a value for every page.
#[cfg(feature = "templates")]
type TemplateValue = dyn Fn(&RequestContext) -> minijinja::Value + Send + Sync;

/// Knows the language that the user of a request has chosen.
#[cfg(feature = "locale")]
type UserLocale = dyn Fn(&RequestContext) -> Option<String> + Send + Sync;

/// Looks for a resource that the application was declared to need.
type Requirement = fn(&Resources) -> Result<(), MissingResource>;

/// Routes and settings of a web application, built by chaining.
///
/// It is a [`ProtocolFactory`], so a [`Server`](cyclone_core::Server) listens with it, and a `tower::Service`,
/// so tower layers wrap it and axum nests it. Clones are handles of the same application.
///
/// ```
/// use cyclone_core::{Endpoint, Server};
/// use cyclone_web::{Application, RequestContext, Result};
///
/// async fn hello(cx: &mut RequestContext) -> Result {
///     let name = cx.path_argument("name")?;
///     cx.text(format!("hello, {name}"))
/// }
///
/// # async fn run() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let app = Application::new().get("/hello/{name}", hello);
/// let server = Server::new().listen(Endpoint::tcp(0), app).start().await?;
/// # server.shutdown();
/// # server.wait().await;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// The methods that add a route panic when the pattern is malformed or clashes with one before it: a mistake
/// in the program that no request can cause.
#[derive(Clone)]
#[must_use = "an application does nothing until a server listens with it"]
pub struct Application {
    shared: Arc<Shared>,
}

impl Application {
    /// An application without routes.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                routes: Routes::default(),
                names: Names::default(),
                further: None,
                not_found: Arc::new(NotFound),
                debug: false,
                log_request: Arc::new(log_request),
                #[cfg(feature = "templates")]
                templates: None,
                #[cfg(feature = "templates")]
                template_values: Vec::new(),
                #[cfg(feature = "locale")]
                translations: None,
                #[cfg(feature = "locale")]
                user_locale: None,
                static_files: None,
                guards: None,
                login_url: None,
                proxies: None,
                #[cfg(feature = "security")]
                cookie_secrets: None,
                #[cfg(feature = "sessions")]
                sessions: None,
                #[cfg(feature = "multipart")]
                multipart: None,
                #[cfg(feature = "decompression")]
                decompress: false,
                requirements: Vec::new(),
                limits: Arc::new(Limits::default()),
                #[cfg(feature = "hyper-http1")]
                http1: Http1Engine::default(),
            }),
        }
    }

    /// Has a handler answer a pattern, for all its methods.
    pub fn route(self, spec: impl Into<UrlSpec>, handler: impl RequestHandler) -> Self {
        self.add(&spec.into(), None, Arc::new(handler))
    }

    /// Has a function answer `GET` at a pattern, and `HEAD` with it.
    pub fn get<F>(self, spec: impl Into<UrlSpec>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.on(Method::GET, spec, function)
    }

    /// Has a function answer `POST` at a pattern.
    pub fn post<F>(self, spec: impl Into<UrlSpec>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.on(Method::POST, spec, function)
    }

    /// Has a function answer `PUT` at a pattern.
    pub fn put<F>(self, spec: impl Into<UrlSpec>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.on(Method::PUT, spec, function)
    }

    /// Has a function answer `PATCH` at a pattern.
    pub fn patch<F>(self, spec: impl Into<UrlSpec>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.on(Method::PATCH, spec, function)
    }

    /// Has a function answer `DELETE` at a pattern.
    pub fn delete<F>(self, spec: impl Into<UrlSpec>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.on(Method::DELETE, spec, function)
    }

    /// Has a function answer a method of any name at a pattern.
    pub fn on<F>(self, method: Method, spec: impl Into<UrlSpec>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.add(&spec.into(), Some(method), Arc::new(Function(function)))
    }

    /// Has a `tower::Service` (an axum `Router`, tonic, another `Application`) answer everything below a prefix.
    ///
    /// The service sees paths without the prefix; the whole target is in the extensions as
    /// [`OriginalUri`](crate::OriginalUri). Limits, request log and shutdown hold for it as for handlers. The body
    /// is passed on as a stream.
    pub fn mount<S, B>(self, prefix: &str, service: S) -> Self
    where
        S: MountedService<Response = Response<B>>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.add_mounted(&[], &Mounted::new(prefix, service))
    }

    /// Has a handler answer the paths that no route matches, as Tornado's `default_handler_class`; an error
    /// page (404) unless set.
    pub fn default_handler(mut self, handler: impl RequestHandler) -> Self {
        self.edit().not_found = Arc::new(Fallback(handler));
        self
    }

    /// Sets the limits of connections and requests; [`Limits::default`] unless set. They hold where a server
    /// of ours listens with this application.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.edit().limits = Arc::new(limits);
        self
    }

    /// Chooses what speaks HTTP/1 where a server of ours listens with this application;
    /// [`Http1Engine::Cyclone`] unless set.
    #[cfg(feature = "hyper-http1")]
    pub fn http1_engine(mut self, engine: Http1Engine) -> Self {
        self.edit().http1 = engine;
        self
    }

    /// Switches debug mode, off unless called: templates are read anew when they change.
    pub fn debug(mut self, yes: bool) -> Self {
        let shared = self.edit();
        shared.debug = yes;
        #[cfg(feature = "templates")]
        {
            shared.templates = shared
                .templates
                .take()
                .map(|templates| templates.reload(yes));
        }
        self
    }

    /// Sets the function that logs each request when it is over, in the place of the line
    /// `200 GET /path (127.0.0.1) 1.23ms`.
    pub fn log_request(
        mut self,
        log: impl Fn(&RequestContext, &Finish) + Send + Sync + 'static,
    ) -> Self {
        self.edit().log_request = Arc::new(log);
        self
    }

    /// Declares that the application needs a resource of type `T`: a server without it does not start.
    pub fn requires<T: Send + Sync + 'static>(mut self) -> Self {
        self.edit()
            .requirements
            .push(|resources| resources.get::<T>().map(drop));
        self
    }

    /// The path of the route called `name`; see [`RequestContext::reverse_url`].
    ///
    /// # Errors
    /// As there.
    pub fn reverse_url(
        &self,
        name: &str,
        arguments: &[&dyn fmt::Display],
    ) -> crate::Result<String> {
        self.reverse_url_with(name, arguments, &[])
    }

    fn add(self, spec: &UrlSpec, method: Option<Method>, handler: Arc<dyn DynHandler>) -> Self {
        self.add_under(&[], spec, method, handler)
    }

    fn edit(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.shared)
    }

    fn dispatch(&self, head: Head, body: Body, connection: &Arc<ConnectionInfo>) -> Exchange {
        let shared = &self.shared;
        let (method, path) = (head.method(), head.path_bytes());
        let (pattern, limit);
        let (handler, parameters) = match shared.routes.find(method, path) {
            Found::Handler(handler, route, parameters) => {
                (pattern, limit) = (Some(&*route.pattern), route.body_limit);
                (Arc::clone(handler), parameters)
            }
            Found::OtherMethods(route) => {
                (pattern, limit) = (Some(&*route.pattern), route.body_limit);
                (refusal(route), PathParameters::default())
            }
            Found::Nothing => {
                let second = shared.look_again(&head, connection);
                (pattern, limit) = (second.pattern, second.limit);
                (second.handler, second.parameters)
            }
        };
        let span = RequestSpan::open(&head, pattern);
        let mut context = RequestContext::new(
            head,
            body,
            parameters,
            Arc::clone(connection),
            Arc::clone(shared),
            handler.has_hooks().then(|| Arc::clone(&handler)),
        );
        if let Some(bytes) = limit {
            context.set_body_limit(bytes);
        }
        Exchange::new(span.run(|| handler.run(context)))
    }
}

/// Who answers where there are functions for other methods only.
fn refusal(route: &Route) -> Arc<dyn DynHandler> {
    Arc::new(MethodNotAllowed::new(route.methods()))
}

impl Default for Application {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("routes", &self.shared.routes)
            .field("further", &self.shared.further)
            .field("debug", &self.shared.debug)
            .finish_non_exhaustive()
    }
}

impl HttpService for Application {
    type Future = Exchange;

    fn call(&self, head: Head, body: Body, connection: &Arc<ConnectionInfo>) -> Exchange {
        self.dispatch(head, body, connection)
    }

    fn wants_hyper(&self, head: &Head, connection: &ConnectionInfo) -> bool {
        match self.shared.routes.find(head.method(), head.path_bytes()) {
            Found::Handler(handler, ..) => handler.is_foreign(),
            Found::OtherMethods(_) => false,
            Found::Nothing => self
                .shared
                .look_again(head, connection)
                .handler
                .is_foreign(),
        }
    }
}

impl ProtocolFactory for Application {
    type Protocol = ApplicationProtocol;

    fn build(&self, _peer: &Peer) -> Option<ApplicationProtocol> {
        Some(ApplicationProtocol { app: self.clone() })
    }

    fn name(&self) -> &'static str {
        "http"
    }

    fn alpn(&self) -> &[&str] {
        engine::ALPN
    }

    fn check(&self, resources: &Resources) -> Result<(), MissingResource> {
        let mut requirements = self.shared.requirements.iter();
        requirements.try_for_each(|is_there| is_there(resources))
    }
}

/// What an [`Application`] builds for every connection.
#[derive(Debug)]
pub struct ApplicationProtocol {
    app: Application,
}

impl Protocol for ApplicationProtocol {
    fn run(self, connection: Connection) -> impl Future<Output = io::Result<()>> + Send {
        let limits = Arc::clone(&self.app.shared.limits);
        #[cfg(feature = "hyper-http1")]
        let served = engine::serve_by(self.app.shared.http1, connection, self.app, limits);
        #[cfg(not(feature = "hyper-http1"))]
        let served = engine::serve(connection, self.app, limits);
        served
    }
}

impl<B> tower_service::Service<Request<B>> for Application
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = foreign::Answer;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> foreign::Answer {
        let (head, body, connection) = foreign::adopt(request, &self.shared.limits);
        foreign::Answer::new(self.dispatch(head, body, &connection))
    }
}
