//! The handlers of paths that have none.

use http::Method;

use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::handler::RequestHandler;
use crate::response::Response;

/// Answers 404 to everything.
pub(crate) struct NotFound;

impl RequestHandler for NotFound {
    /// No body is read.
    const STREAM_BODY: bool = true;
    /// There is nothing to protect.
    const XSRF: bool = false;
    const FIND_USER: bool = false;

    async fn prepare(&self, _cx: &mut RequestContext) -> Result<Option<Response>> {
        Err(Error::not_found())
    }
}

/// Answers 405 where there are functions for other methods only.
pub(crate) struct MethodNotAllowed {
    allowed: Vec<Method>,
}

impl MethodNotAllowed {
    pub(crate) fn new(allowed: Vec<Method>) -> Self {
        Self { allowed }
    }
}

impl RequestHandler for MethodNotAllowed {
    /// No body is read.
    const STREAM_BODY: bool = true;
    /// There is nothing to protect.
    const XSRF: bool = false;
    const FIND_USER: bool = false;

    async fn prepare(&self, _cx: &mut RequestContext) -> Result<Option<Response>> {
        Err(Error::method_not_allowed(&self.allowed))
    }
}
