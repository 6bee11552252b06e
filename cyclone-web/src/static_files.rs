//! Files of a directory over HTTP.

mod cache;
#[cfg(feature = "embed")]
mod embedded;
mod encoding;
mod entry;
mod error;
mod file;
mod hooks;
mod look;
mod path;
mod respond;
mod settings;
mod statistics;
mod stream;
#[cfg(test)]
mod tests;
mod versions;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use tokio::task::spawn_blocking;

use self::cache::{Cache, Cached};
pub use self::error::StaticError;
pub use self::hooks::StaticFile;
use self::look::Looks;
use self::respond::{Answer, Opening};
use self::settings::{Settings, Target};
use self::statistics::Counts;
pub use self::statistics::StaticStatistics;
pub(crate) use self::versions::PATH;
#[cfg(feature = "multipart")]
pub(crate) use self::{
    file::read,
    stream::{FileBody, Part as FilePart},
};
use crate::body::Body;

/// Default of the size up to which a file is kept in memory, in bytes; larger ones are read from the disk for
/// every request.
pub const MAX_CACHED_FILE: u64 = 256 << 10;

/// Default of the memory for files, in bytes, and for what is known of them.
pub const STATIC_CACHE_SIZE: u64 = 32 << 20;

/// Most files that are kept or known of.
pub const STATIC_CACHE_ENTRIES: usize = 4096;

/// Most bytes that are read of a large file at a time. One response holds the piece that the client takes, and
/// at most one that was read ahead.
pub const STATIC_CHUNK: u64 = 256 << 10;

/// Default of the time for which a file in memory is trusted without a look at the disk.
pub const STATIC_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Serves the files of a directory, as Tornado's `StaticFileHandler` does.
///
/// Names are decoded once. `..`, backslashes, drive letters and symbolic links that lead out of the
/// root are 403, as is what is neither a file nor a directory with a
/// [default file](Self::default_filename); what does not exist, and names with a leading dot other
/// than `.well-known`, are 404. A FIFO never blocks a thread.
///
/// Answers have a strong `ETag` and `Last-Modified`, and honour conditional requests, `Range` (one
/// range, or up to 16 as `multipart/byteranges`) and `If-Range`. The tag of a file of up to
/// [`MAX_CACHED_FILE`] is the SHA-256 of its content, the same on every machine; that of a larger
/// one is made of its time and size, and is weak during the first two seconds.
///
/// Files up to [`MAX_CACHED_FILE`] are kept in memory, [`STATIC_CACHE_SIZE`] in all. For a second they are
/// answered without any look at the disk; then the next request has a thread look, once for all who ask
/// meanwhile: whether the name leads to the same file below the root, with the same times, size and mode.
/// Others may get what is known while that takes, for one more second at most, and wait for it after that.
///
/// Larger files are opened for each request and read in pieces of [`STATIC_CHUNK`]: what the system has in
/// memory at once (on Linux), the rest on threads, one piece ahead of the client. One that shrinks while it
/// is sent breaks the response off, one that grows is sent as it was announced.
/// [`statistics`](Self::statistics) tells how well all that goes.
///
/// [`static_url`](Self::static_url) adds the version of a file to its address; asked for with that
/// version, it may be cached for a year. Asked for with another, during a deployment, it must not.
///
/// It is a [`tower_service::Service`] too, for use in any server; the whole path of the request is
/// then below the root. It needs a tokio runtime. A clone shares the memory, until its settings change
/// (those of [`url_prefix`](Self::url_prefix) aside).
///
/// ```
/// use cyclone_web::StaticFiles;
/// use http::{HeaderMap, Method, Uri};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let directory = tempfile::tempdir()?;
/// std::fs::write(directory.path().join("app.js"), "go()")?;
/// let files = StaticFiles::new(directory.path());
///
/// let uri = Uri::from_static("/static/app.js");
/// let response = files.serve(&Method::GET, &uri, "app.js", &HeaderMap::new()).await;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
/// assert!(files.static_url("app.js").starts_with("/static/app.js?v="));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StaticFiles {
    settings: Arc<Settings>,
    memory: Arc<Memory>,
}

