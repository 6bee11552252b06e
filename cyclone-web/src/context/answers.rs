//! Short answers, and pieces of the request as they came.

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};

use super::RequestContext;
use crate::error::{Error, Result};

impl RequestContext {
    /// Ends the request with the error page of a status, as Tornado's `send_error`: short for an [`Error`] of it.
    ///
    /// # Errors
    /// Always that error.
    #[track_caller]
    pub fn send_error(&mut self, status: StatusCode) -> Result {
        Err(Error::new(status))
    }

    /// The query of the request target as it came, without the question mark.
    #[must_use]
    pub fn raw_query(&self) -> Option<&str> {
        self.head
            .query_bytes()
            .and_then(|query| std::str::from_utf8(query).ok())
    }

    /// Answers `OPTIONS`: 204 with these methods, and those of the functions at the same path, in `Allow`.
    pub(crate) fn answer_options(&mut self, methods: &[Method]) -> Result {
        let mut error = Error::method_not_allowed(methods);
        self.complete_allow(&mut error);
        let allowed = error.headers().get(header::ALLOW);
        let none = HeaderValue::from_static("");
        let allowed = allowed.cloned().unwrap_or(none);
        self.response_headers_mut().insert(header::ALLOW, allowed);
        self.no_content()
    }

    /// Ends the response with a 204.
    pub(crate) fn no_content(&mut self) -> Result {
        self.clear_written();
        self.set_status(StatusCode::NO_CONTENT);
        self.finish()
    }

    /// Names the methods of the functions at the path of the request in the `Allow` of a 405 too.
    pub(crate) fn complete_allow(&self, error: &mut Error) {
        error.allow_also(&self.app.function_methods(&self.head, &self.connection));
    }
}
