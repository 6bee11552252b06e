//! Static files as a route.

use http::Method;

use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::handler::RequestHandler;
use crate::response::Response;
use crate::static_files::{StaticError, StaticFiles};

/// Serves the files below a prefix; the pattern has the rest of the path as `path`, or no parameter at all.
pub(crate) struct StaticRoute {
    files: StaticFiles,
}

impl StaticRoute {
    pub(crate) fn new(files: StaticFiles) -> Self {
        Self { files }
    }
}

impl RequestHandler for StaticRoute {
    const SUPPORTED_METHODS: &'static [Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];
    /// No body is read.
    const STREAM_BODY: bool = true;
    /// There is nothing to protect.
    const XSRF: bool = false;
    const FIND_USER: bool = false;

    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        if *cx.method() == Method::OPTIONS {
            return Ok(None);
        }
        let path = cx.raw_path_argument("path");
        let served = self
            .files
            .try_serve(cx.method(), cx.uri(), path, cx.headers());
        Ok(Some(served.await.map_err(refusal)?.into()))
    }
}

fn refusal(error: StaticError) -> Error {
    Error::new(error.status()).because(error)
}
