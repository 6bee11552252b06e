//! What the tests of servers share.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cyclone_core::{Connection, ProtocolFactory, RunningServer, protocol_fn};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Ends a test that hangs; not for tests with a paused clock, whose timers fire as soon as all is idle.
pub(crate) async fn within<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("the test hangs")
}

/// A foreign program that `cargo xtask test` provides, by its variable; a test without it fails.
pub(crate) fn foreign(variable: &str) -> Command {
    let program = std::env::var_os(variable);
    let program =
        program.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test`"));
    Command::new(program)
}

/// Says `hi` and gives back every byte; the server's shutdown does not impress it.
pub(crate) fn echo() -> impl ProtocolFactory {
    protocol_fn("echo", |mut connection: Connection| async move {
        connection.write_all(b"hi").await?;
        let mut byte = [0];
        while connection.read(&mut byte).await? > 0 {
            connection.write_all(&byte).await?;
        }
        Ok(())
    })
}

/// Says `hi`, waits for the shutdown, says `bye`.
pub(crate) fn polite() -> impl ProtocolFactory {
    protocol_fn("polite", |mut connection: Connection| async move {
        connection.write_all(b"hi").await?;
        connection.session().draining().await;
        connection.write_all(b"bye").await
    })
}

/// The TCP address of the listener with this number.
pub(crate) fn tcp_address(server: &RunningServer, listener: usize) -> SocketAddr {
    server.local_addresses()[listener].socket_addr().unwrap()
}

/// Connects and waits for the greeting, so that the server has the connection in its registry.
pub(crate) async fn greeted(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    greeting(&mut stream).await;
    stream
}

/// Reads the `hi` that every protocol here says first.
pub(crate) async fn greeting(stream: &mut (impl AsyncRead + Unpin)) {
    let mut hi = [0; 2];
    stream.read_exact(&mut hi).await.unwrap();
    assert_eq!(&hi, b"hi");
}

/// Sends one byte and waits for its echo.
pub(crate) async fn ping(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
}

/// All that comes until the end; a reset is an end too.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

pub(crate) const CHILD: &str = "CYCLONE_CORE_TEST_CHILD";

/// How long a child lives at most, so that a test of one that hangs fails.
const CHILD_LIFE: Duration = Duration::from_secs(60);

/// Whether this process is the child of a test; `test` is the full name of the test that is its `main`.
pub(crate) fn is_child(test: &str) -> bool {
    let child = std::env::var(CHILD).is_ok_and(|name| name == test);
    if child {
        std::thread::spawn(|| {
            std::thread::sleep(CHILD_LIFE);
            std::process::exit(4);
        });
    }
    child
}

/// A command that runs only the test `test` of this test binary, for which [`is_child`] then holds.
pub(crate) fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, test);
    command
}

/// A process of this test binary that runs only the test `test`, for which [`is_child`] then holds.
pub(crate) struct ChildProcess {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl ChildProcess {
    pub(crate) fn start(test: &str) -> Self {
        let mut process = child(test).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// What follows `prefix` in the first line that has it; the test harness may have begun that line.
    pub(crate) fn line(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "the child said no `{prefix}`");
            if let Some((_, text)) = line.trim_end().split_once(prefix) {
                return text.to_owned();
            }
        }
    }

    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
