//! Plugins: layers around functions.

use std::pin::Pin;
use std::sync::Arc;

use super::answer::Callback;
use crate::context::RequestContext;
use crate::error::Result;

/// A layer around the functions of a [`Bottle`](super::Bottle): it sees the request before and the result after, and need
/// not call the function at all.
///
/// ```
/// use cyclone_web::bottle::{Bottle, Next, Plugin};
/// use cyclone_web::{RequestContext, Result};
///
/// struct Stopwatch;
/// impl Plugin for Stopwatch {
///     fn name(&self) -> &str {
///         "stopwatch"
///     }
///     async fn call(&self, cx: &mut RequestContext, next: Next<'_>) -> Result {
///         let start = std::time::Instant::now();
///         let answered = next.run(cx).await;
///         cx.set_header("x-elapsed", start.elapsed().as_millis().to_string())?;
///         answered
///     }
/// }
/// let bottle = Bottle::new().install(Stopwatch);
/// # let _ = bottle;
/// ```
pub trait Plugin: Send + Sync + 'static {
    /// What [`Rule::skip`](super::Rule::skip) and [`Bottle::uninstall`](super::Bottle::uninstall) call it.
    fn name(&self) -> &str;

    /// Answers a request, by [`Next::run`] or without.
    ///
    /// # Errors
    /// An error is the answer.
    fn call(&self, cx: &mut RequestContext, next: Next<'_>) -> impl Future<Output = Result> + Send;
}

/// What a plugin stands around: other plugins, and the function.
#[derive(Clone, Copy)]
#[must_use = "the function is not called unless this runs"]
pub struct Next<'n> {
    pub(super) layers: &'n [Arc<dyn DynPlugin>],
    pub(super) callback: &'n Callback,
}

impl Next<'_> {
    /// Calls the next plugin, or the function.
    ///
    /// # Errors
    /// Those of the function and of the plugins.
    pub async fn run(self, cx: &mut RequestContext) -> Result {
        match self.layers.split_first() {
            Some((layer, layers)) => {
                let callback = self.callback;
                layer.call(cx, Next { layers, callback }).await
            }
            None => (self.callback)(cx).await,
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.layers.iter().map(|layer| layer.name());
        f.debug_list().entries(names).finish()
    }
}

/// A [`Plugin`] with its type erased.
pub(crate) trait DynPlugin: Send + Sync + 'static {
    fn name(&self) -> &str;

    fn call<'a>(
        &'a self,
        cx: &'a mut RequestContext,
        next: Next<'a>,
    ) -> Pin<Box<dyn Future<Output = Result> + Send + 'a>>;
}

impl<P: Plugin> DynPlugin for P {
    fn name(&self) -> &str {
        Plugin::name(self)
    }

    fn call<'a>(
        &'a self,
        cx: &'a mut RequestContext,
        next: Next<'a>,
    ) -> Pin<Box<dyn Future<Output = Result> + Send + 'a>> {
        Box::pin(Plugin::call(self, cx, next))
    }
}
