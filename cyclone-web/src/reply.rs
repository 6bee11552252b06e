//! What a service gives the connection.

use http::Response;

use crate::body::Body;
use crate::context::RequestContext;

/// A response on its way to the connection. It is small, because it is passed on several times.
pub(crate) enum Reply {
    /// What a handler wrote to its context. Its head and body are sent from where they are.
    Written(Box<RequestContext>),
    /// A response of any other origin.
    Response(Box<Response<Body>>),
}

impl Reply {
    /// The reply as a response.
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Self::Written(context) => context.into_response(),
            Self::Response(response) => *response,
        }
    }
}

impl From<Response<Body>> for Reply {
    fn from(response: Response<Body>) -> Self {
        Self::Response(Box::new(response))
    }
}
