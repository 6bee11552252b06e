//! What a service gives the connection.

use http::{HeaderValue, Response, header};

use crate::body::Body;

/// A response on its way to the connection.
///
/// The type of the usual response stands beside its headers: so the map of these stays empty, and needs no
/// memory.
pub(crate) struct Reply {
    response: Response<Body>,
    media: Option<HeaderValue>,
}

impl Reply {
    /// A response that has no `content-type` among its headers, and the one that it gets.
    pub(crate) fn with_media(response: Response<Body>, media: Option<HeaderValue>) -> Self {
        Self { response, media }
    }

    /// The response, and the `content-type` that belongs to it.
    pub(crate) fn into_parts(self) -> (Response<Body>, Option<HeaderValue>) {
        (self.response, self.media)
    }

    /// The response with everything in its place.
    pub(crate) fn into_response(self) -> Response<Body> {
        let Self {
            mut response,
            media,
        } = self;
        if let Some(media) = media {
            response.headers_mut().insert(header::CONTENT_TYPE, media);
        }
        response
    }
}

impl From<Response<Body>> for Reply {
    fn from(response: Response<Body>) -> Self {
        Self {
            response,
            media: None,
        }
    }
}
