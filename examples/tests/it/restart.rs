//! A web server is replaced three times under load: no request fails, every WebSocket is told 1001 and comes back.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::tour::PATIENCE;

const CLIENTS: usize = 6;
const SOCKETS: usize = 20;
/// Answers to wait for between the restarts.
const ANSWERS: usize = 300;

/// A folder with the program, and the program as a daemon.
struct Site {
    folder: TempDir,
}

impl Site {
    async fn start(options: &[&str]) -> Self {
        // A link to the program has to be on the same file system.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let this = Self { folder };
        this.install();
        this.configure("release = 'r0'");
        let status = Command::new(this.path("restart"))
            .args(["--port", "0", "--daemonize", "--config", "conf"])
            .args(["--pidfile", "pid", "--logfile", "log"])
            .args(options)
            .current_dir(this.folder.path())
            .status();
        assert!(status.await.unwrap().success());
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts the program where it was started from.
    fn install(&self) {
        let draft = self.path("draft");
        fs::hard_link(env!("CARGO_BIN_EXE_restart"), &draft).unwrap();
        fs::rename(draft, self.path("restart")).unwrap();
    }

    /// Puts something else there.
    fn break_it(&self) {
        let draft = self.path("draft");
        fs::write(&draft, "#!/bin/sh\necho broken >&2\nexit 1\n").unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, self.path("restart")).unwrap();
    }

    fn configure(&self, text: &str) {
        fs::write(self.path("conf"), text).unwrap();
    }

    /// Asks the running program to be replaced; what came of it is on standard output or error.
    async fn upgrade(&self) -> Result<String, String> {
        let output = Command::new(env!("CARGO_BIN_EXE_restart"))
            .args(["--upgrade", "--pidfile", "pid"])
            .current_dir(self.folder.path())
            .output();
        let output = timeout(PATIENCE, output).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        match output.status.success() {
            true => Ok(text(output.stdout)),
            false => Err(text(output.stderr)),
        }
    }

    fn pid(&self) -> i32 {
        let text = fs::read_to_string(self.path("pid")).unwrap();
        text.trim().parse().unwrap()
    }

    fn address(&self) -> SocketAddr {
        let log = fs::read_to_string(self.path("log")).unwrap();
        let (_, rest) = log.split_once(" address=").unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.path("pid")).ok();
        let pid = pid.and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// What goes on while the site changes.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answers: AtomicUsize,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    async fn wait_for_answers(&self) {
        let enough = self.answers.load(Ordering::Relaxed) + ANSWERS;
        while self.answers.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
    }
}

/// Asks over and over, each time on a new connection or as long as the server keeps one.
async fn ask(address: SocketAddr, keep: bool, load: Arc<Load>) -> Result<(), String> {
    while load.goes_on() {
        let stream = TcpStream::connect(address).await;
        let mut stream = stream.map_err(|error| format!("connect: {error}"))?;
        loop {
            let connection = if keep { "keep-alive" } else { "close" };
            let request =
                format!("GET / HTTP/1.1\r\nHost: site\r\nConnection: {connection}\r\n\r\n");
            let written = stream.write_all(request.as_bytes()).await;
            written.map_err(|error| format!("write: {error}"))?;
            let head = answer(&mut stream).await?;
            load.answers.fetch_add(1, Ordering::Relaxed);
            if head.contains("connection: close") || !load.goes_on() {
                break;
            }
        }
    }
    Ok(())
}

/// Reads an answer and looks whether it is whole and right; returns its head.
async fn answer(stream: &mut TcpStream) -> Result<String, String> {
    let mut buffer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&buffer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Some((_, rest)) = head.split_once("content-length: ")
            && let Some(length) = rest.lines().next().and_then(|text| text.parse().ok())
            && body.len() >= length
        {
            let me: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
            let right = head.starts_with("HTTP/1.1 200 ") && me["process"].is_number();
            return if right {
                Ok(head.to_owned())
            } else {
                Err(text)
            };
        }
        match timeout(PATIENCE, stream.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return Err(format!("it ended after `{text}`")),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(format!("read: {error} after `{text}`")),
            Err(_elapsed) => return Err("no answer".to_owned()),
        }
    }
}

