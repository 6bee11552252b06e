//! Uploads that are cut, and the files they must not leave.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cyclone_core::{Endpoint, Server};
use cyclone_web::{
    Application, Limits, MultipartConfig, RequestContext, RequestHandler, Result, url,
};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use super::{MULTIPART, field, file, form};
use crate::support::{call, post, text};

/// Files of the directory that this process has open, though they may have no name.
#[cfg(target_os = "linux")]
fn open_files(directory: &Path) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.starts_with(directory)).count()
}

#[cfg(not(target_os = "linux"))]
fn open_files(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

/// Waits for a number of open files.
async fn until(directory: &Path, enough: impl Fn(usize) -> bool) {
    let waiting = async {
        while !enough(open_files(directory)) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(in_time.is_ok(), "{} files are open", open_files(directory));
}

/// Saves what comes, and counts those who come to an end.
struct Saves(Arc<AtomicUsize>);

impl RequestHandler for Saves {
    const STREAM_BODY: bool = true;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        let mut form = cx.multipart()?;
        let mut files = Vec::new();
        while let Some(part) = form.next_part().await? {
            files.push(part.save().await?);
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        cx.finish()
    }
}

async fn keeps(cx: &mut RequestContext) -> Result {
    cx.text(cx.files().len().to_string())
}

fn config(directory: &TempDir) -> MultipartConfig {
    MultipartConfig::new()
        .directory(directory.path())
        .file_in_memory(1000)
}

/// Acceptance: a hundred uploads at once, read part by part or before the handler, each cut somewhere, leave no file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_uploads_cut_at_random_leave_no_file() {
    const CLIENTS: usize = 100;
    let directory = tempfile::tempdir().unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    let app = Application::new()
        .limits(Limits::new().body(1 << 30))
        .multipart(config(&directory))
        .route(url("/streams"), Saves(Arc::clone(&ended)))
        .post(url("/whole"), keeps);
    let server = Server::new().listen(Endpoint::loopback(0), app);
    let server = server.start().await.unwrap();
    let address = server.local_addresses()[0].socket_addr().unwrap();

    let body = form(&[
        field("name", "x"),
        file("first", "a", &"1".repeat(400_000)),
        file("second", "b", &"2".repeat(400_000)),
    ]);
    let body: Arc<str> = body.into();
    let all_sent = Arc::new(Barrier::new(CLIENTS + 1));
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let (body, all_sent) = (Arc::clone(&body), Arc::clone(&all_sent));
        // The last bytes are never sent.
        let cut = random.usize(..body.len() - 10);
        let path = ["/streams", "/whole"][number % 2];
        let reset = random.bool();
        clients.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {MULTIPART}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body.as_bytes()[..cut]).await.unwrap();
            all_sent.wait().await;
            if reset {
                stream.set_zero_linger().unwrap();
            }
        }));
    }
    // Most cuts are far enough for a file; all of those files are there now, and then none is.
    until(directory.path(), |open| open > CLIENTS / 2).await;
    all_sent.wait().await;
    for client in clients {
        client.await.unwrap();
    }
    until(directory.path(), |open| open == 0).await;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    server.shutdown();
    server.wait().await;
}

/// Whatever the handler ends with, its files end with the request.
#[tokio::test]
async fn files_end_with_their_request() {
    let directory = tempfile::tempdir().unwrap();
    let app = Application::new().multipart(config(&directory)).post(
        "/",
        async |cx: &mut RequestContext| {
            assert!(!cx.file("f")?.is_in_memory());
            match cx.argument("then")?.as_str() {
                "fail" => Err(cyclone_web::Error::not_found()),
                "panic" => panic!("on purpose"),
                _ => cx.finish(),
            }
        },
    );
    for (then, status) in [("finish", 200), ("fail", 404), ("panic", 500)] {
        let body = form(&[field("then", then), file("f", "x", &"x".repeat(2000))]);
        let response = call(&app, post("/", MULTIPART, body)).await;
        assert_eq!(response.status(), status, "{}", text(&response));
        until(directory.path(), |open| open == 0).await;
    }
    // A form that is refused after its files.
    let mut body = form(&[file("f", "x", &"x".repeat(2000))]);
    body.truncate(body.len() - 8);
    let response = call(&app, post("/", MULTIPART, body)).await;
    assert_eq!(response.status(), 400);
    until(directory.path(), |open| open == 0).await;
}

/// A handler that gives up: its client is still there.
#[tokio::test]
async fn an_upload_that_is_given_up_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    struct Impatient(std::path::PathBuf);
    impl RequestHandler for Impatient {
        const STREAM_BODY: bool = true;
        async fn post(&self, cx: &mut RequestContext) -> Result {
            let mut form = cx.multipart()?;
            let part = form.next_part().await?.unwrap();
            tokio::select! {
                _ = part.save() => panic!("it never ends"),
                () = until(&self.0, |open| open == 1) => cx.text("gave up"),
            }
        }
    }
    let app = Application::new()
        .multipart(config(&directory))
        .route("/", Impatient(directory.path().to_owned()));
    let begun = form(&[file("f", "x", &"x".repeat(2000))]);
    let begun = bytes::Bytes::from(begun[..1500].to_owned());
    let stalled = futures_util::stream::StreamExt::chain(
        futures_util::stream::iter([Ok::<_, std::convert::Infallible>(begun)]),
        futures_util::stream::pending(),
    );
    let body = cyclone_web::Body::from_stream(stalled);
    let response = call(&app, post("/", MULTIPART, body)).await;
    assert_eq!(text(&response), "gave up");
    until(directory.path(), |open| open == 0).await;
}
