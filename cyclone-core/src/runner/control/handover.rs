//! Letting a new process take over while this one serves.

use std::future::pending;
use std::io;
use std::pin::Pin;

use rustix::process::{Pid, getpid};

use super::{Control, Parent, Progress};
use crate::runner::channel::{Channel, Message};
use crate::runner::child::Child;
use crate::runner::notify::Notify;
use crate::runner::pidfile::PidFile;
use crate::runner::requests::{Request, Requests};
use crate::runner::upgrade::{self, Inheritance};

type Outcome = Result<(Child, Channel), String>;

/// How far the new process is.
#[derive(Default)]
pub(super) struct Handover {
    starting: Option<Pin<Box<dyn Future<Output = Outcome>>>>,
    /// Who asked, and waits to hear how it goes.
    asker: Option<Request>,
    /// Who took over. The channel stays open as long as this process has connections.
    successor: Option<(Child, Channel)>,
}

impl Handover {
    /// Whether another process is the program.
    pub(super) fn is_done(&self) -> bool {
        self.successor.is_some()
    }

    /// Kills a new process that does not serve yet.
    pub(super) fn cancel(&mut self) {
        if self.starting.take().is_some() {
            tracing::warn!("the upgrade is given up");
        }
        self.asker = None;
    }

    /// What came of the start of a new process.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let Some(starting) = &mut self.starting else {
            return pending().await;
        };
        let outcome = starting.await;
        self.starting = None;
        outcome
    }
}

impl Control<'_> {
    /// Starts a new process; `asker` hears how it went.
    pub(super) async fn upgrade(&mut self, asker: Option<Request>, progress: &mut Progress) {
        let refusal = if progress.ends > 0 {
            Some("the program is shutting down".to_owned())
        } else if progress.handover.starting.is_some() {
            Some("an upgrade is already going on".to_owned())
        } else if matches!(self.parent, Parent::Predecessor(_)) {
            Some("the program is just taking over itself".to_owned())
        } else {
            cannot_leave(getpid())
        };
        let inheritance = match refusal {
            Some(reason) => Err(reason),
            None => self.inheritance().map_err(|error| error.to_string()),
        };
        match inheritance {
            Ok(inheritance) => {
                let executable = self.executable.clone();
                tracing::info!(path = %executable.path().display(), "starting a new process");
                let starting = upgrade::start(executable, inheritance, self.upgrade_timeout);
                progress.handover.starting = Some(Box::pin(starting));
                progress.handover.asker = asker;
            }
            Err(reason) => {
                tracing::warn!(reason, "no upgrade");
                if let Some(asker) = asker {
                    asker.answer(&Err(reason)).await;
                }
            }
        }
    }

    /// Goes when a new process serves, and stays when it does not.
    pub(super) async fn upgraded(&mut self, outcome: Outcome, progress: &mut Progress) {
        let asker = progress.handover.asker.take();
        let pid = match outcome {
            Ok((child, channel)) => Ok(self.step_down(child, channel, progress).await),
            Err(reason) => {
                tracing::error!(reason, "the new process failed, this one goes on");
                let status = format!("{}; upgrade failed: {reason}", self.status());
                self.notify.status(&status);
                Err(reason)
            }
        };
        if let Some(asker) = asker {
            asker.answer(&pid).await;
        }
    }

    async fn step_down(
        &mut self,
        mut child: Child,
        channel: Channel,
        progress: &mut Progress,
    ) -> Pid {
        let pid = child.pid();
        child.kill_on_drop(false);
        if let Some(pid_file) = self.pid_file.take()
            && let Err(error) = pid_file.write(pid)
        {
            // The new process writes it once more.
            tracing::debug!(%error, "cannot write the pid file");
        }
        // Only the process that was it can say who is. Afterwards it has nothing more to say.
        self.notify.main_process(pid);
        self.notify = Notify::default();
        self.requests = None;
        if let Err(error) = channel.send(&Message::Go).await {
            tracing::debug!(%error, "cannot tell the new process that it is the one");
        }
        progress.handover.successor = Some((child, channel));
        tracing::info!(%pid, "the new process serves");
        self.drain("a new process has taken over", progress);
        pid
    }

    fn inheritance(&self) -> io::Result<Inheritance> {
        let pid_file = self.pid_file.as_ref();
        let requests = self.requests.as_ref();
        Ok(Inheritance {
            sets: self.workers.hand_over()?,
            pid_file: pid_file.map(PidFile::share).transpose()?,
            requests: requests.map(Requests::share).transpose()?,
        })
    }
}

/// Why a process with this number cannot leave its work to another one, if so.
fn cannot_leave(own: Pid) -> Option<String> {
    let reason = "process 1 cannot be replaced: when it ends, all processes of the container do";
    own.is_init().then(|| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use rustix::process::Pid;

    use super::cannot_leave;

    /// pid_namespaces(7).
    #[test]
    fn the_first_process_of_a_container_stays() {
        assert!(cannot_leave(Pid::INIT).unwrap().contains("container"));
        assert_eq!(cannot_leave(Pid::from_raw(2).unwrap()), None);
    }
}
