//! Why a test got no answer.

use std::fmt;

use http::StatusCode;

use crate::mount::BoxedError;

/// Why a request of a test got no answer, or one that cannot be read as it was asked for.
///
/// An answer with the status of an error is none of these: look at [`TestResponse::status`](super::TestResponse::status).
#[derive(Debug)]
pub struct TestError {
    kind: TestErrorKind,
    message: String,
    status: Option<StatusCode>,
    source: Option<BoxedError>,
}

/// What kind of a [`TestError`] it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestErrorKind {
    /// The test asked for something that cannot be sent: a malformed target or header. Nothing was sent.
    Request,
    /// A server with this application would not start, because a resource is missing. Nothing was sent.
    Resources,
    /// The connection ended before the answer did, as when a handler is cut; or there was none.
    Connection,
    /// The [time limit](super::TestClientBuilder::time_limit) passed. Whether the handler saw the request is open.
    Timeout,
    /// The answer is larger than [`MAX_TEST_BODY`](super::MAX_TEST_BODY), or not what the test took it for.
    Response,
    /// A WebSocket was refused; [`TestError::status`] tells how.
    Refused,
}

impl TestError {
    pub(super) fn new(kind: TestErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: None,
            source: None,
        }
    }

    pub(super) fn because(mut self, source: impl Into<BoxedError>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[cfg(feature = "websocket")]
    pub(super) fn refused(status: StatusCode) -> Self {
        let mut this = Self::new(
            TestErrorKind::Refused,
            format!("the websocket was refused with {status}"),
        );
        this.status = Some(status);
        this
    }

    pub(super) fn request(source: impl Into<BoxedError>) -> Self {
        Self::new(TestErrorKind::Request, "the request cannot be sent").because(source)
    }

    pub(super) fn connection(source: impl Into<BoxedError>) -> Self {
        Self::new(
            TestErrorKind::Connection,
            "the connection ended before the answer",
        )
        .because(source)
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> TestErrorKind {
        self.kind
    }

    /// The status with which a WebSocket was refused.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        // Tests show errors by `unwrap` and `?`, where the source would be lost.
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
