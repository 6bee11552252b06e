mod answers;
mod large;
mod looks;
mod memory;
mod ranges;
mod security;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

use super::{MAX_CACHED_FILE, StaticFiles};

/// A second long gone, so that tags are settled.
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn modified() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// A directory `www` of files below a temporary one.
struct Site {
    directory: TempDir,
    files: StaticFiles,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Site {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("www")).unwrap();
        let site = Self {
            files: StaticFiles::new(directory.path().join("www")),
            directory,
        };
        for (name, content) in files {
            site.write(name, content);
        }
        site
    }

    fn with(mut self, configure: impl FnOnce(StaticFiles) -> StaticFiles) -> Self {
        self.files = configure(self.files);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("www").join(name)
    }

    /// Writes a file, last modified long ago.
    fn write(&self, name: &str, content: &[u8]) {
        self.write_at(name, content, modified());
    }

    fn write_at(&self, name: &str, content: &[u8], time: SystemTime) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_modified(&path, time);
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let uri: Uri = format!("/static/{path}").parse().unwrap();
        let relative = uri.path().strip_prefix("/static/").unwrap().to_owned();
        self.send_uri(method, &uri, &relative, headers).await
    }

    async fn send_uri(
        &self,
        method: Method,
        uri: &Uri,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let response = self.files.serve(&method, uri, path, &map).await;
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(Method::GET, path, headers).await
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status.as_u16()
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// Bytes that differ from place to place, too many to be kept in memory.
fn large() -> Vec<u8> {
    let size = usize::try_from(MAX_CACHED_FILE).unwrap() * 2 + 7;
    (0..size).map(|at| (at / 7 % 251) as u8).collect()
}

/// A runtime whose only thread for blocking work waits until the sender is used or dropped.
fn busy_disk() -> (Runtime, mpsc::Sender<()>) {
    let mut builder = Builder::new_current_thread();
    let runtime = builder
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, wait) = mpsc::channel();
    let _enter = runtime.enter();
    drop(spawn_blocking(move || wait.recv()));
    (runtime, release)
}
