//! The console: with the client of OpenSSH, and with one of ours where limits are measured.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use cyclone_examples::console::hash_password;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::tour::PATIENCE;

mod limits;
mod openssh;
mod shutdown;

/// A folder with keys and passwords, and the console that lets them in.
struct Console {
    folder: TempDir,
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    http: SocketAddr,
    ssh: SocketAddr,
    fingerprint: String,
}

impl Console {
    /// Starts it with one key, `id`, and one password, `secret` of `ann`.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let public = keygen(folder.path(), "id", &["-t", "ed25519"]).await;
        write(&folder.path().join("authorized_keys"), &public);
        let line = format!("ann:{}", hash_password("secret").unwrap());
        write(&folder.path().join("passwords"), &line);
        Self::start_in(folder).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_console"))
            .args(["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0"])
            .args(["--host-key", "host_key", "--socket", "socket"])
            .args(["--authorized-keys", "authorized_keys"])
            .args(["--passwords", "passwords", "--deadline", "5"])
            .current_dir(folder.path())
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let fingerprint = after(&mut output, "host key ").await;
        let http = after(&mut output, "listening http://").await;
        let ssh = after(&mut output, "listening ssh://").await;
        after(&mut output, "listening unix:").await;
        Self {
            folder,
            child,
            output,
            http: http.parse().unwrap(),
            ssh: ssh.parse().unwrap(),
            fingerprint,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ssh` with a key and nothing of the user's; host and command are to be added.
    fn client(&self, key: &str) -> Command {
        let mut ssh = program("CYCLONE_TEST_SSH");
        ssh.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o"])
            .arg(self.known_hosts())
            .args(["-o", "StrictHostKeyChecking=accept-new"])
            .args(["-o", "BatchMode=yes", "-o", "LogLevel=INFO"])
            .args(["-p", &self.ssh.port().to_string(), "-i"])
            .arg(self.file(key));
        ssh
    }

    fn known_hosts(&self) -> String {
        format!("UserKnownHostsFile={}", self.file("known_hosts").display())
    }

    /// Carries out one command by `ssh`.
    async fn run(&self, command: &str) -> Said {
        said(self.client("id").args(["op@127.0.0.1", command])).await
    }

    /// The end of the process: its status and what it printed at last.
    async fn end(mut self) -> (ExitStatus, Vec<String>, TempDir) {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let mut lines = Vec::new();
        while let Some(line) = self.output.next_line().await.unwrap() {
            lines.push(line);
        }
        (
            status.expect("the console hangs").unwrap(),
            lines,
            self.folder,
        )
    }
}

/// What a program said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn said(command: &mut Command) -> Said {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, running).await.expect("it hangs").unwrap();
    Said::of(&output)
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The rest of the next line, which must begin so.
async fn after(output: &mut Lines<BufReader<ChildStdout>>, beginning: &str) -> String {
    let line = timeout(PATIENCE, output.next_line()).await.unwrap();
    let line = line.unwrap().expect("the console ended at its start");
    let rest = line.strip_prefix(beginning);
    rest.unwrap_or_else(|| panic!("{line}")).to_owned()
}

/// A foreign program by the variable that has its place.
fn program(variable: &str) -> Command {
    let Some(place) = std::env::var_os(variable) else {
        panic!("{variable} is not set: run `cargo xtask test`");
    };
    Command::new(place)
}

/// Makes a key with `ssh-keygen`; its public half.
async fn keygen(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let ssh = program("CYCLONE_TEST_SSH");
    let keygen = Path::new(ssh.as_std().get_program()).with_file_name("ssh-keygen");
    let mut command = Command::new(keygen);
    command.args(["-q", "-N", "", "-C", name, "-f"]);
    command.arg(folder.join(name)).args(arguments);
    let said = said(&mut command).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    fs::read_to_string(folder.join(name).with_extension("pub")).unwrap()
}

/// Writes a file that nobody else can read.
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
