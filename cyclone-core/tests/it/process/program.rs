//! The program that these tests run, and what they do with it.
//!
//! It is this test binary, of which one test is the `main` of the program. It lies in a folder of its own, where an
//! upgrade can find something else in its place.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use cyclone_core::runner::options::Program as Named;
use cyclone_core::runner::{BuildError, Process, Runner, Start, clap};
use cyclone_core::{
    Connection, Context, Server, Service, ServiceContext, ServiceError, protocol_fn,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{CHILD, is_child};

const MAIN: &str = "process::program::main";

/// The variable with the arguments of the program, which are not those of the test binary.
const ARGUMENTS: &str = "CYCLONE_CORE_TEST_ARGUMENTS";
const SEPARATOR: char = '\u{1f}';

/// How long an upgrade may take, in milliseconds.
const UPGRADE_MS: &str = "CYCLONE_CORE_TEST_UPGRADE_MS";

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
struct Options {
    /// What the program says of itself to everyone
    #[arg(long, default_value = "one")]
    version_name: String,
    /// What is wrong with the program
    #[arg(long)]
    trouble: Option<String>,
    /// Where a service connects to before it has started, and waits until it hears something
    #[arg(long)]
    gate: Option<PathBuf>,
    /// Where every reload is noted
    #[arg(long)]
    reloads: Option<PathBuf>,
}

/// The program; not a test of its own.
#[test]
fn main() {
    if !is_child(MAIN) {
        return;
    }
    let arguments = std::env::var(ARGUMENTS).unwrap();
    let arguments = arguments.split(SEPARATOR).filter(|text| !text.is_empty());
    let limit = std::env::var(UPGRADE_MS).map_or(PATIENCE, |limit| {
        Duration::from_millis(limit.parse().unwrap())
    });
    let code = Runner::new(Named::new("program"))
        .arguments(["program"].into_iter().chain(arguments))
        .upgrade_timeout(limit)
        .main(build);
    // The harness has exit codes of its own.
    let code = format!("{code:?}");
    let digits: String = code.chars().filter(char::is_ascii_digit).collect();
    std::process::exit(digits.parse().unwrap());
}

async fn build(start: Start<Options>) -> Result<Server, BuildError> {
    let options = start.args();
    match options.trouble.as_deref() {
        Some("error") => return Err("the database has another format".into()),
        Some("panic") => panic!("a mistake in the program"),
        Some("exit") => std::process::exit(7),
        _ => {}
    }
    if let Some(file) = options.reloads.clone() {
        let worker = start.worker();
        start.on_reload("note", move |settings| {
            let line = format!("worker {worker}: {}\n", settings.args.version_name);
            let file = fs::OpenOptions::new().append(true).create(true).open(&file);
            async move { Ok(file?.write_all(line.as_bytes())?) }
        });
        start.on_reload("broken", |_settings| async { Err("no such key".into()) });
    }
    let (name, worker) = (options.version_name.clone(), start.worker());
    let needy = options.trouble.as_deref() == Some("resource");
    let protocol = protocol_fn("program", move |connection: Connection| {
        talk(
            connection,
            format!("hi {} {name} {worker}\n", std::process::id()),
        )
    });
    let server = Server::new().listen_all(start.endpoints(), protocol);
    let server = match needy {
        true => server.listen(cyclone_core::Endpoint::loopback(0), Needy),
        false => server,
    };
    Ok(match options.gate.clone() {
        Some(path) => server.service(Gate(path)),
        None => server,
    })
}

/// Greets, says every line again, and good-bye when it is time.
async fn talk(mut connection: Connection, greeting: String) -> std::io::Result<()> {
    connection.write_all(greeting.as_bytes()).await?;
    let session = connection.session().clone();
    let process: Process = session.resources().get::<Process>().unwrap().clone();
    let (reader, mut writer) = tokio::io::split(connection);
    let mut lines = tokio::io::BufReader::new(reader).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            () = session.draining() => break,
        };
        match line.as_deref() {
            None => return Ok(()),
            Some("abort") => std::process::abort(),
            Some("block") => {
                writer.write_all(b"blocking\n").await?;
                std::thread::sleep(Duration::MAX);
            }
            Some("servers") => {
                let answer = format!("{}\n", process.servers().len());
                writer.write_all(answer.as_bytes()).await?;
            }
            Some("shutdown") => process.shutdown(),
            Some("reload") => process.reload(),
            Some("upgrade") => process.upgrade(),
            Some(line) => writer.write_all(format!("{line}\n").as_bytes()).await?,
        }
    }
    writer.write_all(b"bye\n").await?;
    writer.shutdown().await?;
    // What the peer has said meanwhile must not turn the good-bye into a reset.
    while lines.next_line().await?.is_some() {}
    Ok(())
}

/// A factory that needs what the server has not.
struct Needy;

impl cyclone_core::ProtocolFactory for Needy {
    type Protocol =
        cyclone_core::ProtocolFn<fn(Connection) -> std::future::Ready<std::io::Result<()>>>;

    fn build(&self, _peer: &cyclone_core::Peer) -> Option<Self::Protocol> {
        None
    }

    fn check(
        &self,
        resources: &cyclone_core::Resources,
    ) -> Result<(), cyclone_core::MissingResource> {
        resources.get::<Needy>().map(drop)
    }
}

/// A service that has not started until the other end of a socket says so.
struct Gate(PathBuf);

impl Service for Gate {
    fn name(&self) -> &str {
        "gate"
    }

    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        let mut stream = UnixStream::connect(&self.0).await?;
        stream
            .write_all(format!("{}\n", std::process::id()).as_bytes())
            .await?;
        stream.read_u8().await?;
        Ok(())
    }
}

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
