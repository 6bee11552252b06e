//! Static files over a connection.

#[cfg(feature = "embed")]
mod embedded;
mod routes;

use std::fs::{self, File};

use cyclone_web::{Application, StaticFiles};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{exchange, listen};

/// Larger than all buffers of a connection together.
const HUGE: u64 = 64 << 20;

fn site() -> (TempDir, StaticFiles, Application) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("small.txt"), "s".repeat(100 << 10)).unwrap();
    fs::write(directory.path().join("large.txt"), "l".repeat(600_001)).unwrap();
    let huge = File::create(directory.path().join("huge.bin")).unwrap();
    huge.set_len(HUGE).unwrap();
    let files = StaticFiles::new(directory.path());
    let app = Application::new().static_files_with("/files/", files.clone());
    (directory, files, app)
}

fn request(method: &str, name: &str, more: &str) -> String {
    format!("{method} /files/{name} HTTP/1.1\r\nhost: a\r\n{more}\r\n")
}

#[tokio::test]
async fn small_and_large_files_arrive_whole_one_after_the_other() {
    let (_directory, _, app) = site();
    let (_server, address) = listen(app).await;
    let requests = [
        request("GET", "small.txt", ""),
        request("HEAD", "large.txt", ""),
        request("GET", "large.txt", ""),
        request("GET", "small.txt", "range: bytes=0-9\r\n"),
        request("GET", "small.txt", "connection: close\r\n"),
    ];
    let answer = exchange(address, requests.concat().as_bytes()).await;
    let mut rest = answer.as_str();
    for (declared, body) in [
        (100 << 10, "s".repeat(100 << 10)),
        (600_001, String::new()),
        (600_001, "l".repeat(600_001)),
        (10, "s".repeat(10)),
        (100 << 10, "s".repeat(100 << 10)),
    ] {
        let (head, after) = rest.split_once("\r\n\r\n").unwrap();
        let length = format!("content-length: {declared}");
        assert!(head.lines().any(|line| line == length), "{head}");
        rest = after.strip_prefix(body.as_str()).unwrap();
    }
    assert_eq!(rest, "");
}

/// What was promised does not come, and the client can tell: the connection ends before.
#[tokio::test]
async fn a_file_cut_while_it_is_sent_ends_the_connection() {
    let (directory, _, app) = site();
    let (_server, address) = listen(app).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let get = request("GET", "huge.bin", "");
    client.write_all(get.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    client.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let path = directory.path().join("huge.bin");
    let huge = File::options().write(true).open(path).unwrap();
    huge.set_len(0).unwrap();
    let mut rest = Vec::new();
    // An end or a reset, whatever the server could do.
    let _ = client.read_to_end(&mut rest).await;
    assert!((rest.len() as u64) < HUGE, "{}", rest.len());
}

#[tokio::test]
async fn statistics_of_a_route_are_those_of_the_files_it_was_given() {
    let (_directory, files, app) = site();
    let (_server, address) = listen(app).await;
    for _ in 0..2 {
        let get = request("GET", "small.txt", "connection: close\r\n");
        exchange(address, get.as_bytes()).await;
    }
    let now = files.statistics();
    assert_eq!((now.misses, now.hits, now.loads), (1, 1, 1));
}
