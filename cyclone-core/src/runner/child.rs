//! A process of the program that another one has started, and the channel to it.

use std::io;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::channel::Channel;
use super::role::{self, Part, ROLE_VARIABLE};

/// A child; dropping it leaves the process alone, unless it was to be killed then.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    /// Some child has ended.
    some_ended: Signal,
    kill_on_drop: bool,
}

impl Child {
    /// Starts a process that finds its end of a new channel at its standard input; the other end is returned.
    pub(crate) fn spawn(mut command: Command, part: Part) -> io::Result<(Self, Channel)> {
        let some_ended = signal(SignalKind::child())?;
        let (ours, theirs) = Channel::pair()?;
        let mut process = command
            .envs(role::activated())
            .env(ROLE_VARIABLE, part.variable())
            .stdin(Stdio::from(theirs))
            .spawn()?;
        // The command has the other end; without it the channel would never say that the child is gone.
        drop(command);
        match Channel::new(ours) {
            Ok(channel) => {
                let child = Self {
                    process,
                    some_ended,
                    kill_on_drop: false,
                };
                Ok((child, channel))
            }
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Whether the process is killed when this is dropped; it is not unless told so.
    pub(crate) fn kill_on_drop(&mut self, yes: bool) {
        self.kill_on_drop = yes;
    }

    /// Waits until the process has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            self.some_ended.recv().await;
        }
    }

    /// Ends the process at once and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        let killed = self.process.kill();
        if let Err(error) = killed {
            tracing::warn!(pid = %self.pid(), %error, "cannot end a process");
        }
        let _ = self.ended().await;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has been waited for is not there any more, and is not killed.
        if self.kill_on_drop && self.process.kill().is_ok() {
            let _ = self.process.wait();
        }
    }
}
