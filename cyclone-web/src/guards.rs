//! What stands before handlers: the check against forged requests, and who the user is.
//!
//! An application that has nothing of it passes by with one look.

use std::pin::Pin;
use std::sync::Arc;

use crate::context::RequestContext;
use crate::error::Result;
use crate::etag::ETag;
use crate::finish::Finish;
use crate::handler::{DynHandler, RequestHandler};
use crate::rate_limit::RateLimit;
use crate::running::Running;
#[cfg(feature = "security")]
use crate::security_headers::SecurityHeaders;
use crate::user::{CurrentUser, UserFunction};
#[cfg(feature = "security")]
use crate::xsrf::Xsrf;

/// What an application has set of this.
#[derive(Clone, Default)]
pub(crate) struct Guards {
    #[cfg(feature = "security")]
    pub(crate) xsrf: Option<Arc<Xsrf>>,
    pub(crate) find_user: Option<Arc<FindUser>>,
    pub(crate) tags: bool,
    pub(crate) limits: Vec<RateLimit>,
    #[cfg(feature = "security")]
    pub(crate) security: Option<Arc<SecurityHeaders>>,
}

/// A [`UserFunction`] with its type erased.
pub(crate) type FindUser =
    dyn for<'a> Fn(&'a mut RequestContext) -> UserFuture<'a> + Send + Sync + 'static;

type UserFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<CurrentUser>>> + Send + 'a>>;

impl Guards {
    pub(crate) fn set_find_user<F>(&mut self, function: F)
    where
        F: for<'a> UserFunction<'a>,
    {
        self.find_user = Some(Arc::new(move |cx| Box::pin(function.call(cx))));
    }
}

/// What a route says of itself, in the extensions of its requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Switches {
    pub(crate) without_xsrf: bool,
    pub(crate) authenticated: bool,
    pub(crate) tags: Option<bool>,
}

impl Switches {
    pub(crate) fn is_default(self) -> bool {
        !self.without_xsrf && !self.authenticated && self.tags.is_none()
    }
}

/// A handler on a route with [`Switches`], or a limit of its own.
pub(crate) struct Switched {
    pub(crate) switches: Switches,
    pub(crate) limit: Option<RateLimit>,
    pub(crate) handler: Arc<dyn DynHandler>,
}

impl DynHandler for Switched {
    fn run(self: Arc<Self>, mut cx: Box<RequestContext>) -> Running {
        cx.extensions_mut().insert(self.switches);
        if let Some(limit) = &self.limit {
            cx.extensions_mut().insert(limit.clone());
        }
        Arc::clone(&self.handler).run(cx)
    }

    fn has_hooks(&self) -> bool {
        self.handler.has_hooks()
    }

    fn on_end(&self, cx: &RequestContext, finish: &Finish) {
        self.handler.on_end(cx, finish);
    }

    fn compute_etag(&self, cx: &RequestContext, body: &[u8]) -> Option<ETag> {
        self.handler.compute_etag(cx, body)
    }

    #[cfg(feature = "locale")]
    fn user_locale(&self, cx: &RequestContext) -> Option<String> {
        self.handler.user_locale(cx)
    }

    fn is_foreign(&self) -> bool {
        self.handler.is_foreign()
    }
}

/// Refuses what comes from another site before its body is read.
pub(crate) fn before_body(cx: &RequestContext, checked: bool) -> Result<()> {
    if cx.is_guarded() && checked && !cx.switches().without_xsrf {
        check_origin(cx)?;
    }
    Ok(())
}

/// Guards a handler; returns whether the request has to have a user once `prepare` has run.
pub(crate) async fn before_handler<H: RequestHandler>(
    handler: &H,
    cx: &mut RequestContext,
) -> Result<bool> {
    cx.begin_standing_headers();
    let switches = cx.switches();
    let tags = switches.tags.or(H::ETAG);
    cx.set_tagging(tags.unwrap_or_else(|| cx.guards().is_some_and(|guards| guards.tags)));
    admit(cx, false).await?;
    if H::XSRF && !switches.without_xsrf {
        check(cx)?;
    }
    match handler.current_user(cx).await? {
        Some(user) => cx.set_current_user(user),
        None if H::FIND_USER => find_user(cx).await?,
        None => {}
    }
    admit(cx, true).await?;
    Ok(H::AUTHENTICATED || switches.authenticated)
}

/// Guards a function.
pub(crate) async fn before_function(cx: &mut RequestContext) -> Result<()> {
    cx.begin_standing_headers();
    let switches = cx.switches();
    let tags = switches.tags;
    cx.set_tagging(tags.unwrap_or_else(|| cx.guards().is_some_and(|guards| guards.tags)));
    admit(cx, false).await?;
    if !switches.without_xsrf {
        check(cx)?;
    }
    find_user(cx).await?;
    admit(cx, true).await?;
    if switches.authenticated {
        cx.check_login()?;
    }
    Ok(())
}

/// Guards a mounted service, which protects itself from forged requests and finds its users.
pub(crate) async fn before_mount(cx: &mut RequestContext) -> Result<()> {
    cx.begin_standing_headers();
    admit(cx, false).await
}

/// Counts the request by the limits that need its user, or by those that do not.
async fn admit(cx: &mut RequestContext, by_user: bool) -> Result<()> {
    let all = cx.guards().map_or(&[][..], |guards| &guards.limits);
    let limits = all.iter().chain(cx.extensions().get());
    let limits = limits.filter(|limit| limit.is_by_user() == by_user);
    let limits: Vec<RateLimit> = limits.cloned().collect();
    for limit in limits {
        limit.admit(cx).await?;
    }
    Ok(())
}

#[cfg(feature = "security")]
fn check_origin(cx: &RequestContext) -> Result<()> {
    cx.check_origin_if_set()
}

#[cfg(not(feature = "security"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
fn check_origin(_cx: &RequestContext) -> Result<()> {
    Ok(())
}

#[cfg(feature = "security")]
fn check(cx: &RequestContext) -> Result<()> {
    cx.check_xsrf_if_set()
}

#[cfg(not(feature = "security"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
fn check(_cx: &RequestContext) -> Result<()> {
    Ok(())
}

/// Asks the application for the user, unless a layer has said it.
async fn find_user(cx: &mut RequestContext) -> Result<()> {
    if cx.has_current_user() {
        return Ok(());
    }
    let Some(find) = cx.guards().and_then(|guards| guards.find_user.clone()) else {
        return Ok(());
    };
    if let Some(user) = find(cx).await? {
        cx.set_current_user(user);
    }
    Ok(())
}
