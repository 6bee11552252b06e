//! Going into the background, and not before it works.
//!
//! The process that was called, the launcher, starts the program once more as the daemon, in a session without a
//! terminal, and stays until the daemon says that it serves or why it does not.

use std::io;

use super::channel::Message;
use super::child::Child;
use super::executable::Executable;
use super::exit::{EXIT_SOFTWARE, Exit};
use super::notify::WATCHDOG_PID_VARIABLE;
use super::null;
use super::role::Part;

/// Bits that a daemon takes from the permissions of new files unless `--umask` says otherwise, as `twistd` does: only its
/// user may read them.
pub const DEFAULT_DAEMON_UMASK: u32 = 0o077;

/// Starts the daemon and waits until it serves.
///
/// # Cancel safety
/// A daemon that does not serve yet ends when the future is dropped.
pub(crate) async fn launch(executable: &Executable) -> Result<(), Exit> {
    let mut command = executable.same();
    command.env_remove(WATCHDOG_PID_VARIABLE);
    let daemon = Child::spawn(command, Part::Daemon);
    let (mut daemon, channel) =
        daemon.map_err(|error| Exit::os("cannot start the daemon", &error))?;
    loop {
        match channel.receive().await {
            Ok(Some(Message::Ready)) => return Ok(()),
            Ok(Some(Message::Failed(exit))) => return Err(exit),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let status = match daemon.ended().await {
                    Ok(status) => status.to_string(),
                    Err(error) => error.to_string(),
                };
                let reason = format!("the daemon ended before it served: {status}");
                return Err(Exit::new(EXIT_SOFTWARE, reason));
            }
        }
    }
}

/// Leaves the session and the terminal of whoever started this process.
pub(crate) fn detach() -> Result<(), Exit> {
    let session = rustix::process::setsid().map_err(io::Error::from);
    session.map_err(|error| Exit::os("cannot leave the session", &error))?;
    Ok(())
}

/// Gives up standard output and error: whoever started the daemon hears of its end otherwise only when it ends.
pub(crate) fn close_streams() {
    let closed = null::open().and_then(|null| {
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        Ok(())
    });
    if let Err(error) = closed {
        tracing::warn!(%error, "cannot close the standard streams");
    }
}