/// What a socket has lived through.
#[derive(Debug)]
enum Event {
    Joined {
        socket: usize,
        process: i64,
    },
    Left {
        socket: usize,
        code: Option<CloseCode>,
    },
}

/// Stays connected: talks, and comes back when it was told to go.
async fn follow(socket: usize, address: SocketAddr, load: Arc<Load>, events: mpsc::Sender<Event>) {
    while load.goes_on() {
        let url = format!("ws://{address}/socket");
        let (mut stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let Some(Ok(Message::Text(me))) = stream.next().await else {
            panic!("no greeting");
        };
        let me: Value = serde_json::from_str(&me).unwrap();
        let process = me["process"].as_i64().unwrap();
        events
            .send(Event::Joined { socket, process })
            .await
            .unwrap();
        let mut code = None;
        let mut said = stream.send(Message::text("over and over")).await.is_ok();
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Text(_) if said && load.goes_on() => {
                    tokio::task::yield_now().await;
                    said = stream.send(Message::text("over and over")).await.is_ok();
                }
                // The end of the test: the close is ours.
                Message::Text(_) => drop(stream.close(None).await),
                Message::Close(frame) => code = frame.map(|frame| frame.code),
                _ => {}
            }
        }
        if load.goes_on() {
            events.send(Event::Left { socket, code }).await.unwrap();
        }
    }
}

/// Waits until every socket was told to go and is with this process. One that comes back before the last listener of the
/// old process has closed may meet that once more, and is told once more.
async fn all_moved(events: &mut mpsc::Receiver<Event>, from: Option<i32>, to: i32) {
    let mut told = [from.is_none(); SOCKETS];
    let mut there = [false; SOCKETS];
    while !there.iter().all(|there| *there) {
        match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            Event::Left { socket, code } => {
                assert_eq!(code, Some(CloseCode::Away), "socket {socket}");
                assert!(
                    !there[socket],
                    "socket {socket} was told to leave the new process"
                );
                told[socket] = true;
            }
            Event::Joined { socket, process } => {
                assert!(told[socket], "socket {socket} was not told to go");
                there[socket] = process == i64::from(to);
                let old = from.is_some_and(|from| process == i64::from(from));
                assert!(
                    there[socket] || old,
                    "socket {socket} is with process {process}"
                );
            }
        }
    }
}

async fn three_restarts_under_load(options: &[&str]) {
    let site = Site::start(options).await;
    let (address, load) = (site.address(), Arc::<Load>::default());
    let clients = (0..CLIENTS).map(|client| ask(address, client % 2 == 0, Arc::clone(&load)));
    let clients: Vec<_> = clients.map(tokio::spawn).collect();
    let (sender, mut events) = mpsc::channel(4 * SOCKETS);
    let sockets =
        (0..SOCKETS).map(|socket| follow(socket, address, Arc::clone(&load), sender.clone()));
    let sockets: Vec<_> = sockets.map(tokio::spawn).collect();
    let mut pid = site.pid();
    all_moved(&mut events, None, pid).await;
    for release in ["r1", "r2", "r3"] {
        load.wait_for_answers().await;

        // A new program that is broken changes nothing.
        site.break_it();
        let refused = site.upgrade().await.unwrap_err();
        assert!(refused.contains("it ended: exit status: 1"), "{refused}");
        assert_eq!(site.pid(), pid);
        load.wait_for_answers().await;
        assert!(events.is_empty(), "{:?}", events.recv().await);

        site.install();
        site.configure(&format!("release = '{release}'"));
        let replaced = site.upgrade().await.unwrap();
        let new = site.pid();
        assert_ne!(new, pid);
        assert_eq!(replaced, format!("process {new} has taken over\n"));
        all_moved(&mut events, Some(pid), new).await;
        load.wait_for_answers().await;
        pid = new;
    }
    load.stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(timeout(PATIENCE, client).await.unwrap().unwrap(), Ok(()));
    }
    for socket in sockets {
        timeout(PATIENCE, socket).await.unwrap().unwrap();
    }
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(!log.contains("cut connection"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_restarts_lose_no_request_and_no_socket() {
    three_restarts_under_load(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_for_each_core_is_replaced_as_well() {
    three_restarts_under_load(&["--workers", "2"]).await;
}
