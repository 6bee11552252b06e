//! The example with every kind of listener: one process, five doors, a real client at each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use cyclone_core::tls::SelfSigned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::tour::PATIENCE;

/// The example as a process; killed when it is dropped.
struct Composed {
    folder: TempDir,
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
    /// Addresses in the order of the listeners: HTTP, Unix, HTTPS, lines, SSH.
    addresses: Vec<String>,
}

impl Composed {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let made = SelfSigned::kept_in(path("tls.pem"), ["localhost", "127.0.0.1"]).unwrap();
        fs::write(path("ca.pem"), made.certificate_pem()).unwrap();
        let keygen = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(path("id"))
            .status();
        assert!(keygen.await.unwrap().success());
        let mut child = Command::new(env!("CARGO_BIN_EXE_composed"))
            .args(["--port", "0", "--unix"])
            .arg(path("socket"))
            .args(["--ssl-port", "0", "--ssl-cert", "tls.pem"])
            .args(["--ssl-key", "tls.pem"])
            .args(["--lines", "tcp:0:interface=127.0.0.1"])
            .args(["--ssh", "tcp:0:interface=127.0.0.1"])
            .args(["--authorized-keys", "id.pub", "--log-format", "json"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut addresses = Vec::new();
        loop {
            let line = timeout(PATIENCE, log.next_line()).await.unwrap().unwrap();
            let event: Value = serde_json::from_str(&line.expect("it ended")).unwrap();
            let fields = &event["fields"];
            match fields["message"].as_str() {
                Some("listening") => addresses.push(fields["address"].as_str().unwrap().to_owned()),
                Some("serving") => break,
                _ => {}
            }
        }
        Self {
            folder,
            child,
            log,
            addresses,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn port(&self, listener: usize) -> &str {
        self.addresses[listener].rsplit(':').next().unwrap()
    }

    /// `curl`, with a target that is to be added.
    fn curl(&self) -> Command {
        let mut curl = program("CYCLONE_TEST_CURL");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"])
            .arg(self.path("ca.pem"))
            .args(["--write-out", "%{http_code} HTTP/%{http_version}"]);
        curl
    }

    /// OpenSSH's client, carrying out one command.
    fn ssh(&self, command: &str) -> Command {
        let known_hosts = format!("UserKnownHostsFile={}", self.path("known_hosts").display());
        let mut ssh = program("CYCLONE_TEST_SSH");
        ssh.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", &known_hosts])
            .args(["-o", "StrictHostKeyChecking=accept-new"])
            .args(["-o", "BatchMode=yes", "-p", self.port(4), "-i"])
            .arg(self.path("id"))
            .args(["op@127.0.0.1", command]);
        ssh
    }
}

fn program(variable: &str) -> Command {
    let program = std::env::var_os(variable);
    Command::new(program.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test`")))
}

/// What a program says on its standard output, when all is well.
async fn said(command: &mut Command) -> String {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output: Output = timeout(PATIENCE, running).await.expect("it hangs").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text} {error}");
    text
}

/// Says a line to the line protocol, and what it answers; in Python, because that is not ours.
const TALK: &str = "
import socket, sys
with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as peer, peer.makefile('rw', newline='') as lines:
    for line in sys.argv[2:]:
        print(line, end='\\r\\n', file=lines, flush=True)
        print(lines.readline().strip())
";

#[tokio::test]
async fn one_process_serves_http_https_lines_ssh_and_a_unix_socket_at_once() {
    let mut composed = Composed::start().await;
    let (http, https) = (composed.port(0).to_owned(), composed.port(2).to_owned());
    let mut talk = program("CYCLONE_TEST_PYTHON");
    talk.args(["-c", TALK, composed.port(3), "hello", "quit"]);
    let unix = composed.path("socket");

    // All of them together.
    let (mut plain, mut tls, mut old, mut local, mut console) = (
        composed.curl(),
        composed.curl(),
        composed.curl(),
        composed.curl(),
        composed.ssh("status"),
    );
    let (plain, tls, old, local, lines, console) = tokio::join!(
        said(plain.arg(format!("http://127.0.0.1:{http}/"))),
        said(tls.arg(format!("https://localhost:{https}/secret"))),
        said(old.args(["--http1.1", &format!("https://127.0.0.1:{https}/secret")])),
        said(
            local
                .arg("--unix-socket")
                .arg(&unix)
                .arg("http://localhost/")
        ),
        said(&mut talk),
        said(&mut console),
    );
    assert_eq!(plain, "open\n200 HTTP/1.1");
    assert_eq!(tls, "confidential over HTTP/2.0\n200 HTTP/2");
    assert_eq!(old, "confidential over HTTP/1.1\n200 HTTP/1.1");
    assert_eq!(local, "open\n200 HTTP/1.1");
    assert_eq!(lines, "you said hello\ngood-bye\n");
    assert!(console.starts_with("ready for "), "{console}");

    // Routes of their own.
    let target = format!("http://127.0.0.1:{http}/secret");
    assert!(
        said(composed.curl().arg(target))
            .await
            .ends_with("404 HTTP/1.1")
    );
    let target = format!("https://localhost:{https}/connections");
    assert!(
        said(composed.curl().arg(target))
            .await
            .ends_with("404 HTTP/2")
    );

    // The console sees connections of each kind, and sets the runner's log.
    let waiting = tokio::net::TcpStream::connect(("127.0.0.1", composed.port(3).parse().unwrap()));
    let waiting = waiting.await.unwrap();
    let shown = said(&mut composed.ssh("connections")).await;
    assert!(shown.contains("lines") && shown.contains("ssh"), "{shown}");
    drop(waiting);
    let set = said(&mut composed.ssh("log debug")).await;
    assert_eq!(set, "the log is set to debug\n");

    // And it ends all of it.
    said(&mut composed.ssh("shutdown")).await;
    let ended = timeout(PATIENCE, composed.child.wait()).await;
    assert!(ended.expect("it hangs").unwrap().success());
    assert!(!Path::new(&unix).exists());
    let mut last = Vec::new();
    while let Some(line) = composed.log.next_line().await.unwrap() {
        last.push(line);
    }
    assert!(!last.is_empty());
}
