//! What the tests do with the program. It lies in a folder of its own, where an upgrade can find something else in its
//! place.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

use super::program::{ARGUMENTS, MAIN, SEPARATOR, UPGRADE_MS};
use crate::support::CHILD;

/// How long anything that a test waits for may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with the program in it, and with what it writes.
pub(super) struct Program {
    folder: TempDir,
}

impl Program {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // Whoever the program becomes has to find it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let this = Self { folder };
        this.install();
        this
    }

    /// Puts the program where it is started from.
    pub(super) fn install(&self) {
        let this = std::env::current_exe().unwrap();
        let draft = self.path("draft");
        fs::hard_link(&this, &draft).unwrap();
        fs::rename(draft, self.path("program")).unwrap();
    }

    /// Puts a script in the place of the program.
    pub(super) fn replace(&self, script: &str) {
        let draft = self.path("draft");
        fs::write(&draft, script).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, self.path("program")).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The program with these arguments, in its folder.
    pub(super) fn command(&self, arguments: &[impl AsRef<str>]) -> Command {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let mut command = Command::new(self.path("program"));
        command
            .args(["--exact", MAIN, "--nocapture", "--test-threads=1"])
            .env(CHILD, MAIN)
            .env(ARGUMENTS, arguments.join(&SEPARATOR.to_string()))
            .env_remove("RUST_LOG")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end; returns exit code and standard error.
    pub(super) fn run(&self, arguments: &[impl AsRef<str>]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    }

    /// Starts the program in the foreground and waits until it serves.
    pub(super) fn start(&self, arguments: &[impl AsRef<str>]) -> Running {
        Running::of(self.command(arguments))
    }

    /// Starts the program in the background, with a log and a pid file.
    pub(super) fn daemonize(&self, arguments: &[impl AsRef<str>]) -> Daemon<'_> {
        let mut all = vec!["--daemonize", "--pidfile=pid", "--logfile=log"];
        all.extend(arguments.iter().map(AsRef::as_ref));
        assert_eq!(self.run(&all), (Some(0), String::new()));
        Daemon { program: self }
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The process in the pid file.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.read("pid").trim().parse().unwrap()).unwrap()
    }
}

/// A program in the foreground. It is killed in the end, if it is still there.
pub(super) struct Running {
    process: Child,
    output: BufReader<ChildStdout>,
    address: Option<SocketAddr>,
}

impl Running {
    pub(super) fn of(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::inherit()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut this = Self {
            process,
            output,
            address: None,
        };
        this.wait_for("] serving");
        this
    }

    /// Reads its log until a line has this text; returns the line.
    pub(super) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "the program said no `{text}`");
            self.address = self.address.or_else(|| address(&line));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Where it listens first.
    pub(super) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end, whoever else has its standard output.
    pub(super) fn code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }

    /// Waits for its end; what it said until then is the second.
    pub(super) fn exit(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.process.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program in the background, by its pid file. It is killed in the end, if it is still there.
pub(super) struct Daemon<'a> {
    program: &'a Program,
}

impl Daemon<'_> {
    pub(super) fn pid(&self) -> Pid {
        self.program.pid()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.program.read("log").lines().find_map(address).unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Ends it by SIGTERM and waits until it is gone.
    pub(super) fn stop(self) {
        let pid = self.pid();
        self.signal(Signal::TERM);
        wait_for_end(pid);
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.program.path("pid")).ok();
        let pid = pid.and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The address in a line of the log that says where the program listens.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(" address=")?;
    rest.split(' ').next()?.parse().ok()
}

/// Waits until a process has ended, whosever child it is.
pub(super) fn wait_for_end(pid: Pid) {
    let Ok(watched) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    let mut ended = [PollFd::new(&watched, PollFlags::IN)];
    let limit = rustix::event::Timespec::try_from(PATIENCE).unwrap();
    assert_eq!(
        poll(&mut ended, Some(&limit)).unwrap(),
        1,
        "process {pid} lives on"
    );
}

/// A connection to the program.
pub(super) struct Client<S> {
    stream: BufReader<S>,
    /// The process that serves it, its version, and the number of the worker.
    pub(super) pid: i32,
    pub(super) version: String,
    pub(super) worker: usize,
}

impl Client<TcpStream> {
    pub(super) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap()
    }

    pub(super) fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Self::greeted(stream)
    }
}

impl Client<std::os::unix::net::UnixStream> {
    pub(super) fn connect_unix(path: &Path) -> std::io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::greeted(stream)
    }
}

impl<S: Read + Write> Client<S> {
    fn greeted(stream: S) -> std::io::Result<Self> {
        let mut this = Self {
            stream: BufReader::new(stream),
            pid: 0,
            version: String::new(),
            worker: 0,
        };
        let greeting = this.try_hear()?;
        let words: Vec<&str> = greeting.split(' ').collect();
        let ["hi", pid, version, worker] = words.as_slice() else {
            return Err(std::io::Error::other(format!("it said `{greeting}`")));
        };
        this.pid = pid.parse().unwrap();
        this.version = (*version).to_owned();
        this.worker = worker.parse().unwrap();
        Ok(this)
    }

    pub(super) fn say(&mut self, line: &str) {
        self.stream
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// The next line; an empty one is the end.
    pub(super) fn hear(&mut self) -> String {
        self.try_hear().unwrap()
    }

    pub(super) fn try_hear(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Says something and hears it again.
    pub(super) fn ping(&mut self) -> std::io::Result<()> {
        self.stream.get_mut().write_all(b"ping\n")?;
        match self.try_hear()?.as_str() {
            "ping" => Ok(()),
            other => Err(std::io::Error::other(format!("it said `{other}`"))),
        }
    }
}

/// The values of a key in the status of every thread of a process (proc(5)).
pub(super) fn status_of_threads(pid: Pid, key: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let values = tasks.flatten().filter_map(|task| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    });
    values.collect()
}

/// The processes that a process has started.
pub(super) fn children(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let lists = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: String = lists.collect::<Vec<_>>().join(" ");
    let pids = all
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}

/// Limits how long an upgrade of the program may take.
pub(super) fn with_upgrade_limit(command: &mut Command, limit: Duration) {
    command.env(UPGRADE_MS, OsStr::new(&limit.as_millis().to_string()));
}
