//! What answers of all handlers have in common.

use std::sync::Arc;

use http::Method;

use super::{Application, Shared};
use crate::engine::ConnectionInfo;
use crate::head::Head;
use crate::proxies::TrustedProxies;
use crate::rate_limit::RateLimit;
use crate::router::Found;
#[cfg(feature = "security")]
use crate::security_headers::SecurityHeaders;

impl Application {
    /// Has answers to `GET` and `HEAD` tagged by what they are made of, and those that the client has already
    /// (`If-None-Match`) cut down to a 304. Off unless called, where Tornado has it on for every handler: a tag costs the
    /// making and the hashing of the whole body each time, and saves only its way to the client.
    ///
    /// It holds for handlers and functions, not for mounts and static files, which have tags of their own, and there for
    /// responses of status 200 that were written to the context and not flushed. A handler says otherwise by
    /// [`RequestHandler::ETAG`](crate::RequestHandler::ETAG), a route by [`UrlSpec::etag`](crate::UrlSpec::etag);
    /// [`compute_etag`](crate::RequestHandler::compute_etag) makes other tags, of a version in the database for instance.
    /// An `ETag` or `Last-Modified` that the handler has set counts as well.
    ///
    /// ```
    /// use cyclone_web::{Application, RequestContext, Result, url};
    ///
    /// async fn news(cx: &mut RequestContext) -> Result {
    ///     cx.json(&["nothing new"])
    /// }
    ///
    /// let app = Application::new().get(url("/news").etag(true), news);
    /// # let _ = app;
    /// ```
    pub fn etag(mut self, yes: bool) -> Self {
        self.edit_guards().tags = yes;
        self
    }

    /// Limits how many requests a client may make to all routes, mounts and files among them, that there are; called
    /// again it adds a limit. A path without a route, and an `OPTIONS` or 405 that no handler sees, are not counted.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.edit_guards().limits.push(limit);
        self
    }

    /// Has all responses have headers by which browsers protect users.
    #[cfg(feature = "security")]
    pub fn security_headers(mut self, headers: SecurityHeaders) -> Self {
        self.edit_guards().security = Some(Arc::new(headers));
        self
    }

    /// Believes these proxies what they say of the clients before them; nobody unless called.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.edit().proxies = Some(Arc::new(proxies));
        self
    }
}

impl Shared {
    /// The methods that functions answer where a request goes to.
    pub(crate) fn function_methods(&self, head: &Head, connection: &ConnectionInfo) -> Vec<Method> {
        let (method, path) = (head.method(), head.path_bytes());
        let found = match (self.routes.find(method, path), self.further.as_deref()) {
            (Found::Nothing, None) => self.routes.find_beyond(method, path),
            (Found::Nothing, Some(further)) => {
                further.find(&self.routes, &self.view(head, connection), path)
            }
            (found, _) => found,
        };
        match found {
            Found::Handler(_, route, _) | Found::OtherMethods(route) => route.methods(),
            Found::Nothing => Vec::new(),
        }
    }
}
