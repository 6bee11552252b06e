//! Programs that start anew.

mod upgrade;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cyclone_core::Server;
use cyclone_web::test::{advance, expect_log};
use cyclone_web::{AUTORELOAD_INTERVAL, Autoreload};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tracing::Level;

/// Where a child finds the file that it watches.
const CHILD: &str = "CYCLONE_TEST_AUTORELOAD";

fn watched() -> (TempDir, Autoreload, Arc<AtomicUsize>) {
    let directory = tempfile::tempdir().unwrap();
    let restarts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&restarts);
    let autoreload = Autoreload::new()
        .watch(directory.path().join("file"))
        .on_reload(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
    (directory, autoreload, restarts)
}

fn write(directory: &TempDir, content: &str) {
    fs::write(directory.path().join("file"), content).unwrap();
}

/// What is written to is not yet whole: it has to be left alone for one look.
#[tokio::test(start_paused = true)]
async fn a_file_that_changed_and_was_left_alone_starts_the_program_anew() {
    let (directory, autoreload, restarts) = watched();
    let autoreload = autoreload.restart_with(|| Ok(()));
    let server = Server::new().service(autoreload).start().await.unwrap();
    let look = async || {
        advance(AUTORELOAD_INTERVAL).await;
        // The look itself is on another thread.
        advance(Duration::from_millis(20)).await;
        restarts.load(Ordering::SeqCst)
    };
    assert_eq!(look().await, 0);
    write(&directory, "1");
    assert_eq!(look().await, 0);
    write(&directory, "12");
    assert_eq!(look().await, 0);
    assert_eq!(look().await, 1);
    assert_eq!(look().await, 1);
    fs::remove_file(directory.path().join("file")).unwrap();
    assert_eq!((look().await, look().await), (1, 2));
    server.shutdown();
    assert!(server.wait().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn it_does_nothing_where_it_is_not_active() {
    let (directory, autoreload, restarts) = watched();
    let autoreload = autoreload.active(false).restart_with(|| Ok(()));
    let server = Server::new().service(autoreload).start().await.unwrap();
    for content in ["1", "12"] {
        advance(AUTORELOAD_INTERVAL * 4).await;
        write(&directory, content);
        advance(AUTORELOAD_INTERVAL * 4).await;
    }
    assert_eq!(restarts.load(Ordering::SeqCst), 0);
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_told_and_the_program_goes_on() {
    let expected = expect_log(Level::ERROR, "cannot start the program anew");
    let (directory, autoreload, restarts) = watched();
    let autoreload = autoreload.restart_with(|| Err(io::ErrorKind::PermissionDenied.into()));
    let server = Server::new().service(autoreload).start().await.unwrap();
    for content in ["1", "12"] {
        write(&directory, content);
        advance(AUTORELOAD_INTERVAL * 4).await;
    }
    assert_eq!(restarts.load(Ordering::SeqCst), 2);
    assert_eq!(expected.finish().len(), 2);
    drop(server);
}

/// Runs `child` below in a process of its own.
#[tokio::test]
async fn the_program_starts_anew_as_the_same_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "autoreload::child", "--nocapture"])
        .env(CHILD, directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let process = child.id().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut started = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, who)) = line.split_once("started as ") {
            started.push(who.to_owned());
            write(&directory, "changed");
        }
    }
    assert_eq!(started, [process.to_string(), process.to_string()]);
    assert!(child.wait().await.unwrap().success());
}

/// The program of the test before; nothing when it is not called by that.
#[tokio::test]
async fn child() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let file = Path::new(&directory).join("file");
    let is_second = file.exists();
    let autoreload = Autoreload::new()
        .active(true)
        .interval(Duration::from_millis(10))
        .watch(file);
    let server = Server::new().service(autoreload).start().await.unwrap();
    let mut out = io::stdout();
    writeln!(out, "started as {}", std::process::id()).unwrap();
    out.flush().unwrap();
    if !is_second {
        server.wait().await;
    }
}
