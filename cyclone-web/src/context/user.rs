//! Who the request is from, and where he goes to say it.

use std::fmt::Write as _;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};

use super::RequestContext;
use crate::error::{Error, Result};
use crate::guards::{Guards, Switches};
use crate::next::{self, safe_next};
use crate::user::CurrentUser;

impl RequestContext {
    /// The user whom the request is from, as Tornado's `current_user`; `None` when nobody is logged in.
    ///
    /// Before the handler (and its `prepare`) runs it is found by
    /// [`RequestHandler::current_user`](crate::RequestHandler::current_user) or
    /// [`Application::current_user`](crate::Application::current_user), which may wait for a database, or set by
    /// [`set_current_user`](Self::set_current_user).
    ///
    /// It is also `None`, and an error is logged, when the user is of another type than `U`.
    #[must_use]
    pub fn current_user<U: Send + Sync + 'static>(&self) -> Option<Arc<U>> {
        let known = self.any_current_user()?;
        let user = known.get();
        if user.is_none() {
            let (is, wanted) = (known.type_name(), std::any::type_name::<U>());
            tracing::error!(is, wanted, "current user is of another type");
        }
        user
    }

    /// The user whom the request is from, whatever his type.
    #[must_use]
    pub fn any_current_user(&self) -> Option<&CurrentUser> {
        self.head.extensions().get()
    }

    /// Whether somebody is logged in.
    #[must_use]
    pub fn has_current_user(&self) -> bool {
        self.any_current_user().is_some()
    }

    /// Says whom the request is from, for the rest of it: after a login, or in `prepare`.
    pub fn set_current_user(&mut self, user: CurrentUser) {
        self.head.extensions_mut().insert(user);
    }

    /// Forgets whom the request is from, for the rest of it: after a logout.
    pub fn clear_current_user(&mut self) {
        self.head.extensions_mut().remove::<CurrentUser>();
    }

    /// The user whom the request is from, or the error that has him log in: what Tornado's `@authenticated` does, for
    /// a part of a handler. For a whole one set
    /// [`RequestHandler::AUTHENTICATED`](crate::RequestHandler::AUTHENTICATED) or call
    /// [`UrlSpec::authenticated`](crate::UrlSpec::authenticated).
    ///
    /// # Errors
    /// As [`login_required`](Self::login_required) when there is no user; a 500 when he is of another type.
    pub fn require_user<U: Send + Sync + 'static>(&self) -> Result<Arc<U>> {
        match self.any_current_user() {
            Some(known) => known.get().ok_or_else(|| {
                let (is, wanted) = (known.type_name(), std::any::type_name::<U>());
                Error::internal(format!("the current user is a {is}, not a {wanted}"))
            }),
            None => Err(self.login_required()),
        }
    }

    /// The error that has a user log in: for `GET` and `HEAD` a redirect (302) to
    /// [`Application::login_url`](crate::Application::login_url) with the argument `next`, which tells the login where
    /// to return to; for other methods, and without such an URL, a 403.
    ///
    /// `next` is the target of the request, or its whole URL when the login URL is absolute. A login URL that has a
    /// query is taken as it is. The login reads it with [`next_url`](Self::next_url).
    #[must_use]
    pub fn login_required(&self) -> Error {
        let login = match self.app.login_url.as_deref() {
            Some(login) if matches!(*self.method(), Method::GET | Method::HEAD) => login,
            _ => return Error::new(StatusCode::FORBIDDEN).log("nobody is logged in"),
        };
        let mut location = login.to_owned();
        if !login.contains('?') {
            let mut target = String::new();
            if next::is_absolute(login)
                && let Some(host) = self.host()
            {
                // Writing to a String cannot fail.
                let _ = write!(target, "{}://{host}", self.scheme());
            }
            target.push_str(
                self.uri()
                    .path_and_query()
                    .map_or("/", |target| target.as_str()),
            );
            location.push_str("?next=");
            location.extend(next::encode(&target));
        }
        match HeaderValue::try_from(location) {
            Ok(location) => Error::new(StatusCode::FOUND).header(header::LOCATION, location),
            Err(_invalid) => Error::internal("the login url is no header value"),
        }
    }

    /// Where to go after a login: the argument `next` if it leads [nowhere else](safe_next), else `default`.
    ///
    /// # Errors
    /// A 400 when the query string cannot be decoded.
    pub fn next_url(&self, default: &str) -> Result<String> {
        let wanted = self.optional_argument("next")?;
        let safe = wanted
            .as_deref()
            .and_then(|wanted| safe_next(wanted, self.host()));
        Ok(safe.unwrap_or(default).to_owned())
    }

    pub(crate) fn check_login(&self) -> Result<()> {
        if self.has_current_user() {
            Ok(())
        } else {
            Err(self.login_required())
        }
    }

    /// Whether anything stands before the handlers of this application.
    pub(crate) fn is_guarded(&self) -> bool {
        self.app.guards.is_some()
    }

    pub(crate) fn guards(&self) -> Option<&Guards> {
        self.app.guards.as_deref()
    }

    pub(crate) fn switches(&self) -> Switches {
        let switches = self.head.extensions().get::<Switches>();
        switches.copied().unwrap_or_default()
    }
}
