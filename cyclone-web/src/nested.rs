//! Routes that are put together apart from their application.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};

use crate::body::BoxError;
use crate::function::{Function, HandlerFunction};
use crate::further::Condition;
use crate::handler::{DynHandler, RequestHandler};
use crate::host::HostPattern;
use crate::mount::{Mounted, MountedService};
use crate::request_view::RequestView;
use crate::router::{UrlSpec, url};

/// Routes that an [`Application`](crate::Application) takes in: all below a
/// [prefix](crate::Application::nest), for some [hosts](crate::Application::host), or for what a
/// [matcher](crate::Application::when) lets through.
///
/// Unlike a mounted application its routes are those of the application that takes it: settings, names and limits are
/// one, and a clash with another route is found at the start. Routers nest in routers.
///
/// ```
/// use cyclone_web::{Application, RequestContext, Result, Router, url};
///
/// async fn article(cx: &mut RequestContext) -> Result {
///     let id = cx.path_argument("id")?;
///     cx.text(format!("article {id}"))
/// }
/// let blog = Router::new().get(url("/{id}").name("article"), article);
/// let app = Application::new().nest("/blog", blog);
/// assert_eq!(app.reverse_url("article", &[&7])?, "/blog/7");
/// # Ok::<(), cyclone_web::Error>(())
/// ```
#[derive(Default)]
#[must_use = "a router does nothing until an application takes it in"]
pub struct Router {
    entries: Vec<Entry>,
}

/// What a router was told, in its order.
pub(crate) enum Entry {
    Route(UrlSpec, Option<Method>, Arc<dyn DynHandler>),
    Mount(Mounted),
    Group(Condition, Router),
}

impl Router {
    /// A router without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has a handler answer a pattern, for all its methods.
    pub fn route(self, spec: impl Into<UrlSpec>, handler: impl RequestHandler) -> Self {
        self.with(Entry::Route(spec.into(), None, Arc::new(handler)))
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
        let function = Arc::new(Function(function));
        self.with(Entry::Route(spec.into(), Some(method), function))
    }

    /// Has a `tower::Service` answer everything below a prefix; see
    /// [`Application::mount`](crate::Application::mount).
    pub fn mount<S, B>(self, prefix: &str, service: S) -> Self
    where
        S: MountedService<Response = Response<B>>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.with(Entry::Mount(Mounted::new(prefix, service)))
    }

    /// Takes in another router below a prefix; see [`Application::nest`](crate::Application::nest).
    pub fn nest(mut self, prefix: &str, router: Self) -> Self {
        self.entries.extend(router.below(prefix).entries);
        self
    }

    /// Takes in another router for some hosts; see [`Application::host`](crate::Application::host).
    pub fn host(self, pattern: impl Into<HostPattern>, router: Self) -> Self {
        self.with(Entry::Group(Condition::Host(pattern.into()), router))
    }

    /// Takes in another router for what a function lets through; see
    /// [`Application::when`](crate::Application::when).
    pub fn when(
        self,
        matcher: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static,
        router: Self,
    ) -> Self {
        self.with(Entry::Group(Condition::When(Arc::new(matcher)), router))
    }

    fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// The same below a prefix.
    pub(crate) fn below(self, prefix: &str) -> Self {
        let prefix = prefix_without_slash(prefix);
        let moved = self.entries.into_iter().map(|entry| match entry {
            Entry::Route(spec, method, handler) => {
                Entry::Route(spec.below(prefix), method, handler)
            }
            Entry::Mount(mounted) => Entry::Mount(mounted.below(prefix)),
            Entry::Group(condition, router) => Entry::Group(condition, router.below(prefix)),
        });
        Self {
            entries: moved.collect(),
        }
    }

    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

/// A prefix without the slash at its end.
///
/// # Panics
/// When it has parameters: what is below would see whole paths.
pub(crate) fn prefix_without_slash(prefix: &str) -> &str {
    let prefix = prefix.trim_end_matches('/');
    assert!(
        !prefix.contains(['{', '}']),
        "mount `{prefix}`: a prefix has no parameters"
    );
    assert!(
        prefix.is_empty() || prefix.starts_with('/'),
        "mount `{prefix}`: it does not begin with a slash"
    );
    prefix
}

/// The patterns of everything below a prefix.
pub(crate) fn patterns_below(prefix: &str) -> impl Iterator<Item = UrlSpec> {
    let bare = (!prefix.is_empty()).then(|| url(prefix));
    let below = [
        url(format!("{prefix}/")),
        url(format!("{prefix}/{{*rest}}")),
    ];
    bare.into_iter().chain(below)
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for entry in &self.entries {
            match entry {
                Entry::Route(spec, method, _) => list.entry(&(&spec.pattern, method)),
                Entry::Mount(mounted) => list.entry(&mounted.prefix()),
                Entry::Group(_, router) => list.entry(router),
            };
        }
        list.finish()
    }
}
