//! Static files as routes.

use std::path::PathBuf;
use std::sync::Arc;

use super::Application;
use crate::handler::DynHandler;
use crate::router::url;
use crate::static_files::StaticFiles;
use crate::static_route::StaticRoute;

impl Application {
    /// Serves the files below a directory under a prefix, `/static/` for instance.
    ///
    /// See [`StaticFiles`] for what that includes; pass one to [`static_files_with`](Self::static_files_with)
    /// to set its options.
    pub fn static_files(self, prefix: &str, directory: impl Into<PathBuf>) -> Self {
        self.static_files_with(prefix, StaticFiles::new(directory.into()))
    }

    /// Serves static files with options of their own. Its `url_prefix` becomes the prefix.
    pub fn static_files_with(self, prefix: &str, files: StaticFiles) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let files = files.url_prefix(format!("{prefix}/"));
        let mut this = self;
        let first = &mut this.edit().static_files;
        first.get_or_insert_with(|| files.clone());
        let route: Arc<dyn DynHandler> = Arc::new(StaticRoute::new(files));
        this.add(&url(format!("{prefix}/")), None, Arc::clone(&route))
            .add(&url(format!("{prefix}/{{*path}}")), None, route)
    }
}
