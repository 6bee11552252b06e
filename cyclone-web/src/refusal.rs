//! The handlers of paths that have none.

use std::sync::Arc;

use http::Method;

use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::handler::{DynHandler, conclude_plain};
use crate::running::Running;

/// Answers 404 to everything but `OPTIONS *`, which asks for nothing but an answer (RFC 9110 section 9.3.7).
pub(crate) struct NotFound;

impl DynHandler for NotFound {
    fn run(self: Arc<Self>, cx: Box<RequestContext>) -> Running {
        refuse(cx, |cx| {
            if *cx.method() == Method::OPTIONS && cx.request_path() == "*" {
                return cx.no_content();
            }
            Err(Error::not_found())
        })
    }
}

/// Answers 405 where there are functions for other methods only, and `OPTIONS` with these.
pub(crate) struct MethodNotAllowed {
    allowed: Vec<Method>,
}

impl MethodNotAllowed {
    pub(crate) fn new(mut allowed: Vec<Method>) -> Self {
        if !allowed.contains(&Method::OPTIONS) {
            allowed.push(Method::OPTIONS);
        }
        Self { allowed }
    }
}

impl DynHandler for MethodNotAllowed {
    fn run(self: Arc<Self>, cx: Box<RequestContext>) -> Running {
        refuse(cx, move |cx| {
            if *cx.method() == Method::OPTIONS {
                return cx.answer_options(&self.allowed);
            }
            Err(Error::method_not_allowed(&self.allowed))
        })
    }
}

/// Answers without a body of the request, a user or a check.
fn refuse(
    mut cx: Box<RequestContext>,
    answer: impl FnOnce(&mut RequestContext) -> Result + Send + 'static,
) -> Running {
    Running::new(async move {
        cx.begin_standing_headers();
        let answered = answer(&mut cx);
        conclude_plain(cx, Ok(answered)).await
    })
}
