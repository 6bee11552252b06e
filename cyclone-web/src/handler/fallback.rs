//! The handler of paths that have none.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{DynHandler, RequestHandler, answer, conclude};
use crate::context::RequestContext;
use crate::etag::ETag;
use crate::finish::Finish;
use crate::running::Running;

/// A handler that answers where there is no route: to say so it prepares whatever the method is, which elsewhere is
/// 405 before that.
pub(crate) struct Fallback<H>(pub(crate) H);

impl<H: RequestHandler> DynHandler for Fallback<H> {
    fn run(self: Arc<Self>, mut cx: Box<RequestContext>) -> Running {
        Running::new(async move {
            let answering = AssertUnwindSafe(answer::<H, true>(&self.0, &mut cx));
            let answered = answering.catch_unwind().await;
            Box::pin(conclude(&self.0, cx, answered)).await
        })
    }

    fn has_hooks(&self) -> bool {
        true
    }

    fn compute_etag(&self, cx: &RequestContext, body: &[u8]) -> Option<ETag> {
        RequestHandler::compute_etag(&self.0, cx, body)
    }

    #[cfg(feature = "locale")]
    fn user_locale(&self, cx: &RequestContext) -> Option<String> {
        RequestHandler::user_locale(&self.0, cx)
    }

    fn on_end(&self, cx: &RequestContext, finish: &Finish) {
        DynHandler::on_end(&self.0, cx, finish);
    }
}
