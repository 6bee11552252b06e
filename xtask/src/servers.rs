//! Servers of ours, started for a test or a measurement and stopped for certain.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to listen, and to exit once told to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How often a child is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    child: Child,
    listening: Vec<String>,
    /// What it says beside that, until it ends.
    said: Receiver<String>,
}

impl Server {
    /// Starts a program and waits until it has printed `listening URL` so many times.
    pub(crate) fn start(name: &str, command: &mut Command, listeners: usize) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (sender, lines) = channel();
        let (saying, said) = channel();
        let mut server = Self {
            name: name.to_owned(),
            child,
            listening: Vec::new(),
            said,
        };
        let prefix = name.to_owned();
        // Reads until the end so that the server never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.starts_with("listening ") {
                    let _ = sender.send(line);
                } else {
                    println!("[{prefix}] {line}");
                    let _ = saying.send(line);
                }
            }
        });
        server.wait_for_listeners(&lines, listeners)?;
        Ok(server)
    }

    fn wait_for_listeners(&mut self, lines: &Receiver<String>, count: usize) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.listening.len() < count {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let url = line.split_whitespace().nth(1).unwrap_or_default();
                    self.listening.push(url.to_owned());
                }
                Err(RecvTimeoutError::Timeout) => bail!(
                    "{} printed {} of {count} `listening` lines in {PATIENCE:?}",
                    self.name,
                    self.listening.len()
                ),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    bail!("{} ended before it listened: {status}", self.name);
                }
            }
        }
        Ok(())
    }

    /// What it listens on, in the order it said.
    pub(crate) fn listening(&self) -> &[String] {
        &self.listening
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits; a server that does not obey is killed, which is an error.
    pub(crate) fn stop(self) -> Result<ExitStatus> {
        Ok(self.stop_and_read()?.0)
    }

    /// Like [`stop`](Self::stop), and returns what it has printed beside where it listens.
    pub(crate) fn stop_and_read(mut self) -> Result<(ExitStatus, Vec<String>)> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        match wait(&mut self.child, PATIENCE)? {
            // The pipe ends with the process, and the channel with the pipe.
            Some(status) => Ok((status, self.said.iter().collect())),
            None => bail!("{} ignored SIGTERM for {PATIENCE:?}", self.name),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child for so long; `None` when it is still running.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn collects_what_it_listens_on_and_stops_it() {
        // The trap comes first: the signal may follow the last line at once.
        let script = "trap 'echo bye; exit 7' TERM; echo starting; echo listening http://127.0.0.1:1; \
                      echo listening tcp://127.0.0.1:2; while :; do sleep 0.05; done";
        let server = Server::start("pair", &mut shell(script), 2).unwrap();
        assert_eq!(
            server.listening(),
            ["http://127.0.0.1:1", "tcp://127.0.0.1:2"]
        );
        assert!(server.id() > 0);
        let (status, said) = server.stop_and_read().unwrap();
        assert_eq!(status.code(), Some(7));
        assert_eq!(said, ["starting", "bye"]);
    }

    #[test]
    fn early_end_is_an_error() {
        let error = Server::start("dud", &mut shell("exit 2"), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "dud ended before it listened: exit status: 2"
        );
    }

    #[test]
    fn wait_gives_up() {
        let mut child = shell("exec sleep 30").spawn().unwrap();
        assert!(wait(&mut child, Duration::ZERO).unwrap().is_none());
        child.kill().unwrap();
        assert!(wait(&mut child, PATIENCE).unwrap().is_some());
    }
}
