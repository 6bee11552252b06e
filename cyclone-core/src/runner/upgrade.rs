//! A new process of the program takes over from the old one, and no connection is lost in between.
//!
//! The old process starts what is at its path now and gives it the listening sockets, the locked pid file and the
//! socket for requests. Both accept from the same queues until the new one says that it serves; only then the old one
//! lets its connections end. A new process that says nothing in time, or ends, changes nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::time::timeout;

use super::channel::{Channel, Message};
use super::child::Child;
use super::executable::Executable;
use super::exit::Exit;
use super::notify::WATCHDOG_PID_VARIABLE;
use super::options::MAX_WORKERS;
use super::role::Part;
use super::worker::Set;

#[cfg(test)]
mod tests;

/// How long a new process may take until it serves, unless [`Runner::upgrade_timeout`](super::Runner::upgrade_timeout)
/// says otherwise.
pub const DEFAULT_UPGRADE_TIMEOUT: Duration = Duration::from_secs(60);

/// What the old process gives to the new one.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    /// What each worker of the old process listens on.
    pub(crate) sets: Vec<Set>,
    pub(crate) pid_file: Option<OwnedFd>,
    pub(crate) requests: Option<OwnedFd>,
}

impl Inheritance {
    /// Receives everything from the old process.
    pub(crate) async fn receive(channel: &Channel) -> Result<Self, Exit> {
        let mut this = Self::default();
        loop {
            let message = channel.receive().await;
            let message =
                message.map_err(|error| Exit::os("cannot read from the old process", &error))?;
            match message {
                Some(Message::Socket(worker, name, socket)) => {
                    this.hold(worker.saturating_add(1));
                    if let Some(set) = this.sets.get_mut(worker) {
                        set.push((name, socket));
                    }
                }
                Some(Message::PidFile(file)) => this.pid_file = Some(file),
                Some(Message::Control(socket)) => this.requests = Some(socket),
                Some(Message::Begin(workers, _)) => {
                    this.hold(workers);
                    return Ok(this);
                }
                Some(_) => {}
                None => {
                    return Err(Exit::os(
                        "the old process",
                        &io::ErrorKind::BrokenPipe.into(),
                    ));
                }
            }
        }
    }

    /// Makes room for the sets of so many workers: one may have no sockets, and the others keep their places.
    fn hold(&mut self, workers: usize) {
        let workers = workers.min(MAX_WORKERS);
        if self.sets.len() < workers {
            self.sets.resize_with(workers, Set::new);
        }
    }

    async fn send(self, channel: &Channel) -> io::Result<()> {
        let workers = self.sets.len();
        for (worker, set) in self.sets.into_iter().enumerate() {
            for (name, socket) in set {
                let message = Message::Socket(worker, name, socket);
                channel.send(&message).await?;
            }
        }
        if let Some(file) = self.pid_file {
            channel.send(&Message::PidFile(file)).await?;
        }
        if let Some(socket) = self.requests {
            channel.send(&Message::Control(socket)).await?;
        }
        channel.send(&Message::Begin(workers, 0)).await
    }
}

/// Starts a new process and waits until it serves; otherwise it is killed, and the reason is returned.
///
/// # Cancel safety
/// Dropping the future kills the new process.
pub(crate) async fn start(
    executable: Executable,
    inheritance: Inheritance,
    limit: Duration,
) -> Result<(Child, Channel), String> {
    let mut command = executable.newest();
    // The service manager watches whoever is the program, and that is not the process in the variable any more.
    command.env_remove(WATCHDOG_PID_VARIABLE);
    let started = Child::spawn(command, Part::Successor);
    let (mut child, channel) = started
        .map_err(|error| format!("cannot start {}: {error}", executable.path().display()))?;
    child.kill_on_drop(true);
    tracing::info!(pid = %child.pid(), "waiting for the new process");
    let ready = async {
        let sent = inheritance.send(&channel).await;
        // Why it did not take it says it itself, if it can.
        let said = ready(&channel).await;
        match (said, sent) {
            (Some(said), _) => said,
            (None, _) => Err(format!("it ended: {}", status(&mut child).await)),
        }
    };
    let ready = timeout(limit, ready).await;
    match ready {
        Ok(Ok(())) => Ok((child, channel)),
        Ok(Err(reason)) => {
            child.kill().await;
            Err(reason)
        }
        Err(_elapsed) => {
            child.kill().await;
            let seconds = limit.as_secs_f64();
            Err(format!(
                "it did not serve within {seconds} s, and was killed"
            ))
        }
    }
}

/// What the new process says; `None` when it ends without a word.
async fn ready(channel: &Channel) -> Option<Result<(), String>> {
    loop {
        match channel.receive().await {
            Ok(Some(Message::Ready)) => return Some(Ok(())),
            Ok(Some(Message::Failed(exit))) => return Some(Err(exit.reason().to_owned())),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

async fn status(child: &mut Child) -> String {
    match child.ended().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
