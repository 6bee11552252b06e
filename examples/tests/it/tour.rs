//! The tour as a process, and clients of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Far more than anything here takes; only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A running tour; killed when it is dropped.
pub(crate) struct Tour {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) http: SocketAddr,
    pub(crate) console: SocketAddr,
}

impl Tour {
    /// Starts the tour on free ports and waits until it listens.
    pub(crate) async fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tour"))
            .args([
                "--http",
                "127.0.0.1:0",
                "--console",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(data)
            .args(more)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let http = listening(&mut output, "http").await;
        let console = listening(&mut output, "tcp").await;
        Self {
            child,
            output,
            http,
            console,
        }
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn terminate(&self) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits for the end; the exit status and what was printed after the listeners.
    pub(crate) async fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let mut lines = Vec::new();
        while let Some(line) = self.output.next_line().await.unwrap() {
            lines.push(line);
        }
        (status.expect("the tour hangs").unwrap(), lines)
    }

    /// Opens the socket of a room.
    pub(crate) async fn join(&self, room: &str, name: &str, after: i64) -> Socket {
        let url = format!(
            "ws://{}/room/{room}/socket?name={name}&after={after}",
            self.http
        );
        connect_async(url).await.unwrap().0
    }

    /// The whole history of a room.
    pub(crate) async fn history(&self, room: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(0, |last| last["seq"].as_i64().unwrap());
            let answer = get(self.http, &format!("/room/{room}/messages?after={after}")).await;
            let page: Vec<Value> = serde_json::from_str(&answer).unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }
}

async fn listening(output: &mut Lines<BufReader<ChildStdout>>, scheme: &str) -> SocketAddr {
    let line = timeout(PATIENCE, output.next_line()).await.unwrap();
    let line = line.unwrap().expect("the tour ended at its start");
    let address = line.strip_prefix(&format!("listening {scheme}://"));
    address.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
}

/// The body of an answer, which has to be a 200.
pub(crate) async fn get(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: tour\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// What a page sends to say something.
pub(crate) fn say(id: &str, text: &str) -> Message {
    let frame = serde_json::json!({"type": "say", "id": id, "text": text});
    Message::text(frame.to_string())
}
