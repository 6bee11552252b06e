//! Static files as a route.

use http::Method;
use percent_encoding::utf8_percent_encode;

use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::handler::RequestHandler;
use crate::response::Response;
use crate::static_files::{PATH, StaticError, StaticFiles};

/// Serves the files below a prefix; the pattern has the rest of the path as `path`, or no parameter at all.
pub(crate) struct StaticRoute {
    files: StaticFiles,
    /// The one file that is served, as in a path; otherwise the path says which.
    name: Option<Box<str>>,
}

impl StaticRoute {
    pub(crate) fn new(files: StaticFiles) -> Self {
        Self { files, name: None }
    }

    /// Serves one file, whatever the path.
    pub(crate) fn of_file(files: StaticFiles, name: &str) -> Self {
        let name = utf8_percent_encode(name, PATH).to_string();
        Self {
            files,
            name: Some(name.into()),
        }
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
        let path = match &self.name {
            Some(name) => name,
            None => cx.raw_path_argument("path"),
        };
        let served = self
            .files
            .try_serve(cx.method(), cx.uri(), path, cx.headers());
        Ok(Some(served.await.map_err(refusal)?.into()))
    }
}

fn refusal(error: StaticError) -> Error {
    Error::new(error.status()).because(error)
}
