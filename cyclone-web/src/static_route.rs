//! Static files as a route.

use crate::context::RequestContext;
use crate::error::Result;
use crate::handler::RequestHandler;
use crate::response::Response;
use crate::static_files::StaticFiles;

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
    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        let response = self
            .files
            .serve(
                cx.method(),
                cx.uri(),
                cx.raw_path_argument("path"),
                cx.headers(),
            )
            .await;
        Ok(Some(response.into()))
    }
}
