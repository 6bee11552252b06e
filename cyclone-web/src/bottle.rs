//! Applications in the style of Bottle: functions on rules, with hooks and plugins around them.
//!
//! A rule is a path with wildcards: `<name>` stands for one segment, `<name:int>` and `<name:float>` for numbers,
//! `<name:path>` for any number of segments, `<name:re:[a-z]+>` for what the expression matches; without a name it stands
//! for the same and is no parameter. `\<` is a plain bracket, `\>` one in an expression.
//!
//! As in Bottle, rules without wildcards come first, the others in the order they were added, for each method on its own.
//! A method that no rule of a path has is a 405 that names those there are.
//!
//! ```no_run
//! use cyclone_core::Endpoint;
//! use cyclone_web::bottle::{Bottle, abort, redirect};
//! use cyclone_web::{Error, RequestContext, Result};
//! use http::StatusCode;
//!
//! async fn hello(cx: &mut RequestContext) -> Result {
//!     let name = cx.optional_path_argument("name")?;
//!     cx.text(format!("hello, {}", name.as_deref().unwrap_or("world")))
//! }
//!
//! async fn square(cx: &mut RequestContext) -> Result {
//!     let number: i32 = match cx.path_argument("number")?.parse() {
//!         Ok(number) => number,
//!         Err(_) => return Err(abort(StatusCode::BAD_REQUEST, "that is too large")),
//!     };
//!     cx.json(&(i64::from(number) * i64::from(number)))
//! }
//!
//! async fn lost(cx: &mut RequestContext, _error: &Error) -> Result {
//!     cx.html("<h1>Nothing here</h1>")
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//!     Bottle::new()
//!         .get(["/hello", "/hello/<name>"], hello)
//!         .get("/square/<number:int>", square)
//!         .get("/old", async |cx: &mut RequestContext| redirect(cx, "/hello"))
//!         .error(StatusCode::NOT_FOUND, lost)
//!         .run(Endpoint::tcp(8080))
//!         .await?;
//!     Ok(())
//! }
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cyclone_core::{Endpoint, Server, ServerError, ShutdownReport};
use http::{Method, Response as HttpResponse, StatusCode, Version};

use crate::application::Application;
use crate::body::BoxError;
use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::function::HandlerFunction;
use crate::handler::DynHandler;
use crate::mount::{Mounted, MountedService};
use answer::{Answerer, Around, Callback, Hook, Page, Work};
pub use answer::{ErrorFunction, HookFunction};
use plugin::DynPlugin;
pub use plugin::{Next, Plugin};
use rule::Filters;
pub use rule::{Rule, rule};
use table::Table;

mod answer;
mod plugin;
mod rule;
mod table;

/// An application in the style of Bottle, built by chaining; see the [module](self).
#[must_use = "a bottle does nothing until it runs, or is made an application"]
pub struct Bottle {
    routes: Vec<BottleRoute>,
    filters: Filters,
    before: Vec<Arc<Hook>>,
    after: Vec<Arc<Hook>>,
    pages: HashMap<StatusCode, Arc<Page>>,
    plugins: Vec<Arc<dyn DynPlugin>>,
    mounts: Vec<Mounted>,
    application: Application,
}

/// A rule, its function, and the plugins of the bottle that it came from if it was another.
struct BottleRoute {
    rule: Rule,
    callback: Arc<Callback>,
    /// With what the rules of another bottle bring along.
    origin: Option<(Filters, Vec<Arc<dyn DynPlugin>>)>,
}

impl Bottle {
    /// A bottle without rules.
    pub fn new() -> Self {
        Self::with_application(Application::new())
    }

    /// A bottle with the settings of an application, whose routes come before its rules: cyclone's `create_app` with
    /// `more_handlers`.
    pub fn with_application(application: Application) -> Self {
        Self {
            routes: Vec::new(),
            filters: Filters::default(),
            before: Vec::new(),
            after: Vec::new(),
            pages: HashMap::new(),
            plugins: Vec::new(),
            mounts: Vec::new(),
            application,
        }
    }

    /// Has a function answer the [methods](Rule::methods) of a rule, `GET` unless it says otherwise.
    pub fn route<F>(mut self, rule: impl Into<Rule>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.routes.push(BottleRoute {
            rule: rule.into(),
            callback: Arc::new(move |cx| Box::pin(function.call(cx))),
            origin: None,
        });
        self
    }

    /// Has a function answer `GET` at a rule, or at several paths, and `HEAD` with it.
    pub fn get<F>(self, rule: impl Into<Rule>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.route(rule.into().methods([Method::GET]), function)
    }

    /// Has a function answer `POST` at a rule.
    pub fn post<F>(self, rule: impl Into<Rule>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.route(rule.into().methods([Method::POST]), function)
    }

    /// Has a function answer `PUT` at a rule.
    pub fn put<F>(self, rule: impl Into<Rule>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.route(rule.into().methods([Method::PUT]), function)
    }

    /// Has a function answer `PATCH` at a rule.
    pub fn patch<F>(self, rule: impl Into<Rule>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.route(rule.into().methods([Method::PATCH]), function)
    }

    /// Has a function answer `DELETE` at a rule.
    pub fn delete<F>(self, rule: impl Into<Rule>, function: F) -> Self
    where
        F: for<'a> HandlerFunction<'a>,
    {
        self.route(rule.into().methods([Method::DELETE]), function)
    }

