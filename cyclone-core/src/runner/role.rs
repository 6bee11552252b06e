//! What a process of the program is for: the whole, or a part that another process of it has started.
//!
//! A part finds the [channel](super::channel) to the process that made it as its standard input, and a variable in its
//! environment says what it is. Environments are inherited by whatever the application starts, so the variable counts
//! only together with a channel that was made by the process that it names.

use std::env;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use rustix::net::sockopt::{socket_domain, socket_peercred, socket_type};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{getpid, getppid};

use super::null;

/// The variable in the environment of a part: its role and the process that made it.
pub(crate) const ROLE_VARIABLE: &str = "CYCLONE_RUNNER";

/// The variable with the process for which systemd made sockets (sd_listen_fds(3)).
const ACTIVATED_VARIABLE: &str = "LISTEN_PID";

/// The process that made this one, if one of the program did.
static MAKER: OnceLock<u32> = OnceLock::new();

/// What another process of the program started this one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// To serve in the background, started by a launcher that waits until it does.
    Daemon,
    /// To serve instead of the process that started it.
    Successor,
    /// To serve beside others.
    Worker,
}

impl Part {
    const ALL: [Self; 3] = [Self::Daemon, Self::Successor, Self::Worker];

    fn word(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Successor => "successor",
            Self::Worker => "worker",
        }
    }

    /// The value of the variable for a child of this process.
    pub(crate) fn variable(self) -> String {
        format!("{} {}", self.word(), getpid())
    }

    fn parse(variable: &str) -> Option<(Self, i32)> {
        let (word, parent) = variable.split_once(' ')?;
        let part = Self::ALL.into_iter().find(|part| part.word() == word)?;
        Some((part, parent.parse().ok()?))
    }
}

/// The role of this process and its channel; `None` for one that somebody else has started.
///
/// The standard input is `/dev/null` afterwards, so that nobody reads from the channel by mistake.
pub(crate) fn take() -> io::Result<Option<(Part, OwnedFd)>> {
    let Ok(variable) = env::var(ROLE_VARIABLE) else {
        return Ok(None);
    };
    let Some((part, parent)) = Part::parse(&variable) else {
        return Ok(None);
    };
    let input = io::stdin();
    if !is_channel_from(parent, input.as_fd()) {
        // Otherwise a part that cannot see what it is would be a whole program, and start parts in turn.
        return match getppid() {
            Some(maker) if maker.as_raw_pid() == parent => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the channel to it is not the standard input",
            )),
            _ => Ok(None),
        };
    }
    let channel = input.as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(null::open()?)?;
    let _ = MAKER.set(parent.unsigned_abs());
    Ok(Some((part, channel)))
}

/// Whether the sockets that systemd made for `process` are this process's: it is the one, or a part of its program,
/// which has them open under the same numbers.
pub(crate) fn is_activated(process: u32) -> bool {
    process == std::process::id() || MAKER.get() == Some(&process)
}

/// What a child finds in [`ACTIVATED_VARIABLE`], so that it has the sockets of this process.
pub(crate) fn activated() -> Option<(&'static str, String)> {
    let process = env::var(ACTIVATED_VARIABLE).ok()?.parse().ok()?;
    let own = std::process::id().to_string();
    is_activated(process).then_some((ACTIVATED_VARIABLE, own))
}

/// Whether `fd` is a channel whose other end was made by the process `parent`.
fn is_channel_from(parent: i32, fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    socket_domain(fd).is_ok_and(|domain| domain == AddressFamily::UNIX)
        && socket_type(fd).is_ok_and(|kind| kind == SocketType::SEQPACKET)
        && socket_peercred(fd).is_ok_and(|peer| peer.pid.as_raw_pid() == parent)
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

    use super::{Part, is_channel_from};
    use crate::runner::channel::Channel;

    #[test]
    fn the_variable_says_role_and_parent() {
        for part in Part::ALL {
            let own = getpid().as_raw_pid();
            assert_eq!(Part::parse(&part.variable()), Some((part, own)));
        }
        for wrong in ["", "daemon", "daemon x", "nobody 1", "daemon 1 2"] {
            assert_eq!(Part::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_channel_of_the_named_process_counts() {
        let own = getpid().as_raw_pid();
        let (channel, _other) = Channel::pair().unwrap();
        assert!(is_channel_from(own, &channel));
        assert!(!is_channel_from(own + 1, &channel));
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!is_channel_from(own, &stream));
        assert!(!is_channel_from(
            own,
            std::fs::File::open("/dev/null").unwrap()
        ));
    }
}
