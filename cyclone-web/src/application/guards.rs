//! Cookie secrets, protection against forged requests, users.

use std::sync::Arc;

use super::Application;
use crate::guards::{Guards, Switched};
use crate::handler::DynHandler;
use crate::router::UrlSpec;
#[cfg(feature = "security")]
use crate::signed::CookieSecrets;
use crate::user::UserFunction;
#[cfg(feature = "security")]
use crate::xsrf::Xsrf;

impl Application {
    /// Says how to find the user of a request, for all handlers and functions, as Tornado's `get_current_user`; a
    /// handler that has a [`current_user`](crate::RequestHandler::current_user) of its own is asked first.
    ///
    /// The function runs once for each request of a route that is not a mount, before the handler and its `prepare`. It
    /// may wait for a database; an error of it is the answer.
    ///
    /// ```
    /// use cyclone_web::{Application, CurrentUser, RequestContext, Result, url};
    ///
    /// struct User { name: String }
    ///
    /// async fn user(cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
    ///     // In earnest: a signed cookie, and what the database knows of it.
    ///     Ok(cx.cookie("name").map(|name| CurrentUser::new(User { name })))
    /// }
    ///
    /// async fn inbox(cx: &mut RequestContext) -> Result {
    ///     let user = cx.require_user::<User>()?;
    ///     cx.text(format!("mail for {}", user.name))
    /// }
    ///
    /// let app = Application::new()
    ///     .current_user(user)
    ///     .login_url("/login")
    ///     .get(url("/inbox").authenticated(), inbox);
    /// # let _ = app;
    /// ```
    pub fn current_user<F>(mut self, find: F) -> Self
    where
        F: for<'a> UserFunction<'a>,
    {
        self.edit_guards().set_find_user(find);
        self
    }

    /// Says where users log in, a path or a whole URL; see
    /// [`RequestContext::login_required`](crate::RequestContext::login_required).
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        self.edit().login_url = Some(url.into().into());
        self
    }

    /// Sets the secret that values are signed with: Tornado's `cookie_secret`. 32 random bytes, or text made of them,
    /// from the configuration: who knows it can be anybody.
    ///
    /// # Panics
    /// When it is empty, which is found at the start.
    #[cfg(feature = "security")]
    #[expect(
        clippy::panic,
        reason = "a mistake in the configuration, found at the start"
    )]
    pub fn cookie_secret(self, secret: impl AsRef<[u8]>) -> Self {
        match CookieSecrets::new(secret) {
            Ok(secrets) => self.cookie_secrets(secrets),
            Err(problem) => panic!("{problem}"),
        }
    }

    /// Sets several secrets, to change them without logging everybody out.
    #[cfg(feature = "security")]
    pub fn cookie_secrets(mut self, secrets: CookieSecrets) -> Self {
        self.edit().cookie_secrets = Some(Arc::new(secrets));
        self
    }

    /// Has requests checked that change something: that a page of this site has caused them, and no other site. As
    /// Tornado's settings `xsrf_cookies` and `cross_origin_protection` together; see [`Xsrf`]. Off unless called.
    ///
    /// It holds for every route but mounts, whose services protect themselves, and for a
    /// [`default_handler`](Self::default_handler).
    /// A handler leaves it off by [`RequestHandler::XSRF`](crate::RequestHandler::XSRF), a route by
    /// [`UrlSpec::xsrf`](crate::UrlSpec::xsrf). A path without a route is a 404, with a token or not.
    #[cfg(feature = "security")]
    pub fn xsrf(mut self, xsrf: Xsrf) -> Self {
        self.edit_guards().xsrf = Some(Arc::new(xsrf));
        self
    }

    /// What the client of a test needs to be taken for a browser that was here before.
    #[cfg(all(feature = "security", feature = "test"))]
    pub(crate) fn secrets_of_tests(&self) -> (Option<CookieSecrets>, Xsrf) {
        let shared = &self.shared;
        let secrets = shared.cookie_secrets.as_deref().cloned();
        let guards = shared.guards.as_deref();
        let xsrf = guards.and_then(|guards| guards.xsrf.as_deref());
        (secrets, xsrf.cloned().unwrap_or_default())
    }

    pub(super) fn edit_guards(&mut self) -> &mut Guards {
        Arc::make_mut(self.edit().guards.get_or_insert_default())
    }

    /// Has a handler know what its route says of itself.
    pub(super) fn switched(
        &mut self,
        spec: &UrlSpec,
        handler: Arc<dyn DynHandler>,
    ) -> Arc<dyn DynHandler> {
        let (switches, limit) = (spec.switches, spec.limit.clone());
        if switches.is_default() && limit.is_none() {
            return handler;
        }
        self.edit_guards();
        Arc::new(Switched {
            switches,
            limit,
            handler,
        })
    }
}