    /// Makes a filter of a name for wildcards: `<color:hex>` after `filter("hex", "[0-9a-f]{6}")`.
    pub fn filter(mut self, name: &str, expression: &str) -> Self {
        self.filters.add(name, expression);
        self
    }

    /// Has a function write the response to errors of a status, of rules that do not exist too. It starts with status and
    /// headers of the error, and with nothing written.
    pub fn error<F>(mut self, status: StatusCode, page: F) -> Self
    where
        F: for<'a> ErrorFunction<'a>,
    {
        let page: Arc<Page> = Arc::new(move |cx, error| Box::pin(page.call(cx, error)));
        self.pages.insert(status, page);
        self
    }

    /// Runs a function before every request, whether there is a rule for it or not: Bottle's `before_request`. An error of
    /// it is the answer. Several run in the order they were added.
    pub fn before_request<F>(mut self, hook: F) -> Self
    where
        F: for<'a> HookFunction<'a>,
    {
        self.before
            .push(Arc::new(move |cx| Box::pin(hook.call(cx))));
        self
    }

    /// Runs a function after every request, errors too, before the response is sent, unless it is a stream that has begun:
    /// Bottle's `after_request`. Several run in the reverse order.
    pub fn after_request<F>(mut self, hook: F) -> Self
    where
        F: for<'a> HookFunction<'a>,
    {
        let hook: Arc<Hook> = Arc::new(move |cx| Box::pin(hook.call(cx)));
        self.after.insert(0, hook);
        self
    }

    /// Puts a plugin around all functions of this bottle, those that were added before too. The first one is the
    /// outermost.
    pub fn install(mut self, plugin: impl Plugin) -> Self {
        self.plugins.push(Arc::new(plugin));
        self
    }

    /// Takes a plugin off by its name.
    pub fn uninstall(mut self, name: &str) -> Self {
        self.plugins.retain(|plugin| plugin.name() != name);
        self
    }

    /// Has a `tower::Service` answer everything below a prefix, before any rule: another bottle's
    /// [`application`](Self::application) for instance. Hooks and error pages of this bottle are around it, plugins not.
    pub fn mount<S, B>(mut self, prefix: &str, service: S) -> Self
    where
        S: MountedService<Response = HttpResponse<B>>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.mounts.push(Mounted::new(prefix, service));
        self
    }

    /// Takes in the rules of another bottle, with its plugins and filters around them. Its hooks and error pages do not
    /// come along.
    pub fn merge(mut self, other: Self) -> Self {
        for mut route in other.routes {
            let origin = (other.filters.clone(), other.plugins.clone());
            route.origin.get_or_insert(origin);
            self.routes.push(route);
        }
        self.mounts.extend(other.mounts);
        self
    }

    /// The application: cyclone's `create_app`.
    ///
    /// # Panics
    /// When a rule is malformed, or two clash: a mistake in the program, found at its start.
    pub fn application(self) -> Application {
        let mut application = self.application;
        let mut table = Table::default();
        for route in self.routes {
            let (filters, plugins) = match &route.origin {
                Some((filters, plugins)) => (filters, plugins),
                None => (&self.filters, &self.plugins),
            };
            let (mut rule, callback) = (route.rule, route.callback);
            let layers = rule.layers(plugins);
            if let Err((path, problem)) =
                table.add(&mut rule, filters, &callback, &layers, &mut application)
            {
                refuse(&path, &problem);
            }
        }
        let around = Arc::new(Around {
            before: self.before,
            after: self.after,
            pages: self.pages,
        });
        for mounted in &self.mounts {
            let answerer: Arc<dyn DynHandler> = Arc::new(Answerer {
                around: Arc::clone(&around),
                work: Work::Mount(mounted.mount()),
            });
            application = application.add_mounted_as(mounted, &answerer);
        }
        let work = Work::Table(table);
        application.answer_the_rest(Arc::new(Answerer { around, work }));
        application
    }

    /// Listens and serves until the process is told to end, as
    /// [`Server::run`](cyclone_core::Server::run) does.
    ///
    /// # Errors
    /// When it cannot listen, or a service fails.
    ///
    /// # Panics
    /// As [`application`](Self::application).
    pub async fn run(self, endpoint: Endpoint) -> std::result::Result<ShutdownReport, ServerError> {
        let server = Server::new().listen(endpoint, self.application());
        server.run().await
    }
}

#[expect(clippy::panic, reason = "a mistake in the program, found at its start")]
fn refuse(path: &str, problem: &str) -> ! {
    panic!("rule `{path}`: {problem}")
}

impl Default for Bottle {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Bottle> for Application {
    fn from(bottle: Bottle) -> Self {
        bottle.application()
    }
}

impl fmt::Debug for Bottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.routes.iter().map(|route| &route.rule);
        f.debug_struct("Bottle")
            .field("rules", &rules.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// An error for the client to see, as Bottle's `abort`: `return Err(abort(status, "why"))`.
#[must_use]
pub fn abort(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(status).message(message)
}

/// Ends the response with a redirect, as Bottle's: 303, and 302 for HTTP/1.0.
///
/// # Errors
/// As [`RequestContext::redirect_with`].
pub fn redirect(cx: &mut RequestContext, target: &str) -> Result {
    let status = match cx.version() {
        Version::HTTP_09 | Version::HTTP_10 => StatusCode::FOUND,
        _ => StatusCode::SEE_OTHER,
    };
    cx.redirect_with(status, target)
}
