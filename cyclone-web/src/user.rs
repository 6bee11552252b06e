//! Who a request is from.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::context::RequestContext;
use crate::error::Result;

/// The user whom a request is from: a value of the application's own type, as Tornado's `current_user`.
///
/// A hook makes it ([`RequestHandler::current_user`](crate::RequestHandler::current_user), or
/// [`Application::current_user`](crate::Application::current_user) for all handlers and functions), and
/// [`RequestContext::current_user`] gives the value back. A tower layer may put one into the extensions of the request
/// instead.
///
/// Clones are handles of the same user.
#[derive(Clone)]
pub struct CurrentUser {
    user: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
    to_json: Option<ToJson>,
}

type ToJson = fn(&(dyn Any + Send + Sync)) -> serde_json::Result<serde_json::Value>;

impl CurrentUser {
    /// A user of any type. Templates only see that there is one.
    pub fn new<U: Send + Sync + 'static>(user: U) -> Self {
        Self::shared(Arc::new(user))
    }

    /// A user of any type, whom somebody else holds too.
    pub fn shared<U: Send + Sync + 'static>(user: Arc<U>) -> Self {
        Self {
            user,
            type_name: type_name::<U>(),
            to_json: None,
        }
    }

    /// A user whose fields templates see, as `current_user.name`. What they must not print, a hash of a password for
    /// instance, belongs out of its serialization.
    pub fn visible<U: Serialize + Send + Sync + 'static>(user: U) -> Self {
        Self {
            to_json: Some(to_json::<U>),
            ..Self::new(user)
        }
    }

    /// The user as a value of its type; `None` when it is of another.
    #[must_use]
    pub fn get<U: Send + Sync + 'static>(&self) -> Option<Arc<U>> {
        Arc::clone(&self.user).downcast().ok()
    }

    /// The name of the type of the user, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// What templates see of the user: its fields when it is [visible](Self::visible), else `true`.
    ///
    /// # Errors
    /// Those of the serialization of the user's type.
    pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        match self.to_json {
            Some(to_json) => to_json(&*self.user),
            None => Ok(serde_json::Value::Bool(true)),
        }
    }
}

fn to_json<U: Serialize + 'static>(
    user: &(dyn Any + Send + Sync),
) -> serde_json::Result<serde_json::Value> {
    match user.downcast_ref::<U>() {
        Some(user) => serde_json::to_value(user),
        None => Ok(serde_json::Value::Null),
    }
}

/// Leaves the user out: it may hold secrets.
impl fmt::Debug for CurrentUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentUser")
            .field("type_name", &self.type_name)
            .finish_non_exhaustive()
    }
}

/// An async function that finds the user of a request:
/// `async fn user(cx: &mut RequestContext) -> Result<Option<CurrentUser>>`.
///
/// It is implemented for functions and for async closures that capture nothing; nobody implements it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` finds no user",
    note = "it has to be `async fn name(cx: &mut RequestContext) -> cyclone_web::Result<Option<CurrentUser>>`, and \
            its future `Send`"
)]
pub trait UserFunction<'a>: Send + Sync + 'static {
    /// The future of one call.
    type Future: Future<Output = Result<Option<CurrentUser>>> + Send + 'a;

    /// Calls the function.
    fn call(&self, cx: &'a mut RequestContext) -> Self::Future;
}

impl<'a, F, Fut> UserFunction<'a> for F
where
    F: Fn(&'a mut RequestContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<CurrentUser>>> + Send + 'a,
{
    type Future = Fut;

    fn call(&self, cx: &'a mut RequestContext) -> Fut {
        self(cx)
    }
}
