//! How a bottle answers: hooks and error pages around a rule's function, or around a mount.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{Method, StatusCode};

use super::plugin::Next;
use super::table::{Match, Table};
use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::error_page;
use crate::guards;
use crate::handler::{DynHandler, conclude_plain};
use crate::mount::Mount;
use crate::response::Response;
use crate::running::Running;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A [`HandlerFunction`](crate::HandlerFunction) with its type erased.
pub(crate) type Callback =
    dyn for<'a> Fn(&'a mut RequestContext) -> Boxed<'a, Response> + Send + Sync;

/// A [`HookFunction`] with its type erased.
pub(super) type Hook = dyn for<'a> Fn(&'a mut RequestContext) -> Boxed<'a, ()> + Send + Sync;

/// An [`ErrorFunction`] with its type erased.
pub(super) type Page =
    dyn for<'a> Fn(&'a mut RequestContext, &'a Error) -> Boxed<'a, Response> + Send + Sync;

/// An async function that runs before or after requests: `async fn hook(cx: &mut RequestContext) -> Result<()>`.
///
/// It is implemented for functions and for async closures that capture nothing; nobody implements it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no hook",
    note = "it has to be `async fn name(cx: &mut RequestContext) -> cyclone_web::Result<()>`, and its future `Send`"
)]
pub trait HookFunction<'a>: Send + Sync + 'static {
    /// The future of one call.
    type Future: Future<Output = Result<()>> + Send + 'a;

    /// Calls the function.
    fn call(&self, cx: &'a mut RequestContext) -> Self::Future;
}

impl<'a, F, Fut> HookFunction<'a> for F
where
    F: Fn(&'a mut RequestContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'a,
{
    type Future = Fut;

    fn call(&self, cx: &'a mut RequestContext) -> Fut {
        self(cx)
    }
}

/// An async function that answers errors: `async fn page(cx: &mut RequestContext, error: &Error) -> Result`.
///
/// It is implemented for functions and for async closures that capture nothing; nobody implements it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error page",
    note = "it has to be `async fn name(cx: &mut RequestContext, error: &Error) -> cyclone_web::Result`, and its future \
            `Send`"
)]
pub trait ErrorFunction<'a>: Send + Sync + 'static {
    /// The future of one call.
    type Future: Future<Output = Result<Response>> + Send + 'a;

    /// Calls the function.
    fn call(&self, cx: &'a mut RequestContext, error: &'a Error) -> Self::Future;
}

impl<'a, F, Fut> ErrorFunction<'a> for F
where
    F: Fn(&'a mut RequestContext, &'a Error) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'a,
{
    type Future = Fut;

    fn call(&self, cx: &'a mut RequestContext, error: &'a Error) -> Fut {
        self(cx, error)
    }
}

/// What is around all that a bottle answers.
pub(super) struct Around {
    pub(super) before: Vec<Arc<Hook>>,
    pub(super) after: Vec<Arc<Hook>>,
    pub(super) pages: HashMap<StatusCode, Arc<Page>>,
}

/// Who answers.
pub(super) enum Work {
    Table(Table),
    Mount(Mount),
}

/// A bottle as an application keeps it.
pub(super) struct Answerer {
    pub(super) around: Arc<Around>,
    pub(super) work: Work,
}

impl Answerer {
    async fn answer(&self, cx: &mut RequestContext) -> Result {
        cx.begin_standing_headers();
        let working = AssertUnwindSafe(self.work(cx)).catch_unwind().await;
        let panicked = working.is_err();
        let worked = working.unwrap_or_else(|_| Err(Error::internal("the function panicked")));
        let answered = match worked {
            Err(mut error) => match error.take_answer() {
                Some(answer) => Ok(answer),
                None if cx.is_flushed() => Err(error),
                None => self.page(cx, error, panicked).await,
            },
            worked => worked,
        };
        for hook in &self.around.after {
            hook(cx).await?;
        }
        answered
    }

    async fn work(&self, cx: &mut RequestContext) -> Result {
        for hook in &self.around.before {
            hook(cx).await?;
        }
        let table = match &self.work {
            Work::Mount(mount) => return mount.answer(cx).await,
            Work::Table(table) => table,
        };
        let matched = match table.find(cx.method(), cx.request_path()) {
            Match::Found(target, parameters) => {
                cx.set_parameters(parameters);
                target
            }
            Match::OtherMethods(allowed) if *cx.method() == Method::OPTIONS => {
                return cx.answer_options(&allowed);
            }
            Match::OtherMethods(allowed) => return Err(Error::method_not_allowed(allowed)),
            Match::Nothing => return Err(Error::not_found()),
        };
        if let Some(bytes) = matched.body_limit {
            cx.set_body_limit(bytes);
        }
        if cx.has_body() {
            guards::before_body(cx, true)?;
            cx.open_body()?;
            cx.check_declared_body()?;
            cx.read_form().await?;
        }
        if cx.is_guarded() {
            Box::pin(guards::before_function(cx)).await?;
        }
        let next = Next {
            layers: &matched.layers,
            callback: &*matched.callback,
        };
        next.run(cx).await
    }

    /// The page of an error: the bottle's own, or the application's.
    async fn page(&self, cx: &mut RequestContext, error: Error, panicked: bool) -> Result {
        cx.log_error(&error, panicked);
        begin(cx, &error);
        if let Some(page) = self.around.pages.get(&error.status()) {
            match page(cx, &error).await {
                Err(second) if !cx.is_flushed() => {
                    cx.log_error(&second, false);
                    begin(cx, &error);
                }
                answered => return answered,
            }
        }
        error_page::write(cx, &error)
    }
}

/// Begins the response to an error.
fn begin(cx: &mut RequestContext, error: &Error) {
    cx.start_error(error.status());
    cx.add_error_headers(error);
}

impl DynHandler for Answerer {
    fn run(self: Arc<Self>, mut cx: Box<RequestContext>) -> Running {
        Running::new(async move {
            let answering = AssertUnwindSafe(self.answer(&mut cx)).catch_unwind();
            match answering.await {
                Ok(Ok(response)) => cx.respond(response),
                failed => Box::pin(conclude_plain(cx, failed)).await,
            }
        })
    }

    fn is_foreign(&self) -> bool {
        matches!(self.work, Work::Mount(_))
    }
}
