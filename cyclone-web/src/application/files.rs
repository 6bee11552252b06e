//! Static files as routes.

use std::path::PathBuf;
use std::sync::Arc;

use super::Application;
use crate::handler::DynHandler;
use crate::router::{UrlSpec, url};
use crate::static_files::StaticFiles;
use crate::static_route::StaticRoute;

impl Application {
    /// Serves the files of a directory under `/static/`, and its `favicon.ico` and `robots.txt` where browsers and
    /// crawlers look for them: Tornado's setting `static_path`.
    ///
    /// The two are 404 when the directory has none. For options, or another prefix, there are
    /// [`static_files_with`](Self::static_files_with) and [`static_file`](Self::static_file).
    ///
    /// ```
    /// use cyclone_web::Application;
    ///
    /// let app = Application::new().static_path("static");
    /// # let _ = app;
    /// ```
    pub fn static_path(self, directory: impl Into<PathBuf>) -> Self {
        let files = StaticFiles::new(directory.into());
        self.static_file("/favicon.ico", &files, "favicon.ico")
            .static_file("/robots.txt", &files, "robots.txt")
            .static_files_with("/static", files)
    }

    /// Serves one of the files at an address of its own: `/favicon.ico`, `/robots.txt`, the one page of a program in the
    /// browser. The name is that below the root, not encoded.
    ///
    /// ```
    /// use cyclone_web::{Application, StaticFiles};
    ///
    /// let files = StaticFiles::new("static");
    /// let app = Application::new()
    ///     .static_file("/sw.js", &files, "scripts/service-worker.js")
    ///     .static_files_with("/static", files);
    /// # let _ = app;
    /// ```
    pub fn static_file(self, pattern: impl Into<UrlSpec>, files: &StaticFiles, name: &str) -> Self {
        let route = StaticRoute::of_file(files.clone(), name);
        self.add(&pattern.into(), None, Arc::new(route))
    }

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
