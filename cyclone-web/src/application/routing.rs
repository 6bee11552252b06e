//! Routes beyond patterns: nested routers, hosts, matchers, and what happens when nothing is found.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::{Application, Shared};
use crate::body::BoxError;
use crate::engine::ConnectionInfo;
use crate::error::{Error, Result};
use crate::further::{Condition, Further};
use crate::handler::DynHandler;
use crate::head::Head;
use crate::host::HostPattern;
use crate::mount::{Mounted, MountedService};
use crate::nested::{Entry, Router, patterns_below};
use crate::request_view::RequestView;
use crate::router::{Found, PathParameters, UrlSpec};
use crate::slashes::{GoTo, Slashes, toggled, with_query};

impl Application {
    /// Takes in the routes of a router, below a prefix: `/` of the router is `/prefix/` here. With the prefix `""` they stay
    /// where they are.
    pub fn nest(self, prefix: &str, router: Router) -> Self {
        self.include(&[], router.below(prefix))
    }

    /// Takes in the routes of a router for some hosts, as Tornado's `add_handlers`.
    ///
    /// They come before the routes for all hosts. When several hosts match, all are searched in the order they were added.
    /// See [`default_host`](Self::default_host) for requests to other hosts.
    ///
    /// ```
    /// use cyclone_web::{Application, RequestContext, Router};
    ///
    /// let api = Router::new().get("/", async |cx: &mut RequestContext| cx.json(&["v1"]));
    /// let app = Application::new()
    ///     .host("api.example.com", api)
    ///     .host("*.example.com", Router::new())
    ///     .host("[2001:db8::1]", Router::new());
    /// # let _ = app;
    /// ```
    pub fn host(self, pattern: impl Into<HostPattern>, router: Router) -> Self {
        self.include(&[Condition::Host(pattern.into())], router)
    }

    /// Takes in the routes of a router for the requests that a function lets through: Tornado's custom matchers. They
    /// come before the routes for all, in the order they were added, hosts among them.
    ///
    /// The function runs for every request, before anything else; it must not block.
    ///
    /// ```
    /// use cyclone_web::{Application, RequestContext, Router};
    ///
    /// let new = Router::new().get("/", async |cx: &mut RequestContext| cx.text("new"));
    /// let app = Application::new()
    ///     .when(|request| request.header("x-version") == Some("2"), new)
    ///     .get("/", async |cx: &mut RequestContext| cx.text("old"));
    /// # let _ = app;
    /// ```
    pub fn when(
        self,
        matcher: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static,
        router: Router,
    ) -> Self {
        self.include(&[Condition::When(Arc::new(matcher))], router)
    }

    /// Says for which host requests are taken for that have found nothing, as Tornado's setting: `localhost` finds the
    /// routes of `example.com` while the site is developed, for instance.
    ///
    /// A request with `X-Real-Ip` came through a proxy, which passes the right host: there nothing is guessed. If its host
    /// is known to no route, and there are no routes for all hosts, it is sent to the default host (302), as by cyclone.
    pub fn default_host(mut self, host: impl Into<String>) -> Self {
        self.edit_further().default_host = Some(host.into());
        self
    }

    /// Says what becomes of requests that would have found a route with a slash more, or one less, at the end of their path;
    /// [`Slashes::Strict`] unless called.
    pub fn slashes(mut self, slashes: Slashes) -> Self {
        self.edit_further().slashes = slashes;
        self
    }

    /// Has a `tower::Service` answer the paths that no route matches, as Tornado's `FallbackHandler` at the end of the
    /// routes. It takes the place of a [`default_handler`](Self::default_handler).
    pub fn fallback<S, B>(mut self, service: S) -> Self
    where
        S: MountedService<Response = Response<B>>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mounted = Mounted::new("", service);
        self.adopt_mounted(&mounted);
        self.edit().not_found = mounted.handler();
        self
    }

    /// The path of the route called `name` with a query, as cyclone's `reverse_url` makes of its keyword arguments; see
    /// [`RequestContext::reverse_url_with`](crate::RequestContext::reverse_url_with).
    ///
    /// # Errors
    /// As [`reverse_url`](Self::reverse_url).
    pub fn reverse_url_with(
        &self,
        name: &str,
        arguments: &[&dyn fmt::Display],
        query: &[(&str, &dyn fmt::Display)],
    ) -> Result<String> {
        self.shared.reverse_url(name, arguments, query)
    }

    fn include(mut self, conditions: &[Condition], router: Router) -> Self {
        for entry in router.into_entries() {
            self = match entry {
                Entry::Route(spec, method, handler) => {
                    self.add_under(conditions, &spec, method, handler)
                }
                Entry::Mount(mounted) => self.add_mounted(conditions, &mounted),
                Entry::Group(condition, router) => {
                    let all: Vec<_> = conditions.iter().cloned().chain([condition]).collect();
                    self.include(&all, router)
                }
            };
        }
        self
    }

    pub(super) fn add_mounted(self, conditions: &[Condition], mounted: &Mounted) -> Self {
        self.add_mounted_under(conditions, mounted, &mounted.handler())
    }

    /// The same, answered by another handler.
    #[cfg(feature = "bottle")]
    pub(crate) fn add_mounted_as(self, mounted: &Mounted, handler: &Arc<dyn DynHandler>) -> Self {
        self.add_mounted_under(&[], mounted, handler)
    }

    /// Has a handler answer what no route does.
    #[cfg(feature = "bottle")]
    pub(crate) fn answer_the_rest(&mut self, handler: Arc<dyn DynHandler>) {
        self.edit().not_found = handler;
    }

    /// Names a path that is no route.
    #[cfg(feature = "bottle")]
    pub(crate) fn name_path(
        &mut self,
        name: &str,
        spec: &UrlSpec,
    ) -> std::result::Result<(), String> {
        self.edit().names.add(name, spec)
    }

    fn add_mounted_under(
        mut self,
        conditions: &[Condition],
        mounted: &Mounted,
        handler: &Arc<dyn DynHandler>,
    ) -> Self {
        self.adopt_mounted(mounted);
        for spec in patterns_below(mounted.prefix()) {
            self = self.add_under(conditions, &spec, None, Arc::clone(handler));
        }
        self
    }

    /// Has what a mounted application requires required here, and its names known.
    fn adopt_mounted(&mut self, mounted: &Mounted) {
        if let Some(inner) = mounted.application() {
            let inner = Arc::clone(&inner.shared);
            let shared = self.edit();
            shared.requirements.extend(&inner.requirements);
            shared.names.mount(mounted.prefix(), &inner.names);
        }
    }

    #[expect(
        clippy::panic,
        reason = "a route that clashes is a mistake in the program, found at its start"
    )]
    pub(super) fn add_under(
        mut self,
        conditions: &[Condition],
        spec: &UrlSpec,
        method: Option<Method>,
        handler: Arc<dyn DynHandler>,
    ) -> Self {
        let handler = self.switched(spec, handler);
        let shared = self.edit();
        let routes = match (&mut shared.further, conditions) {
            (None, []) => &mut shared.routes,
            (further, _) => Arc::make_mut(further.get_or_insert_default())
                .routes_mut(conditions, &mut shared.routes),
        };
        let added = routes.add(spec, method, handler);
        let named = match &spec.name {
            Some(name) => added.and_then(|()| shared.names.add(name, spec)),
            None => added,
        };
        if let Err(problem) = named {
            panic!("route `{}`: {problem}", spec.pattern);
        }
        self
    }

    fn edit_further(&mut self) -> &mut Further {
        Arc::make_mut(self.edit().further.get_or_insert_default())
    }
}

