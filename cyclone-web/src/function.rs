//! Plain async functions as handlers, in the style of Bottle.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::context::RequestContext;
use crate::error::Result;
use crate::guards;
use crate::handler::{DynHandler, conclude_plain};
use crate::response::Response;
use crate::running::Running;

/// An async function that answers requests: `async fn hello(cx: &mut RequestContext) -> Result`.
///
/// It is implemented for functions and for async closures that capture nothing; nobody implements it by hand.
/// What a handler needs beside the request is a [resource](cyclone_core::Context), or a field of a type that
/// implements [`RequestHandler`](crate::RequestHandler).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler function",
    note = "it has to be `async fn name(cx: &mut RequestContext) -> cyclone_web::Result`, and its future `Send`",
    note = "an async closure may not capture: take what it needs from the resources, or use a `RequestHandler`",
    note = "a value that implements `RequestHandler` is registered with `app.route`"
)]
pub trait HandlerFunction<'a>: Send + Sync + 'static {
    /// The future of one call.
    type Future: Future<Output = Result<Response>> + Send + 'a;

    /// Calls the function.
    fn call(&self, cx: &'a mut RequestContext) -> Self::Future;
}

impl<'a, F, Fut> HandlerFunction<'a> for F
where
    F: Fn(&'a mut RequestContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'a,
{
    type Future = Fut;

    fn call(&self, cx: &'a mut RequestContext) -> Fut {
        self(cx)
    }
}

/// A function as a route keeps it.
pub(crate) struct Function<F>(pub(crate) F);

impl<F> DynHandler for Function<F>
where
    F: for<'a> HandlerFunction<'a>,
{
    fn run(self: Arc<Self>, mut cx: Box<RequestContext>) -> Running {
        Running::new(async move {
            let answering = AssertUnwindSafe(async {
                if cx.has_body() {
                    guards::before_body(&cx, true)?;
                    cx.open_body()?;
                    cx.check_declared_body()?;
                    cx.read_form().await?;
                }
                if cx.is_guarded() {
                    Box::pin(guards::before_function(&mut cx)).await?;
                }
                self.0.call(&mut cx).await
            });
            match answering.catch_unwind().await {
                Ok(Ok(response)) => cx.respond(response),
                failed => Box::pin(conclude_plain(cx, failed)).await,
            }
        })
    }
}
