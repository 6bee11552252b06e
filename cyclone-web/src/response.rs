//! The proof that a handler answered.

use bytes::Bytes;

use crate::body::{Body, BoxError};

/// The answer of a handler: what it wrote to its [`RequestContext`](crate::RequestContext), or a whole
/// `http::Response` of its own.
///
/// `cx.finish()`, `cx.text(..)`, `cx.json(..)` and their like give the first; `Response::from` makes the
/// second, which replaces whatever was written before (headers that were set on the context are added where
/// the response has none of that name, cookies always).
#[derive(Debug)]
#[must_use = "a response does nothing unless the handler returns it"]
pub struct Response {
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Written,
    Http(Box<http::Response<Body>>),
}

impl Response {
    /// What was written to the context is the answer.
    pub(crate) fn written() -> Self {
        Self {
            kind: Kind::Written,
        }
    }
}

impl<B> From<http::Response<B>> for Response
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn from(response: http::Response<B>) -> Self {
        Self {
            kind: Kind::Http(Box::new(response.map(Body::new))),
        }
    }
}