/// What was found for a request after a second look.
pub(super) struct Second<'a> {
    pub(super) handler: Arc<dyn DynHandler>,
    pub(super) parameters: PathParameters,
    pub(super) pattern: Option<&'a str>,
    pub(super) limit: Option<u64>,
}

impl<'a> Second<'a> {
    fn from(found: Found<'a>) -> Option<Self> {
        let (handler, route, parameters) = match found {
            Found::Handler(handler, route, parameters) => (Arc::clone(handler), route, parameters),
            Found::OtherMethods(route) => (super::refusal(route), route, PathParameters::default()),
            Found::Nothing => return None,
        };
        Some(Self {
            handler,
            parameters,
            pattern: Some(&route.pattern),
            limit: route.body_limit,
        })
    }

    fn go_to(status: StatusCode, target: String) -> Self {
        Self {
            handler: Arc::new(GoTo { status, target }),
            parameters: PathParameters::default(),
            pattern: None,
            limit: None,
        }
    }
}

impl Shared {
    /// Where the first look has found nothing: expressions, hosts, matchers, other slashes, and the handler of what
    /// nobody answers.
    #[cold]
    pub(super) fn look_again(&self, head: &Head, connection: &ConnectionInfo) -> Second<'_> {
        self.search(head, connection).unwrap_or_else(|| Second {
            handler: Arc::clone(&self.not_found),
            parameters: PathParameters::default(),
            pattern: None,
            limit: None,
        })
    }

    fn search(&self, head: &Head, connection: &ConnectionInfo) -> Option<Second<'_>> {
        let (method, path) = (head.method(), head.path_bytes());
        let Some(further) = self.further.as_deref() else {
            return Second::from(self.routes.find_beyond(method, path));
        };
        let view = self.view(head, connection);
        if let Some(second) = Second::from(further.find(&self.routes, &view, path)) {
            return Some(second);
        }
        if let Some(second) = self.with_other_slash(further, &view) {
            return Some(second);
        }
        let is_safe = matches!(*method, Method::GET | Method::HEAD);
        let host = further.refuge(&view).filter(|_| is_safe)?;
        let scheme = view.scheme();
        Some(Second::go_to(
            StatusCode::FOUND,
            format!("{scheme}://{host}/"),
        ))
    }

    pub(super) fn view<'a>(
        &'a self,
        head: &'a Head,
        connection: &'a ConnectionInfo,
    ) -> RequestView<'a> {
        RequestView::new(head, connection, self.proxies.as_deref())
    }

    fn with_other_slash<'a>(
        &'a self,
        further: &'a Further,
        view: &RequestView<'_>,
    ) -> Option<Second<'a>> {
        if further.slashes == Slashes::Strict {
            return None;
        }
        let path = toggled(view.path())?;
        let found = further.find(&self.routes, view, path.as_bytes());
        if further.slashes == Slashes::Ignore {
            let mut second = Second::from(found)?;
            second.parameters.cut(view.path());
            return Some(second);
        }
        let is_safe = matches!(*view.method(), Method::GET | Method::HEAD);
        let is_found = is_safe && matches!(found, Found::Handler(..));
        is_found.then(|| {
            let target = with_query(path.into_owned(), view.uri().query());
            Second::go_to(StatusCode::MOVED_PERMANENTLY, target)
        })
    }

    pub(crate) fn reverse_url(
        &self,
        name: &str,
        arguments: &[&dyn fmt::Display],
        query: &[(&str, &dyn fmt::Display)],
    ) -> Result<String> {
        let reversed = self.names.reverse(name, arguments, query);
        reversed.map_err(|problem| Error::internal(problem.to_string()))
    }
}