/// What the clones share.
#[derive(Debug)]
struct Memory {
    cache: Cache,
    looks: Looks,
    counts: Counts,
}

impl Memory {
    fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            cache: Cache::new(bytes, STATIC_CACHE_ENTRIES),
            looks: Looks::default(),
            counts: Counts::default(),
        })
    }
}

impl StaticFiles {
    /// Serves the files below a directory. The path is made absolute now, and followed on every look
    /// at the disk, so a symbolic link to the current release may be switched.
    #[must_use]
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        Self {
            settings: Arc::new(Settings::new(absolute)),
            memory: Memory::new(STATIC_CACHE_SIZE),
        }
    }

    fn edit(&mut self) -> &mut Settings {
        // What is known may depend on the settings.
        self.memory = Memory::new(self.settings.cache_size);
        Arc::make_mut(&mut self.settings)
    }

    /// Serves this file of a directory, such as `index.html`, for the directory itself. Without its
    /// final slash a directory is redirected to itself with one. None by default.
    #[must_use]
    pub fn default_filename(mut self, name: impl Into<String>) -> Self {
        self.edit().default_filename = Some(name.into());
        self
    }

    /// Serves names with a leading dot too. Off by default: `.git` and `.env` are nobody's business.
    #[must_use]
    pub fn hidden(mut self, hidden: bool) -> Self {
        self.edit().hidden = hidden;
        self
    }

    /// Serves `app.js.br` or `app.js.gz` in place of `app.js` to clients that accept the coding, unless
    /// it is older than `app.js`. Off by default.
    #[must_use]
    pub fn precompressed(mut self, precompressed: bool) -> Self {
        self.edit().precompressed = precompressed;
        self
    }

    /// Sends this `Cache-Control` with files that were asked for without a version. None by default:
    /// browsers guess.
    #[must_use]
    pub fn cache_control(mut self, value: HeaderValue) -> Self {
        self.edit().cache_control = Some(value);
        self
    }

    /// Sets what [`static_url`](Self::static_url) puts before the path; `/static/` by default.
    #[must_use]
    pub fn url_prefix(mut self, prefix: impl Into<String>) -> Self {
        // Nothing that is known depends on it, and routes set it.
        Arc::make_mut(&mut self.settings).url_prefix = prefix.into();
        self
    }

    /// Sets the memory for files, in bytes; 0 keeps none. [`STATIC_CACHE_SIZE`] by default.
    #[must_use]
    pub fn cache_size(mut self, bytes: u64) -> Self {
        Arc::make_mut(&mut self.settings).cache_size = bytes;
        self.edit();
        self
    }

    /// Sets the size up to which a file is kept in memory, in bytes; [`MAX_CACHED_FILE`] by default. More than
    /// that is never more than a quarter of [`cache_size`](Self::cache_size).
    ///
    /// Tags depend on it: all servers of a site should have the same.
    #[must_use]
    pub fn cached_file_size(mut self, bytes: u64) -> Self {
        self.edit().cached_file_size = bytes;
        self
    }

    /// Sets how long a file in memory is trusted; zero looks at the disk for every request, and each request
    /// for itself. [`STATIC_CHECK_INTERVAL`] by default.
    #[must_use]
    pub fn check_interval(mut self, interval: Duration) -> Self {
        self.edit().check_interval = interval;
        self
    }

    /// Returns the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.settings.root
    }

    /// Looks whether the directory is there, for a check when the server starts. Blocks the thread.
    ///
    /// # Errors
    /// Those of the file system; `NotADirectory` when it is something else.
    pub fn check(&self) -> io::Result<()> {
        #[cfg(feature = "embed")]
        if self.settings.embedded.is_some() {
            return Ok(());
        }
        std::fs::read_dir(&self.settings.root).map(|_| ())
    }

    /// Answers a request. Errors have a short text as their body.
    ///
    /// `path` is what follows the prefix of the route in the path of the request, **still
    /// percent-encoded**; it is decoded here, once. `uri` gives the query with the version, and tells
    /// whether the path ends with a slash.
    ///
    /// # Cancel safety
    /// Nothing is lost: a look at the disk that has begun ends on its own.
    pub async fn serve(
        &self,
        method: &Method,
        uri: &Uri,
        path: &str,
        headers: &HeaderMap,
    ) -> Response<Body> {
        match self.try_serve(method, uri, path, headers).await {
            Ok(response) => response,
            Err(error) => {
                error.log(path);
                error.response()
            }
        }
    }

    /// Answers a request, and leaves the page for an error to the caller.
    ///
    /// 304, 412 and 416 are answers, not errors. The arguments are those of
    /// [`serve`](Self::serve).
    ///
    /// # Errors
    /// [`StaticError`], with the status to answer.
    pub async fn try_serve(
        &self,
        method: &Method,
        uri: &Uri,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, StaticError> {
        if *method != Method::GET && *method != Method::HEAD {
            return Err(StaticError::MethodNotAllowed);
        }
        let slash = uri.path().ends_with('/');
        let name = self.settings.name(path, slash)?;
        let mut opening = None;
        if self.is_file(slash)
            && let Cached::Fresh(entry) = self.memory.cache.get(&name, self.settings.check_interval)
        {
            self.memory.counts.hits.fetch_add(1, Relaxed);
            match self.answer(method, uri, headers, &entry)? {
                Answer::Ready(response) => return Ok(response),
                Answer::Open(open) => opening = Some(open),
            }
        }
        // Apart, so that the future stays small for answers from memory.
        Box::pin(self.serve_from_disk(method, uri, headers, &name, opening)).await
    }

    /// Whether a path may ask for a file: without a slash, or for the default file.
    fn is_file(&self, slash: bool) -> bool {
        !slash || self.settings.default_filename.is_some()
    }

    async fn serve_from_disk(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        name: &str,
        mut opening: Option<Box<Opening>>,
    ) -> Result<Response<Body>, StaticError> {
        let slash = uri.path().ends_with('/');
        // A large file that changed since it was looked at is looked at once more.
        for _ in 0..2 {
            if let Some(opening) = opening.take() {
                if let Some(response) = self.open(opening).await? {
                    return Ok(response);
                }
                continue;
            }
            match self.find(name).await? {
                Target::File(_) if !self.is_file(slash) => return Err(StaticError::NotFound),
                Target::File(entry) => match self.answer(method, uri, headers, &entry)? {
                    Answer::Ready(response) => return Ok(response),
                    Answer::Open(open) => {
                        if let Some(response) = self.open(open).await? {
                            return Ok(response);
                        }
                    }
                },
                Target::Directory if slash || self.settings.default_filename.is_none() => {
                    return Err(StaticError::Forbidden);
                }
                Target::Directory => return respond::add_slash(uri),
            }
        }
        let changing = io::Error::other("file keeps changing");
        Err(StaticError::Busy(changing))
    }
}

/// Runs what blocks on a thread for it.
async fn blocking<T, F>(work: F) -> Result<T, StaticError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StaticError> + Send + 'static,
{
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StaticError::Busy(io::Error::other(error))))
}

impl<B> tower_service::Service<Request<B>> for StaticFiles {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        let (parts, _) = request.into_parts();
        Box::pin(async move {
            let path = parts.uri.path().trim_start_matches('/');
            Ok(this
                .serve(&parts.method, &parts.uri, path, &parts.headers)
                .await)
        })
    }
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: &Settings = &self.settings;
        f.debug_tuple("StaticFiles").field(settings).finish()
    }
}
