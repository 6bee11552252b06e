//! The socket beside the pid file at which `--upgrade` asks the running program, and hears how it went.

use std::fs;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen as listen_on, socket_with,
};
use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::exit::{EXIT_UNAVAILABLE, EXIT_USAGE, Exit};
use super::pidfile;

#[cfg(test)]
mod tests;

/// What the name of the socket has more than that of the pid file.
const SUFFIX: &str = ".control";

/// The one request there is.
const UPGRADE: &[u8] = b"upgrade\n";

/// Requests at a time.
const MAX_REQUESTS: usize = 16;

/// Clients that wait until one of those is done; further ones wait before they are connected.
const BACKLOG: i32 = 128;

/// How long a client may take to ask.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than the upgrade itself the answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Where requests are answered; dropping it closes the socket and leaves its file.
#[derive(Debug)]
pub(crate) struct Requests {
    path: PathBuf,
    socket: OwnedFd,
    listening: Option<(JoinHandle<()>, mpsc::Receiver<Request>)>,
}

/// Someone who wants an upgrade and waits to hear how it went.
#[derive(Debug)]
pub(crate) struct Request {
    stream: UnixStream,
}

impl Requests {
    /// Listens beside the pid file, which has to be ours. Only the user who started the program, and root, can connect.
    pub(crate) fn bind(pid_file: &Path) -> io::Result<Self> {
        let path = path(pid_file);
        // It is left over: who has the lock of the pid file is alone.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // Before it has a name (unix(7)): in between somebody could connect, or put another file there.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        bind(&socket, &SocketAddrUnix::new(&path)?)?;
        listen_on(&socket, BACKLOG)?;
        Ok(Self {
            path,
            socket,
            listening: None,
        })
    }

    /// The socket of the predecessor, who answers until he says that this process is the program.
    pub(crate) fn inherit(pid_file: &Path, socket: OwnedFd) -> Self {
        Self {
            path: path(pid_file),
            socket,
            listening: None,
        }
    }

    /// Begins to take requests.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        let listener = std::os::unix::net::UnixListener::from(self.socket.try_clone()?);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let (sender, received) = mpsc::channel(1);
        self.listening = Some((tokio::spawn(listen(listener, sender)), received));
        Ok(())
    }

    /// The next request.
    ///
    /// # Cancel safety
    /// No request is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Request> {
        match &mut self.listening {
            Some((_, received)) => received.recv().await,
            None => pending().await,
        }
    }

    /// The listening socket, for a successor.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    /// Closes the socket and removes its file.
    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "cannot remove a socket file");
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        if let Some((listening, _)) = &self.listening {
            listening.abort();
        }
    }
}

impl Request {
    /// Tells how the upgrade went.
    pub(crate) async fn answer(mut self, outcome: &Result<Pid, String>) {
        let text = match outcome {
            Ok(pid) => format!("ok {pid}\n"),
            Err(reason) => format!("failed {reason}\n"),
        };
        let answered = timeout(ASK_TIMEOUT, self.stream.write_all(text.as_bytes()));
        if !matches!(answered.await, Ok(Ok(()))) {
            tracing::debug!("who asked for the upgrade does not hear how it went");
        }
    }
}

async fn listen(listener: UnixListener, sender: mpsc::Sender<Request>) {
    let permits = Arc::new(Semaphore::new(MAX_REQUESTS));
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot take requests");
                tokio::time::sleep(ASK_TIMEOUT).await;
                continue;
            }
        };
        let sender = sender.clone();
        tokio::spawn(async move {
            let asked = timeout(ASK_TIMEOUT, asked(stream)).await;
            if let Ok(Ok(Some(request))) = asked {
                let _ = sender.send(request).await;
            }
            drop(permit);
        });
    }
}

async fn asked(mut stream: UnixStream) -> io::Result<Option<Request>> {
    let mut text = [0; UPGRADE.len()];
    stream.read_exact(&mut text).await?;
    Ok((text == UPGRADE).then_some(Request { stream }))
}

/// Asks the running program to let a new process take over; returns that process once it serves.
pub(crate) async fn upgrade(pid_file: Option<&Path>, limit: Duration) -> Result<i32, Exit> {
    let Some(pid_file) = pid_file else {
        let reason = "`--upgrade` finds the running program by its `--pidfile`";
        return Err(Exit::new(EXIT_USAGE, reason));
    };
    let failed = |reason: String| Exit::new(EXIT_UNAVAILABLE, reason);
    let owner = pidfile::owner(pid_file).map_err(|error| error.exit(pid_file))?;
    if owner.is_none() {
        let path = pid_file.display();
        return Err(failed(format!("no program runs by pid file {path}")));
    }
    let path = path(pid_file);
    let asking = async {
        let mut stream = UnixStream::connect(&path).await?;
        stream.write_all(UPGRADE).await?;
        let mut answer = String::new();
        stream
            .take(MAX_ANSWER_BYTES)
            .read_to_string(&mut answer)
            .await?;
        io::Result::Ok(answer)
    };
    let answer = match timeout(limit.saturating_add(ANSWER_TIMEOUT), asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(failed(format!("{}: {error}", path.display()))),
        Err(_elapsed) => return Err(failed("the running program does not answer".to_owned())),
    };
    match answer.trim_end().split_once(' ') {
        Some(("ok", pid)) if pid.parse::<i32>().is_ok() => Ok(pid.parse().unwrap_or_default()),
        Some(("failed", reason)) => Err(failed(reason.to_owned())),
        _ => Err(failed("the running program has ended".to_owned())),
    }
}

fn path(pid_file: &Path) -> PathBuf {
    let mut path = pid_file.as_os_str().to_owned();
    path.push(SUFFIX);
    path.into()
}
