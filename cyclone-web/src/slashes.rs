//! Slashes at the end of paths.

use std::borrow::Cow;

use http::{Method, StatusCode};

use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::handler::RequestHandler;
use crate::response::Response;

/// What becomes of a request that would have found a route with a slash more, or one less, at the end of its path; see
/// [`Application::slashes`](crate::Application::slashes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slashes {
    /// It is another path: 404.
    #[default]
    Strict,
    /// `GET` and `HEAD` are sent there for good (301) with their query, as by Tornado's `addslash` and `removeslash`;
    /// other methods are a 404.
    Redirect,
    /// It is answered as if it had been asked for, whatever the method.
    Ignore,
}

/// A path with the slash at its end put on or taken off; `None` for the root, which has no other form.
pub(crate) fn toggled(path: &str) -> Option<Cow<'_, str>> {
    match path.strip_suffix('/') {
        Some("") => None,
        Some(without) => Some(Cow::Borrowed(without)),
        None => Some(Cow::Owned(format!("{path}/"))),
    }
}

/// Sends a request elsewhere without a look at its body.
pub(crate) struct GoTo {
    pub(crate) status: StatusCode,
    pub(crate) target: String,
}

impl RequestHandler for GoTo {
    /// No body is read.
    const STREAM_BODY: bool = true;
    /// There is nothing to protect.
    const XSRF: bool = false;
    const FIND_USER: bool = false;

    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        cx.redirect_with(self.status, &self.target).map(Some)
    }
}

impl RequestContext {
    /// The redirect (301) of a request whose path has no slash at its end to the same path with one, query kept, as
    /// Tornado's decorator `addslash`; `None` when there is one. For a route that matches both, in
    /// [`prepare`](crate::RequestHandler::prepare) for instance.
    ///
    /// # Errors
    /// A 404 for methods other than `GET` and `HEAD`.
    pub fn add_slash(&mut self) -> Result<Option<Response>> {
        if self.request_path().ends_with('/') {
            return Ok(None);
        }
        let path = format!("{}/", self.request_path());
        self.redirect_to_path(path)
    }

    /// The redirect (301) of a request whose path has slashes at its end to the same path without, query kept, as
    /// Tornado's decorator `removeslash`; `None` when there is none, and for the root.
    ///
    /// # Errors
    /// As [`add_slash`](Self::add_slash).
    pub fn remove_slash(&mut self) -> Result<Option<Response>> {
        let path = self.request_path().trim_end_matches('/');
        if path.len() == self.request_path().len() || path.is_empty() {
            return Ok(None);
        }
        let path = path.to_owned();
        self.redirect_to_path(path)
    }

    fn redirect_to_path(&mut self, path: String) -> Result<Option<Response>> {
        if !matches!(*self.method(), Method::GET | Method::HEAD) {
            return Err(Error::not_found());
        }
        let target = with_query(path, self.uri().query());
        let answered = self.redirect_with(StatusCode::MOVED_PERMANENTLY, &target);
        answered.map(Some)
    }
}

/// A path and what follows it.
pub(crate) fn with_query(mut path: String, query: Option<&str>) -> String {
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        path.push('?');
        path.push_str(query);
    }
    path
}
